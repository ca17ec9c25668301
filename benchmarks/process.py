"""A kernel process on sockets of our own, so that no waiting of a client is measured with it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import zmq
from jupyter_client.connect import write_connection_file
from jupyter_client.kernelspec import get_kernel_spec
from jupyter_client.session import Session

# Milliseconds that anything may take.
LIMIT = 60_000

# A kernel with nothing in it; see `bare.py`.
BARE = "bare"

IPYKERNEL = "python3"


class KernelProcess:
    """A kernel that was just started, and a client of it.

    The sockets try again each millisecond to reach it, where a client tries each 100 ms.
    """

    def __init__(self, name: str, directory: Path, *arguments: str, **environment: str) -> None:
        path, info = write_connection_file(
            str(directory / "kernel.json"), transport="ipc", ip=str(directory / "s")
        )
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.setsockopt(zmq.RECONNECT_IVL, 1)
        self._context.setsockopt(zmq.LINGER, 0)
        self._session = Session(key=info["key"].encode())
        self._begin = time.perf_counter()
        self.process = psutil.Popen(
            [*_command(name, path), *arguments],
            env={**os.environ, "TOGETHER_API_KEY": "", **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._shell = self._context.socket(zmq.DEALER)
        self._shell.connect(f"ipc://{info['ip']}-{info['shell_port']}")
        self._iopub = self._context.socket(zmq.SUB)
        self._iopub.setsockopt(zmq.RCVHWM, 0)
        self._iopub.connect(f"ipc://{info['ip']}-{info['iopub_port']}")
        self._iopub.subscribe(b"")

    def request(self, kind: str, **content: Any) -> float:
        """Seconds from sending a request on the shell channel to its reply."""
        begin = time.perf_counter()
        request = self._send(kind, content)
        while self._receive(self._shell)["parent_header"].get("msg_id") != request:
            pass
        return time.perf_counter() - begin

    def settle(self) -> None:
        """Return when requests are answered and what is published arrives."""
        self.request("kernel_info_request")
        while not self._iopub.poll(10):
            self.request("kernel_info_request")

    def run(self, code: str) -> float:
        """Seconds from sending a cell to the last of its messages: its reply and `idle`.

        Raises:
            RuntimeError: the cell failed.
        """
        begin = time.perf_counter()
        for _ in self.messages(code):
            pass
        return time.perf_counter() - begin

    def run_all(self, cells: Sequence[str]) -> None:
        """Send cells at once, and wait until all have ended.

        Raises:
            RuntimeError: one failed.
        """
        requests = [self._send("execute_request", _content(code)) for code in cells]
        for request in requests:
            for _ in self._published(request):
                pass
            self._check_reply()

    def messages(self, code: str) -> Iterator[dict[str, Any]]:
        """Send a cell; gives what it publishes, each message when it has come.

        Raises:
            RuntimeError: the cell failed.
        """
        yield from self._published(self._send("execute_request", _content(code)))
        self._check_reply()

    def _check_reply(self) -> None:
        reply = self._receive(self._shell)
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"The cell failed: {reply['content']}")

    def say(self, comm_id: str, data: Any) -> float:
        """Seconds from sending a comm's message to what the code behind the comm says next."""
        begin = time.perf_counter()
        answered = 0.0
        content = {"comm_id": comm_id, "data": data}
        for message in self._published(self._send("comm_msg", content)):
            if message["header"]["msg_type"] == "comm_msg":
                answered = answered or time.perf_counter() - begin
        return answered

    def open_comm(self, comm_id: str, target: str) -> None:
        """Open a comm, and wait until that is done."""
        content = {"comm_id": comm_id, "target_name": target, "data": {}}
        for _ in self._published(self._send("comm_open", content)):
            pass

    def _published(self, request: str) -> Iterator[dict[str, Any]]:
        """What is published for a request, to its end."""
        while True:
            message = self._receive(self._iopub)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["content"].get("execution_state") == "idle":
                return
            yield message

    def _send(self, kind: str, content: dict[str, Any]) -> str:
        message = self._session.send(self._shell, kind, content)
        assert message is not None
        identity: str = message["header"]["msg_id"]
        return identity

    def _receive(self, socket: zmq.Socket[bytes]) -> dict[str, Any]:
        if not socket.poll(LIMIT):
            raise TimeoutError("The kernel is silent.")
        _, message = self._session.recv(socket, mode=0)
        assert message is not None
        return message

    @property
    def age(self) -> float:
        """Seconds since the process was started."""
        return time.perf_counter() - self._begin

    @property
    def memory(self) -> float:
        """Megabytes that the process holds now."""
        return float(self.process.memory_info().rss) / 1e6

    @property
    def memory_of_all(self) -> float:
        """Megabytes that the process and its children hold now, shared pages counted once.

        That is their proportional set size, which Linux tells.
        """
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(float(process.memory_full_info().pss) for process in processes) / 1e6

    @property
    def peak(self) -> float:
        """Megabytes that the process has held at most. Linux tells it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024 / 1e6

    def close(self) -> None:
        """Kill the process: ipykernel's own application hangs at times when it is asked to end."""
        self.process.kill()
        self.process.wait()
        self._context.destroy()


def _content(code: str) -> dict[str, Any]:
    """What a cell's request says."""
    content = {"code": code, "silent": False, "store_history": True}
    return content | {"user_expressions": {}, "allow_stdin": False, "stop_on_error": True}


def _command(name: str, connection_file: str) -> list[str]:
    if name == BARE:
        return [sys.executable, "-m", "benchmarks.bare", "-f", connection_file]
    program, *arguments = get_kernel_spec(name).argv
    # As jupyter_client does: the spec in an environment names no path.
    program = sys.executable if program in ("python", "python3") else program
    return [program, *(part.format(connection_file=connection_file) for part in arguments)]


@contextmanager
def started(name: str, *arguments: str, **environment: str) -> Iterator[KernelProcess]:
    """A kernel that has answered its first request."""
    with tempfile.TemporaryDirectory() as directory:
        kernel = KernelProcess(name, Path(directory), *arguments, **environment)
        try:
            kernel.settle()
            yield kernel
        finally:
            kernel.close()


def start(name: str, **environment: str) -> float:
    """Seconds from the process's start to its first reply."""
    with tempfile.TemporaryDirectory() as directory:
        kernel = KernelProcess(name, Path(directory), **environment)
        kernel.request("kernel_info_request")
        taken = kernel.age
        kernel.close()
        return taken
