"""The channels to an interpreter: opened, and read without what nobody here asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.session import DELIM

# Seconds that an interpreter has to start.
START_TIMEOUT = 60.0

# Seconds between looks for the sockets of an interpreter that starts.
_SOCKET_INTERVAL = 0.005

# Milliseconds that it may be silent before its process is looked at.
_ANSWER_INTERVAL = 100

# Bytes of a message, of which there is one for all that was printed between two flushes. ZeroMQ
# ends a connection that brings a longer one, and makes another.
MOST_MESSAGE = 256_000_000

# What comes of reading a message that is not what the protocol says. Code can nest its data
# without limit, and write to the sockets itself.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    Attributes:
        type: such as `stream` or `execute_reply`.
        parent_id: the id of the request that it belongs to.
        content: as its type has it, unchecked.
    """

    type: str
    parent_id: str | None
    content: dict[str, Any]


async def connect(manager: AsyncKernelManager, context: zmq.asyncio.Context) -> AsyncKernelClient:
    """Open the channels to an interpreter that has been launched, and wait until it answers.

    Raises:
        RuntimeError: it ended, or took too long.
    """
    # Left to itself, the client would make a ZeroMQ context, with a thread, of its own.
    client: AsyncKernelClient = manager.client(context=context)
    try:
        async with asyncio.timeout(START_TIMEOUT):
            await _wait_for_sockets(manager)
            client.start_channels(stdin=False, hb=False)
            await _wait_for_answer(client, manager)
    except TimeoutError as error:
        client.stop_channels()
        raise RuntimeError(f"it did not answer in {START_TIMEOUT:.0f} seconds") from error
    except BaseException:
        client.stop_channels()
        raise
    return client


async def _wait_for_sockets(manager: AsyncKernelManager) -> None:
    """Wait for the sockets. ZeroMQ itself would look only ten times a second."""
    sockets = [Path(f"{manager.ip}-{port}") for port in (manager.shell_port, manager.iopub_port)]
    while not all(socket.exists() for socket in sockets):
        await _check_alive(manager)
        await asyncio.sleep(_SOCKET_INTERVAL)


async def _wait_for_answer(client: AsyncKernelClient, manager: AsyncKernelManager) -> None:
    """Ask until it answers, and what it publishes comes through too.

    The client's own way ends with a fifth of a second without messages.
    """
    while True:
        client.kernel_info()
        while not await client.shell_channel.socket.poll(_ANSWER_INTERVAL):
            await _check_alive(manager)
        await receive(client.shell_channel)
        if await client.iopub_channel.socket.poll(_ANSWER_INTERVAL):
            return


async def _check_alive(manager: AsyncKernelManager) -> None:
    if not await manager.is_alive():
        raise RuntimeError("it ended before it answered")


async def receive(
    channel: AsyncZMQSocketChannel, skips: Callable[[str], bool] = lambda _type: False
) -> Message:
    """Wait for a channel's next message.

    The channel's own way polls before it reads, and makes objects of all dates, which takes three
    times as long.

    Args:
        channel: the channel.
        skips: whether nobody asks what messages of a type say. Their content is empty then: code
            may print faster than it can be read.

    Raises:
        one of UNREADABLE: it is not what the protocol says.
        EOFError: the channel is closed; nothing will come.
    """
    jupyter_session = channel.session
    if channel.socket is None:
        raise EOFError("the channel is closed")
    frames = await channel.socket.recv_multipart()
    signature, *parts = frames[frames.index(DELIM) + 1 :]
    header, parent = (jupyter_session.unpack(parts[index]) for index in (0, 1))
    if skips(header["msg_type"]):
        return Message(header["msg_type"], parent.get("msg_id"), {})
    if not compare_digest(jupyter_session.sign(parts[:4]), signature):
        raise ValueError("it is signed with another key")
    content = jupyter_session.unpack(parts[3])
    if not isinstance(content, dict):
        raise TypeError("its content is no object")
    return Message(header["msg_type"], parent.get("msg_id"), content)
