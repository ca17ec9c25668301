"""A kernel provisioner that runs interpreters as on another machine, and what installs it.

Their network is one of their own, reached by an address; so are their processes.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from jupyter_client.connect import write_connection_file
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

NAME = "elsewhere-provisioner"

# Names the file to which a line is written each time that an interpreter is looked at.
LOOKS = "TESTS_LOOKS"

# Names the directory that is that of all that is temporary there; it can be seen from here as well.
TEMPORARY = "TESTS_TEMPORARY"

# Names the process that an interpreter is said to be: one of the computer that the server is on.
DECOY = "TESTS_DECOY"

# `$1` is a file that lies in neither of the directories that are hidden.
PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")

_BEGIN = 'cd / && unset IPYTHONDIR JPY_PARENT_PID && exec "$@"'


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True, capture_output=True, timeout=30)


class ElsewhereProvisioner(LocalProvisioner):
    """Runs an interpreter in a network and among processes of its own."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Make the network, and the connection file with an address in it."""
        number = int.from_bytes(os.urandom(2), "big") & 0x3FFF
        self._namespace = f"tci-{number}"
        net = f"10.231.{number >> 6}.{(number & 63) * 4}"
        ours, self._address = (
            f"{net.rpartition('.')[0]}.{int(net.rpartition('.')[2]) + host}" for host in (1, 2)
        )
        run("ip", "netns", "add", self._namespace)
        peer = ("peer", "name", "eth0", "netns", self._namespace)
        run("ip", "link", "add", self._namespace, "type", "veth", *peer)
        run("ip", "addr", "add", f"{ours}/30", "dev", self._namespace)
        run("ip", "link", "set", self._namespace, "up")
        inside = ("ip", "netns", "exec", self._namespace, "ip")
        run(*inside, "addr", "add", f"{self._address}/30", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "link", "set", "lo", "up")
        self._file = str(Path(os.environ[TEMPORARY], f"{self._namespace}.json"))
        session = self.parent.session  # type: ignore[union-attr]
        ports = dict(zip(PORTS, range(5001, 5006), strict=True))
        _, info = write_connection_file(
            self._file,
            ip=self._address,
            key=session.key,
            **ports,  # type: ignore[arg-type]
        )
        self.connection_info = info
        command = [part.format(connection_file=self._file) for part in self.kernel_spec.argv]
        shut = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        netns = ["ip", "netns", "exec", self._namespace]
        cmd = [*netns, *shut, "sh", "-c", _BEGIN, "sh", *command]
        return {
            **kwargs,
            "cmd": cmd,
            "env": {**os.environ, "TMPDIR": os.environ[TEMPORARY]},
            "cwd": "/",
        }

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start it, and say that it is another process of this computer."""
        info = await super().launch_kernel(cmd, **kwargs)
        self.pid = int(os.environ[DECOY])
        return {**info, "key": str(info["key"]).encode()}

    async def poll(self) -> int | None:
        """Look at it, and note that."""
        note_look()
        return await super().poll()

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the network."""
        await asyncio.to_thread(remove, self._namespace, Path(self._file))
        await super().cleanup(restart)


def note_look() -> None:
    """Write down that an interpreter is looked at."""
    with Path(os.environ[LOOKS]).open("a") as looks:
        looks.write("look\n")


def remove(namespace: str, file: Path) -> None:
    """Remove a network, and the connection file of what ran in it."""
    subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)
    file.unlink(missing_ok=True)


def install(root: Path, name: str, argv: list[str]) -> dict[str, str]:
    """Install the provisioner, as packages do, and a kernelspec that names it.

    Args:
        root: a directory for both.
        name: the kernelspec's.
        argv: its command.

    Returns:
        the environment in which a server finds them.
    """
    package = root / "elsewhere-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        f"[jupyter_client.kernel_provisioners]\n{NAME} = {__name__}:ElsewhereProvisioner\n"
    )
    spec = {
        "argv": argv,
        "display_name": name,
        "language": "python",
        "metadata": {"kernel_provisioner": {"provisioner_name": NAME}},
    }
    directory = root / "kernels" / name
    directory.mkdir(parents=True)
    (directory / "kernel.json").write_text(json.dumps(spec))
    project = str(Path(__file__).parents[2])
    return {"JUPYTER_PATH": str(root), "PYTHONPATH": os.pathsep.join([str(root), project])}
