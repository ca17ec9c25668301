"""The interpreter that the relay starts in the session: an ipykernel, and the channels to it.

It travels to the session as text, before that of `relay`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from contextlib import suppress
from typing import Any, Callable

if __name__.startswith("tci_kernel."):
    from tci_kernel.remote.frames import Frames, Signer
    from tci_kernel.remote.interpreter import DEAD, FAILED, READY, STARTING

# The channels, and the kind of socket for each.
CHANNELS = {"shell": "DEALER", "control": "DEALER", "stdin": "DEALER", "iopub": "SUB"}

# Seconds that it has to answer, and between two requests for an answer.
START_LIMIT = 20.0
ASK_INTERVAL = 0.1

# Seconds between two looks at it while it starts: a socket that is not there yet raises no event.
LOOK_INTERVAL = 0.01

# Milliseconds for the last output of one that died, which is in the sockets still.
LAST_OUTPUT = 100

# Messages that are read from a channel before the others have their turn.
TURN = 1000

# Milliseconds without output after which a question is passed on, and seconds for all of them.
# ipykernel sends what was printed before a question first, but on another channel.
OUTPUT_PAUSE = 5
OUTPUT_LIMIT = 0.1

# Where its files go where the first place is full, or can't be written to: that of all that is
# temporary, and one in memory.
OTHER_PLACES = (None, "/dev/shm")  # noqa: S108 - its name there is random

# The environment variable by which it learns of the pipe that ends with the relay's process.
LIFE = "_TCI_KERNEL_LIFE"

# Bytes that the path of a Unix socket may have, with some for its name.
LONGEST_PATH = 80


class Child:
    """An ipykernel in a process of its own, in a group of its own.

    A thread of its own reads its channels all the time: what exceeds the queue of its sockets would
    be lost.

    Args:
        number: how many there have been, with this one.
        receive: called with each message of it, on the thread that reads.
        change: called when its state has changed, on any thread.

    Attributes:
        number: as above.
        state: one of the states above.
        reason: why it has failed or how it died; a text.
        info: the content of its `kernel_info_reply`, once it is ready.
    """

    def __init__(
        self, number: int, receive: Callable[[Frames], None], change: Callable[[], None]
    ) -> None:
        self.number = number
        self.state = STARTING
        self.reason = ""
        self.info: dict[str, Any] = {}
        import zmq

        self._zmq = zmq
        self._lock = threading.Lock()  # for what waits until it is ready
        self._receive = receive
        self._change = change
        self._heard = False  # whether its published messages arrive
        self._outgoing: deque[tuple[str, list[bytes]]] = deque()
        self._waiting: list[tuple[str, list[bytes]]] = []  # until it is ready
        self._waker, self._wakened = socket.socketpair()
        self._waker.setblocking(False)  # once it is full, it has surely been woken
        self._status: int | None = None  # of its process, once that has ended
        self._directory = ""
        self._process: subprocess.Popen[bytes] | None = None
        key = uuid.uuid4().hex
        self._signer = Signer(key.encode())
        try:
            self._addresses = self._connection(key)
            self._process, self._life = self._start()
        except OSError as error:
            self.state, self.reason = FAILED, "it can't be started: %s" % error
            return
        for work in (self._read, self._wait):
            threading.Thread(target=work, name="tci-kernel", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process; 0 if it could not be started."""
        return self._process.pid if self._process else 0

    def send(self, message: dict[str, Any]) -> None:
        """Send a message, given as an exchange brings it; it waits until the child is ready."""
        channel = message["channel"]
        item = (channel, self._signer.frames(message))
        with self._lock:
            (self._waiting if self.state == STARTING else self._outgoing).append(item)
        self._wake()

    def interrupt(self) -> None:
        """Interrupt what it runs, with what that has started."""
        if self.state == READY:
            self._signal(signal.SIGINT)

    def end(self) -> None:
        """Kill it, with all that it has started, and remove what it had."""
        self._signal(signal.SIGKILL)
        self._wake()
        shutil.rmtree(self._directory, ignore_errors=True)

    # -- its beginning -----------------------------------------------------------------------

    def _connection(self, key: str) -> dict[str, str]:
        """Write its connection file; gives the addresses of its channels."""
        for place in (os.environ.get("JUPYTER_RUNTIME_DIR"), *OTHER_PLACES):
            try:
                self._directory = tempfile.mkdtemp(prefix="tci-", dir=place)
                return self._written(key)
            except OSError:
                shutil.rmtree(self._directory, ignore_errors=True)
                if place == OTHER_PLACES[-1]:
                    raise
        raise AssertionError

    def _written(self, key: str) -> dict[str, str]:
        from jupyter_client.connect import write_connection_file

        transport, ip = "ipc", os.path.join(self._directory, "k")
        if len(ip) > LONGEST_PATH:
            transport, ip = "tcp", "127.0.0.1"
        path = os.path.join(self._directory, "kernel.json")
        written = write_connection_file(path, key=key.encode(), transport=transport, ip=ip)
        self._file, cfg = written[0], dict(written[1])
        form = "ipc://{ip}-{port}" if cfg["transport"] == "ipc" else "tcp://{ip}:{port}"
        return {name: form.format(ip=cfg["ip"], port=cfg["%s_port" % name]) for name in CHANNELS}

    def _start(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start its process; gives that, and the end of a pipe that it ends with."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", self._file]
        # A database on the disk would outlive the session, and a full disk keep it from starting.
        command.append("--HistoryManager.hist_file=:memory:")
        theirs, ours = os.pipe()
        # ipykernel looks at its parent by itself until the companion looks at the pipe.
        environment = dict(os.environ, JPY_PARENT_PID=str(os.getpid()), **{LIFE: str(theirs)})
        try:
            with open(os.path.join(self._directory, "log"), "wb") as log:
                process = subprocess.Popen(  # noqa: S603 - our own command
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    pass_fds=(theirs,),
                    start_new_session=True,  # a hang-up's SIGINT is not for it
                )
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        return process, ours

    def _log_tail(self) -> str:
        try:
            with open(os.path.join(self._directory, "log"), "rb") as log:
                return log.read()[-2000:].decode("utf-8", "replace").strip()
        except OSError:
            return ""

    # -- its thread --------------------------------------------------------------------------

    def _read(self) -> None:
        """Read and write its channels until it ends."""
        zmq = self._zmq
        context = zmq.Context()
        sockets: dict[str, Any] = {}
        identity = uuid.uuid4().hex.encode()
        for name, kind in CHANNELS.items():
            made = sockets[name] = context.socket(getattr(zmq, kind))
            made.linger = 0
            made.rcvhwm = made.sndhwm = 0
            made.reconnect_ivl = 5
            made.identity = identity  # the same on all: it answers input on the shell's
            if kind == "SUB":
                made.subscribe(b"")
            made.connect(self._addresses[name])
        poller = zmq.Poller()
        for made in sockets.values():
            poller.register(made, zmq.POLLIN)
        poller.register(self._wakened, zmq.POLLIN)
        try:
            self._await_start(sockets, poller)
            while self._status is None:
                self._turn(sockets, poller, None)
            while self._turn(sockets, poller, LAST_OUTPUT):
                pass
            self._note_end(self._status)
        finally:
            context.destroy(linger=0)
            self._waker.close()
            self._wakened.close()
            os.close(self._life)
            shutil.rmtree(self._directory, ignore_errors=True)
            self._change()

    def _await_start(self, sockets: dict[str, Any], poller: Any) -> None:
        """Ask until it answers and what it publishes arrives."""
        limit = time.monotonic() + START_LIMIT
        asked = 0.0
        while self.state == STARTING and self._status is None:
            now = time.monotonic()
            if now > limit:
                self.reason = "it did not answer in %d s" % START_LIMIT
                self._signal(signal.SIGKILL)
                limit = float("inf")
            elif now >= asked + ASK_INTERVAL:
                asked = now
                header = {"msg_id": uuid.uuid4().hex, "msg_type": "kernel_info_request"}
                header.update(session=uuid.uuid4().hex, username="", version="5.3")
                message = {"channel": "shell", "header": header}
                sockets["shell"].send_multipart(self._signer.frames(message))
            self._turn(sockets, poller, int(LOOK_INTERVAL * 1000))

    def _turn(self, sockets: dict[str, Any], poller: Any, timeout: int | None) -> bool:
        """Send what is to be sent, and read what has come; whether something has."""
        came = dict(poller.poll(timeout))
        if self._wakened.fileno() in came:
            self._wakened.recv(4096)
        while self._outgoing:
            channel, frames = self._outgoing.popleft()
            sockets[channel].send_multipart(frames)
        for channel, made in sockets.items():
            if made in came:
                if channel == "stdin":
                    self._drain_output(sockets["iopub"])
                self._drain(channel, made)
        return bool(came)

    def _drain_output(self, iopub: Any) -> None:
        """Read what was published before a question, which may have been the quicker one."""
        limit = time.monotonic() + OUTPUT_LIMIT
        while iopub.poll(OUTPUT_PAUSE) and time.monotonic() < limit:
            self._drain("iopub", iopub)

    def _drain(self, channel: str, made: Any) -> None:
        """Read what has come on a channel, but for what others would wait too long for."""
        try:
            for _ in range(TURN):
                message = self._signer.read(channel, made.recv_multipart(self._zmq.NOBLOCK))
                if message is not None:
                    self._take(message)
        except self._zmq.Again:
            pass

    def _take(self, message: Frames) -> None:
        """Pass a message on, but for those that answer our own question."""
        if message.channel == "iopub":
            self._heard = True
        if self.state == STARTING:
            if message.type == "kernel_info_reply" and self._heard:
                self.info = message.content()
                with self._lock:
                    self.state = READY
                    self._outgoing.extend(self._waiting)
                self._wake()
                self._change()
            return
        self._receive(message)

    # -- its end -----------------------------------------------------------------------------

    def _wait(self) -> None:
        """Wait for its end."""
        assert self._process is not None  # noqa: S101 - it was started before this
        self._status = self._process.wait()
        self._signal(signal.SIGKILL)  # what is left of its group
        self._wake()

    def _note_end(self, status: int) -> None:
        """Say how it ended, once its last output has come."""
        if self.state == STARTING:
            self.reason = self.reason or "it ended at once. %s" % self._log_tail()
            self.state = FAILED
        else:
            self.reason = described(status)
            self.state = DEAD

    def _signal(self, number: int) -> None:
        """Send a signal to it and its group."""
        if self._process:
            with suppress(OSError):  # it has ended
                os.killpg(self._process.pid, number)

    def _wake(self) -> None:
        with suppress(OSError):  # its thread has ended
            self._waker.send(b"x")


def described(status: int) -> str:
    """How a process ended."""
    if status >= 0:
        return "exit status %d" % status
    try:
        return "killed by %s" % signal.Signals(-status).name
    except ValueError:  # one of the real-time signals, most of which have no name
        return "killed by signal %d" % -status
