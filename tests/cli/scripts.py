"""Scripts that behave the same in a session as with Python, by what is to be seen of each."""

from __future__ import annotations

# What stands behind the file's name, with options of `tci-kernel run` in it, and standard input.
ARGUMENTS = ("--days", "14", "-c", "--local", "--", "two words", "")
GIVEN = "Bob\r\nfirst\u00e9\nlast"

SCRIPTS = {
    "what it finds": '''\
"""Its own words."""
import __main__, os, sys
print(sys.argv, __name__, __doc__, os.path.isabs(__file__), os.path.basename(__file__))
print(sys.path[0] == os.path.dirname(__file__), "" in sys.path)
print([name for name in sorted(globals()) if name[:2] != "__"], __main__.sys is sys)
try:
    print(_)
except NameError as error:
    print(error)
''',
    "names of IPython's": """\
print("get_ipython" in globals(), __doc__)
In = 3
40 + 2
print(In)
6 * 7
""",
    "an exit with a number": "import sys\nprint('a')\nsys.exit(3)\n",
    "an exit with a text": "import sys\nprint('a')\nsys.exit('no such day')\n",
    "an exit with nothing": "import sys\nsys.exit()\n",
    "an exit with a large number": "raise SystemExit(256 + 7)\n",
    "an exit with a negative number": "raise SystemExit(-1)\n",
    "an exit with a list": "raise SystemExit([1, 2])\n",
    "an exit as one types it": "def f():\n    exit(4)\nf()\n",
    "an error": "def f(x):\n    return 1 / x\n\nprint('before')\nf(0)\nprint('after')\n",
    "a chain of errors": """\
class Own(Exception):
    pass
def f():
    try:
        {}["a"]
    except KeyError as error:
        error.add_note("a note")
        raise Own("two\\nlines") from error
try:
    f()
except Own:
    raise ValueError
""",
    "a group of errors": "raise ExceptionGroup('all', [ValueError(1), TypeError(2)])\n",
    "an error in a library": "import json\njson.loads('{')\n",
    "an error in a thread": """\
import threading
def f():
    raise ValueError("there")
thread = threading.Thread(target=f, name="worker")
thread.start()
thread.join()
""",
    "a hook for errors": "import sys\nsys.excepthook = lambda *e: print('hooked', e[0])\n1 / 0\n",
    "a hook that fails": """\
import sys
def fail(*error):
    raise ValueError("in the hook")
sys.excepthook = fail
1 / 0
""",
    "a bracket that is open": "print('never')\nx = (1,\ny = 2\n",
    "a return in no function": "print('never')\nreturn 1\n",
    "a magic": "print('never')\n%matplotlib inline\n",
    "a question": "print?\n",
    "await in no function": "import asyncio\nawait asyncio.sleep(0)\n",
    "an interrupt of its own": "raise KeyboardInterrupt\n",
    "warnings": """\
import warnings
def f():
    warnings.warn('old', DeprecationWarning)
f()
x = 1 is 1
""",
    "event loops": """\
import asyncio
async def main(n):
    await asyncio.sleep(0)
    return n, asyncio.current_task() is not None
print(asyncio.run(main(1)), asyncio.run(main(2)))
loop = asyncio.new_event_loop()
print(loop.run_until_complete(main(3)))
loop.close()
try:
    asyncio.get_running_loop()
except RuntimeError as error:
    print(error)
""",
    "what goes on at its end": """\
import atexit, threading, time
from concurrent.futures import ThreadPoolExecutor
@atexit.register
def last():
    print("last")
atexit.register(print, "last but one")
atexit.register(print, "never")
atexit.unregister(print)
atexit.register(print, "second")
done = threading.Event()
def late():
    time.sleep(0.1)
    print("late")
    done.set()
def later():
    done.wait()
    print("later")
threading.Thread(target=late).start()
ThreadPoolExecutor().submit(later)
raise SystemExit(5)
""",
    "a process at its end": """\
import multiprocessing, time
def f():
    time.sleep(0.1)
    print("in a process", flush=True)
if __name__ == "__main__":
    multiprocessing.get_context("fork").Process(target=f).start()
""",
    "bytes": """\
import sys
sys.stdout.buffer.write("caf\\u00e9\\n".encode())
sys.stdout.buffer.flush()
sys.stderr.buffer.write(b"b\\n")
""",
    "its own text": "import inspect\ndef f():\n    return 1  # one\nprint(inspect.getsource(f))\n",
    "pickles and types": """\
import dataclasses, pickle, typing
@dataclasses.dataclass
class Point:
    x: "int"
print(pickle.loads(pickle.dumps(Point(1))), typing.get_type_hints(Point), Point.__module__)
""",
    "its own tests": '''\
import doctest, io, unittest
def double(x):
    """
    >>> double(2)
    4
    >>> double(3)
    7
    """
    return 2 * x
class Test(unittest.TestCase):
    def test(self):
        self.assertEqual(double(1), 2)
print(doctest.testmod())
unittest.main(argv=["x"], testRunner=unittest.TextTestRunner(stream=io.StringIO()))
''',
    "arguments that are read": """\
import argparse
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--days", type=int)
parser.add_argument("-c", action="store_true")
parser.add_argument("--local", action="store_true")
parser.add_argument("rest", nargs="*")
print(parser.parse_args())
parser.error("too few")
""",
    "a log": "import logging\nlogging.basicConfig(level='INFO')\nlogging.info('told')\n",
    "values that are shown": "import sys\nsys.displayhook(5)\nprint(_)\nsys.displayhook(None)\n",
    "lines of input": """\
import sys
print(input("name? ").upper())
print(sys.stdin.readline(), sys.stdin.isatty())
for line in sys.stdin:
    print(repr(line))
try:
    input("more? ")
except EOFError as error:
    print(repr(error))
input()
""",
    "bytes of input": "import sys\nprint(sys.stdin.buffer.read())\n",
}

# Those that are run where cells are run directly, too; standard input can't be read there.
DIRECTLY = (
    "what it finds",
    "names of IPython's",
    "an exit with a text",
    "a chain of errors",
    "a return in no function",
    "event loops",
    "what goes on at its end",
    "bytes",
)
