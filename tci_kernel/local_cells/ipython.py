"""IPython's shell without a terminal: what it would print or draw is published."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from IPython.core import page
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.payload import PayloadManager
from IPython.core.payloadpage import page as page_as_payload
from IPython.core.profiledir import ProfileDir
from traitlets import Type, default
from traitlets.config import Config

from tci_kernel.core.messages import (
    Message,
    clear_output,
    display,
    error,
    result,
    without_widget,
)
from tci_kernel.local_cells.imports import WorkingDirectoryFinder
from tci_kernel.local_cells.publisher import Publisher

_INLINE_BACKEND = "matplotlib_inline.backend_inline"

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class LocalDisplayPublisher(DisplayPublisher):
    """Publishes what code displays."""

    shell: LocalIPython

    def publish(  # type: ignore[override]  # IPython's has an argument that is to go
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        *,
        transient: Mapping[str, Any] | None = None,
        update: bool = False,
        **_ignored: Any,
    ) -> None:
        """Show a MIME bundle."""
        self.shell.publisher.publish(display(_as_text(data), metadata, transient, update=update))

    def clear_output(self, wait: bool = False) -> None:
        """Wipe what the cell has shown."""
        self.shell.publisher.publish(clear_output(wait=wait))


class LocalDisplayHook(DisplayHook):
    """Publishes the values of cells."""

    shell: LocalIPython

    def write_output_prompt(self) -> None:
        """Leave the prompt to the notebook."""

    def write_format_data(
        self, format_dict: Mapping[str, Any], md_dict: Mapping[str, Any] | None = None
    ) -> None:
        """Show a value."""
        value = result(_as_text(format_dict), self.prompt_count, md_dict)
        self.shell.publisher.publish(value)

    def finish_displayhook(self) -> None:
        """Leave the streams alone."""
        self._is_active = False


class LocalIPython(InteractiveShell):
    """The one IPython shell of the kernel's process.

    Args:
        publisher: where what it shows goes.

    Attributes:
        shown_error: the last error that the running cell has shown.
        has_lost_value: whether the running cell's value failed to be shown.
    """

    payload_manager: PayloadManager
    displayhook_class = Type(LocalDisplayHook)
    display_pub_class = Type(LocalDisplayPublisher)

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self.shown_error: Message | None = None
        self.has_lost_value = False
        self._scratch: TemporaryDirectory[str] | None = None
        # The kernel has a history of its own, on disk; this one is of this process alone.
        super().__init__(config=Config({"HistoryManager": {"enabled": False}}))
        sys.meta_path.append(WorkingDirectoryFinder(self.user_ns))
        if find_spec("matplotlib_inline"):
            os.environ.setdefault("MPLBACKEND", f"module://{_INLINE_BACKEND}")

    # -- directories, which exist only if something asks for them ----------------------------

    def init_ipython_dir(self, ipython_dir: object) -> None:
        """Go without; the default would make `~/.ipython`."""

    def init_profile_dir(self, profile_dir: object) -> None:
        """Go without, as above."""

    @default("ipython_dir")
    def _ipython_dir_default(self) -> str:
        self._scratch = TemporaryDirectory(prefix="tci-kernel-")
        return self._scratch.name

    @default("profile_dir")
    def _profile_dir_default(self) -> ProfileDir:
        made: ProfileDir = ProfileDir.create_profile_dir_by_name(self.ipython_dir, "default")
        return made

    def init_virtualenv(self) -> None:
        """Stay in this process's environment, whichever one a shell has activated."""

    # -- what a terminal would do ------------------------------------------------------------

    def init_hooks(self) -> None:
        """Let the notebook show what a pager would."""
        super().init_hooks()
        self.set_hook("show_in_pager", page.as_hook(page_as_payload), 99)

    def set_next_input(self, text: str, replace: bool = False) -> None:
        """Offer the text for the next cell, or for this one."""
        payload = {"source": "set_next_input", "text": text, "replace": replace}
        self.payload_manager.write_payload(payload)

    def ask_exit(self) -> None:
        """Refuse: this is the kernel's process."""
        print(
            "exit has no effect in a %%local cell: it runs in the kernel's own process.",
            file=sys.stderr,
        )

    def enable_gui(self, gui: str | None = None) -> None:
        """Refuse windows: there is no event loop for them here."""
        if gui is not None:
            raise UsageError(f"A %%local cell opens no windows ({gui}); use %matplotlib inline.")

    # -- errors ------------------------------------------------------------------------------

    def _get_exc_info(self, exc_tuple: ExceptionInfo | None = None) -> ExceptionInfo:
        """The exception to show. An interrupt cancels code that awaits: it is shown as one."""
        kind, value, traceback = super()._get_exc_info(exc_tuple)
        _cut_own_frames(traceback)
        task = asyncio.current_task()
        if issubclass(kind, asyncio.CancelledError) and task is not None and task.cancelling():
            return KeyboardInterrupt, KeyboardInterrupt().with_traceback(traceback), traceback
        return kind, value, traceback

    def _showtraceback(
        self, etype: type[BaseException], evalue: BaseException, stb: list[str]
    ) -> None:
        self.has_lost_value = self.has_lost_value or self.displayhook.is_active
        self.shown_error = error(etype.__name__, str(evalue), stb)
        self.publisher.publish(self.shown_error)


def _cut_own_frames(traceback: TracebackType | None) -> None:
    """End a traceback where the user's code called this package, or a signal's handler ran."""
    while traceback is not None and traceback.tb_next is not None:
        if traceback.tb_next.tb_frame.f_globals.get("__name__", "").startswith("tci_kernel."):
            traceback.tb_next = None
        traceback = traceback.tb_next


def _as_text(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """A MIME bundle as messages carry it: bytes in base64."""
    return {
        mime: base64.b64encode(data).decode() if isinstance(data, bytes) else data
        for mime, data in without_widget(bundle).items()
    }
