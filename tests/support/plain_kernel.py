"""A kernel that is plain Python: what a service may run that is not built on IPython.

No magics, no `!`, no displays, no top-level `await`, and code finds no IPython to import.
"""

from __future__ import annotations

import ast
import io
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class PlainKernel(Kernel):
    """Runs cells with `exec`, and shows the value of a last expression."""

    implementation = "plain"
    implementation_version = "1"
    language_info = {"name": "python", "mimetype": "text/x-python", "file_extension": ".py"}  # noqa: RUF012
    banner = "Plain Python"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._namespace: dict[str, Any] = {"__name__": "__main__"}

    async def do_execute(
        self,
        code: str,
        *_options: object,
        **_more: object,
    ) -> dict[str, Any]:
        """Run a cell, and publish what comes of it."""
        _hide_ipython()
        try:
            with redirect_stdout(_Stream(self, "stdout")), redirect_stderr(_Stream(self, "stderr")):
                value = self._run(code)
        except BaseException as error:  # noqa: BLE001 - an interrupt and an exit as well
            return {"status": "error", **self._show(error)}
        if value is not None:
            result = {"data": {"text/plain": repr(value)}, "metadata": {}}
            content = {**result, "execution_count": self.execution_count}
            self.send_response(self.iopub_socket, "execute_result", content)
        return {"status": "ok", "execution_count": self.execution_count}

    def _run(self, code: str) -> object:
        tree = ast.parse(code, "<cell>")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<cell>", "exec"), self._namespace)
        if not isinstance(last, ast.Expr):
            return None
        return eval(compile(ast.Expression(last.value), "<cell>", "eval"), self._namespace)

    def _show(self, error: BaseException) -> dict[str, Any]:
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_globals is not self._namespace:
            frames = frames.tb_next
        text = "".join(traceback.format_exception(type(error), error, frames))
        content = {"ename": type(error).__name__, "evalue": str(error), "traceback": [text]}
        self.send_response(self.iopub_socket, "error", content)
        return content


class _Stream(io.TextIOBase):
    """Publishes what is written to it."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        super().__init__()
        self._kernel = kernel
        self._name = name

    def write(self, text: str) -> int:
        content = {"name": self._name, "text": text}
        self._kernel.send_response(self._kernel.iopub_socket, "stream", content)
        return len(text)


def _hide_ipython() -> None:
    """Make imports of IPython fail. ipykernel itself has made its own by now."""
    modules: dict[str, Any] = sys.modules
    for name in list(modules):
        if name.split(".")[0] == "IPython":
            modules[name] = None


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=PlainKernel)
