"""`tci-kernel serve`: its settings, from the options and from the configuration."""

from __future__ import annotations

import subprocess
import sys

from tests.cli.commands import Commands
from tests.support.waiting import PATIENCE


def test_the_configuration_counts_and_an_option_beats_it(commands: Commands) -> None:
    commands.configure("c.LocalServer.kernel_name = 'configured'")

    done = commands.run("serve")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tci-kernel: There is no kernel 'configured'.")

    done = commands.run("serve", "--kernel-name", "given")
    assert done.stderr.startswith("tci-kernel: There is no kernel 'given'.")


def test_a_mistake_in_the_configuration_starts_no_server(commands: Commands) -> None:
    commands.configure("c.LocalServer.max_sessions = 0")

    done = commands.run("serve")

    assert (done.returncode, done.stdout) == (2, "")
    assert "max_sessions" in done.stderr


def test_without_ray_it_says_how_to_get_it(commands: Commands) -> None:
    code = "import sys; sys.modules['ray'] = None; from tci_kernel.cli import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", code, "serve", "--ray", "local"],
        env=commands.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'tci-kernel[ray]'" in done.stderr
