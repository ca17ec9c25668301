"""The channels to a kernel: opened, and read without what nobody here asks for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.session import DELIM

# Seconds that a kernel has to start.
START_LIMIT = 60.0

# Milliseconds between looks at the process of a kernel that starts.
_LOOK = 100

# What comes of reading a message that is not what the protocol says. Code can nest its data
# without limit, and write to the kernel's sockets itself.
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
    """Open the channels to a kernel that has been launched, and wait until it answers.

    Raises:
        RuntimeError: it ended, or took too long.
    """
    # Left to itself, the client would make a ZeroMQ context, with a thread, of its own.
    client: AsyncKernelClient = manager.client(context=context)
    client.start_channels(stdin=False, hb=False)
    try:
        async with asyncio.timeout(START_LIMIT):
            await _wait_until_ready(client, manager)
    except BaseException as error:
        client.stop_channels()
        if isinstance(error, TimeoutError):
            raise RuntimeError(f"it did not answer in {START_LIMIT:.0f} seconds") from error
        raise
    return client


async def _wait_until_ready(client: AsyncKernelClient, manager: AsyncKernelManager) -> None:
    """Ask until a kernel answers, and what it publishes comes through too.

    The client's own way ends with a fifth of a second without messages.
    """
    while True:
        client.kernel_info()
        while not await client.shell_channel.socket.poll(_LOOK):
            if not await manager.is_alive():
                raise RuntimeError("it ended before it answered")
        await receive(client.shell_channel)
        if await client.iopub_channel.socket.poll(_LOOK):
            return


async def receive(channel: AsyncZMQSocketChannel) -> Message:
    """Wait for a channel's next message.

    The channel's own way polls before it reads, and makes objects of all dates, which takes three
    times as long.

    Raises:
        one of UNREADABLE: it is not what the protocol says.
    """
    session = channel.session
    frames = await channel.socket.recv_multipart()
    signature, *parts = frames[frames.index(DELIM) + 1 :]
    if not compare_digest(session.sign(parts[:4]), signature):
        raise ValueError("it is signed with another key")
    header, parent, content = (session.unpack(parts[index]) for index in (0, 1, 3))
    return Message(header["msg_type"], parent.get("msg_id"), content)
