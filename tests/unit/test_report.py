"""How commands show what they found: lines that fit, and nothing lost of what they say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.commands.report import facts, message, table, titled
from tci_kernel.core.messages import Message
from tci_kernel.core.text import WIDTH

WORDS = st.lists(st.text("abc", min_size=1, max_size=20), min_size=1).map(" ".join)


def text(shown: Message) -> str:
    plain: str = shown.content["data"]["text/plain"]
    return plain


def html(shown: Message) -> str:
    marked: str = shown.content["data"]["text/html"]
    return marked


def test_a_message_is_text_and_paragraph() -> None:
    shown = message("a < b\nc")
    assert text(shown) == "a < b\nc"
    assert html(shown) == "<p>a &lt; b<br>c</p>"


def test_a_table_has_its_columns_one_below_the_other() -> None:
    shown = table(("Name", "Size"), [("a", "1 B"), ("longer", "2 kB")], "Nothing.")
    assert text(shown) == "Name    Size\na       1 B\nlonger  2 kB"
    assert ">longer</td>" in html(shown)
    assert text(table(("Name",), [], "Nothing.")) == "Nothing."
    assert text(titled("Two:", shown)).splitlines()[:2] == ["Two:", "Name    Size"]


def test_what_is_too_long_for_a_line_goes_on_in_its_column() -> None:
    lines = text(facts([("Session", "ses_x"), ("Round trip", "word " * 30)])).splitlines()
    assert lines[0] == "Session     ses_x"
    assert len(lines) > 2
    assert all(line.startswith(" " * 12 + "word") for line in lines[2:])


def test_a_word_that_is_too_long_stays_whole() -> None:
    name = "x" * 200
    assert name in text(message(f"Removed {name}."))
    assert name in text(table(("Name", "Size"), [(name, "1 B")], ""))


@given(st.lists(st.tuples(st.just("%tci x"), WORDS, st.just("1 B")), min_size=1))
def test_lines_fit_and_no_word_is_lost(rows: list[tuple[str, str, str]]) -> None:
    lines = text(table(("Command", "Does", "Size"), rows, "")).splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    said = " ".join(lines).split()
    assert [word for word in said if set(word) <= set("abc")] == [
        word for _, words, _ in rows for word in words.split()
    ]


def test_what_a_terminal_would_obey_is_shown_with_escapes() -> None:
    odd = "\x1b]0;title\x07\x1b[31mred\r\u202e"
    shown = [
        message(odd),
        facts([("Session", odd), (odd, "x")]),
        table(("Name",), [(odd,)], "Nothing."),
    ]
    for one in shown:
        for written in (text(one), html(one)):
            assert "\\x1b]0;title\\x07\\x1b[31mred\\r\\u202e" in written
            assert all(letter.isprintable() or letter == "\n" for letter in written)
