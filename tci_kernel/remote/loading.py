"""Gives a session what a saved state holds; see `saving`.

It is sent as text with each request (see `calls`), after that of `unpacking` and `state_file`, and
runs one operation. It may meet any Python from 3.8 on, with IPython or without.
"""

from __future__ import annotations

import gc
import importlib
import json
import operator
import os
import pickle
import platform
import random
import shutil
import sys
import zipfile
from typing import Any, Callable

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.belongings import NUMPY_RANDOM, RANDOM, TORCH_RANDOM
    from tci_kernel.remote.failure import REFUSED, Failure
    from tci_kernel.remote.rebuilding import register, user_namespace
    from tci_kernel.remote.state_file import FORMAT, MANIFEST, TITLE, shell_of_user, staged
    from tci_kernel.remote.unpacking import Unpacking


def prepare(token: str) -> str:
    """Make the directory that the file arrives in; gives its path."""
    path = staged(token)
    os.mkdir(path, 0o700)
    return path


def discard(token: str) -> None:
    """Remove that directory."""
    shutil.rmtree(staged(token), ignore_errors=True)


def load(path: str, cloudpickle: str) -> dict[str, Any]:
    """Give the session what a file holds: packages first, then files, then variables.

    What fails is left out and told; nothing that worked is undone.

    Args:
        path: the file's.
        cloudpickle: its text.

    Returns:
        `loaded`, how many variables; `files`, how many; `installed`; `failed`: names, each with
        why; `notes`: what the user should know.
    """
    try:
        archive = zipfile.ZipFile(path)
        manifest = json.loads(archive.read(MANIFEST))
        known = archive.namelist()[0] == TITLE and manifest["format"] == FORMAT
    except (OSError, zipfile.BadZipFile, ValueError, LookupError, TypeError):
        known = False
    if not known:
        raise Failure(REFUSED, "This is no saved state, or one of a newer tci-kernel.")
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with archive:
            register(cloudpickle)
            return Loading(archive, manifest).run()
    finally:
        if was_enabled:
            gc.enable()


