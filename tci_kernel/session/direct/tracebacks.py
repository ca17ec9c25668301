"""Turn the text of a failed cell into the three parts of a Jupyter error.

The service reports a failure as one string whose form it does not document. It may be what
IPython prints, what plain Python prints, one ``Name: message`` line, or no exception at all.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from tci_kernel.core.text import without_colours

_UNKNOWN_NAME = "Error"
_NO_TEXT = "the interpreter reported an error without any text"

# IPython pads the class name and "Traceback" to a fixed width, so a long name leaves no space.
_IPYTHON_HEADER = r"(?P<name>[^\s:]+?) *Traceback \(most recent call last\)$"
_PLAIN_HEADER = r"(?P<group>  \+ Exception Group )?Traceback \(most recent call last\):$"
_HEADER = re.compile(rf"^(?:{_IPYTHON_HEADER}|{_PLAIN_HEADER})", re.MULTILINE)

_CHAIN_LINK = (
    r"^(?:The above exception was the direct cause of the following exception"
    r"|During handling of the above exception, another exception occurred):\n\n"
)
_PLAIN_LINK = re.compile(rf"{_CHAIN_LINK}(?=.*\S)", re.MULTILINE)
_IPYTHON_LINK = re.compile(rf"{_CHAIN_LINK}(?={_IPYTHON_HEADER})", re.MULTILINE)

# "module.f.<locals>.Name: message", "Name:" or "Name". What follows the match is the message.
_EXCEPTION_LINE = re.compile(
    r"^(?:[^\s:]*\.)?(?P<name>[^\s:.]+)(?:: |:$|\n|\Z)",
    re.MULTILINE,
)


class ParsedError(NamedTuple):
    """The fields of a Jupyter ``error`` message."""

    ename: str
    evalue: str
    traceback: list[str]


def parse_error(text: str) -> ParsedError:
    r"""Return the exception's class name, its message and the traceback lines of an error text.

    The traceback joined with ``"\n"`` is the text itself, colours included, because frontends
    join it that way; only a blank text gets a line of its own so that something is shown. The
    name and the message are those of the last exception of a chain, or of the outermost
    exception group, without colours. A text that holds no exception is named ``Error`` and its
    last line is the message.

    Notes added to an exception count as part of its message: the text does not tell them apart.
    """
    plain = without_colours(text).replace("\r\n", "\n")
    no_exception = (_UNKNOWN_NAME, _last_line(plain) or _NO_TEXT)
    ename, evalue = _find_exception(_last_of_chain(plain)) or no_exception
    traceback = text.split("\n") if text.strip() else [f"{ename}: {evalue}"]
    return ParsedError(ename, evalue, traceback)


def _last_of_chain(text: str) -> str:
    """Return the part of the text that reports the last exception of a chain.

    IPython heads every exception of a chain with its name. Below such a header a link without
    one belongs to a plain traceback that the message quotes, so it does not end the message.
    """
    header = _HEADER.search(text)
    link = _IPYTHON_LINK if header and header["name"] else _PLAIN_LINK
    start = max((match.end() for match in link.finditer(text)), default=0)
    return text[start:]


def _find_exception(text: str) -> tuple[str, str] | None:
    """Return the name and the message of the exception that the text reports, if it does.

    The first header counts, not the last: with the chain already cut, a later header can only
    be quoted by the message, as it is when a job in another process failed.
    """
    header = _HEADER.search(text)
    if header is None:
        return _first_exception_line(text, _looks_like_class)
    body = text[header.end() :]
    name = header["name"]
    if name:
        # A message that cannot be turned into a string has no line with the name.
        return _first_exception_line(body, lambda found: found == name) or (name, "")
    if header["group"]:
        body = _outermost_of_group(body)
    return _first_exception_line(body, lambda _: True)


def _first_exception_line(text: str, accepts: Callable[[str], bool]) -> tuple[str, str] | None:
    """Return the name on the first unindented exception line, and all the text after the name."""
    for match in _EXCEPTION_LINE.finditer(text):
        if accepts(match["name"]):
            return match["name"], text[match.end() :].rstrip("\r\n")
    return None


def _looks_like_class(name: str) -> bool:
    """Tell a class name from the label of an ordinary line such as ``note: hello``."""
    return name.isidentifier() and name[0].isupper()


def _outermost_of_group(body: str) -> str:
    """Return an exception group's own traceback, without the margin and the sub-exceptions."""
    return body.partition("\n  +-")[0].replace("\n  | ", "\n")


def _last_line(text: str) -> str:
    """Return the last line of the text that is not blank."""
    return text.rstrip().rpartition("\n")[2].strip()
