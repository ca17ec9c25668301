"""The `%tci` lines at the top of a cell, which the kernel handles itself.

- `lines` finds them and completes them; `group` runs them and names what is wrong with them.
- `report` is how they show what they found: short text, and a tidy table.
- `progress` shows how far a transfer is; `names` has the types of arguments that name something.
- Each other module holds commands: `sessions`, `settings`, `files`, `variables`.

Nothing here is imported before a cell has such a line.
"""