class Loading(Unpacking):
    """A state on its way into the session, with its variables.

    Args:
        archive: the open file.
        manifest: what it says of itself.
    """

    def __init__(self, archive: Any, manifest: dict[str, Any]) -> None:
        super().__init__(archive, manifest)
        self.namespace = user_namespace()
        self.notes: list[str] = []
        self.loaded = 0

    def run(self) -> dict[str, Any]:
        """Load all of it, in its order."""
        self.install()
        os.environ.update(self.manifest["environment"])
        self.enter_directory()
        self.write_files()
        self.import_modules()
        if self.is_same_python():
            self.compare_versions()
            for part in in_order(self.manifest["parts"]):
                self.load_part(part)
        else:
            self.define()
        self.restore_history()
        return {
            "loaded": self.loaded,
            "files": self.files,
            "installed": self.installed,
            "failed": self.failed,
            "notes": self.notes,
        }

    def enter_directory(self) -> None:
        """Go to where the session that was saved was, below where this one began."""
        shell, place = shell_of_user(), str(self.manifest["directory"])
        path = os.path.join(shell.starting_dir if shell else os.getcwd(), place)
        try:
            if not os.path.isabs(place):
                os.makedirs(path, exist_ok=True)
            os.chdir(path)
        except OSError as error:
            self.notes.append("The working directory was %s: %s." % (place, error.strerror))

    def import_modules(self) -> None:
        """Import the modules, and what is theirs, that variables stand for."""
        for name, module in self.manifest["modules"].items():
            try:
                self.namespace[name] = importlib.import_module(module)
            except Exception as error:
                self.fail(name, error)
            else:
                self.loaded += 1
        for name, (module, path) in self.manifest["imported"].items():
            try:
                self.namespace[name] = operator.attrgetter(path)(importlib.import_module(module))
            except Exception as error:
                self.fail(name, error)
            else:
                self.loaded += 1

    def is_same_python(self) -> bool:
        """Whether pickles may be read: byte code of another Python crashes the interpreter."""
        theirs = self.manifest["implementation"], self.manifest["python"].split(".")[:2]
        ours = platform.python_implementation(), platform.python_version().split(".")[:2]
        return theirs == ours

    def compare_versions(self) -> None:
        """Note which modules have other versions than they had."""
        for name, version in self.manifest["versions"].items():
            module = sys.modules.get(name)
            here = getattr(module, "__version__", None)
            if isinstance(here, str) and here != version:
                self.notes.append("%s is %s here, and was %s." % (name, here, version))

    # -- variables ---------------------------------------------------------------------------

    def load_part(self, part: dict[str, Any]) -> None:
        """Load variables that were pickled together."""
        try:
            buffers = [self.bytes_of(names) for names in part["buffers"]]
            found = pickle.loads(self.bytes_of(part["pickle"]), buffers=buffers)
        except Exception as error:
            for name in part["names"]:
                self.fail(name, error)
            return
        for name in part["names"]:
            try:
                self.set(name, found[name])
            except Exception as error:
                self.fail(name, error)

    def set(self, name: str, value: Any) -> None:
        """Give a variable, or what stands in its place, its value."""
        if name == RANDOM:
            random.setstate(value)
        elif name == NUMPY_RANDOM:
            importlib.import_module("numpy.random").set_state(value)
        elif name == TORCH_RANDOM:
            importlib.import_module("torch.random").set_rng_state(value)
        elif name.startswith("Out["):
            number = int(name[len("Out[") : -1])
            self.namespace.get("_oh", {})[number] = value
            self.namespace["_%d" % number] = value
        else:
            self.namespace[name] = value
            self.loaded += 1

    def define(self) -> None:
        """Run the source of functions and classes: their byte code is another Python's."""
        self.notes.append(
            "This is Python %s, and the state is of %s: functions and classes were defined again "
            "from their source, all other variables are left out."
            % (platform.python_version(), self.manifest["python"])
        )
        defined = set()
        for name, source in self.manifest["sources"]:
            try:
                exec(compile(source, "<saved %s>" % name, "exec"), self.namespace)
            except Exception as error:
                self.fail(name, error)
            else:
                defined.add(name)
                self.loaded += 1
        for variable in self.manifest["variables"]:
            name = variable["name"]
            if name not in defined and name.isidentifier():
                self.fail(name, "it is left out")

    def restore_history(self) -> None:
        """Go on with the inputs and the count of the session that was saved."""
        shell = shell_of_user()
        if shell is None or shell.execution_count > int(self.manifest["count"]):
            return  # what has run here is not forgotten
        inputs = self.manifest["inputs"]
        history = shell.history_manager
        history.input_hist_parsed[:] = inputs["parsed"]
        history.input_hist_raw[:] = inputs["raw"]
        shell.execution_count = int(self.manifest["count"])
        for known in (history.input_hist_parsed, history.input_hist_raw):
            known.extend([""] * (shell.execution_count - len(known)))


def in_order(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parts, each after those that define what it needs."""
    owners = {name: number for number, part in enumerate(parts) for name in part["names"]}
    order: list[int] = []
    seen: set[int] = set()
    for start in range(len(parts)):
        pending = [(start, False)]
        while pending:
            number, is_done = pending.pop()
            if is_done:
                order.append(number)
            elif number not in seen:
                seen.add(number)
                pending.append((number, True))
                needs = parts[number]["needs"]
                pending += [(owners[name], False) for name in needs if name in owners]
    return [parts[number] for number in order]


OPERATIONS: dict[str, Callable[..., Any]] = {
    operation.__name__: operation for operation in (prepare, discard, load)
}


def main(operation: str, **arguments: Any) -> Any:
    """Run an operation."""
    return OPERATIONS[operation](**arguments)
