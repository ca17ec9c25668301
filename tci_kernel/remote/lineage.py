"""Records which cell made which variable, of what, and how long it took.

It is sent as text after that of `looks`, with what the kernel keeps in the interpreter: the
companion, or the helper. A variable that can't be saved, or is large and quickly made, can be made
again by the cells that it came from; `plan` says by which. It may meet any Python from 3.8 on.

What a cell uses is what its code names, and what the functions and objects name that it uses. What
it gives is what it binds, and what of the rest may have changed: all that it uses but what surely
has not, and all that may share memory with that.
"""

from __future__ import annotations

import ast
import re
import signal
import sys
import time
from typing import Any

if __name__.startswith("tci_kernel."):
    from tci_kernel.remote.looks import Look, is_atom, look_at, package_of
    from tci_kernel.remote.reading import EARLIER, Reading
    from tci_kernel.remote.shared_names import NUMPY_RANDOM, RECORDER, TORCH_RANDOM, random_states
    from tci_kernel.remote.uninterrupted import interrupted, uninterrupted

# Names that are the interpreter's and not the user's.
INTERPRETERS_OWN = re.compile("__.*|_i+|_i[0-9]+|_[iod]h|_exit_code|In|exit|quit|get_ipython|open")

# Seconds to look at variables after a cell: so many, or a part of what the cell itself took if that
# is longer. What others have left of theirs is there too, up to a time that nobody notices.
LEAST_TIME = 0.0003
PART_OF_TIME = 0.02
MOST_LEFT = 0.02

# Packages whose functions give the same for the same, but for those named below.
REPEATABLE = re.compile(
    "__main__|abc|array|ast|bisect|builtins|calendar|cmath|collections|contextlib|copy|copyreg|csv"
    "|dataclasses|datetime|decimal|difflib|enum|fractions|functools|hashlib|heapq|html|itertools"
    "|json|keyword|math|matplotlib|mpl_toolkits|networkx|numbers|numpy|operator|pandas|patsy|polars"
    "|pprint|pyarrow|random|re|scipy|seaborn|sklearn|statistics|statsmodels|string|struct|sympy"
    "|textwrap|types|typing|unicodedata|warnings|weakref|zlib"
)

# Functions that reach beyond the session's variables: files, the network, the clock, chance.
OUTSIDE = re.compile(
    "open|input|exec|eval|compile|id|hash|globals|locals|vars|breakpoint|get_ipython|__import__"
    "|read_.+|scan_.+|sink_.+|write.*|load|load_.+|loadtxt|genfromtxt|fromfile|memmap|fetch_.+|dump"
    "|save.*|tofile|to_(csv|excel|feather|hdf|json|latex|orc|parquet|pickle|sql|stata|xml|clipboard)"
    "|now|today|utcnow|urandom|SystemRandom|uuid[1-8]|imread|imsave|ExcelFile|ExcelWriter|HDFStore"
)
UNSEEDED = re.compile(r"\b(default_rng|RandomState|Random|SeedSequence|seed)\(\s*(None\s*)?\)")

# What may use any variable.
ANYTHING = frozenset(["exec", "eval", "globals", "locals", "vars", "user_ns", "__dict__"])

# Why a cell can never be run again.
FAILED = "it failed"
NOT_A_CELL = "no cell has made it"

# What has IPython show a tree: a cell, one that leaves no trace in the history, or what is neither.
CELL, PRIVATE, WITHIN = "cell", "private", "within"


