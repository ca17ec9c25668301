"""Whether this computer can make sandboxes; if not, what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

from tci_kernel.core.errors import ConfigurationError
from tci_kernel.server.places import bubblewrap
from tci_kernel.server.places.bubblewrap import Limits, View

# What bubblewrap must have, and its first version that has it.
_OPTION = "--disable-userns"
_VERSION = "0.8"

# Seconds for a program that does nothing.
_TIMEOUT = 30.0

# A user that has nothing, for where this process is root: Linux's "nobody".
_NOBODY = 65534

# Settings of a Linux kernel that keep ordinary users from making namespaces: the value that does,
# and what to do about it.
_SETTINGS = {
    "user/max_user_namespaces": ("0", "Set it to some thousands: sysctl -w {name}=10000"),
    "kernel/unprivileged_userns_clone": ("0", "Allow them: sysctl -w {name}=1"),
    "kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "Give bwrap a profile of AppArmor that allows them, or: sysctl -w {name}=0",
    ),
}


def check(limits: Limits) -> None:
    """Make a sandbox, and run nothing in it.

    Raises:
        ConfigurationError: it can't be had; says which package or setting is missing.
    """
    if sys.platform != "linux":
        raise _unavailable("It is made of parts of Linux, which this system is not.", "")
    for program, package in bubblewrap.PROGRAMS.items():
        if which(program) is None:
            raise _unavailable(
                f"The program {program} is not installed.",
                f"Install the package {package}, for instance: apt-get install {package}",
            )
    if _OPTION not in _output([bubblewrap.path("bwrap"), "--help"]):
        raise _unavailable(
            f"bubblewrap is older than {_VERSION}.",
            f"Install {_VERSION} or a newer one.",
        )
    problem = _try(limits)
    if problem:
        raise _unavailable(problem, _advice())


def _try(limits: Limits) -> str:
    """What keeps a program from running in a sandbox; empty if nothing does."""
    nothing = View(readable=(), hidden=(), directories=(), files={})
    info = os.open(os.devnull, os.O_WRONLY)
    try:
        command = bubblewrap.command(
            [bubblewrap.path("true")],
            view=nothing,
            limits=limits,
            working_directory="/",
            uid=_NOBODY,
            info=info,
        )
        return _output(command, pass_fds=(info,))
    finally:
        os.close(info)


def _output(command: list[str], pass_fds: tuple[int, ...] = ()) -> str:
    """All that a program prints, which must come soon."""
    try:
        done = subprocess.run(  # noqa: S603 - bubblewrap's, with arguments of ours
            command,
            pass_fds=pass_fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    failed = f"{command[0]} ended with status {done.returncode}" if done.returncode else ""
    return done.stdout.strip() or failed


def _advice() -> str:
    """What of this computer's settings is in the way, as far as they tell."""
    for name, (forbidding, advice) in _SETTINGS.items():
        try:
            value = Path("/proc/sys", name).read_text().strip()
        except OSError:
            continue
        if value == forbidding:
            dotted = name.replace("/", ".")
            return f"The kernel's setting {dotted} is {value}. {advice.format(name=dotted)}"
    return (
        "In a container, it needs the right to make namespaces: with Docker, "
        "--security-opt seccomp=unconfined --security-opt apparmor=unconfined, or --privileged."
    )


def _unavailable(problem: str, advice: str) -> ConfigurationError:
    return ConfigurationError(f"A sandbox can't be had here: {problem}", advice=advice)
