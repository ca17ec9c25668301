"""What clients ask beside running cells: what the kernel is, completion, inspection, history.

All of it is answered at once, also while a cell runs; the session is asked only where it is free.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ipykernel.kernelbase import Kernel
from jupyter_client.jsonutil import json_default

from tci_kernel._version import __version__
from tci_kernel.core.cell import Cell
from tci_kernel.core.lines import command_at, local_cell
from tci_kernel.core.messages import Message, no_debugger
from tci_kernel.kernel.analysis import StaticAnalysis
from tci_kernel.kernel.requests import Requests
from tci_kernel.kernel.threads import on_main_thread

if TYPE_CHECKING:
    from tci_kernel.kernel.history import CellHistory
    from tci_kernel.local_cells.shell import LocalShell
    from tci_kernel.session.session import RemoteSession

# The protocol version of the messages that ipykernel's base class exchanges.
PROTOCOL_VERSION = "5.3"

# Seconds until cells are written to the history. A disk may take its time, which no reply waits
# for, and an editor may kill the kernel without notice soon after.
SAVE_AFTER = 0.1

# What a client's help menu leads to. The kernel's own documents are wherever its clone is.
HELP_LINKS = (
    {
        "text": "Together Code Interpreter",
        "url": "https://docs.together.ai/docs/together-code-interpreter",
    },
    {
        "text": "Python Reference",
        "url": f"https://docs.python.org/{sys.version_info[0]}.{sys.version_info[1]}",
    },
    {"text": "IPython Reference", "url": "https://ipython.readthedocs.io/en/stable/"},
)

# Why there is no debugger.
NO_SESSION = "The debugger is where cells run: run one first."
NO_ANSWER = "The session's debugger does not answer this."


def as_json(header: Mapping[str, Any]) -> dict[str, Any]:
    """A header as JSON has it: Jupyter's own code reads its date."""
    found: dict[str, Any] = json.loads(json.dumps(header, default=json_default))
    return found


