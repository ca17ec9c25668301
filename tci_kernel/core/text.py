"""How durations, sizes, moments and foreign text are written for people to read."""

from __future__ import annotations

import re
import textwrap
from datetime import UTC, datetime

# Characters of a line. JupyterLab breaks those beyond 90 in the middle of a word.
WIDTH = 88

# Days beyond which a duration says nothing to anybody: some 270 years.
LONGEST_DAYS = 99_999

_NEXT_UNIT = 1000

_ANSI_CODE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def duration(seconds: float) -> str:
    """A duration as people write it: 42 s, 3 min 5 s, 2 h 10 min, 30 d 0 h.

    A service may name any number of seconds: beyond `LONGEST_DAYS` it is not written out.
    """
    if seconds >= LONGEST_DAYS * 86_400:
        return f"more than {LONGEST_DAYS} d"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def moment(time: datetime | None) -> str:
    """A time and how far it is from now."""
    if time is None:
        return "not known"
    seconds = (time - datetime.now(UTC)).total_seconds()
    distance = f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S} ({distance})"


def size(count: int) -> str:
    """A number of bytes: 17 B, 4.0 MB."""
    number = float(count)
    for unit in ("B", "kB", "MB"):
        if number < _NEXT_UNIT:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _NEXT_UNIT
    return f"{number:.1f} GB"


def printable(text: str) -> str:
    """Text with escapes in place of what does not print, such as a terminal's controls."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def without_colours(text: str) -> str:
    """Text without the codes by which a terminal colours it."""
    return _ANSI_CODE.sub("", text)


def wrapped(text: str, *, indent: int = 0) -> str:
    """Text in lines of at most `WIDTH` characters; a longer word stays whole.

    Args:
        text: in lines, each of which is wrapped by itself.
        indent: characters that will stand before the first line.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        room = " " * (indent if not lines else 0)
        if len(room) + len(line) <= WIDTH:
            lines.append(line)
            continue
        parts = textwrap.wrap(
            line, WIDTH, initial_indent=room, break_long_words=False, break_on_hyphens=False
        )
        lines += [parts[0][len(room) :], *parts[1:]] if parts else [""]
    return "\n".join(lines)
