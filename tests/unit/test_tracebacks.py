r"""The error text of a failed cell becomes the name, the message and the traceback of an error.

Three kinds of texts are tried: ones that the installed IPython and Python print during the test,
recorded ones of older IPython versions, and arbitrary ones.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.session.direct.tracebacks import ParsedError, parse_error

Link = Callable[[BaseException, BaseException], BaseException]

NO_TEXT = "the interpreter reported an error without any text"
RULE = "-" * 75


def name_and_message(text: str) -> tuple[str, str]:
    """Parse a text, check its traceback, and return the other two parts."""
    parsed = parse_error(text)
    assert "\n".join(parsed.traceback) == text
    return parsed.ename, parsed.evalue


def raised(error: BaseException) -> BaseException:
    """Return the exception with a traceback, as one that a cell raised has."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - KeyboardInterrupt and groups as well
        return caught


def chained(first: BaseException, last: BaseException) -> BaseException:
    last.__context__ = first
    return last


def caused(first: BaseException, last: BaseException) -> BaseException:
    last.__cause__ = first
    return last


def python_prints(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


# --------------------------------------------------------------------------------------------
# What the installed IPython prints

# Runs in a process of its own, as a shell changes the interpreter it lives in.
RUN_CELLS = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell

failures = []

def record(etype, evalue, stb):
    message = evalue.msg if isinstance(evalue, SyntaxError) else str(evalue)
    failures.append([etype.__name__, message, "\\n".join(stb)])

shell = InteractiveShell.instance()
shell._showtraceback = record
wanted = json.load(sys.stdin)
for mode, colors in wanted["styles"]:
    shell.run_line_magic("xmode", mode)
    shell.run_line_magic("colors", colors)
    for cell in wanted["cells"]:
        shell.run_cell(cell)
print(json.dumps(failures))
"""

# Parts: exception reporting mode, colours.
IPYTHON_STYLES = [
    ("Context", "linux"),
    ("Context", "neutral"),
    ("Context", "nocolor"),
    ("Verbose", "linux"),
    ("Plain", "lightbg"),
    ("Plain", "nocolor"),
    ("Minimal", "nocolor"),
]

# Each cell fails. The name and the message to expect are those of the exception itself, apart
# from the place of a syntax error, which str() adds and the text states elsewhere.
FAILING_CELLS = {
    "undefined name": "undefined",
    "syntax error": "x = = 1",
    "wrong indentation": "def f():\n    x\n  y",
    "tabs and spaces": "if 1:\n\tx\n        y",
    "syntax error in executed text": "exec('x = = 1')",
    "syntax error while handling": "try:\n    1/0\nexcept Exception:\n    exec('x = = 1')",
    "while handling a syntax error": "try:\n    exec('=')\nexcept Exception:\n    1/0",
    "explicit cause": "try:\n    1/0\nexcept Exception as e:\n    raise KeyError('k') from e",
    "cause that was not raised": "raise ValueError('last') from KeyError('first')",
    "same class twice": "raise ValueError('last') from ValueError('first')",
    "empty message": "assert 0",
    "interrupt": "raise KeyboardInterrupt",
    "exit": "raise SystemExit(3)",
    "exit without a code": "raise SystemExit",
    "class of a module": "import configparser\nconfigparser.ConfigParser().get('s', 'o')",
    "class of a function": "def f():\n    class L(Exception): pass\n    raise L('x: y')\nf()",
    "unicode": "class Ошибка(Exception): pass\nraise Ошибка('ü: 漢字 🐍')",
    "name as wide as the header": "raise type('E' * 80, (Exception,), {})('wide')",
    "several lines": "raise ValueError('one\\n\\nTypeError: two\\n  three')",
    "line of its own name": "raise ValueError('one\\nValueError: two')",
    "leading line breaks": "raise ValueError('\\n\\nlate')",
    "leading spaces": "raise ValueError('  wide')",
    "recursion": "def f():\n    f()\nf()",
    "three in a chain": (
        "try:\n    try:\n        1/0\n    except Exception:\n        raise KeyError('k')\n"
        "except Exception:\n    raise ValueError('last')"
    ),
    "value shown on several lines": (
        "class Value:\n    def __repr__(self): return 'Value:\\nKeyError: no'\n"
        "def f(value):\n    return 1 / value\nf(Value())"
    ),
}


@pytest.fixture(scope="module")
def ipython_failures(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], list[str]]:
    """Return the name, message and text of every failing cell in every style."""
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN_CELLS],
        input=json.dumps({"styles": IPYTHON_STYLES, "cells": list(FAILING_CELLS.values())}),
        env={**os.environ, "IPYTHONDIR": str(tmp_path_factory.mktemp("ipython"))},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    keys = [(*style, cell) for style in IPYTHON_STYLES for cell in FAILING_CELLS]
    failures = json.loads(finished.stdout.splitlines()[-1])
    return dict(zip(keys, failures, strict=True))


@pytest.mark.parametrize("cell", FAILING_CELLS)
@pytest.mark.parametrize(("mode", "colors"), IPYTHON_STYLES)
def test_reads_what_ipython_prints(
    ipython_failures: dict[tuple[str, ...], list[str]], mode: str, colors: str, cell: str
) -> None:
    ename, evalue, text = ipython_failures[mode, colors, cell]
    assert ("\x1b[" in text) == (colors != "nocolor")
    assert name_and_message(text) == (ename, evalue)


def test_message_may_quote_a_chained_plain_traceback_below_an_ipython_header() -> None:
    quoted = python_prints(chained(raised(ValueError("inner")), raised(KeyError("k")))).rstrip()
    frame = "Cell In[1], line 3\n----> 3 raise JobError(report)"
    text = f"{RULE}\nJobError      Traceback (most recent call last)\n{frame}\n\nJobError: {quoted}"
    assert name_and_message(text) == ("JobError", quoted)


@pytest.mark.parametrize("name", ["stop", "s" * 80])
def test_name_below_a_header_may_start_with_a_lower_case_letter(name: str) -> None:
    header = f"{name:<42}Traceback (most recent call last)"
    assert name_and_message(f"{RULE}\n{header}\nCell In[1], line 1\n\n{name}: x") == (name, "x")


def test_message_of_an_ipython_traceback_may_be_missing() -> None:
    text = (
        f"{RULE}\nOddError      Traceback (most recent call last)\nCell In[1], line 1\n----> 1 f()"
    )
    assert name_and_message(text) == ("OddError", "")


# --------------------------------------------------------------------------------------------
# What plain Python prints


def failed_to_parse_json() -> BaseException:
    try:
        json.loads("{")
    except json.JSONDecodeError as error:
        return error
    raise AssertionError


def failed_to_compile(source: str) -> BaseException:
    try:
        compile(source, "<cell>", "exec")
    except SyntaxError as error:
        return error
    raise AssertionError


def local_error() -> BaseException:
    class LocalError(Exception):
        class InnerError(Exception):
            pass

    return LocalError.InnerError("of a function")


GROUP = ExceptionGroup("two", [ValueError("a"), ExceptionGroup("in", [KeyError("b")])])
JSON_MESSAGE = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
QUOTED_TRACEBACK = python_prints(raised(KeyError("quoted"))).rstrip()


@pytest.mark.parametrize(
    ("error", "ename", "evalue"),
    [
        pytest.param(KeyError("k"), "KeyError", "'k'", id="simple"),
        pytest.param(KeyboardInterrupt(), "KeyboardInterrupt", "", id="no-message"),
        pytest.param(ValueError("a: b: c"), "ValueError", "a: b: c", id="colons"),
        pytest.param(failed_to_parse_json(), "JSONDecodeError", JSON_MESSAGE, id="module"),
        pytest.param(local_error(), "InnerError", "of a function", id="class-in-function"),
        pytest.param(failed_to_compile("x = = 1"), "SyntaxError", "invalid syntax", id="syntax"),
        pytest.param(
            failed_to_compile(" x"), "IndentationError", "unexpected indent", id="indentation"
        ),
        pytest.param(
            failed_to_compile("if 1:\n\tx\n        y"),
            "TabError",
            "inconsistent use of tabs and spaces in indentation",
            id="tabs",
        ),
        pytest.param(
            ValueError("one\nTypeError: two\n  three\n\nfour"),
            "ValueError",
            "one\nTypeError: two\n  three\n\nfour",
            id="several-lines",
        ),
        pytest.param(ValueError("\n\nlate"), "ValueError", "\n\nlate", id="leading-line-breaks"),
        pytest.param(
            RuntimeError(f"job failed:\n{QUOTED_TRACEBACK}"),
            "RuntimeError",
            f"job failed:\n{QUOTED_TRACEBACK}",
            id="quoted-traceback",
        ),
        pytest.param(GROUP, "ExceptionGroup", "two (2 sub-exceptions)", id="group"),
        pytest.param(
            ExceptionGroup("one\n\nKeyError: two", [ValueError("a")]),
            "ExceptionGroup",
            "one\n\nKeyError: two (1 sub-exception)",
            id="group-with-several-lines",
        ),
        pytest.param(
            BaseExceptionGroup("stop", [KeyboardInterrupt()]),
            "BaseExceptionGroup",
            "stop (1 sub-exception)",
            id="base-group",
        ),
    ],
)
def test_reads_what_python_prints(error: BaseException, ename: str, evalue: str) -> None:
    assert name_and_message(python_prints(raised(error))) == (ename, evalue)


@pytest.mark.parametrize("link", [chained, caused])
@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        pytest.param(
            raised(KeyError("k")), raised(ValueError("last")), ("ValueError", "last"), id="both"
        ),
        pytest.param(
            ValueError("first"), raised(ValueError("last")), ("ValueError", "last"), id="unraised"
        ),
        pytest.param(
            failed_to_compile("x = = 1"), raised(KeyError("k")), ("KeyError", "'k'"), id="syntax"
        ),
        pytest.param(
            raised(KeyError("k")),
            failed_to_compile("x = = 1"),
            ("SyntaxError", "invalid syntax"),
            id="to-syntax",
        ),
        pytest.param(
            raised(GROUP), raised(ValueError("last")), ("ValueError", "last"), id="from-group"
        ),
        pytest.param(
            raised(KeyError("k")),
            raised(ExceptionGroup("last", [ValueError("a")])),
            ("ExceptionGroup", "last (1 sub-exception)"),
            id="to-group",
        ),
    ],
)
def test_last_exception_of_a_chain_wins(
    link: Link, first: BaseException, last: BaseException, expected: tuple[str, str]
) -> None:
    assert name_and_message(python_prints(link(first, last))) == expected


@pytest.mark.parametrize("link", [chained, caused])
def test_last_exception_of_a_longer_chain_wins(link: Link) -> None:
    first_two = link(raised(KeyError("first")), raised(TypeError("second")))
    text = python_prints(link(first_two, raised(ValueError("last"))))
    assert name_and_message(text) == ("ValueError", "last")


def test_chain_cut_before_its_last_exception_is_named_after_the_one_before() -> None:
    text = python_prints(chained(raised(KeyError("k")), raised(ValueError("last"))))
    cut = text[: text.rindex("Traceback")]
    assert parse_error(cut).ename == "KeyError"


def test_notes_follow_the_message() -> None:
    error = ValueError("message")
    error.add_note("note: one")
    assert name_and_message(python_prints(raised(error))) == ("ValueError", "message\nnote: one")


def test_indented_traceback_in_a_message_is_part_of_it() -> None:
    quoted = "\n".join("    " + line for line in QUOTED_TRACEBACK.splitlines())
    message = f"the job failed:\n{quoted}"
    assert name_and_message(f"JobError: {message}") == ("JobError", message)


def test_traceback_may_follow_other_text() -> None:
    text = f"Failure: the cell failed:\n{QUOTED_TRACEBACK}\n"
    assert name_and_message(text) == ("KeyError", "'quoted'")


# --------------------------------------------------------------------------------------------
# Recorded texts

IPYTHON_7 = f"""\
{RULE}
ZeroDivisionError                         Traceback (most recent call last)
<ipython-input-3-c877e6eaaf5d> in <module>
      3 try:
----> 4     f(0)
      5 except Exception as e:

<ipython-input-3-c877e6eaaf5d> in f(v)
      1 def f(v):
----> 2     return 1 / v
      3 try:

ZeroDivisionError: division by zero

The above exception was the direct cause of the following exception:

KeyError                                  Traceback (most recent call last)
<ipython-input-3-c877e6eaaf5d> in <module>
      4     f(0)
      5 except Exception as e:
----> 6     raise KeyError('k\\nm: n') from e

KeyError: 'k\\nm: n'"""

IPYTHON_7_COLOURED = (
    f"\x1b[1;31m{RULE}\x1b[0m\n"
    "\x1b[1;31mNameError\x1b[0m                                 Traceback (most recent call last)\n"
    "\x1b[1;32m<ipython-input-9-1929c75f0506>\x1b[0m in \x1b[0;36m<module>\x1b[1;34m\x1b[0m\n"
    "\x1b[1;32m----> 1\x1b[1;33m \x1b[0mx\x1b[0m\x1b[1;33m\x1b[0m\x1b[1;33m\x1b[0m\x1b[0m\n"
    "\x1b[0m\n"
    "\x1b[1;31mNameError\x1b[0m: name 'x' is not defined"
)

IPYTHON_7_SYNTAX_ERROR = (
    '\x1b[1;36m  File \x1b[1;32m"<ipython-input-2-1197c20a9c92>"\x1b[1;36m, '
    "line \x1b[1;32m1\x1b[0m\n"
    "\x1b[1;33m    x = = 1\x1b[0m\n"
    "\x1b[1;37m        ^\x1b[0m\n"
    "\x1b[1;31mSyntaxError\x1b[0m\x1b[1;31m:\x1b[0m invalid syntax\n"
)

IPYTHON_8 = f"""\
{RULE}
NameError                                 Traceback (most recent call last)
Input In [1], in <cell line: 1>()
----> 1 x

NameError: name 'x' is not defined"""

IPYTHON_8_COLOURED = (
    f"\x1b[1;31m{RULE}\x1b[0m\n"
    "\x1b[1;31mNameError\x1b[0m                                 Traceback (most recent call last)\n"
    "Input \x1b[1;32mIn [9]\x1b[0m, in \x1b[0;36m<cell line: 1>\x1b[1;34m()\x1b[0m\n"
    "\x1b[1;32m----> 1\x1b[0m \x1b[43mx\x1b[49m\n"
    "\n"
    "\x1b[1;31mNameError\x1b[0m: name 'x' is not defined"
)

IPYTHON_8_SYNTAX_ERROR = """\
  Input In [2]
    x = = 1
        ^
SyntaxError: invalid syntax
"""

IPYTHON_9_SYNTAX_ERROR = """\
  Cell In[2], line 1
    x = = 1
        ^
SyntaxError: invalid syntax
"""

IPYTHON_EXIT = """\
An exception has occurred, use %tb to see the full traceback.

SystemExit: 3
"""

PYTHON = """\
Traceback (most recent call last):
  File "<stdin>", line 1, in <module>
__main__.MyError: mine
"""

PYTHON_SYNTAX_ERROR = """\
  File "<stdin>", line 1
    x = = 1
        ^
SyntaxError: invalid syntax
"""

PYTHON_GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "<stdin>", line 1, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "<stdin>", line 1, in <module>
    | KeyError: 'b'
    +------------------------------------
"""


@pytest.mark.parametrize(
    ("text", "ename", "evalue"),
    [
        pytest.param(IPYTHON_7, "KeyError", r"'k\nm: n'", id="ipython-7"),
        pytest.param(
            IPYTHON_7_COLOURED, "NameError", "name 'x' is not defined", id="ipython-7-coloured"
        ),
        pytest.param(
            IPYTHON_7_SYNTAX_ERROR, "SyntaxError", "invalid syntax", id="ipython-7-syntax"
        ),
        pytest.param(IPYTHON_8, "NameError", "name 'x' is not defined", id="ipython-8"),
        pytest.param(
            IPYTHON_8_COLOURED, "NameError", "name 'x' is not defined", id="ipython-8-coloured"
        ),
        pytest.param(
            IPYTHON_8_SYNTAX_ERROR, "SyntaxError", "invalid syntax", id="ipython-8-syntax"
        ),
        pytest.param(
            IPYTHON_9_SYNTAX_ERROR, "SyntaxError", "invalid syntax", id="ipython-9-syntax"
        ),
        pytest.param(IPYTHON_EXIT, "SystemExit", "3", id="exit"),
        pytest.param(PYTHON, "MyError", "mine", id="python"),
        pytest.param(PYTHON_SYNTAX_ERROR, "SyntaxError", "invalid syntax", id="python-syntax"),
        pytest.param(PYTHON_GROUP, "ExceptionGroup", "two (2 sub-exceptions)", id="python-group"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_reads_recorded_texts_with_either_line_end(
    text: str, ename: str, evalue: str, line_end: str
) -> None:
    assert name_and_message(text.replace("\n", line_end)) == (ename, evalue)


@pytest.mark.parametrize(
    ("text", "ename", "evalue"),
    [
        ("ValueError: bad", "ValueError", "bad"),
        ("ValueError: bad\r\nworse\r\n", "ValueError", "bad\nworse"),
        ("ValueError: one\nTypeError: two", "ValueError", "one\nTypeError: two"),
        ("ValueError:   wide  ", "ValueError", "  wide  "),
        ("\n\nValueError: bad\n\n", "ValueError", "bad"),
        ("\x1b[0;31mValueError\x1b[0m\x1b[0;31m:\x1b[0m \x1b[1mbad\x1b[0m", "ValueError", "bad"),
        ("KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("KeyboardInterrupt: ", "KeyboardInterrupt", ""),
        ("AssertionError:\n", "AssertionError", ""),
        ("Interrupted\nafter 60 s", "Interrupted", "after 60 s"),
        ("UsageError: Line magic function `%x` not found.", "UsageError",
         "Line magic function `%x` not found."),
        ("json.decoder.JSONDecodeError: a: b", "JSONDecodeError", "a: b"),
        ("f.<locals>.MyError: mine", "MyError", "mine"),
        ("Ошибка: да", "Ошибка", "да"),
    ],
)  # fmt: skip
def test_reads_a_line_outside_any_traceback(text: str, ename: str, evalue: str) -> None:
    assert name_and_message(text) == (ename, evalue)


@pytest.mark.parametrize(
    ("text", "evalue"),
    [
        ("Execution timed out after 60 s", "Execution timed out after 60 s"),
        ("Execution failed.\n  Out of memory: 8 GB \r\n\r\n", "Out of memory: 8 GB"),
        ("\x1b[31mkilled\x1b[0m", "killed"),
        ("note: hello", "note: hello"),
        ("os.error: hello", "os.error: hello"),
        ("http://host/path", "http://host/path"),
        (r"C:\path", r"C:\path"),
        ('{"Code": 7}', '{"Code": 7}'),
        ("X-Cause: none", "X-Cause: none"),
        ("Traceback (most recent call last):\n  File ...", "File ..."),
        ("Traceback (most recent call last):\n", "Traceback (most recent call last):"),
        ("  + Exception Group Traceback (most recent call last):\n  |   cut", "|   cut"),
    ],
)
def test_text_without_an_exception_is_an_error_with_its_last_line(text: str, evalue: str) -> None:
    assert name_and_message(text) == ("Error", evalue)


@pytest.mark.parametrize("text", ["", " ", "\n", "\r\n\t\r\n"])
def test_blank_text_is_an_error_that_says_so(text: str) -> None:
    assert parse_error(text) == ParsedError("Error", NO_TEXT, [f"Error: {NO_TEXT}"])


def test_text_of_colours_alone_has_no_message() -> None:
    assert name_and_message("\x1b[0m\n\x1b[39m") == ("Error", NO_TEXT)


def test_message_loses_its_colours_but_the_traceback_keeps_them() -> None:
    parsed = parse_error("\x1b[31mValueError\x1b[0m: \x1b[1mone\x1b[0m\ntwo")
    assert parsed == ParsedError(
        "ValueError", "one\ntwo", ["\x1b[31mValueError\x1b[0m: \x1b[1mone\x1b[0m", "two"]
    )


# --------------------------------------------------------------------------------------------
# Arbitrary texts

# Pieces of tracebacks reach deeper than characters alone would.
PIECES = [
    "\n",
    "\r\n",
    "\n\n",
    "\x1b[31m",
    "Traceback (most recent call last):\n",
    "ValueError     Traceback (most recent call last)\n",
    "  + Exception Group Traceback (most recent call last):\n",
    "  | ",
    "\n  +-+---",
    "ValueError",
    ": ",
    ".",
    "During handling of the above exception, another exception occurred:\n\n",
    "The above exception was the direct cause of the following exception:\n\n",
]
CHARACTERS = st.characters(exclude_categories=())
TEXTS = st.text(CHARACTERS) | st.lists(st.sampled_from(PIECES) | st.text(CHARACTERS)).map("".join)


@given(TEXTS)
def test_any_text_has_a_name_and_joins_back(text: str) -> None:
    parsed = parse_error(text)
    assert parsed.ename
    assert "\x1b[31m" not in parsed.ename + parsed.evalue
    assert not parsed.evalue.endswith(("\r", "\n"))
    if text.strip():
        assert "\n".join(parsed.traceback) == text
    else:
        assert parsed.traceback == [f"Error: {NO_TEXT}"]


IDENTIFIERS = st.text(
    st.characters(categories=["L", "M", "Nd", "Nl", "Pc"]), min_size=1, max_size=90
).filter(str.isidentifier)
MODULES = st.sampled_from(["builtins", "__main__", "package.module", "my-script"])
ENCLOSING = st.sampled_from(["", "Outer.", "f.<locals>.", "<lambda>.<locals>."])
# Line ends are the only part of a message that a text cannot give back exactly.
MESSAGES = st.text(st.characters(exclude_characters="\r\x1b", exclude_categories=["Cs"])).filter(
    lambda message: not message.endswith("\n")
)


@dataclass
class MadeUpError:
    """An exception of a made-up class, with what is expected of its text."""

    error: Exception
    expected: tuple[str, str]


@st.composite
def made_up_errors(draw: st.DrawFn) -> MadeUpError:
    name, message = draw(IDENTIFIERS), draw(MESSAGES)
    places = {"__module__": draw(MODULES), "__qualname__": draw(ENCLOSING) + name}
    error_class = type(name, (Exception,), places)
    error = error_class(message)
    raised(error)
    return MadeUpError(error, (name, message))


@given(made_up_errors())
def test_any_raised_exception_is_read_back(made_up: MadeUpError) -> None:
    assert name_and_message(python_prints(made_up.error)) == made_up.expected


@given(st.sampled_from([chained, caused]), made_up_errors(), made_up_errors())
def test_last_of_any_two_chained_exceptions_is_read_back(
    link: Link, first: MadeUpError, last: MadeUpError
) -> None:
    text = python_prints(link(first.error, last.error))
    assert name_and_message(text) == last.expected


# Python puts the margin of a group after every one of these as if they were line ends.
OTHER_LINE_ENDS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@given(made_up_errors())
def test_any_group_is_read_back(made_up: MadeUpError) -> None:
    message = made_up.expected[1].translate(dict.fromkeys(map(ord, OTHER_LINE_ENDS), " "))
    group = raised(ExceptionGroup(message, [made_up.error]))
    expected = ("ExceptionGroup", f"{message} (1 sub-exception)")
    assert name_and_message(python_prints(group)) == expected


# --------------------------------------------------------------------------------------------
# Time

HEADER = "Traceback (most recent call last):\n"
LINK = "During handling of the above exception, another exception occurred:\n\n"


@pytest.mark.parametrize(
    ("start", "repeated", "end"),
    [
        pytest.param("", "a", " x", id="one-word"),
        pytest.param("", "a.", " x", id="one-dotted-word"),
        pytest.param("a", " ", "x", id="spaces"),
        pytest.param("", "\n", "x", id="blank-lines"),
        pytest.param("", "a\n", "", id="short-lines"),
        pytest.param("", "\r", "x", id="carriage-returns"),
        pytest.param("\x1b[", "0", "", id="colour-without-end"),
        pytest.param("", "\x1b[", "", id="colours-without-end"),
        pytest.param("", LINK, "", id="links"),
        pytest.param("", HEADER, "", id="headers"),
        pytest.param("Name Traceback (most recent call last)\n", LINK, "", id="ipython-links"),
        pytest.param("Name Traceback (most recent call last)\n", "a\n", "", id="ipython-lines"),
    ],
)
def test_long_text_takes_time_in_proportion_to_its_length(
    start: str, repeated: str, end: str
) -> None:
    text = start + repeated * (1_000_000 // len(repeated)) + end
    began = time.perf_counter()
    name_and_message(text)
    # About 0.1 s is usual; time that grows with the square of the length would be minutes.
    assert time.perf_counter() - began < 2
