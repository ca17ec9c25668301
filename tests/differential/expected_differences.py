"""The cells that differ today, by cause.

A cell that differs for no listed cause fails, and so does a listed cause that makes no difference
any more. Whatever makes the kernels more alike takes cells off this list.
"""

from tests.differential.causes import Cause

# By topic, the titles of cells.
EXPECTED: dict[Cause, dict[str, list[str]]] = {
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
    Cause.MIME_TYPE: {
        "displays": [
            "JSON of a list",
            "text as a list of lines",
        ],
    },
    Cause.ONLY_IN_REPLY: {
        "coroutines": [
            "a group of tasks that fails",
        ],
    },
    Cause.HISTORY: {
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
    },
    Cause.ONE_ERROR: {
        "errors": [
            "a failing str",
        ],
    },
    Cause.DISPLAY_FAILED: {
        "values": [
            "a repr that fails",
        ],
        "displays": [
            "a method that fails",
        ],
    },
}


def causes_of(topic: str, title: str) -> set[Cause]:
    """Why a cell differs; empty where it should not."""
    return {cause for cause, cells in EXPECTED.items() if title in cells.get(topic, ())}
