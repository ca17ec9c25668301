"""Makes variables of a saved state again, by the cells that they came from; see `plan`.

It travels to the session as text before that of `loading`. It may meet any Python from 3.8 on.
"""

from __future__ import annotations

import ast
import contextlib
import io
import sys
from typing import Any, Callable, Iterator

# The module's name in the session.
MODULE = "_tci_kernel_call"


class Remaking:
    """The cells of a state that run again, with nothing of it shown.

    Args:
        again: what the manifest says of it.
        namespace: the user's variables.
        give: gives a variable the value that the state carries.

    Attributes:
        failed: names of what could not be made, each with why.
    """

    def __init__(
        self,
        again: dict[str, Any],
        namespace: dict[str, Any],
        give: Callable[[str], None],
    ) -> None:
        self.again = again
        self.namespace = namespace
        self.give = give
        self.failed: list[tuple[str, BaseException]] = []

    def run(self) -> dict[str, Any]:
        """Run the cells; gives what was made, by name.

        All variables are what they were before, also where an interrupt ends it.
        """
        before = {**self.namespace}
        try:
            return self.made(*self.run_cells())
        finally:
            for name in self.namespace.keys() - before.keys():
                del self.namespace[name]
            self.namespace.update(before)

    def run_cells(self) -> tuple[int, dict[str, Any], BaseException | None]:
        """Run the cells until one fails: how many ran, what they gave, and why the next did not."""
        outputs: dict[str, Any] = {}
        done = 0
        error: BaseException | None = None
        with hidden():
            for cell in self.again["cells"]:
                try:
                    for name in cell["carried"]:
                        self.give(name)
                    outputs["Out[%d]" % cell["number"]] = self.result_of(cell)
                except (Exception, SystemExit) as raised:
                    error = raised
                    break
                done += 1
        return done, outputs, error

    def result_of(self, cell: dict[str, Any]) -> Any:
        """Run a cell; gives the value of its last expression."""
        name = "<cell %d>" % cell["number"]
        tree = ast.parse(cell["source"], name)
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, name, "exec"), self.namespace)
        if not isinstance(last, ast.Expr):
            return None
        return eval(compile(ast.Expression(last.value), name, "eval"), self.namespace)

    def made(
        self, done: int, outputs: dict[str, Any], error: BaseException | None
    ) -> dict[str, Any]:
        """What was made by the first cells, and why the rest was not."""
        made = {}
        for part in self.again["parts"]:
            for name in part["names"]:
                found = outputs if name.startswith("Out[") else self.namespace
                if part["cells"] <= done and name in found:
                    made[name] = found[name]
                else:
                    self.failed.append((name, error or KeyError(name)))
        return made


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Show nothing: no output, no displays, and no figures that are left open."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython else None
        if shell is not None:
            from IPython.utils.capture import capture_output

            stack.enter_context(capture_output(stdout=False, stderr=False))
        shown = open_figures()
        yield
        for number in open_figures() - shown:
            sys.modules["matplotlib.pyplot"].close(number)


def open_figures() -> set[int]:
    """The numbers of matplotlib's figures that are open."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return {*pyplot.get_fignums()} if pyplot else set()
