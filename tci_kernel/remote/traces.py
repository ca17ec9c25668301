"""Undoes what running the kernel's own code as a cell leaves behind in an IPython.

It travels to the session as text, before that of `helper` and `relay`.
"""

from __future__ import annotations

from typing import Any


def find_shell() -> Any:
    """The IPython that runs this session; None if none does."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    return get_ipython()


def number_of_this_cell(shell: Any) -> int:
    """The number that the running cell has. IPython 9.8 began to count on before it runs."""
    count: int = shell.execution_count
    return count if "_i%d" % count in shell.user_ns else max(1, count - 1)


def forget_this_cell(shell: Any) -> None:
    """Undo what the running cell leaves behind, once it has ended; nothing where no IPython is."""
    if shell is None:
        return
    number = number_of_this_cell(shell)

    def forget(*_result: object) -> None:
        shell.events.unregister("post_run_cell", forget)
        shell.execution_count = number
        if shell.history_manager is not None:
            forget_input(shell, shell.history_manager, number)

    shell.events.register("post_run_cell", forget)


def forget_input(shell: Any, history: Any, number: int) -> None:
    """Take the last cell out of the history: lists, variables and database."""
    del history.input_hist_parsed[-1:]
    del history.input_hist_raw[-1:]
    history._i00, history._i, history._ii, history._iii = (
        *(history._i, history._ii, history._iii, ""),
    )
    shell.user_ns.pop("_i%d" % number, None)
    shell.user_ns.update(_i=history._i, _ii=history._ii, _iii=history._iii)
    if history.enabled:
        history.writeout_cache()
        with history.db:
            history.db.execute(
                "DELETE FROM history WHERE session=? AND line=?", (history.session_number, number)
            )
