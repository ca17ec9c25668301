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
    from tci_kernel.remote.looks import Look, look_at, package_of
    from tci_kernel.remote.naming import Names
    from tci_kernel.remote.reading import Reading
    from tci_kernel.remote.shared_names import NUMPY_RANDOM, RECORDER, TORCH_RANDOM, random_states
    from tci_kernel.remote.uninterrupted import interrupted, uninterrupted

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
        self.names = Names()
        self.looks: dict[str, Look] = {}
        self.present: dict[str, Look] = {}  # those taken since the last comparison
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
        before, looks = self.names.all(), self.looks.copy()
        new, gone = self.compare()
        allowed = max(LEAST_TIME, seconds * PART_OF_TIME)
        deadline = time.perf_counter() + allowed + self.left
        names = reading.names | (before if reading.names & ANYTHING else set())
        used, packages = self.follow(names, before, looks, deadline)
        used -= (new - before) | (new - reading.read)
        changed = self.changed(used, new | gone, looks, deadline)
        used |= changed
        gives = new | gone | changed
        self.look(new, deadline)
        self.left = min(max(deadline - time.perf_counter(), 0.0), MOST_LEFT)
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
        self.present = {}
        new, gone = self.names.compare(self.shell.user_ns)
        for name in new | gone:
            self.looks.pop(name, None)
        return new, gone

    def follow(
        self, names: set[str], before: set[str], looks: dict[str, Look], deadline: float
    ) -> tuple[set[str], set[str]]:
        """What of the user's a cell has used, and the packages of that, by the names in its code.

        Args:
            names: those in its code.
            before: the names that there were before it ran.
            looks: those at variables before it ran.
            deadline: see `look_at`.
        """
        used: set[str] = set()
        packages = {package_of(name) for name in names if name in sys.modules}
        pending = [*names]
        while pending:
            name = pending.pop()
            if name in used or not (name in before or name in self.names):
                continue
            used.add(name)
            known = [looks[name]] if name in looks else []
            if name in self.names.places:
                known.append(self.look_now(name, deadline))
            for look in known:
                pending += look.names
                packages |= look.packages
            if name in self.names.atoms:
                atom = self.names.atoms[name]
                packages.add(package_of(getattr(atom, "__name__", "builtins")))
        return used, packages

    def changed(
        self, used: set[str], replaced: set[str], before: dict[str, Look], deadline: float
    ) -> set[str]:
        """What may have changed without being bound.

        The cell has reached all of it by what it has used, as that was before or is now.

        Args:
            used: the names of that.
            replaced: names that stand for something else now, or for nothing.
            before: the looks at variables before the cell ran.
            deadline: see `look_at`.
        """
        found = self.look(used - replaced, deadline)
        ways = [before[name] for name in used & replaced & before.keys()]
        ways += [look for name in found for look in (before.get(name, Look()), self.looks[name])]
        others = self.looks.keys() - used - replaced
        return found | self.look({name for name in others if self.is_among(name, ways)}, deadline)

    def is_among(self, name: str, ways: list[Look]) -> bool:
        """Whether a variable has something in common with what some looks have seen."""
        return any(map(self.looks[name].shares_with, ways))

    def look(self, names: set[str], deadline: float) -> set[str]:
        """Look at variables; gives the names of those that may have changed since the last look."""
        changed = set()
        for name in names & self.names.places.keys():
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
        self.look({*self.names.places}, time.perf_counter() + LEAST_TIME)


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
