"""Unpacks what a saved state holds besides variables: packages and files.

It travels to the session as text before that of `loading`. It may meet any Python from 3.8 on.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import struct
import subprocess
import sys
import tempfile
from typing import Any

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.belongings import packages

# Bytes of what stands before the name of an entry, and where the lengths of the name and of what is
# behind it are: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7.
HEADER = 30
NAME_LENGTH = 26

# Seconds for the installation of packages.
INSTALL_LIMIT = 900.0


class Unpacking:
    """A state on its way into the session.

    Args:
        archive: the open file.
        manifest: what it says of itself.

    Attributes:
        failed: names of what could not be had, each with why.
        installed: packages that were installed.
        files: how many were written.
    """

    def __init__(self, archive: Any, manifest: dict[str, Any]) -> None:
        self.archive = archive
        self.manifest = manifest
        self.failed: list[list[str]] = []
        self.installed: list[str] = []
        self.files = 0

    def bytes_of(self, names: list[str]) -> bytearray:
        """The bytes of blocks, which are what their names say."""
        infos = [self.archive.getinfo(name) for name in names]
        data = bytearray(sum(info.file_size for info in infos))
        view = memoryview(data)
        for info in infos:
            block, view = view[: info.file_size], view[info.file_size :]
            self.read_into(block, info)
            if hashlib.sha256(block).hexdigest() != info.filename:
                raise ValueError("its bytes are not what they were")
        return data

    def read_into(self, block: memoryview, info: Any) -> None:
        """Read an entry that is stored as it is: zipfile would copy it twice, and check it too."""
        file = self.archive.fp
        file.seek(info.header_offset)
        header = file.read(HEADER)
        file.seek(sum(struct.unpack("<HH", header[NAME_LENGTH:])), os.SEEK_CUR)
        if info.compress_type or file.readinto(block) != len(block):
            raise ValueError("its bytes are not all there")

    def fail(self, name: str, error: object) -> None:
        """Note what could not be loaded."""
        reason = "%s: %s" % (type(error).__name__, error) if isinstance(error, Exception) else error
        self.failed.append([name, str(reason)[:500]])

    # -- what variables need -----------------------------------------------------------------

    def install(self) -> None:
        """Install the packages that were installed in the session, in their versions."""
        here = packages()
        wanted = [
            "%s==%s" % (name, version)
            for name, version in self.manifest["installed"].items()
            if here.get(name) != version
        ]
        if not wanted:
            return
        command = [sys.executable, "-m", "pip", "install", "--quiet", *wanted]
        try:
            done = subprocess.run(  # noqa: S603 - in the session, whose code may do the same
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=INSTALL_LIMIT,
            )
        except (OSError, subprocess.SubprocessError) as error:
            self.fail("packages " + ", ".join(wanted), error)
            return
        if done.returncode:
            lines = done.stdout.decode(errors="replace").strip().splitlines()
            self.fail("packages " + ", ".join(wanted), lines[-1] if lines else "pip failed")
        else:
            self.installed = wanted
            importlib.invalidate_caches()

    def write_files(self) -> None:
        """Make the directories, and write the files in the place of what has their names."""
        for parts in self.manifest["directories"]:
            try:
                os.makedirs(self.place_of(parts), exist_ok=True)
            except Exception as error:
                self.fail("/".join(map(str, parts)), error)
        for entry in self.manifest["files"]:
            name = "/".join(entry["parts"])
            try:
                self.write_file(entry)
            except Exception as error:
                self.fail(name, error)
            else:
                self.files += 1

    def place_of(self, parts: list[Any]) -> str:
        """The path of something below the working directory, whose own directory is made."""
        names = [*map(str, parts)]
        if not names or any(name in ("", ".", "..") or os.sep in name for name in names):
            raise ValueError("its name leads elsewhere")
        path = os.path.join(os.path.realpath(os.getcwd()), *names)
        directory = os.path.dirname(path)
        if os.path.realpath(directory) != directory:
            raise ValueError("a link leads elsewhere")
        os.makedirs(directory, exist_ok=True)
        return path

    def write_file(self, entry: dict[str, Any]) -> None:
        """Write a file, in one step."""
        path = self.place_of(entry["parts"])
        data = self.bytes_of(entry["blocks"])
        beside, name = tempfile.mkstemp(dir=os.path.dirname(path))
        with open(beside, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, (0o777 if entry["executable"] else 0o666) & ~mask)
        os.replace(name, path)
