"""`tci-kernel serve`: its settings, from the options and from the configuration."""

from __future__ import annotations

from tests.cli.commands import Commands


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
