"""The interpreter of `tci-local`, which is started before the kernel has imported anything."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.kernels import KernelDriver, kernel
from tests.support.waiting import until

LOCAL = ["-f", "kernel.json", "--local"]

# Starts an interpreter as a kernel does, says where it is, and waits.
BEGIN = """
import sys
from tci_kernel.server import early
early.begin(sys.argv[1:])
found = early.take()
print(found and f"{found.process.pid} {found.root}", flush=True)
if found:
    early._started.append(found)
    sys.stdin.readline()
"""


def begun(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def ended(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    "arguments",
    [
        ["-f", "kernel.json"],
        ["--local"],
        [*LOCAL, "--LocalServer.sandbox=True"],
        [*LOCAL, "--config=mine.py"],
        ["serve"],
    ],
)
def test_none_is_started_where_something_else_may_be_wanted(arguments: list[str]) -> None:
    with begun(*arguments) as process:
        assert first_line(process) == "None"


def test_one_that_nobody_takes_ends_with_its_process_and_leaves_nothing() -> None:
    with begun(*LOCAL) as process:
        pid, root = first_line(process).split()
        assert Path(root).is_dir()
        assert not ended(int(pid))
        process.communicate("\n", timeout=60)
    assert ended(int(pid))
    assert not Path(root).exists()


def test_one_ends_when_its_process_is_killed() -> None:
    with begun(*LOCAL) as process:
        pid, _ = first_line(process).split()
        time.sleep(1)  # it looks at its parent once it runs
        process.kill()
        until(lambda: ended(int(pid)), "the end of the interpreter")


def test_what_can_not_be_started_is_nobodys_trouble_yet(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    # Its name is too long for sockets below it, and the other places are none of these.
    with begun(*LOCAL, TMPDIR=str(tmp_path / ("x" * 100))) as process:
        line = first_line(process)
        assert line == "None" or Path(line.split()[1]).is_dir()
        process.communicate("\n", timeout=60)


def interpreter_and_janitor(driver: KernelDriver) -> tuple[psutil.Process, psutil.Process]:
    """The processes of a kernel that embeds a server."""
    pid = int(driver.run("import os; print(os.getpid())").text())
    children = psutil.Process(driver.pid).children()
    (janitor,) = (one for one in children if "janitor_process" in " ".join(one.cmdline()))
    return psutil.Process(pid), janitor


def age(process: psutil.Process) -> tuple[float, int]:
    """What is the lower, the earlier a process was started."""
    return process.create_time(), process.pid


def test_the_first_session_runs_in_it() -> None:
    with kernel("tci-local") as driver:
        interpreter, janitor = interpreter_and_janitor(driver)
        assert age(interpreter) < age(janitor)
        driver.run("%tci new")
        second, _ = interpreter_and_janitor(driver)
        assert age(second) > age(janitor)


def test_where_the_configuration_wants_another_it_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "tci_kernel_config.py").write_text("c.LocalServer.directory = 'private'\n")
    with kernel("tci-local", JUPYTER_CONFIG_DIR=str(tmp_path), cwd=str(tmp_path)) as driver:
        interpreter, janitor = interpreter_and_janitor(driver)
        assert age(interpreter) > age(janitor)
        assert Path(interpreter.cwd()) != tmp_path


def test_where_the_kernelspec_is_another_it_is_ended(tmp_path: Path) -> None:
    directory = tmp_path / "kernels" / "python3"
    directory.mkdir(parents=True)
    (directory / "kernel.json").write_text(
        '{"argv": ["python", "-X", "utf8", "-m", "ipykernel_launcher", "-f", "{connection_file}"],'
        ' "display_name": "Other", "language": "python"}'
    )
    with kernel("tci-local", JUPYTER_PATH=str(tmp_path)) as driver:
        assert driver.run("import sys; print(sys.flags.utf8_mode)").text() == "1\n"
        assert len(psutil.Process(driver.pid).children()) == 2  # and there is no other process
