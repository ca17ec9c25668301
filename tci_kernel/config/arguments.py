"""Sifts a kernel's command line: what is wrong in it must not keep the kernel from starting.

traitlets ends the process over such arguments, before anybody can read why: a client shows nothing
of a kernel that does not start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from traitlets.config import Config
from traitlets.config.loader import DeferredConfigString

from tci_kernel.config.settings import COMMAND_LINE, Catalogue

_OWN = ("-h", "--help", "--help-all", "-V", "--version")


def sift(
    argv: Sequence[str], aliases: Mapping[str, str], flags: Iterable[str], catalogue: Catalogue
) -> tuple[list[str], list[str]]:
    """The arguments that can be used, and a line for each that can't.

    Args:
        argv: all arguments.
        aliases: the setting that each short option means.
        flags: the options that take no value.
        catalogue: what can be set.
    """
    good: list[str] = []
    problems: list[str] = []
    ahead = list(argv)
    while ahead:
        argument = ahead.pop(0)
        if not argument.startswith("-") or argument in _OWN:
            good.append(argument)
            continue
        name, equals, value = argument.lstrip("-").partition("=")
        taken = [argument]
        takes_value = name not in flags and (name in aliases or "." in name)
        if takes_value and not equals and ahead and not ahead[0].startswith("-"):
            taken.append(ahead.pop(0))
            equals, value = "=", taken[1]
        given = value if equals else None
        problem = _misuse(name, given, aliases, flags)
        if problem is None and name not in flags:
            problem = _mistake(aliases.get(name, name), value, catalogue)
        if problem is None:
            good += taken
        else:
            problems.append(problem)
    return good, problems


def _misuse(
    name: str, value: str | None, aliases: Mapping[str, str], flags: Iterable[str]
) -> str | None:
    """What is wrong with how an option is given, in a line; None if nothing is."""
    if name in flags:
        return None if value is None else _line(f"--{name} takes no value.")
    if "." not in aliases.get(name, name):
        from difflib import get_close_matches  # noqa: PLC0415 - few starts need it

        close = get_close_matches(name, [*aliases, *flags], n=1)
        hint = f" Did you mean '--{close[0]}'?" if close else ""
        return _line(f"there is no option '--{name}'.{hint}")
    return _line(f"--{name} needs a value.") if value is None else None


def _mistake(full_name: str, value: str, catalogue: Catalogue) -> str | None:
    """What is wrong with a setting and its value, in a line; None if nothing is."""
    config = Config()
    *sections, trait = full_name.split(".")
    section = config
    for part in sections:
        section = section[part]
    section[trait] = DeferredConfigString(value)
    return next(iter(catalogue.checked(config, COMMAND_LINE)[1]), None)


def _line(text: str) -> str:
    return f"{COMMAND_LINE}: {text}"
