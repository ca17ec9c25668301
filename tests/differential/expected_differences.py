"""The cells that differ today, by cause, where they are run directly. Live, one does, by a hint.

A cell that differs for no listed cause fails, and so does a listed cause that makes no difference
any more. Whatever makes the kernels more alike takes cells off this list.
"""

from enum import Enum

from tests.differential.causes import Cause


class Way(Enum):
    """How our kernels run the cells."""

    LOCAL = "live on `tci-local`"
    REMOTE = "live on `tci`"
    DIRECT = "directly"


# By topic, the titles of cells.
EXPECTED: dict[Cause, dict[str, list[str]]] = {
    Cause.HINT: {
        "errors": [
            "a missing module",
        ],
    },
    Cause.HELPER: {
        "errors": [
            "a failing str",
            "an endless recursion",
        ],
    },
    Cause.COMM: {
        "interactive": [
            "a comm opened, used and closed",
        ],
        "tqdm": [
            "with widgets, tqdm.auto shows a bar of them",
        ],
    },
    Cause.STDIN: {
        "interactive": [
            "input that is answered",
            "a password that is answered",
            "the debugger, left at once",
            "input",
            "input with nobody to answer",
        ],
    },
    Cause.STALE_TRACEBACK: {
        "coroutines": [
            "a group of tasks that fails",
        ],
    },
    Cause.HIDDEN_NUMBER: {
        "hidden": [
            "a value in hidden code",
        ],
    },
    Cause.WIDGET: {
        "displays": [
            "a widget's view beside its text",
        ],
        "interactive": [
            "a progress bar of widgets is only its text",
        ],
        "tqdm": [
            "with widgets, tqdm.auto shows a bar of them",
        ],
    },
    Cause.NONE_TYPE: {
        "values": [
            "a repr that fails",
        ],
        "displays": [
            "a method that fails",
        ],
    },
}


def causes_of(topic: str, title: str, way: Way) -> set[Cause]:
    """Why a cell differs; empty where it should not."""
    found = {cause for cause, cells in EXPECTED.items() if title in cells.get(topic, ())}
    return found if way is Way.DIRECT else found & {Cause.HINT}


def table() -> str:
    """The differences as the document lists them: why, and in which cells they are seen."""
    rows = [
        f"| {cause.reason} | "
        + "; ".join(f"{topic}: {title}" for topic, cells in topics.items() for title in cells)
        + " |"
        for cause, topics in EXPECTED.items()
    ]
    head = ["| what, and why | seen in these cells |", "| --- | --- |"]
    return "\n".join([*head, *rows]) + "\n"
