"""What a client sees while cells run, in which order and of which request, is as on `python3`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.differential.normalise import difference
from tests.differential.notebooks import LIVE, read
from tests.differential.stage import Stage
from tests.support.kernels import KernelDriver, kernel
from tests.support.servers import serving

REFERENCE = "python3"


@pytest.fixture(scope="module")
def kernels() -> Iterator[dict[str, KernelDriver]]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        # With pytest's variable in its environment, ipykernel leaves out what processes print.
        patch.delenv("PYTEST_CURRENT_TEST", raising=False)
        server = stack.enter_context(serving())
        where = {"TOGETHER_BASE_URL": server.base_url, "TOGETHER_API_KEY": server.token}
        yield {
            REFERENCE: stack.enter_context(kernel(REFERENCE)),
            "tci-local": stack.enter_context(kernel("tci-local")),
            "tci": stack.enter_context(kernel("tci", **where)),
        }


def printing(stage: Stage) -> None:
    cell = stage.begin(
        "import sys\nprint('one')\nprint('two', file=sys.stderr)\nprint('first')\ngate('a')\n"
        "print('three', end='')\nprint(' ...second')\ngate('b')\n'value'"
    )
    stage.until("first")
    stage.open("a")
    stage.until("second")
    stage.open("b")
    stage.end(cell)
    stage.reply(cell)


def displays_that_change(stage: Stage) -> None:
    cell = stage.begin(
        "from IPython.display import clear_output\nhandle = display('old', display_id=True)\n"
        "gate('a')\nhandle.update('new')\ngate('b')\nclear_output(wait=True)\nprint('cleared')\n"
        "gate('c')\nhandle.update('last')"
    )
    stage.until("old")
    stage.open("a")
    stage.until("new")
    stage.open("b")
    stage.until("cleared")
    stage.open("c")
    stage.end(cell)


def a_display_updated_by_another_cell(stage: Stage) -> None:
    stage.end(stage.begin("handle = display('old', display_id='shared')"))
    cell = stage.begin("handle.update('new'); print('updated'); gate('a')")
    stage.until("updated")
    stage.open("a")
    stage.end(cell)


def a_thread_that_outlives_its_cell(stage: Stage) -> None:
    stage.end(
        stage.begin(
            "def late():\n    gate('a')\n    print('of the first cell')\n"
            "    display('shown by a thread')\n    print('ended')\n"
            "worker = threading.Thread(target=late)\nworker.start()"
        )
    )
    stage.end(stage.begin("print('of the second cell')"))
    stage.open("a")
    stage.until("ended")
    stage.end(stage.begin("worker.join()"))


def a_thread_beside_another_cell(stage: Stage) -> None:
    stage.end(
        stage.begin(
            "def late():\n    gate('a')\n    print('of the thread')\n"
            "worker = threading.Thread(target=late)\nworker.start()"
        )
    )
    cell = stage.begin("print('begun')\ngate('b')\nprint('of the cell')")
    stage.until("begun")
    stage.open("a")
    stage.until("of the thread")
    stage.open("b")
    stage.end(cell)


def a_task_that_outlives_its_cell(stage: Stage) -> None:
    stage.end(
        stage.begin(
            "async def late():\n    await agate('a')\n    print('of the task')\n    display(1)\n"
            "task = asyncio.create_task(late())"
        )
    )
    cell = stage.begin("print('begun')\nawait task\nprint('of the cell')")
    stage.until("begun")
    stage.open("a")
    stage.end(cell)


def a_process_that_prints(stage: Stage) -> None:
    cell = stage.begin(
        "import subprocess\nworker = subprocess.Popen(['sh', '-c', 'echo printed; read x; "
        "echo again'], stdin=subprocess.PIPE)\ngate('a')\nworker.stdin.write(b'x\\n')\n"
        "worker.stdin.close()\nworker.wait()\ngate('b')"
    )
    stage.until("printed")
    stage.open("a")
    stage.until("again")
    stage.open("b")
    stage.end(cell)


def an_interrupt(stage: Stage) -> None:
    cell = stage.begin("print('begun')\ntime.sleep(60)")
    stage.until("begun")
    stage.interrupt()
    stage.end(cell)
    stage.reply(cell)


def an_interrupt_that_is_caught(stage: Stage) -> None:
    cell = stage.begin(
        "try:\n    print('begun')\n    time.sleep(60)\nexcept KeyboardInterrupt:\n"
        "    print('caught')\ngate('a')\n'value'"
    )
    stage.until("begun")
    stage.interrupt()
    stage.until("caught")
    stage.open("a")
    stage.end(cell)
    stage.reply(cell)


def questions(stage: Stage) -> None:
    cell = stage.begin(
        "print('before')\nname = input('Who? ')\nprint('Hello', name)\ngate('a')\n"
        "import getpass\nprint(len(getpass.getpass('Secret: ')))",
        allow_stdin=True,
    )
    stage.type("Ada")
    stage.until("Hello Ada")
    stage.open("a")
    stage.type("hidden")
    stage.end(cell)
    stage.reply(cell)


def the_debugger(stage: Stage) -> None:
    cell = stage.begin("inner = 7\nimport pdb; pdb.set_trace()\nprint('after')", allow_stdin=True)
    for command in ("p inner + 1", "c"):
        stage.type(command)
    stage.end(cell)


def cells_that_wait_behind_one_that_fails(stage: Stage) -> None:
    failing = stage.begin("gate('a')\n1 / 0", stop_on_error=True)
    waiting = stage.begin("print('not run')", stop_on_error=True)
    stage.open("a")
    stage.end(failing)
    stage.end(waiting)
    stage.reply(failing)
    stage.reply(waiting)


COMM = """
from comm import create_comm, get_comm_manager
heard = asyncio.Queue()
def opened(comm, message):
    comm.send({"opened with": message["content"]["data"]}, buffers=message["buffers"])
    @comm.on_msg
    def received(message):
        print("heard", message["content"]["data"])
        heard.put_nowait(message["content"]["data"])
        comm.send({"echo": message["content"]["data"]}, buffers=message["buffers"])
