"""Runs `%%local` cells in this process, and answers about the names in them."""

from __future__ import annotations

import builtins
import getpass
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import FrameType
from typing import Any

from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import ExecutionResult
from IPython.utils.tokenutil import token_at_cursor

from tci_kernel.core.cell import Cell, LocalFrontend
from tci_kernel.core.errors import UsageError
from tci_kernel.core.lines import LocalCell
from tci_kernel.core.messages import Message, error_of, reply, stream
from tci_kernel.local_cells.ipython import LocalIPython
from tci_kernel.local_cells.names import LocalNames
from tci_kernel.local_cells.publisher import PublishedStream, Publisher

# What a user types at a prompt, given its text and whether the typing is unseen.
Read = Callable[[str, bool], str]

HELP = """\
Usage: %%local

  Run the rest of the cell in this kernel's own process, not in the session: for local files,
  credentials and plots. It needs no key and costs nothing. `%tci push` and `%tci pull` move
  variables between the two.
"""

NO_INPUT = "input() can't ask: who runs this notebook takes no questions."


class LocalShell(LocalNames):
    """The local IPython. Made when the first cell needs it, on the main thread it is for."""

    _ipython: LocalIPython

    def __init__(self) -> None:
        self._publisher = Publisher()
        super().__init__(LocalIPython.instance(publisher=self._publisher))

    async def run(self, local: LocalCell, cell: Cell) -> Message:
        """Run a cell, and publish what it produces at once.

        Args:
            local: the parts of the cell.
            cell: the cell, with who sits in front of it.

        Returns:
            its `execute_reply`.

        Raises:
            UsageError: something stands behind `%%local`.
        """
        frontend = cell.frontend if isinstance(cell.frontend, LocalFrontend) else None
        self._publisher.show = frontend.show if frontend else lambda _message: None
        if local.words == "--help":
            self._publisher.publish(stream("stdout", HELP))
            return reply(cell.number)
        if local.words:
            raise UsageError(
                f"%%local takes no arguments, such as {local.words!r}.",
                advice="The code stands in the lines below it.",
            )
        shell = self._ipython
        shell.shown_error, shell.has_lost_value = None, False
        read = frontend.ask_blocking if frontend and frontend.takes_questions else None
        with self._streams(), _asking(read, self._publisher):
            try:
                failure = _failure(await self._run(local, cell))
            except KeyboardInterrupt as interrupt:  # it came between two steps of IPython's
                failure = shell.shown_error = error_of(interrupt)
                self._publisher.publish(failure)
            self._publisher.flush()
        return self._reply(cell, failure)

    def _reply(self, cell: Cell, failure: Message | None) -> Message:
        """How a cell ended, and what it leaves behind."""
        shell = self._ipython
        payload = shell.payload_manager.read_payload()
        shell.payload_manager.clear_payload()
        if failure is not None or shell.has_lost_value:
            # IPython prints some errors, such as a misspelt magic's, as plain text.
            failure = shell.shown_error or failure
        is_counted = not (cell.hidden or cell.is_part)
        number = shell.execution_count - 1 if is_counted else cell.number
        values = self.evaluate(cell.user_expressions) if failure is None else {}
        return reply(number, failure, payload=payload, user_expressions=values)

    async def _run(self, local: LocalCell, cell: Cell) -> ExecutionResult:
        """What may be interrupted at any point: `is_running_in` knows it by its name."""
        shell = self._ipython
        shell.execution_count = cell.number
        transformed, error = local.body, None
        try:
            transformed = shell.transform_cell(local.body)
        except Exception:  # noqa: BLE001 -- whatever the tokenizer says, IPython shows it
            error = sys.exc_info()
        result = None
        try:
            result = await shell.run_cell_async(
                local.body,
                store_history=not (cell.hidden or cell.is_part),
                transformed_cell=local.head + transformed,  # tracebacks count the cell's lines
                preprocessing_exc_tuple=error,
            )
        finally:
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
        return result

    @staticmethod
    def is_running_in(frame: FrameType | None) -> bool:
        """Whether a frame of the main thread belongs to a cell that runs here.

        While such a cell awaits something the event loop runs instead, and the answer is no.
        """
        code = LocalShell._run.__code__
        while frame is not None and frame.f_code is not code:
            frame = frame.f_back
        return frame is not None

    # -- questions about names ---------------------------------------------------------------

    def complete(self, cell: LocalCell, cursor_pos: int) -> dict[str, Any]:
        """The content of a `complete_reply`."""
        with provisionalcompleter():
            found = list(
                rectify_completions(
                    cell.code, self._ipython.Completer.completions(cell.code, cursor_pos)
                )
            )
        entries = [
            {
                "start": match.start,
                "end": match.end,
                "text": match.text,
                "type": match.type,
                "signature": match.signature,
            }
            for match in found
        ]
        return {
            "status": "ok",
            "matches": [match.text for match in found],
            "cursor_start": found[0].start if found else cursor_pos,
            "cursor_end": found[0].end if found else cursor_pos,
            "metadata": {"_jupyter_types_experimental": entries},
        }

    def inspect(self, cell: LocalCell, cursor_pos: int, detail_level: int) -> dict[str, Any]:
        """The content of an `inspect_reply`."""
        name = token_at_cursor(cell.code, cursor_pos)
        try:
            data = self._ipython.object_inspect_mime(name, detail_level=detail_level)
        except KeyError:
            data = {}
        data = {mime: text for mime, text in data.items() if mime == "text/plain"}
        return {"status": "ok", "found": bool(data), "data": data, "metadata": {}}

    def evaluate(self, expressions: Mapping[str, str]) -> Mapping[str, Any]:
        """The values of a request's `user_expressions`."""
        values: dict[str, Any] = self._ipython.user_expressions(dict(expressions))
        return values

    @contextmanager
    def _streams(self) -> Iterator[None]:
        with (
            redirect_stdout(PublishedStream(self._publisher, "stdout")),
            redirect_stderr(PublishedStream(self._publisher, "stderr")),
        ):
            yield


@contextmanager
def _asking(read: Read | None, publisher: Publisher) -> Iterator[None]:
    """Let `input` and `getpass` ask in the notebook."""

    def ask(prompt: object, hidden: bool) -> str:
        if read is None:
            raise StdinNotImplementedError(NO_INPUT)
        publisher.flush()
        return read(str(prompt), hidden)

    def ask_plainly(prompt: object = "", /) -> str:
        return ask(prompt, hidden=False)

    def ask_unseen(prompt: str = "Password: ", stream: object = None) -> str:  # noqa: ARG001
        return ask(prompt, hidden=True)

    saved = builtins.input, getpass.getpass
    builtins.input, getpass.getpass = ask_plainly, ask_unseen
    try:
        yield
    finally:
        builtins.input, getpass.getpass = saved


def _failure(result: ExecutionResult) -> Message | None:
    error = result.error_before_exec or result.error_in_exec
    return None if error is None else error_of(error)
