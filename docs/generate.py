"""Writes into the documents what is made from the code. Run as `make docs`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from inspect import cleandoc
from pathlib import Path

import click

from tci_kernel.api.events import Clear, Display, Error, Reply, Result, Stream, Value
from tci_kernel.api.sync_client import Client
from tci_kernel.api.sync_session import Session
from tci_kernel.api.transfers import Transferred
from tci_kernel.cli.common import CATALOGUE
from tci_kernel.cli.root import commands
from tci_kernel.client import failures
from tci_kernel.client.schema import SessionInfo
from tci_kernel.commands.run import tci
from tci_kernel.config import settings
from tci_kernel.config.traits import EnvironmentText
from tci_kernel.transfer.listing import Entry
from tests.differential.expected_differences import table as differences

DIRECTORY = Path(__file__).parent

# What an iteration of events gives, beside messages of Jupyter's.
EVENTS = (Stream, Display, Value, Clear, Error, Reply)


def configuration() -> str:
    """The settings, by class."""
    lines: list[str] = []
    for cls in CATALOGUE.classes():
        lines += [f"## {cls.__name__}", "", (cls.__doc__ or "").partition("\n")[0], ""]
        for name, trait in settings.traits(cls).items():
            kind = trait.info() + (" or None" if trait.allow_none else "")
            lines += [f"### `{cls.__name__}.{name}`", "", trait.help, ""]
            lines += [f"- takes: {kind}", f"- default: `{trait.default_value!r}`"]
            if isinstance(trait, EnvironmentText):
                lines.append(f"- in the environment: `{trait.variable}`")
            lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def magics() -> str:
    """The commands of `%tci`."""
    lines = [line for name in sorted(tci.commands) for line in _reference(tci, name, "%tci")]
    return "\n".join(lines[:-1]) + "\n"


def command_line() -> str:
    """The commands of `tci-kernel`, but for the one that only kernelspecs use."""
    names = [name for name in commands.commands if name != "kernel"]
    lines = [line for name in names for line in _reference(commands, name, "tci-kernel")]
    return "\n".join(lines[:-1]) + "\n"


def _reference(group: click.Group, name: str, program: str) -> Iterator[str]:
    """How a command is called, and what it and its options do, as its own help has it."""
    made = group.commands[name]
    context = click.Context(made)
    records = [p.get_help_record(context) for p in made.params if isinstance(p, click.Option)]
    options = [record for record in records if record is not None]
    pieces = made.collect_usage_pieces(context)
    call = [program, name, *(piece for piece in pieces if options or piece != "[OPTIONS]")]
    yield from (f"## `{program} {name}`", "", "```text", " ".join(call), "```", "")
    yield from (cleandoc(made.help or ""), "")
    yield from (f"- `{option}`: {' '.join(text.split())}" for option, text in options)
    if options:
        yield ""


def python_api() -> str:
    """The classes of the Python API: what can be called, and what that gives."""
    lines: list[str] = []
    for cls, name in ((Client, "client"), (Session, "session")):
        lines += [f"## `{cls.__name__}`", "", _first_line(cls), ""]
        lines += ["| call | what it does |", "| --- | --- |"]
        lines += [f"| `{call}` | {about} |" for call, about in _calls(cls, name)]
        lines.append("")
    kept = (Result, Transferred, Entry, SessionInfo)
    for title, classes in (("Events", EVENTS), ("What calls give", kept)):
        lines += [f"## {title}", "", "| class | fields | what it is |", "| --- | --- | --- |"]
        for record in classes:
            names = ", ".join(f"`{field.name}`" for field in fields(record))
            lines.append(f"| `{record.__name__}` | {names} | {_first_line(record)} |")
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def _calls(cls: type, name: str) -> Iterator[tuple[str, str]]:
    """How a class and its methods are called, each with the first line of its docstring."""
    if cls is Client:
        yield _call(cls.__name__, cls), "Makes it; sends nothing."
    for method, function in vars(cls).items():
        if isinstance(function, property):
            yield f"{name}.{method}", _first_line(function)
        elif inspect.isfunction(function) and not method.startswith("_"):
            yield _call(f"{name}.{method}", function), _first_line(function)


def _call(name: str, called: Callable[..., object]) -> str:
    """A call as it is written, without types."""
    taken = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(called).parameters.values()
        if parameter.name != "self"
    ]
    return f"{name}{inspect.Signature(taken)}"


def _first_line(described: object) -> str:
    return (inspect.getdoc(described) or "").partition("\n")[0].partition(" See `")[0]


def modules() -> str:
    """What each module of the package is for, a table for each of its directories."""
    package = Path(settings.__file__).parents[1]
    tables = []
    for directory in sorted({path.parent for path in package.rglob("*.py")}):
        about = _summary(directory / "__init__.py")
        lines = [f"### `{directory.relative_to(package.parent).as_posix()}/`", "", about, ""]
        lines += ["| module | what it is for |", "| --- | --- |"]
        lines += [
            f"| `{path.name}` | {_summary(path)} |"
            for path in sorted(directory.glob("*.py"))
            if path.name != "__init__.py"
        ]
        tables.append("\n".join(lines) + "\n")
    return "\n".join(tables)


def _summary(path: Path) -> str:
    """The first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


# Of each page, what stands after its mark.
PAGES = {
    "architecture.md": ("<!-- made from the modules' docstrings -->\n\n", modules),
    "command-line.md": ("<!-- made from the commands of tci_kernel/cli -->\n\n", command_line),
    "configuration.md": ("<!-- made from the classes' traits -->\n\n", configuration),
    "failures.md": ("<!-- made from tci_kernel/client/failures.py -->\n\n", failures.table),
    "differences.md": ("<!-- made from tests/differential -->\n\n", differences),
    "python.md": ("<!-- made from the classes of tci_kernel/api -->\n\n", python_api),
    "tci.md": ("<!-- made from the commands of tci_kernel/commands -->\n\n", magics),
}


def generated(name: str) -> str:
    """A page as it should be: its own text, and what is made from the code."""
    mark, make = PAGES[name]
    text, _, _ = (DIRECTORY / name).read_text().partition(mark)
    return text + mark + make()


if __name__ == "__main__":
    for page in PAGES:
        (DIRECTORY / page).write_text(generated(page))