get_comm_manager().register_target("scene", opened)
"""


def a_comm_from_the_client(stage: Stage) -> None:
    stage.end(stage.begin(COMM))
    opening = {"comm_id": "c", "target_name": "scene", "data": {"a": 1}}
    stage.end(stage.say("comm_open", opening, (b"\x00\xff",)))
    stage.end(stage.say("comm_msg", {"comm_id": "c", "data": 5}, (b"one", b"two")))
    stage.end(stage.say("comm_close", {"comm_id": "c", "data": {}}))


def a_comm_that_a_running_cell_waits_for(stage: Stage) -> None:
    stage.end(stage.begin(COMM))
    stage.end(stage.say("comm_open", {"comm_id": "d", "target_name": "scene", "data": {}}))
    cell = stage.begin("print('waiting')\nprint('got', await heard.get())\ngate('a')")
    stage.until("waiting")
    stage.say("comm_msg", {"comm_id": "d", "data": {"moved": 1}})
    stage.until("got {'moved': 1}")
    stage.open("a")
    stage.end(cell)


def widgets_that_code_moves(stage: Stage) -> None:
    cell = stage.begin(
        "import ipywidgets\nbar = ipywidgets.FloatProgress(max=2)\ndisplay(bar)\ngate('a')\n"
        "bar.value = 1\ngate('b')\nbar.value = 2\nbar.bar_style = 'success'"
    )
    stage.until("widget-view+json")
    stage.open("a")
    stage.until("'value': 1.0")
    stage.open("b")
    stage.end(cell)


def output_that_a_widget_captures(stage: Stage) -> None:
    cell = stage.begin(
        "import ipywidgets\nout = ipywidgets.Output()\ndisplay(out)\n"
        "with out:\n    print('captured')\n    gate('a')\n    display('shown')\nprint('outside')"
    )
    stage.until("captured")
    stage.open("a")
    stage.end(cell)


def widgets_of_many_libraries(stage: Stage) -> None:
    for cell in read("widgets", LIVE)[1:]:  # the first one prints the working directory
        stage.end(stage.begin(cell.code))


SCENES: tuple[Callable[[Stage], None], ...] = (
    printing,
    displays_that_change,
    a_display_updated_by_another_cell,
    a_thread_that_outlives_its_cell,
    a_thread_beside_another_cell,
    a_task_that_outlives_its_cell,
    a_process_that_prints,
    an_interrupt,
    an_interrupt_that_is_caught,
    questions,
    the_debugger,
    cells_that_wait_behind_one_that_fails,
    a_comm_from_the_client,
    a_comm_that_a_running_cell_waits_for,
    widgets_that_code_moves,
    output_that_a_widget_captures,
    widgets_of_many_libraries,
)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_a_scene_is_the_same(
    kernels: dict[str, KernelDriver], tmp_path: Path, scene: Callable[[Stage], None]
) -> None:
    stages = {name: Stage(driver, tmp_path / name) for name, driver in kernels.items()}
    for stage in stages.values():
        scene(stage)
    expected = stages.pop(REFERENCE).record
    found = [
        f"{name}, step {number}\n{problem}"
        for name, stage in stages.items()
        for number, (theirs, ours) in enumerate(zip(expected, stage.record, strict=True), 1)
        if (problem := difference(theirs, ours))
    ]
    if found:
        pytest.fail("\n\n".join(found), pytrace=False)
