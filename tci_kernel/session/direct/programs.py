"""Reads what a program of the kernel's own, run in the session, has answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tci_kernel.client.schema import decoded
from tci_kernel.core.errors import InvalidAnswer, RemoteCallFailed
from tci_kernel.core.messages import Message
from tci_kernel.remote.calls import BEGIN, END


def answer(messages: Sequence[Message]) -> Any:
    """What a program's `main` returned, from the messages of its call, its reply last.

    Raises:
        RemoteCallFailed: an exception ended it, or the interpreter did not run it.
        InvalidAnswer: there is no answer among the messages.
    """
    ended = messages[-1].content
    if ended["status"] == "error":
        raise RemoteCallFailed("exception", f"{ended['ename']}: {ended['evalue']}")
    printed = "".join(
        message.content["text"]
        for message in messages
        if message.type == "stream" and message.content["name"] == "stdout"
    )
    _, begin, rest = printed.partition(BEGIN)
    text, end, _ = rest.partition(END.rstrip("\n"))
    if not begin or not end:
        raise InvalidAnswer(
            "The session did not answer.",
            advice="If your code has replaced sys.stdout, put it back.",
        )
    try:
        reply = decoded(text)
    except ValueError as error:
        raise InvalidAnswer(f"The session's answer can't be read: {error}") from error
    if not isinstance(reply, dict):
        raise InvalidAnswer("The session's answer can't be read.")
    if "value" in reply:
        return reply["value"]
    raise RemoteCallFailed(str(reply.get("code")), str(reply.get("text")))