class Assistance(Requests):
    """The base of the kernel that answers what is not a cell."""

    msg_types = [*Kernel.msg_types, "comm_open", "comm_msg", "comm_close"]  # noqa: RUF012

    implementation = "tci_kernel"
    implementation_version = __version__
    banner = (
        f"tci-kernel {__version__}: Python cells that run in a code interpreter. "
        "'%tci help' lists what else it does."
    )
    # The fields of ipykernel, with this machine's version: the service does not say its own.
    language_info = {  # noqa: RUF012
        "name": "python",
        "version": sys.version.split()[0],
        "mimetype": "text/x-python",
        "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "file_extension": ".py",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._analysis = StaticAnalysis()
        self._history: CellHistory | None = None
        self._saving: asyncio.TimerHandle | None = None

    @property
    def session_in_use(self) -> RemoteSession | None:
        """The session, if there is one. The kernel's to say."""
        raise NotImplementedError

    @property
    def open_local_shell(self) -> LocalShell | None:
        """The IPython in this process, if something has made it. The kernel's to say."""
        raise NotImplementedError

    @on_main_thread
    async def ask_session(self, request: Message) -> Mapping[str, Any] | None:
        """The content of the session's reply to a request, or None where it can't be asked."""
        session = self.session_in_use
        reply = None if session is None else await session.request(request)
        return None if reply is None else reply.content

    def local_shell(self) -> LocalShell:
        """The IPython in this process. The kernel's to make."""
        raise NotImplementedError

    def remember(self, cell: Cell, result: str | None) -> None:
        """Note a cell that the user has run, with the text of its result."""
        if local_cell(cell.code) is None:
            self._analysis.cells.append(cell.code)
        self.history.store(cell.number, cell.code, result)
        if self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(SAVE_AFTER, self._save_history)

    def _save_history(self) -> None:
        self._saving = None
        self.history.save()

    @property
    def history(self) -> CellHistory:
        """The cells of this kernel and of those before it, opened on first use."""
        if self._history is None:
            from tci_kernel.kernel.history import CellHistory  # noqa: PLC0415

            self._history = CellHistory()
        return self._history

    def close_history(self) -> None:
        """Write what is left, and close the database."""
        if self._saving is not None:
            self._saving.cancel()
        if self._history is not None:
            self._history.close()

    @property
    def kernel_info(self) -> dict[str, Any]:
        """What a client may rely on."""
        return {
            "protocol_version": PROTOCOL_VERSION,
            "implementation": self.implementation,
            "implementation_version": self.implementation_version,
            "language_info": self.language_info,
            "banner": self.banner,
            "help_links": list(HELP_LINKS),
            "supported_features": ["kernel subshells", "debugger"],
        }

    async def do_is_complete(self, code: str) -> dict[str, Any]:
        """Whether code is whole, as IPython sees it."""
        from tci_kernel.kernel.introspection import is_complete  # noqa: PLC0415

        return is_complete(code)

    @on_main_thread
    async def do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Completions from the session, or from the notebook's own code; of `%tci` lines."""
        from tci_kernel.kernel.introspection import static_completions  # noqa: PLC0415

        if (line := command_at(code, cursor_pos)) is not None:
            from tci_kernel.commands.completion import complete  # noqa: PLC0415

            session = self.session_in_use if self.running is None else None
            return await complete(line, cursor_pos, session, self.open_local_shell)
        if (cell := local_cell(code)) is not None:
            return self.local_shell().complete(cell, cursor_pos)
        question = Message("complete_request", {"code": code, "cursor_pos": cursor_pos})
        if (reply := await self.ask_session(question)) is not None:
            return dict(reply)
        found = await self._analysis.run(static_completions, code, cursor_pos)
        return found or {
            "status": "ok",
            "matches": [],
            "cursor_start": cursor_pos,
            "cursor_end": cursor_pos,
            "metadata": {},
        }

    @on_main_thread
    async def do_inspect(
        self,
        code: str,
        cursor_pos: int,
        detail_level: int = 0,
        omit_sections: Any = (),  # noqa: ARG002
    ) -> dict[str, Any]:
        """What the session knows of the name at the cursor, or the notebook's own code tells."""
        from tci_kernel.kernel.introspection import static_inspection  # noqa: PLC0415

        if (line := command_at(code, cursor_pos, whole_word=True)) is not None:
            from tci_kernel.commands.completion import inspect  # noqa: PLC0415

            return inspect(line)
        if (cell := local_cell(code)) is not None:
            return self.local_shell().inspect(cell, cursor_pos, detail_level)
        content = {"code": code, "cursor_pos": cursor_pos, "detail_level": detail_level}
        if (reply := await self.ask_session(Message("inspect_request", content))) is not None:
            return dict(reply)
        found = await self._analysis.run(static_inspection, code, cursor_pos)
        return found or {"status": "ok", "found": False, "data": {}, "metadata": {}}

    # The content passes as it came: what is missing or odd in it is the history's to judge.
    @on_main_thread
    async def do_history(self, **content: Any) -> dict[str, Any]:  # type: ignore[override]
        """Cells that were run, from the database of the kernel's own."""
        return self.history.request(content)

    async def do_debug_request(self, msg: dict[str, Any]) -> dict[str, Any]:
        """Have the session debug. The base class would not answer at all."""
        reply = await self.ask_session(Message("debug_request", msg))
        if reply is not None:
            return dict(reply)
        return dict(no_debugger(msg, NO_SESSION if self.session_in_use is None else NO_ANSWER))

    async def usage_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Say what the session's interpreter uses; without one, what this process does."""
        reply = await self.ask_session(Message("usage_request", parent["content"]))
        if reply is None:
            await super().usage_request(stream, ident, parent)
        elif self.session:
            self.session.send(stream, "usage_reply", dict(reply), parent, ident=ident)

    async def comm_info_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Name the session's comms."""
        reply = await self.ask_session(Message("comm_info_request", parent["content"]))
        content = {"status": "ok", "comms": {}} if reply is None else dict(reply)
        if self.session:
            self.session.send(stream, "comm_info_reply", content, parent, ident=ident)

    async def comm_open(self, _stream: Any, _ident: Any, parent: Any) -> None:
        """Pass on what a client says over a comm."""
        message = Message(
            parent["header"]["msg_type"],
            parent["content"],
            parent.get("metadata", {}),
            parent.get("buffers", ()),
            as_json(parent["header"]),
        )
        await self.ask_session(message)

    comm_msg = comm_close = comm_open

    async def delete_subshell_request(self, socket: Any, ident: Any, parent: Any) -> None:
        """End a subshell, and the one that stands for it in the session."""
        await super().delete_subshell_request(socket, ident, parent)
        await self.ask_session(Message("delete_subshell_request", parent["content"]))
