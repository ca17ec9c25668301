"""Writes into the documents what is made from the code. Run as `make docs`."""

from __future__ import annotations

from pathlib import Path

from tci_kernel import failures, settings
from tci_kernel.traits import EnvironmentText
from tests.differential.expected_differences import table as differences

DIRECTORY = Path(__file__).parent


def configuration() -> str:
    """The settings, by class."""
    lines: list[str] = []
    for cls in settings.classes():
        lines += [f"## {cls.__name__}", "", (cls.__doc__ or "").partition("\n")[0], ""]
        for name, trait in settings.traits(cls).items():
            kind = trait.info() + (" or None" if trait.allow_none else "")
            lines += [f"### `{cls.__name__}.{name}`", "", trait.help, ""]
            lines += [f"- takes: {kind}", f"- default: `{trait.default_value!r}`"]
            if isinstance(trait, EnvironmentText):
                lines.append(f"- in the environment: `{trait.variable}`")
            lines.append("")
    return "\n".join(lines[:-1]) + "\n"


# Of each page, what stands after its mark.
PAGES = {
    "configuration.md": ("<!-- made from the classes' traits -->\n\n", configuration),
    "failures.md": ("<!-- made from tci_kernel/failures.py -->\n\n", failures.table),
    "differences.md": ("<!-- made from tests/differential -->\n\n", differences),
}


def generated(name: str) -> str:
    """A page as it should be: its own text, and what is made from the code."""
    mark, make = PAGES[name]
    text, _, _ = (DIRECTORY / name).read_text().partition(mark)
    return text + mark + make()


if __name__ == "__main__":
    for page in PAGES:
        (DIRECTORY / page).write_text(generated(page))
