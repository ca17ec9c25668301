"""What `%load_ext tci_kernel` adds to an IPython."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from tci_kernel.config.options import NotebookOptions
from tci_kernel.core.errors import TCIError
from tci_kernel.core.lines import command_at
from tci_kernel.extension.failure import failed, failed_with

if TYPE_CHECKING:
    from tci_kernel.extension.arguments import Arguments
    from tci_kernel.extension.notebook import Notebook
    from tci_kernel.extension.worker import Worker

# Seconds that the end of the process may wait for letting go of what is held.
CLOSE_LIMIT = 1.0

_NAME = "tci"

# Those in use, to be closed before the process ends.
_loaded: set[TCIMagics] = set()


@magics_class
class TCIMagics(NotebookOptions, Magics):
    """The magics `%%tci` and `%tci`. Nothing is imported, sent or begun before one is used."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell)
        self._shell = shell
        self._used: tuple[Worker, Notebook] | None = None
        self._process = os.getpid()

    @line_cell_magic
    def tci(self, line: str, cell: str | None = None) -> None:
        """Run a cell in the notebook's session, which the first one begins; or a line about it.

        %%tci [--local] [--session ID] [--push NAME]... [--pull NAME]...

          --local         on this computer, in a server of this notebook: no key, no cost
          --session ID    in a session that exists
          --push NAME     copy this variable into the session first
          --pull NAME     copy this variable from the session afterwards

        The first two stay in force for what follows. %tci help lists the lines there are.
        """
        from tci_kernel.extension.arguments import Arguments, read  # noqa: PLC0415

        if cell is None:
            self._run([f"%tci {line}"], Arguments())
            return
        try:
            arguments, printed = read(line)
        except TCIError as error:
            raise failed_with(error) from None
        if arguments is None:
            print(printed, end="")
            return
        self._run(
            [*_lines("push", arguments.push), cell, *_lines("pull", arguments.pull)], arguments
        )

    def _run(self, codes: list[str], arguments: Arguments) -> None:
        worker, notebook = self._in_use()
        # Whether IPython's count has this cell in it depends on the version; `In` has it.
        number = len(self._shell.user_ns.get("In", ())) - 1
        work = partial(notebook.run, codes, number, arguments)
        failure = worker.run(work, notebook.stop)
        if failure is not None:
            raise failed(failure)

    def _in_use(self) -> tuple[Worker, Notebook]:
        """What runs cells, made on first use."""
        if self._used is None:
            from tci_kernel.extension.notebook import Notebook  # noqa: PLC0415
            from tci_kernel.extension.screen import Screen  # noqa: PLC0415
            from tci_kernel.extension.worker import Worker  # noqa: PLC0415
            from tci_kernel.local_cells.names import LocalNames  # noqa: PLC0415

            notebook = Notebook(self, Screen(self._shell), LocalNames(self._shell))
            self._used = Worker(), notebook
            self._process = os.getpid()
        return self._used

    def complete(self, _shell: InteractiveShell, event: SimpleNamespace) -> list[str]:
        """What completes the word at the cursor of a `%tci` line, as IPython asks for it."""
        line = command_at(event.text_until_cursor, len(event.text_until_cursor))
        if line is None:
            return []
        worker, notebook = self._in_use()
        return worker.run(lambda _calls: notebook.complete(line), lambda: None)

    def close(self, *, ends_session: bool) -> None:
        """Let go of what is held.

        Args:
            ends_session: whether a session that began here ends, where the service can do that.
        """
        used, self._used = self._used, None
        if used is None or self._process != os.getpid():  # a fork has none of the threads
            return
        worker, notebook = used
        session = notebook.session
        if session is not None and session.is_own and not (ends_session or notebook.is_local):
            print(
                f"{session.id} stays until it expires. To come back: %%tci --session {session.id}"
            )
        worker.finish(notebook.aclose(ends_session=ends_session), CLOSE_LIMIT)


def _lines(command: str, names: Sequence[str]) -> list[str]:
    return [f"%tci {shlex.join([command, *names])}"] if names else []


def load(shell: InteractiveShell) -> None:
    """Add the magics to an IPython."""
    magics = TCIMagics(shell)
    shell.register_magics(magics)
    shell.set_hook("complete_command", magics.complete, str_key=f"%{_NAME}")
    _loaded.add(magics)


def unload(shell: InteractiveShell) -> None:
    """Take them away again, and let go of what they hold; the session goes on."""
    manager = shell.magics_manager
    magics = manager.registry.pop(TCIMagics.__name__)
    for kind in ("line", "cell"):
        del manager.magics[kind][_NAME]
    del shell.strdispatchers["complete_command"].strs[f"%{_NAME}"]
    shell.configurables.remove(magics)
    _loaded.discard(magics)
    magics.close(ends_session=False)


def _close_all() -> None:
    for magics in _loaded:
        magics.close(ends_session=True)


# Functions of `atexit` run too late: the pools of threads, which look up addresses and wait for
# processes, are gone by then.
threading._register_atexit(_close_all)  # type: ignore[attr-defined]  # noqa: SLF001
