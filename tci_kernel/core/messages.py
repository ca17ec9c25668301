"""What a cell produces: Jupyter's messages, each as one value that nobody changes.

A way of running cells yields them as they come, and the kernel publishes them. The last one of a
cell is its `execute_reply`, which is not published: it becomes the reply to the cell's request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tci_kernel.core.errors import TCIError
from tci_kernel.core.text import wrapped

_WIDGET = "application/vnd.jupyter.widget-view+json"


# What `debugInfo` says where no debugger has been started, with all fields that ipykernel has.
NO_DEBUGGER: Mapping[str, Any] = {
    "isStarted": False,
    "hashMethod": "Murmur2",
    "hashSeed": 0,
    "tmpFilePrefix": "",
    "tmpFileSuffix": ".py",
    "breakpoints": [],
    "stoppedThreads": [],
    "richRendering": True,
    "exceptionPaths": [],
    "copyToGlobals": True,
}


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the Jupyter protocol, without the fields that whoever sends it adds.

    Attributes:
        type: such as `stream` or `complete_request`.
        content: as the protocol has it for the type.
        metadata: the message's own, which is seldom used.
        buffers: binary data beside the content.
        parent: the header of the request that it belongs to, where that is not the running cell.
    """

    type: str
    content: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    buffers: Sequence[bytes] = ()
    parent: Mapping[str, Any] | None = None


def stream(name: str, text: str) -> Message:
    """Text printed to `stdout` or `stderr` (`name`)."""
    return Message("stream", {"name": name, "text": text})


def display(
    data: Mapping[str, Any],
    metadata: Mapping[str, Any] | None = None,
    transient: Mapping[str, Any] | None = None,
    *,
    update: bool = False,
) -> Message:
    """A MIME bundle that code displayed.

    Args:
        data: by MIME type.
        metadata: such as an image's width; by MIME type.
        transient: what is not kept, such as the id by which the display is updated.
        update: whether it takes the place of earlier displays with its id.
    """
    content = {"data": data, "metadata": metadata or {}, "transient": transient or {}}
    return Message("update_display_data" if update else "display_data", content)


def result(
    data: Mapping[str, Any], number: int, metadata: Mapping[str, Any] | None = None
) -> Message:
    """The MIME bundle of a cell's value, with the cell's number."""
    content = {"data": data, "metadata": metadata or {}, "execution_count": number}
    return Message("execute_result", content)


def clear_output(*, wait: bool = False) -> Message:
    """What the cell has shown is wiped: at once, or when the next output comes (`wait`)."""
    return Message("clear_output", {"wait": wait})


def error(ename: str, evalue: str, traceback: Sequence[str]) -> Message:
    """An error: in the user's code, or on the way there and back.

    Args:
        ename: the exception's name.
        evalue: its text.
        traceback: texts that a client joins with line ends; may hold ANSI colours.
    """
    return Message("error", {"ename": ename, "evalue": evalue, "traceback": list(traceback)})


def error_of(exception: BaseException) -> Message:
    """An error without a stack of ours: what happened, what was lost, what to do next.

    Our own texts are wrapped; those of others pass as they are.
    """
    ename, text = type(exception).__name__, str(exception)
    if isinstance(exception, TCIError):
        ename = exception.ename
        text = wrapped(text, indent=len(f"{ename}: "))
    return error(ename, text, [f"{ename}: {text}"])


def reply(
    number: int,
    failure: Message | None = None,
    *,
    payload: Sequence[Mapping[str, Any]] = (),
    user_expressions: Mapping[str, Any] | None = None,
) -> Message:
    """How a cell ended.

    Args:
        number: the cell's.
        failure: the `error` that ended it.
        payload: such as the text of a pager.
        user_expressions: their values.
    """
    content = {
        "status": "ok" if failure is None else "error",
        **(failure.content if failure is not None else {}),
        "execution_count": number,
        "payload": list(payload),
        "user_expressions": user_expressions or {},
    }
    return Message("execute_reply", content)


def no_values(expressions: Iterable[str]) -> dict[str, Any]:
    """What a reply says of `user_expressions` where nobody can be asked for their values."""
    content = error_of(NotImplementedError("the session can't be asked")).content
    return {name: {"status": "error", **content} for name in expressions}


def no_debugger(request: Mapping[str, Any], why: str) -> dict[str, Any]:
    """The content of the reply to a `debug_request` where there is no debugger.

    Clients ask for `debugInfo` whenever a notebook gets the focus, and take a refusal badly.

    Args:
        request: its content.
        why: for the user to read.
    """
    response = {
        "type": "response",
        "request_seq": request.get("seq", 0),
        "success": request.get("command") == "debugInfo",
        "command": request.get("command", ""),
    }
    if response["success"]:
        return {**response, "body": NO_DEBUGGER}
    return {**response, "message": why}


def without_widget(bundle: Mapping[str, Any]) -> Mapping[str, Any]:
    """A MIME bundle as it came, but for a widget's view, where no comm is behind it.

    A client would show an error in place of the text beside it.
    """
    if _WIDGET in bundle and len(bundle) > 1:
        return {mime: data for mime, data in bundle.items() if mime != _WIDGET}
    return bundle
