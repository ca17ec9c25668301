"""What people have in notebooks: how it is made, and what must hold of it in another session.

A case that can't be kept has the text that the user reads of it instead.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """Something that a notebook has.

    Attributes:
        name: of the case.
        code: makes it, in a cell of its own.
        check: an expression that is true where it was kept; empty if it can't be.
        lost: part of what is said of it where it can't be kept.
    """

    name: str
    code: str
    check: str = ""
    lost: str = ""


KEPT = [
    # -- values --------------------------------------------------------------------------------
    Case(
        "numbers",
        "a1 = (1, 2.5, 3j, True, None, ..., 10**100)",
        "a1[6] == 10**100 and a1[5] is ...",
    ),
    Case(
        "text",
        "a2 = 'snow \\u2603'; a3 = b'\\x00\\xff'; a4 = bytearray(b'ab')",
        "a4 == b'ab' and a2[-1] == '\\u2603'",
    ),
    Case(
        "containers",
        "a5 = {'a': [1, {2, 3}, (4,)], frozenset({1}): 'f'}",
        "a5[frozenset({1})] == 'f'",
    ),
    Case("a list in itself", "a6 = [1]; a6.append(a6)", "a6[1] is a6"),
    Case("a dict in itself", "a7 = {}; a7['me'] = a7", "a7['me'] is a7"),
    Case("shared by two names", "b1 = [1]; b2 = b1", "b1 is b2"),
    Case(
        "shared inside",
        "b3 = [0]; b4 = {'x': b3}; b5 = (b3, b4)",
        "b5[0] is b3 and b5[1]['x'] is b3",
    ),
    Case(
        "dates",
        "import datetime as dt; a8 = dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc)",
        "a8.year == 2026 and a8.tzinfo is dt.timezone.utc",
    ),
    Case("a time zone", "from zoneinfo import ZoneInfo; a9 = ZoneInfo('UTC')", "a9.key == 'UTC'"),
    Case(
        "decimals",
        "from decimal import Decimal; from fractions import Fraction; c1 = [Decimal('1.10'), Fraction(1, 3)]",
        "str(c1[0]) == '1.10' and c1[1] * 3 == 1",
    ),
    Case("a path", "from pathlib import Path; c2 = Path('a') / 'b'", "c2.name == 'b'"),
    Case("a UUID", "import uuid; c3 = uuid.UUID(int=5)", "c3.int == 5"),
    Case(
        "collections",
        "from collections import *; c4 = [deque([1], maxlen=2), Counter('aab'), OrderedDict(a=1), ChainMap({1: 2})]",
        "c4[0].maxlen == 2 and c4[1]['a'] == 2",
    ),
    Case(
        "a defaultdict with a lambda",
        "c5 = defaultdict(lambda: [7]); c5['x']",
        "c5['new'] == [7] and 'x' in c5",
    ),
    Case(
        "a range and a slice",
        "c6 = (range(1, 9, 2), slice(1, None))",
        "list(c6[0]) == [1, 3, 5, 7]",
    ),
    Case("a memoryview", "c7 = memoryview(b'abc')", "bytes(c7) == b'abc'"),
    Case(
        "a simple namespace",
        "from types import SimpleNamespace; c8 = SimpleNamespace(a=1)",
        "c8.a == 1",
    ),
    Case(
        "a mapping proxy",
        "from types import MappingProxyType; c9 = MappingProxyType({'a': 1})",
        "c9['a'] == 1",
    ),
    Case(
        "views of a dict",
        "d1 = {'k': 1}.keys(); d2 = {'k': 1}.items()",
        "list(d1) == ['k'] and list(d2) == [('k', 1)]",
    ),
    Case("iterators", "d3 = iter([1, 2, 3]); next(d3)", "next(d3) == 2"),
    Case(
        "streams in memory",
        "import io; d4 = io.StringIO('abc'); d4.read(1); d5 = io.BytesIO(b'xyz')",
        "d4.read() == 'bc' and d5.read() == b'xyz'",
    ),
    Case("the output of cells", "1234\n", "1234 in Out.values()"),
    # -- functions -----------------------------------------------------------------------------
    Case("a function", "def f1(x, y=2, *, z=3): return x + y + z", "f1(1) == 6"),
    Case("a function with a global", "G1 = 5\ndef f2(): return G1", "f2() == 5"),
    Case(
        "a global that changes",
        "G2 = 1\ndef f3(): return G2",
        "globals().update(G2=9) or f3() == 9",
    ),
    Case("a lambda", "f4 = lambda x: x * 2", "f4(4) == 8"),
    Case(
        "a closure",
        "def f5(n):\n    def inner(): return n + 1\n    return inner\nf6 = f5(4)",
        "f6() == 5",
    ),
    Case(
        "a closure that counts",
        "def f7():\n    n = 0\n    def up():\n        nonlocal n; n += 1; return n\n    return up\nf8 = f7(); f8()",
        "f8() == 2",
    ),
    Case(
        "closures that share",
        "def f9():\n    n = [0]\n    return (lambda: n.append(1)), (lambda: len(n))\ng1, g2 = f9()",
        "(g1(), g2())[1] == 2",
    ),
    Case("recursion", "def g3(n): return 1 if n < 2 else n * g3(n - 1)", "g3(5) == 120"),
    Case(
        "functions that call each other",
        "def g4(n): return n == 0 or g5(n - 1)\ndef g5(n): return n != 0 and g4(n - 1)",
        "g4(4) is True",
    ),
    Case("a partial", "import functools; g6 = functools.partial(f1, 1, z=0)", "g6() == 3"),
    Case(
        "a decorated function",
        "def deco(f):\n    @functools.wraps(f)\n    def w(*a): return f(*a) + 1\n    return w\n@deco\ndef g7(x): return x",
        "g7(1) == 2 and g7.__name__ == 'g7'",
    ),
    Case(
        "a cached function",
        "@functools.lru_cache(maxsize=3)\ndef g8(n): return n if n < 2 else g8(n - 1) + g8(n - 2)",
        "g8(10) == 55 and g8.cache_parameters()['maxsize'] == 3",
    ),
    Case(
        "single dispatch",
        "@functools.singledispatch\ndef g9(x): return 'any'\n@g9.register\ndef _(x: int): return 'int'",
        "g9(1) == 'int' and g9('') == 'any'",
    ),
    Case("a function with attributes", "def h1(): pass\nh1.calls = 3", "h1.calls == 3"),
    Case("a generator function", "def h2():\n    yield 1\n    yield 2", "list(h2()) == [1, 2]"),
    Case(
        "an async function",
        "async def h3(): return 5",
        "__import__('inspect').iscoroutinefunction(h3)",
    ),
    Case(
        "annotations", "def h4(x: int) -> str: return str(x)", "h4.__annotations__['return'] is str"
    ),
    Case("a function in a list", "h5 = [f1, f4]", "h5[0] is f1 and h5[1] is f4"),
    Case("a method", "h6 = [3, 1].count; h7 = 'abc'.upper", "h6(3) == 1 and h7() == 'ABC'"),
    Case(
        "operators",
        "import operator; h8 = operator.itemgetter(1); h9 = operator.attrgetter('real')",
        "h8('ab') == 'b' and h9(2) == 2",
    ),
    # -- classes -------------------------------------------------------------------------------
    Case(
        "a class",
        "class K1:\n    n = 1\n    def __init__(self, x): self.x = x\n    def get(self): return self.x + self.n\nk1 = K1(2)",
        "k1.get() == 3 and isinstance(k1, K1)",
    ),
    Case("two of a class", "k2 = [K1(1), K1(2)]", "type(k2[0]) is type(k2[1]) is K1"),
    Case(
        "inheritance",
        "class K2(K1):\n    def get(self): return super().get() * 10\nk3 = K2(1)",
        "k3.get() == 20 and isinstance(k3, K1)",
    ),
    Case(
        "a data class",
        "from dataclasses import dataclass, field\n@dataclass\nclass K3:\n    a: int = 1\n    b: list = field(default_factory=list)\nk4 = K3(5)",
        "k4 == K3(5) and K3().b == []",
    ),
    Case(
        "a frozen data class with slots",
        "@dataclass(frozen=True, slots=True)\nclass K4:\n    a: int\nk5 = K4(2)",
        "k5 == K4(2) and hash(k5) == hash(K4(2))",
    ),
    Case(
        "a named tuple",
        "from typing import NamedTuple\nclass K5(NamedTuple):\n    a: int\nk6 = K5(1); K6 = namedtuple('K6', 'x y'); k7 = K6(1, 2)",
        "k6.a == 1 and k7.y == 2 and type(k7) is K6",
    ),
    Case("an enumeration", "import enum\nclass K7(enum.Enum):\n    A = 1\nk8 = K7.A", "k8 is K7.A"),
    Case(
        "flags", "class K8(enum.Flag):\n    A = 1\n    B = 2\nk9 = K8.A | K8.B", "k9 == K8.A | K8.B"
    ),
    Case(
        "properties and class methods",
        "class L1:\n    @property\n    def p(self): return 7\n    @classmethod\n    def c(cls): return cls\n    @staticmethod\n    def s(): return 's'\nl1 = L1()",
        "l1.p == 7 and L1.c() is L1 and l1.s() == 's'",
    ),
    Case(
        "slots",
        "class L2:\n    __slots__ = ('a', 'b')\nl2 = L2(); l2.a = 4",
        "l2.a == 4 and not hasattr(l2, 'b')",
    ),
    Case(
        "an abstract class",
        "import abc\nclass L3(abc.ABC):\n    @abc.abstractmethod\n    def m(self): ...\nclass L4(L3):\n    def m(self): return 1\nl3 = L4()",
        "l3.m() == 1 and isinstance(l3, L3)",
    ),
    Case(
        "a metaclass",
        "class M1(type):\n    def __call__(cls, *a): return super().__call__(*a)\nclass L5(metaclass=M1):\n    v = 3\nl4 = L5()",
        "type(L5) is M1 and l4.v == 3",
    ),
    Case(
        "a generic class",
        "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass L6(Generic[T]):\n    pass\nl5 = L6[int]()",
        "isinstance(l5, L6)",
    ),
    Case(
        "a class in a function",
        "def L7():\n    class Inner:\n        v = 1\n    return Inner\nl6 = L7()()",
        "l6.v == 1",
    ),
    Case(
        "an object that calls",
        "class L8:\n    def __call__(self): return 'called'\nl7 = L8()",
        "l7() == 'called'",
    ),
    Case(
        "an object that was redefined",
        "class L9:\n    v = 'old'\nl8 = L9()\nclass L9:\n    v = 'new'\nl9 = L9()",
        "l8.v == 'old' and l9.v == 'new' and not isinstance(l8, L9)",
    ),
    Case("a bound method", "m1 = k1.get", "m1() == 3 and m1.__self__ is k1"),
    Case(
        "a cycle of objects",
        "class Node: pass\nm2 = Node(); m2.other = Node(); m2.other.other = m2",
        "m2.other.other is m2",
    ),
    Case(
        "a descriptor",
        "class Desc:\n    def __get__(self, o, t): return 11\nclass M3:\n    d = Desc()\nm3 = M3()",
        "m3.d == 11",
    ),
    Case(
        "cached properties",
        "class M4:\n    @functools.cached_property\n    def big(self): return [1]\nm4 = M4(); m4.big",
        "m4.big == [1]",
    ),
    # -- errors, locks and what else is hard ---------------------------------------------------
    Case("an error", "n1 = ValueError('bad', 3)", "n1.args == ('bad', 3)"),
    Case(
        "an error with an __init__",
        "class MyError(Exception):\n    def __init__(self, code, *, text):\n        super().__init__(f'{code}: {text}')\n        self.code = code\nn2 = MyError(4, text='x')",
        "n2.code == 4 and str(n2) == '4: x'",
    ),
    Case(
        "an error that was caught",
        "try:\n    try: 1 / 0\n    except ZeroDivisionError as e: raise KeyError('k') from e\nexcept KeyError as e: n3 = e",
        "isinstance(n3.__cause__, ZeroDivisionError)",
    ),
    Case(
        "an error of the system",
        "n4 = FileNotFoundError(2, 'gone', 'x')",
        "n4.errno == 2 and n4.filename == 'x'",
    ),
    Case(
        "a lock",
        "import threading; n5 = threading.Lock(); n6 = threading.RLock()",
        "n5.acquire(False) and n6.acquire(False)",
    ),
    Case(
        "an object with a lock",
        "class Box:\n    def __init__(self): self.lock = threading.Lock(); self.items = [1]\nn7 = Box()",
        "n7.items == [1] and not n7.lock.locked()",
    ),
    Case("a queue", "import queue; n8 = queue.Queue(); n8.put(5)", "n8.get_nowait() == 5"),
    Case("an event", "n9 = threading.Event(); n9.set()", "n9.is_set()"),
    Case("a weak reference", "import weakref\no1 = Box(); o2 = weakref.ref(o1)", "o2() is o1"),
    Case(
        "weak collections",
        "o3 = weakref.WeakValueDictionary(a=o1); o4 = weakref.WeakSet([o1])",
        "o3['a'] is o1 and o1 in o4",
    ),
    Case(
        "regular expressions",
        "import re; o5 = re.compile('b+', re.I); o6 = o5.search('aBbc'); o7 = re.fullmatch('a.', 'ab')",
        "o5.flags & re.I and o6.span() == (1, 3) and o7.group() == 'ab'",
    ),
    Case(
        "a context variable",
        "from contextvars import ContextVar; o8 = ContextVar('o8'); o8.set(6)",
        "o8.name == 'o8' and o8.get() == 6",
    ),
    Case(
        "a logger",
        "import logging; o9 = logging.getLogger('mine')",
        "o9 is logging.getLogger('mine')",
    ),
    Case("standard output", "import sys; p1 = {'to': sys.stdout}", "p1['to'] is sys.stdout"),
    Case(
        "modules",
        "import json, os.path as osp; p2 = [json]",
        "p2[0] is json and osp.join('a', 'b') == 'a/b'",
    ),
    Case(
        "a module of one's own",
        "import types as _t; p3 = _t.ModuleType('own'); p3.x = 4",
        "p3.x == 4",
    ),
    Case(
        "a random generator",
        "import random; p4 = random.Random(3); p5 = random.Random(3).random()",
        "p4.random() == p5",
    ),
    Case(
        "random states", "random.seed(8); p6 = random.Random(8).random()", "random.random() == p6"
    ),
    # -- arrays and tables -----------------------------------------------------------------------
    Case(
        "an array",
        "import numpy as np; q1 = np.arange(6.).reshape(2, 3)",
        "q1.shape == (2, 3) and q1.flags.writeable",
    ),
    Case(
        "an array and its view",
        "q2 = np.zeros(10); q3 = q2[2:8:2]",
        "(q3.__setitem__(0, 5), q2[2])[1] == 5",
    ),
    Case(
        "arrays of many kinds",
        "q4 = [np.array(['a', 'bc']), np.array([1, None], object), np.array([(1, 2.)], [('a', int), ('b', float)]), np.ma.array([1, 2], mask=[0, 1])]",
        "q4[2]['b'][0] == 2.0 and q4[3].mask[1]",
    ),
    Case("the same array twice", "q5 = np.ones(3); q6 = {'same': q5}", "q6['same'] is q5"),
    Case(
        "a generator of NumPy",
        "q7 = np.random.default_rng(1); q8 = np.random.default_rng(1).random()",
        "q7.random() == q8",
    ),
    Case(
        "the random state of NumPy",
        "np.random.seed(4); q9 = np.random.RandomState(4).rand()",
        "np.random.rand() == q9",
    ),
    Case(
        "a table",
        "import pandas as pd; r1 = pd.DataFrame({'a': [1, 2], 'b': pd.Categorical(['x', 'y']), 'c': pd.to_datetime(['2026-01-01', None])})",
        "r1.dtypes.b.name == 'category' and r1.c.isna()[1]",
    ),
    Case("a table that two share", "r2 = r1; r3 = {'t': r1}", "r2 is r1 and r3['t'] is r1"),
    Case(
        "a series and an index",
        "r4 = r1.a; r5 = pd.MultiIndex.from_tuples([(1, 'a')])",
        "list(r4) == [1, 2] and r5[0] == (1, 'a')",
    ),
    Case("groups", "r6 = r1.groupby('a')", "r6.size().sum() == 2"),
    Case(
        "a table of Polars",
        "import polars as pl; r7 = pl.DataFrame({'a': [1, None]})",
        "r7['a'].null_count() == 1",
    ),
    Case(
        "a figure",
        "import matplotlib; matplotlib.use('agg'); import matplotlib.pyplot as plt; s1, s2 = plt.subplots(); s2.plot([1, 2]); plt.close(s1)",
        "s1.axes[0] is s2 and len(s2.lines) == 1",
    ),
]

# What can't be carried, and is made again by its cells.
KEPT += [
    Case("a generator", "z1 = (i for i in range(3)); next(z1)", "next(z1) == 1"),
    Case(
        "a generator inside",
        "class Y2: pass\ny2 = Y2(); y2.gen = (i for i in 'ab'); next(y2.gen)",
        "next(y2.gen) == 'b' and type(y2) is Y2",
    ),
]

LOST = [
    Case("an open file", "z2 = open('/dev/null')", lost="z2: an open file"),
    Case("a thread", "z3 = threading.Thread()", lost="z3: a thread"),
    Case(
        "a pool",
        "from concurrent.futures import ThreadPoolExecutor; z4 = ThreadPoolExecutor(1)",
        lost="z4: a pool of threads",
    ),
    Case("a connection", "import socket; z5 = socket.socket()", lost="z5: a connection"),
    Case(
        "a database",
        "import sqlite3; z6 = sqlite3.connect(':memory:')",
        lost="z6: a connection to a database",
    ),
    Case(
        "a stand-in of a test",
        "from unittest.mock import MagicMock; z7 = MagicMock()",
        lost="z7: a stand-in for tests",
    ),
    Case(
        "a process",
        "import subprocess; z8 = subprocess.Popen(['true']); z8.wait()",
        lost="z8: a process",
    ),
    Case(
        "something inside",
        "z9 = {'deep': [0, open('/dev/null')]}",
        "repr(z9['deep'][1]) == '<not saved: an open file>'",
        lost="z9['deep'][1]: an open file",
    ),
    Case(
        "an attribute",
        "class Y1: pass\ny1 = Y1(); y1.file = open('/dev/null')",
        "y1.file.text == 'an open file'",
        lost="y1.file: an open file",
    ),
]
