"""Another step."""

print("more")
