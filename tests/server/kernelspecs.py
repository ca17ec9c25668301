"""Kernelspecs of a test's own, for servers that are started with `JUPYTER_PATH`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

LAUNCHER = ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
IPYKERNEL = [sys.executable, *LAUNCHER]


def install(root: Path, name: str, argv: list[str], **environment: str) -> None:
    """Install a kernelspec, or replace it."""
    directory = root / "kernels" / name
    directory.mkdir(parents=True, exist_ok=True)
    spec = {"argv": argv, "display_name": name, "language": "python", "env": environment}
    (directory / "kernel.json").write_text(json.dumps(spec))


def install_gated(root: Path, name: str) -> Path:
    """Install a kernelspec that starts no sooner than a file exists.

    Returns:
        the file, which is to be made.
    """
    gate = root / "gate"
    wait = f'until [ -e "{gate}" ]; do sleep 0.05; done; exec "$@"'
    install(root, name, ["/bin/sh", "-c", wait, "sh", *IPYKERNEL])
    return gate
