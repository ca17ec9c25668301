"""Asks the user for a line of text in the notebook, without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import zmq
from jupyter_client.session import Session

# Seconds between two looks for the reply. The base class waits in a blocking loop instead, which
# no interrupt message could end.
_INTERVAL = 0.05

# What a client sends for the end of input.
_EOF = "\x04"


async def ask(
    session: Session,
    stdin: zmq.Socket[bytes],
    asker: Mapping[str, Any],
    client: bytes,
    prompt: str,
    *,
    password: bool,
) -> str:
    """Ask the client that sent a request.

    Args:
        session: signs and reads the messages.
        stdin: the stdin channel.
        asker: the request that is being handled.
        client: the ZeroMQ identity of who sent it.
        prompt: what the user reads.
        password: whether the typing is hidden.

    Returns:
        what was typed; empty at the end of input.
    """
    while session.recv(stdin, zmq.NOBLOCK)[1] is not None:
        pass  # an answer to an earlier question, which nobody waits for any more
    content = {"prompt": prompt, "password": password}
    session.send(stdin, "input_request", content, dict(asker), ident=client)
    while True:
        _, reply = session.recv(stdin, zmq.NOBLOCK)
        if reply is not None:
            value = str(reply["content"].get("value", ""))
            return "" if value == _EOF else value
        await asyncio.sleep(_INTERVAL)
