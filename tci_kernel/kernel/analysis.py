"""Static analysis of the notebook's code, on a thread that nobody waits for beyond a limit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

# Seconds that static analysis may take. JupyterLab waits 1 s for completions.
LIMIT = 0.8

Analysis = Callable[[str, int, str], dict[str, Any]]


class StaticAnalysis:
    """Analyses code, one piece at a time: jedi can't be used by two threads at once.

    Attributes:
        cells: the cells that the user has run, which names may come from.
    """

    def __init__(self) -> None:
        self.cells: list[str] = []
        # Held while a thread analyses, which may be longer than anybody waits for it.
        self._turn = asyncio.Lock()

    async def run(self, analysis: Analysis, code: str, cursor_pos: int) -> dict[str, Any] | None:
        """What an analysis says of code; None where that, or those before it, are too slow.

        Args:
            analysis: takes code, the cursor's position in it and the cells before it, joined.
            code: the cell.
            cursor_pos: the cursor's position, in code points.
        """
        loop = asyncio.get_running_loop()
        found: asyncio.Future[dict[str, Any] | None] = loop.create_future()
        context = "\n".join(self.cells)

        def end(reply: dict[str, Any] | None) -> None:
            self._turn.release()
            if not found.done():
                found.set_result(reply)

        def analyse() -> None:
            reply = None
            try:
                reply = analysis(code, cursor_pos, context)
            finally:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(end, reply)

        try:
            async with asyncio.timeout(LIMIT):
                await self._turn.acquire()
                threading.Thread(target=analyse, daemon=True, name="analysis").start()
                return await found
        except TimeoutError:
            return None
