"""Runs `tci-kernel` as a process, in a home of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

# What a developer's own environment must not add.
UNSET = (
    *("TOGETHER_API_KEY", "TOGETHER_BASE_URL", "TCI_SESSION_ID", "TCI_SERVER_TOKEN"),
    *("JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH", "JUPYTER_DATA_DIR"),
    *("XDG_DATA_HOME", "XDG_BIN_HOME", "UV_TOOL_DIR", "UV_TOOL_BIN_DIR"),
    *("PIPX_HOME", "PIPX_BIN_DIR"),
)

COMMAND = (sys.executable, "-m", "tci_kernel")


class Commands:
    """Runs the command.

    Attributes:
        home: the user's directory.
        environment: what each run sees.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if name not in UNSET}
        # The fail backend is what keyring itself chooses on a machine without any.
        fail = "keyring.backends.fail.Keyring"
        self.environment = {**kept, "HOME": str(home), "PYTHON_KEYRING_BACKEND": fail}

    def use(self, base_url: str, key: str = "") -> None:
        """Make a service the one that is meant."""
        self.environment |= {"TOGETHER_BASE_URL": base_url, "TOGETHER_API_KEY": key}

    def configure(self, text: str) -> Path:
        """Write the configuration file."""
        path = self.home / ".jupyter" / "tci_kernel_config.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def run(self, *arguments: str, given: str | bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment,
            cwd=self.home,
            input=given.encode() if isinstance(given, str) else given,
            capture_output=True,
            check=False,
            timeout=90,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert not re.search(r'File "[^"]*tci_kernel/', err)  # what we raise is said in words
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.environment,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
