"""A server in the process of the tests, which can look at what it holds and set its clocks."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tci_kernel.client.schema import ExecuteRequest, Output
from tci_kernel.server.local_supply import LocalSupply
from tci_kernel.server.local_workspace import LocalWorkspace
from tci_kernel.server.server import LocalServer
from tci_kernel.server.sessions import PooledSession, SessionPool
from tci_kernel.server.workspace import Workspace


class EmbeddedServer:
    """A running server. It keeps a spare interpreter, as one that runs alone does."""

    def __init__(self, server: LocalServer) -> None:
        self.pool: SessionPool = server._pool

    async def spare(self) -> int:
        """Wait until the spare interpreter is ready; gives its process id."""
        supply = self.pool._supply
        assert isinstance(supply, LocalSupply)
        task = supply._spare
        assert task is not None
        return process_id((await task).workspace)

    async def outputs(self, code: str, session: PooledSession | None = None) -> list[Output]:
        """Run code in a session, or in a new one."""
        request = ExecuteRequest(code, session.id if session else None)
        return list((await self.pool.execute(request)).outputs)

    async def run(self, code: str) -> str:
        """Run code in a new session; gives what it prints."""
        return "".join(output.data for output in await self.outputs(code))


@asynccontextmanager
async def embedded(**traits: str | int) -> AsyncIterator[EmbeddedServer]:
    server = LocalServer(**traits)
    server.start()
    try:
        yield EmbeddedServer(server)
    finally:
        await server.aclose()


def process_id(workspace: Workspace) -> int:
    """The process of a workspace's interpreter."""
    assert isinstance(workspace, LocalWorkspace)
    assert workspace.interpreter.pid
    return workspace.interpreter.pid


async def kill(pid: int) -> None:
    """Kill a child, and wait until it has ended whole, all its threads. The server may reap it."""
    os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):  # the server was quicker
        await asyncio.to_thread(os.waitid, os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def outputs_so_far(session: PooledSession) -> list[Output]:
    """What the code that runs in a session has produced."""
    assert isinstance(session.workspace, LocalWorkspace)
    return session.workspace.interpreter.calls.outputs_so_far()
