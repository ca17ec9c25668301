"""The command line of bubblewrap, which shuts a program in: what it sees, and what it may use.

https://github.com/containers/bubblewrap, the package `bubblewrap` of Debian, Ubuntu and Fedora.
Where the server is root, a first bubblewrap makes the program's view of the files, gives up root,
and starts a second one that does the rest, as it does for everybody else: a program that has no
rights but those of a number that nobody else has.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# The programs that it takes, and the packages that they are in.
PROGRAMS = {"bwrap": "bubblewrap", "prlimit": "util-linux", "setpriv": "util-linux"}

# The directories of a system's programs beside /usr; most are links into it today.
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

# Where else systems keep programs: Nix and Guix.
_STORES = ("/nix/store", "/gnu/store")

# What programs read of /etc: nothing that tells of the computer's users, or of its secrets.
_SETTINGS = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "os-release",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
)

# What they read of it to reach others.
_NETWORK_SETTINGS = ("gai.conf", "host.conf", "hosts", "nsswitch.conf", "resolv.conf")

# Where root gives the first bubblewrap the rights to become somebody else, and none besides.
_TO_GIVE_UP_ROOT = ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")


@dataclass(frozen=True)
class Limits:
    """What a program that is shut in may use.

    Attributes:
        memory: bytes of memory, of each process; all together may not have more for long.
        processes: processes and threads at once.
        files: bytes in each of the directories that can be written to, which are in memory.
        has_network: whether it reaches what this computer reaches.
    """

    memory: int
    processes: int
    files: int
    has_network: bool


@dataclass(frozen=True)
class View:
    """What a program that is shut in sees of the files, beside those of the system.

    Attributes:
        readable: directories, by the same paths as outside.
        hidden: directories below those that are empty there.
        directories: those that are made in `/tmp`, for everybody to write to.
        files: files and directories by their paths inside; they can only be read.
    """

    readable: Iterable[str]
    hidden: Iterable[str]
    directories: Iterable[str]
    files: dict[str, str]


def command(
    program: Sequence[str],
    *,
    view: View,
    limits: Limits,
    working_directory: str,
    uid: int,
    info: int,
) -> list[str]:
    """The command line that runs a program in a sandbox.

    Args:
        program: the program's own.
        view: what it sees.
        limits: what it may use.
        working_directory: its own, inside.
        uid: of the user and the group that it runs as, where this process `can_become` that.
        info: an open file, where bubblewrap writes a JSON object. Its `child-pid` is the first
            process inside, which leads a process group of all that is started there.
    """
    bwrap = path("bwrap")
    limited = [
        path("prlimit"),
        f"--data={limits.memory}:{limits.memory}",
        f"--nproc={limits.processes}:{limits.processes}",
        f"--fsize={limits.files}:{limits.files}",
        "--core=0:0",
        "--",
        *program,
    ]
    files = _files(view, limits)
    apart = [
        "--unshare-all",
        *(["--share-net"] if limits.has_network else []),
        *("--disable-userns", "--unshare-user", "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", "--hostname", "session"),
        *("--info-fd", str(info), "--unsetenv", "JPY_PARENT_PID"),
    ]
    devices = [
        *("--proc", "/proc", "--dev", "/dev"),
        *_private("/dev/shm", limits),  # noqa: S108 - in the sandbox
        *("--remount-ro", "/dev", "--remount-ro", "/"),
        *("--chdir", working_directory),
    ]
    if not can_become(uid):
        return [bwrap, *apart, *files, *devices, "--", *limited]
    user = [path("setpriv"), f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]
    outer = [bwrap, "--die-with-parent", *files, "--bind", "/proc", "/proc", "--dev", "/dev"]
    inner = [bwrap, *apart, "--bind", "/", "/", *devices, "--", *limited]
    return [*outer, *_TO_GIVE_UP_ROOT, "--remount-ro", "/", "--", *user, *inner]


def can_become(uid: int) -> bool:
    """Whether this process may become a user: it is root, and of a namespace that has that one."""
    if os.geteuid() != 0:
        return False
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    ranges = (map(int, line.split()) for line in lines)
    return any(first <= uid < first + count for first, _, count in ranges)


def _files(view: View, limits: Limits) -> list[str]:
    """The arguments that make what the program sees of the files."""
    settings = (*_SETTINGS, *(_NETWORK_SETTINGS if limits.has_network else ()))
    arguments = [*_system(), *_private("/tmp", limits)]  # noqa: S108 - in the sandbox
    bound = {place: place for place in (*_STORES, *(f"/etc/{name}" for name in settings))}
    bound = {place: outside for place, outside in bound.items() if Path(outside).exists()}
    bound |= {place: place for place in view.readable} | view.files
    for place in view.directories:
        arguments += ["--perms", "0777", "--dir", place]
    for place in _parents(bound):  # bubblewrap would make them private
        arguments += ["--perms", "0755", "--dir", place]
    for inside, outside in bound.items():
        arguments += ["--ro-bind", outside, inside]
    for place in view.hidden:
        arguments += ["--tmpfs", place, "--remount-ro", place]
    return arguments


def _system() -> list[str]:
    """The arguments that make a system's programs readable."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for place in (f"/{name}" for name in _SYSTEM):
        if Path(place).is_symlink():
            arguments += ["--symlink", str(Path(place).readlink()), place]
        elif Path(place).exists():
            arguments += ["--ro-bind", place, place]
    return arguments


def _private(place: str, limits: Limits) -> list[str]:
    """The arguments that make a directory in memory, for everybody to write to."""
    return ["--perms", "1777", "--size", str(limits.files), "--tmpfs", place]


def _parents(places: Iterable[str]) -> list[str]:
    """The directories that places are in, outer ones first."""
    parents = {str(parent) for place in places for parent in Path(place).parents}
    return sorted(parents - {"/", "/tmp"})  # noqa: S108 - which are there


def path(program: str) -> str:
    """Where a program is; its name, if it is nowhere."""
    return shutil.which(program) or program
