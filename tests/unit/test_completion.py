"""What is loaded beside the cells, for whoever completes."""

from __future__ import annotations

import subprocess
import sys

# Warns twice at one place, of which Python shows the first; then completes.
CODE = """
import warnings
from tci_kernel.remote.completion import warm_up

def warn():
    warnings.warn("once", UserWarning)

warn()
warm_up()
warn()
import jedi
assert [name.name for name in jedi.Interpreter("prin", [{}]).complete()] == ["print"]
"""


def test_a_warning_that_was_shown_is_not_shown_again_once_jedi_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", CODE],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr.count("UserWarning: once") == 1
