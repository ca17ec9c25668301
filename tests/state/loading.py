"""Saves a session and loads it into another one, as a user does."""

from __future__ import annotations

from pathlib import Path

from tests.support.kernels import Answer, KernelDriver

# Sessions whose files are not the notebook's.
PRIVATE = "--LocalServer.directory=private"


def told(answer: Answer) -> str:
    """What a command has shown, last."""
    return str(answer.outputs[-1][1]["data"]["text/plain"])


def loaded_elsewhere(
    driver: KernelDriver, path: Path, *options: str, before: str = ""
) -> tuple[str, str]:
    """Save the session, and load it into a new one; gives what both commands have said.

    Args:
        driver: the kernel.
        path: where it is saved.
        options: of the save.
        before: what runs in the new session first.
    """
    saved = driver.run(" ".join(["%tci save", *options, str(path)]))
    assert saved.reply["status"] == "ok", saved.reply
    driver.run("%tci new")
    if before:
        driver.run(before)
    loaded = driver.run(f"%tci load {path}")
    assert loaded.reply["status"] == "ok", loaded.reply
    assert "Not loaded" not in told(loaded), told(loaded)
    return told(saved), told(loaded)
