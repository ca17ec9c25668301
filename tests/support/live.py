"""Sessions that tests drive themselves, at a real server: their cells and what these have done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tci_kernel.client.client import TCIClient
from tci_kernel.core.cell import Cell
from tci_kernel.core.messages import Message
from tci_kernel.session.automatic import Execution
from tci_kernel.session.session import RemoteSession

# Lines of a cell that prints much: more than an output that travels in one piece elsewhere.
LINES = 10_000


@asynccontextmanager
async def live_session(
    base_url: str, token: str, *, execution: Execution = Execution.LIVE, **settings: Any
) -> AsyncIterator[RemoteSession]:
    """A session of the live way, which is closed afterwards."""
    client = TCIClient(base_url=base_url, api_key=token)
    session = RemoteSession(client, execution=execution, **settings)
    try:
        yield session
    finally:
        await session.aclose()


async def messages_of(session: RemoteSession, code: str, **options: Any) -> list[Message]:
    """Run a cell to its end; gives its messages, its reply last."""
    return [message async for message in session.run(Cell(code, **options))]


def printed(messages: list[Message], name: str = "stdout") -> str:
    """What was printed to one stream."""
    return "".join(
        str(message.content["text"])
        for message in messages
        if message.type == "stream" and message.content["name"] == name
    )


@dataclass
class Ledger:
    """A file to which each cell appends its number: it shows what has run, and how often.

    Attributes:
        path: the file.
        long: every so many cells one prints much.
        wrong: what was not as it should be, so far.
    """

    path: Path
    long: int = 20
    wrong: list[str] = field(default_factory=list)

    def code(self, number: int) -> str:
        """A cell that writes down its number, and prints it."""
        return f"{self.writing(number)}\nprint({self._shown(number)})"

    def writing(self, number: int) -> str:
        """The code that writes a number down."""
        return f"with open({str(self.path)!r}, 'a') as _file: _file.write('{number}\\n')"

    def _shown(self, number: int) -> str:
        if number % self.long:
            return repr(str(number))
        return rf"'\n'.join(f'{number} {{i:06}}' for i in range({LINES}))"

    def output(self, number: int) -> str:
        """What the cell prints."""
        if number % self.long:
            return f"{number}\n"
        return "".join(f"{number} {i:06}\n" for i in range(LINES))

    def check(self, number: int, messages: list[Message]) -> None:
        """Note what is wrong with a cell's messages."""
        status, shown = messages[-1].content.get("status"), printed(messages)
        others = [one.type for one in messages[:-1] if one.type != "stream"]
        if status != "ok" or shown != self.output(number) or others:
            self.wrong.append(f"cell {number}: {status}, {len(shown)} characters, {others}")

    def written(self) -> list[int]:
        """The numbers of the cells that have run, in the order in which they did."""
        return [int(line) for line in self.path.read_text().split()] if self.path.exists() else []