class Recorder:
    """The record of the cells that run in a shell.

    Args:
        shell: the user's IPython.

    Attributes:
        cells: of each its `number` (0 of what was done between cells), its `source` as Python, what
            it `reads` and `gives` (names), the `seconds` that it took, and why it is not simply run
            again: `outside` what it uses beyond the session, `never` why it can't be. None once
            that can't be told.
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.cells: list[dict[str, Any]] | None = []
        self.atoms: dict[str, Any] = {}
        self.places: dict[str, int] = {}  # the ids of what is no atom
        self.looks: dict[str, Look] = {}
        self.present: dict[str, Look] = {}  # those taken since the last comparison
        self.own: set[str] = set()  # names that are not the user's
        self.started: float | None = None
        self.left = 0.0
        self.random = comparable_states()  # as the last cell has left them: to ask takes long
        self.tree: ast.AST | None = None  # of the cell that runs, if it is one for the record
        self.compare()
        shell.ast_transformers.append(self)
        shell.events.register("post_run_cell", self.after)

    def visit(self, tree: Any) -> Any:
        """Keep the tree of a cell, and note how things are before it.

        IPython shows it to all that may transform it. An interrupt that comes meanwhile is the
        cell's: in an event before it, IPython would show the interrupt and run the cell.
        """
        interrupts: list[int] = []
        kind = kind_of(sys._getframe(2))
        if kind == CELL and self.cells is not None:
            with uninterrupted() as interrupts:
                self.tree = tree
                self.begin()
        elif kind == PRIVATE:
            self.tree = None
        strikes = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        return interrupted(tree) if interrupts and strikes else tree

    def begin(self) -> None:
        """Note how things are before a cell."""
        self.started = None
        try:
            new, gone = self.compare()
            if new or gone:
                self.add(number=0, reads=[], gives=new | gone, never=NOT_A_CELL)
                self.look(new, time.perf_counter() + LEAST_TIME)
        except Exception:
            self.cells = None
        else:
            self.started = time.perf_counter()

    def after(self, result: Any) -> None:
        """Record a cell that has run. An interrupt that comes meanwhile has nothing to stop."""
        ended = time.perf_counter()
        tree, self.tree = self.tree, None
        if self not in self.shell.ast_transformers:  # somebody has taken this out
            self.cells = None
        if tree is None or self.started is None or self.cells is None:
            return
        if result.error_before_exec is not None:
            return
        with uninterrupted():
            try:
                self.record(Reading(tree), result, ended - self.started)
            except Exception:
                self.cells = None

    def record(self, reading: Reading, result: Any, seconds: float) -> None:
        """Record what a cell has read and given."""
        source = self.shell.history_manager.input_hist_parsed[-1]
        started = time.perf_counter()
        deadline = started + max(LEAST_TIME, seconds * PART_OF_TIME) + min(self.left, MOST_LEFT)
        before = {*self.atoms, *self.places}
        new, gone = self.compare()
        names = reading.names | (before if reading.names & ANYTHING else set())
        used, packages = self.follow(names, before, deadline)
        used -= (new - before) | (new - reading.read)
        changed = self.changed(used - new, deadline)
        used |= changed
        gives = new | gone | changed
        self.look(new, deadline)
        self.left += seconds * PART_OF_TIME - (time.perf_counter() - started)
        before_it, self.random = self.random, comparable_states()
        for name, state in self.random.items():
            if before_it.get(name) != state:
                gives.add(name)
                if "seed" not in names and name in before_it:
                    used.add(name)
        if result.result is not None:
            gives.add("Out[%d]" % result.execution_count)
        failure = FAILED if result.error_in_exec is not None else ""
        self.add(
            number=result.execution_count,
            source=source,
            reads=used,
            gives=gives,
            seconds=seconds,
            outside=outside(source, packages, self.globals_in(reading.names)),
            never=failure or reading.why_never(),
        )

    def globals_in(self, names: set[str]) -> set[str]:
        """All names that code uses, with those that the functions use that it calls."""
        known = {name: self.looks[name].names for name in names if name in self.looks}
        return set(names).union(*known.values())

    def add(
        self,
        *,
        number: int,
        reads: Any,
        gives: Any,
        source: str = "",
        seconds: float = 0.0,
        outside: str = "",
        never: str = "",
    ) -> None:
        """Add to the record."""
        entry = {"number": number, "source": source, "seconds": seconds}
        reasons = {"outside": outside, "never": never}
        if self.cells is not None:
            self.cells.append({**entry, "reads": sorted(reads), "gives": sorted(gives), **reasons})

    def compare(self) -> tuple[set[str], set[str]]:
        """The names that stand for other objects than they did, and those that are gone."""
        new = set()
        self.present = {}
        namespace, own, atoms, places = self.shell.user_ns, self.own, self.atoms, self.places
        for name, value in [*namespace.items()]:
            if name in own or places.get(name) == id(value) or atoms.get(name, own) is value:
                continue
            if is_interpreters(name):
                own.add(name)
                continue
            new.add(name)
            self.forget(name)
            self.know(name, value)
        gone = (atoms.keys() | places.keys()) - namespace.keys()
        for name in gone:
            self.forget(name)
        return new, gone

    def know(self, name: str, value: Any) -> None:
        """Note what a variable stands for, to tell whether it still does."""
        if is_atom(value):
            self.atoms[name] = value
        else:
            self.places[name] = id(value)

    def forget(self, name: str) -> None:
        """Know nothing more of a variable's value."""
        self.atoms.pop(name, None)
        self.places.pop(name, None)
        self.looks.pop(name, None)

    def follow(
        self, names: set[str], before: set[str], deadline: float
    ) -> tuple[set[str], set[str]]:
        """What of the user's a cell has used, and the packages of that, by the names in its code.

        Args:
            names: those in its code.
            before: the names that there were before it ran.
            deadline: see `look_at`.
        """
        used: set[str] = set()
        packages = {package_of(name) for name in names if name in sys.modules}
        pending = [*names]
        while pending:
            name = pending.pop()
            if name in used or not (name in before or name in self.atoms or name in self.places):
                continue
            used.add(name)
            if name in self.places:
                for look in (self.looks.get(name), self.look_now(name, deadline)):
                    if look is not None:
                        pending += look.names
                        packages |= look.packages
            elif name in self.atoms:
                packages.add(package_of(getattr(self.atoms[name], "__name__", "builtins")))
        return used, packages

    def changed(self, used: set[str], deadline: float) -> set[str]:
        """What may have changed without being bound, by what a cell has used."""
        suspects = {name for name in used if name in self.places}
        found: set[str] = set()
        while suspects:
            changed = self.look(suspects, deadline)
            found |= changed
            looks = [self.looks[name] for name in changed]
            suspects = {
                name
                for name, look in self.looks.items()
                if name not in found and name not in used and any(map(look.shares_with, looks))
            }
            used = used | suspects
        return found

    def look(self, names: set[str], deadline: float) -> set[str]:
        """Look at variables; gives the names of those that may have changed since the last look."""
        changed = set()
        for name in names & self.places.keys():
            look = self.look_now(name, deadline)
            if not look.is_as(self.looks.get(name)):
                changed.add(name)
            self.looks[name] = look
        return changed

    def look_now(self, name: str, deadline: float) -> Look:
        """What a variable is at present; it is looked at once."""
        if name not in self.present:
            self.present[name] = look_at([self.shell.user_ns[name]], deadline)
        return self.present[name]

    def go_on(self, cells: list[dict[str, Any]]) -> None:
        """Go on from the record of another session, whose variables are all here now."""
        self.cells = cells
        self.compare()
        self.random = comparable_states()
        self.look({*self.places}, time.perf_counter() + LEAST_TIME)


