"""Runs a file of ipykernel's own tests, from its source distribution, on another kernel.

Started as a script it is the process that runs them: `upstream.py KERNEL [pytest's arguments]`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jupyter_client import manager

VERSION = version("ipykernel")

# Seconds for all tests of a file.
LIMIT = 300


def fetch(directory: Path) -> None:
    """Put the tests of the installed ipykernel into a directory, by pip's settings."""
    directory.mkdir()
    requirement = f"ipykernel=={VERSION}"
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
    subprocess.run([*pip, "--no-binary=ipykernel", f"--dest={directory}", requirement], check=True)
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as members:
        # The package itself stays out: here it would shadow the one that is installed.
        tests = [member for member in members if Path(member.name).parts[1:2] == ("tests",)]
        for member in tests:
            member.name = str(Path(*Path(member.name).parts[1:]))
        members.extractall(directory, tests, filter="data")


def outcomes(directory: Path, kernel_name: str, *arguments: str) -> dict[str, str]:
    """Run fetched tests, chosen by pytest's arguments: each one's failure, empty if it passed."""
    settings = ("-c", os.devnull, "--rootdir=.", "--confcutdir=.")  # neither theirs nor ours
    with tempfile.TemporaryDirectory() as place:
        report = f"{place}/report.xml"
        subprocess.run(
            [
                *(sys.executable, __file__, kernel_name, *settings, *arguments),
                *("-q", "-p", "no:cacheprovider", f"--junitxml={report}"),
            ],
            check=False,
            cwd=directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LIMIT,
        )
        cases = ElementTree.parse(report).iter("testcase")
        return {case.attrib["name"]: "\n".join(_text(part) for part in case) for case in cases}


def _text(part: ElementTree.Element) -> str:
    return f"{part.tag}: {part.text}"


def start(original: Callable[..., tuple[Any, Any]], *args: Any, **options: Any) -> tuple[Any, Any]:
    """Start a kernel, and take what it still has to say of its start.

    Who waits for a kernel asks it what it is until it answers. On a busy machine some answers come
    later, and the tests would take the first that they meet for one to check.
    """
    kernel, client = original(*args, **options)
    last = client.kernel_info()
    while client.get_shell_msg(timeout=LIMIT)["parent_header"].get("msg_id") != last:
        pass
    return kernel, client


if __name__ == "__main__":
    # What is started is the default kernel, unless it is named.
    manager.start_new_kernel = partial(start, manager.start_new_kernel, kernel_name=sys.argv[1])
    sys.exit(pytest.main(sys.argv[2:]))
