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
import platform
import shutil
import sys
import zipfile
from typing import Any, Callable

# The module's name in the session.
MODULE = "_tci_kernel_call"

if __name__ != MODULE:
    from tci_kernel.remote.failure import REFUSED, Failure
    from tci_kernel.remote.rebuilding import register, user_namespace
    from tci_kernel.remote.restoring import Restoring
    from tci_kernel.remote.shared_names import RECORDER
    from tci_kernel.remote.state_file import (
        FORMAT,
        MANIFEST,
        TITLE,
        shell_of_user,
        staged,
    )
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
        `loaded`, how many variables; `files`, how many; `installed`; `again`, the numbers of cells
        that ran again; `failed`: names, each with why; `notes`: what the user should know.
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
            return Loading(archive, manifest, register(cloudpickle)).run()
    finally:
        if was_enabled:
            gc.enable()


class Loading(Unpacking):
    """A state on its way into the session, with its variables.

    Args:
        archive: the open file.
        manifest: what it says of itself.
        cloudpickle: its module.
    """

    def __init__(self, archive: Any, manifest: dict[str, Any], cloudpickle: Any) -> None:
        super().__init__(archive, manifest)
        self.cloudpickle = cloudpickle
        self.namespace = user_namespace()
        self.notes: list[str] = []
        self.again: list[int] = []
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
            self.load_variables()
        else:
            self.define()
        self.restore_history()
        return {
            "again": self.again,
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

    def load_variables(self) -> None:
        """Load what is carried, and have cells make the rest."""
        restoring = Restoring(self.manifest, self.bytes_of, self.namespace, self.fail)
        restoring.run()
        self.again = [int(cell["number"]) for cell in self.manifest["again"]["cells"]]
        self.loaded += sum(name.isidentifier() for name in restoring.values)
        for name in restoring.different(self.cloudpickle):
            self.notes.append("%s was made again by its cells, and may not be what it was." % name)

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
        recorder: Any = sys.modules.get(RECORDER)
        if recorder is not None:
            recorder.go_on(self.manifest["lineage"])


OPERATIONS: dict[str, Callable[..., Any]] = {
    operation.__name__: operation for operation in (prepare, discard, load)
}


def main(operation: str, **arguments: Any) -> Any:
    """Run an operation."""
    return OPERATIONS[operation](**arguments)
