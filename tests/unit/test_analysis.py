"""Static analysis: one piece at a time, for as long as somebody may wait for it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from tci_kernel.kernel.analysis import LIMIT, StaticAnalysis


def same(code: str, cursor_pos: int, context: str) -> dict[str, Any]:
    return {"code": code, "cursor_pos": cursor_pos, "context": context}


async def test_code_is_analysed_after_the_cells_before_it() -> None:
    analysis = StaticAnalysis()
    analysis.cells += ["import os", "x = 1"]
    assert await analysis.run(same, "x", 1) == same("x", 1, "import os\nx = 1")


async def test_one_waits_for_the_one_before_it() -> None:
    analysis, may_end = StaticAnalysis(), threading.Event()
    running: list[str] = []

    def slow(code: str, _cursor_pos: int, _context: str) -> dict[str, Any]:
        running.append(code)
        may_end.wait()
        return {"running": running.copy()}

    both = [asyncio.create_task(analysis.run(slow, code, 0)) for code in ("one", "two")]
    await asyncio.sleep(LIMIT / 10)
    may_end.set()
    assert await asyncio.gather(*both) == [{"running": ["one"]}, {"running": ["one", "two"]}]


async def test_nobody_waits_for_one_that_does_not_end_and_the_next_finds_it_ended() -> None:
    analysis, may_end = StaticAnalysis(), threading.Event()

    def slow(*_: object) -> dict[str, Any]:
        may_end.wait()
        return {}

    both = (analysis.run(slow, "", 0), analysis.run(same, "", 0))
    assert list(await asyncio.gather(*both)) == [None, None]
    may_end.set()
    assert await analysis.run(same, "x", 1) == same("x", 1, "")