def kind_of(caller: Any) -> str:
    """What somebody is who has IPython show a tree: a cell, or code within one.

    A cell that an event would tell of is found by its frame.

    Args:
        caller: the frame.
    """
    known = caller.f_locals
    if caller.f_code.co_name != "run_cell_async" or known.get("silent"):
        return WITHIN  # such as `%time`, or an editor's question
    return CELL if known.get("store_history") else PRIVATE


def is_interpreters(name: str) -> bool:
    """Whether a name is not the user's."""
    return bool(INTERPRETERS_OWN.fullmatch(name) or EARLIER.fullmatch(name))


def comparable_states() -> dict[str, Any]:
    """The states of the generators whose numbers are drawn again, to be compared."""
    states = random_states()
    states.pop(TORCH_RANDOM, None)
    if NUMPY_RANDOM in states:
        name, keys, *rest = states[NUMPY_RANDOM]
        states[NUMPY_RANDOM] = name, keys.tobytes(), rest
    return states


def outside(source: str, packages: set[str], names: set[str]) -> str:
    """What a cell uses beyond the session's variables; empty if nothing."""
    for name in sorted(names):
        if OUTSIDE.fullmatch(name):
            return name
    for package in sorted(packages):
        if not REPEATABLE.fullmatch(package):
            return package
    unseeded = UNSEEDED.search(source)
    return unseeded.group() if unseeded else ""


def record_shell() -> None:
    """Begin to record what runs in the user's IPython, once."""
    from IPython import get_ipython

    modules: Any = sys.modules  # it is found by its name there, and never imported
    recorder = modules[RECORDER] = modules.get(RECORDER) or Recorder(get_ipython())
    recorder.started = None  # what runs now is not the user's
