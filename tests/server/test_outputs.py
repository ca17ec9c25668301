"""What code produces, as the contract carries it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.bundles import bad_bundle, good_bundle
from tests.server.service import Service
from tests.support.waiting import until


def test_an_error_is_the_traceback_as_ipython_gives_it(service: Service, own_session: str) -> None:
    watch = """
kept, shell = [], get_ipython()
shell.events.register('post_run_cell', lambda _: kept.append(shell._last_traceback))
"""
    service.run(watch, own_session)
    ran = service.run("def f():\n    return 1 / 0\nprint('so far')\nf()", own_session)
    assert ran.kinds == ["stdout", "error"]
    traceback = service.run("print('\\n'.join(kept[-1]), end='')", own_session).text()
    assert ran.text("error") == traceback
    assert "ZeroDivisionError\x1b[39m: division by zero" in ran.text("error")


def test_a_syntax_error_is_an_error_output(service: Service, session_id: str) -> None:
    ran = service.run("1 +", session_id)
    assert ran.kinds == ["error"]
    assert "SyntaxError" in ran.text("error")


def test_consecutive_prints_to_one_stream_are_one_item(service: Service, session_id: str) -> None:
    # Flushed, each of them is a message of its own between the interpreter and the server.
    code = """
import sys
def say(stream, text): print(text, file=stream, flush=True)
say(sys.stdout, 1); say(sys.stdout, 2)
say(sys.stderr, 3); say(sys.stderr, 4)
say(sys.stdout, 5)
"""
    assert service.run(code, session_id).outputs == [
        {"type": "stdout", "data": "1\n2\n"},
        {"type": "stderr", "data": "3\n4\n"},
        {"type": "stdout", "data": "5\n"},
    ]


def test_outputs_keep_their_order(service: Service, session_id: str) -> None:
    ran = service.run("print('a'); display('b'); print('c'); 'd'", session_id)
    assert ran.kinds == ["stdout", "display_data", "stdout", "execute_result"]


def test_what_the_contract_cannot_carry_is_dropped(service: Service, session_id: str) -> None:
    code = """
from IPython.display import clear_output
handle = display({'text/plain': 'shown'}, raw=True, display_id=True, metadata={'width': 1})
handle.update({'text/plain': 'updated'}, raw=True)
clear_output()
get_ipython().set_next_input('a payload')
"""
    assert service.run(code, session_id).outputs == [
        {"type": "display_data", "data": {"text/plain": "shown"}}
    ]


def test_data_of_every_type_that_the_contract_has_arrives(
    service: Service, session_id: str
) -> None:
    bundle = good_bundle()
    (output,) = service.run(f"display({bundle!r}, raw=True)", session_id).outputs
    assert output["data"] == bundle


def test_data_of_another_type_than_the_contract_has_is_dropped(
    service: Service, session_id: str
) -> None:
    bundle = {**bad_bundle(), "application/x.unknown": [1]}
    (output,) = service.run(f"display({bundle!r}, raw=True)", session_id).outputs
    assert output["data"] == {"application/x.unknown": [1]}


def test_a_picture_arrives_as_base64(service: Service, session_id: str) -> None:
    code = "from IPython.display import Image; Image(b'\\x89PNG\\r\\n\\x1a\\n', format='png')"
    (output,) = service.run(code, session_id).outputs
    assert output["data"]["image/png"].strip() == "iVBORw0KGgo="


@pytest.mark.parametrize("size", [200_001, 20_000_000])
def test_large_outputs_arrive_whole(service: Service, session_id: str, size: int) -> None:
    ran = service.run(f"print('x' * {size})", session_id)
    assert [len(output["data"]) for output in ran.outputs] == [size + 1]


def test_two_thousand_displays_in_one_cell_arrive_complete(
    service: Service, session_id: str
) -> None:
    ran = service.run("for i in range(2000): display(i)", session_id)
    assert [output["data"]["text/plain"] for output in ran.outputs] == [str(i) for i in range(2000)]


def test_text_beyond_ascii_passes_both_ways(service: Service, session_id: str) -> None:
    text = "žluťoučký 馬 🐎 \x00\x1b[1m\r\u2028"
    ran = service.run(f"print({text!r}, end=''); assert '馬' == '\\u99ac'\n{text!r}", session_id)
    assert ran.outputs == [
        {"type": "stdout", "data": text},
        {"type": "execute_result", "data": {"text/plain": repr(text)}},
    ]


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        (r"'a\ud800b'", ["execute_result"]),  # its repr is plain text
        (r"print('a\udc80b')", ["stdout"]),
        (r"raise ValueError('a\ud800b')", ["error"]),
        # IPython's own attempt to send this fails, and it says so.
        (r"from IPython.display import HTML; HTML('a\ud800b')", ["error"]),
        (r"get_ipython().set_next_input('\ud800')", []),
    ],
)
def test_half_surrogate_pairs_in_outputs_hurt_nobody(
    service: Service, session_id: str, code: str, kinds: list[str]
) -> None:
    assert service.run(code, session_id).kinds == kinds
    assert service.run("print(1)", session_id).text() == "1\n"


UNREADABLE = {
    "deeper than the server's reader goes": """
import sys
limit, data = sys.getrecursionlimit(), {}
for _ in range(9000): data = {'a': data}
sys.setrecursionlimit(20_000)
display({'application/json': data}, raw=True)
sys.setrecursionlimit(limit)
""",
    "not what the protocol says": """
kernel = get_ipython().kernel
content = {'name': 'stdout'}
_ = kernel.session.send(kernel.iopub_socket, 'stream', content, parent=kernel.get_parent())
""",
    "a text that is none": """
kernel = get_ipython().kernel
content = {'name': 'stdout', 'text': 5}
_ = kernel.session.send(kernel.iopub_socket, 'stream', content, parent=kernel.get_parent())
""",
    "a MIME bundle that is none": """
kernel = get_ipython().kernel
content = {'data': [1]}
_ = kernel.session.send(kernel.iopub_socket, 'display_data', content, parent=kernel.get_parent())
""",
    "signed with another key": """
from jupyter_client.session import Session
kernel = get_ipython().kernel
content = {'name': 'stdout', 'text': 'forged'}
_ = Session(key=b'x').send(kernel.iopub_socket, 'stream', content, parent=kernel.get_parent())
""",
}


@pytest.mark.parametrize("code", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_output_that_cannot_be_read_is_told_and_the_session_goes_on(
    service: Service, own_session: str, code: str
) -> None:
    ran = service.run(code, own_session)
    assert ran.kinds == ["stderr"]
    assert "An output can't be read" in ran.text("stderr")
    assert service.run("print('well')", own_session).text() == "well\n"


def test_what_a_thread_prints_between_two_calls_is_in_neither(
    service: Service, own_session: str, tmp_path: Path
) -> None:
    code = f"""
import pathlib, threading
def linger():
    while not pathlib.Path({str(tmp_path / "go")!r}).exists(): pass
    print('late', flush=True)
    pathlib.Path({str(tmp_path / "done")!r}).touch()
threading.Thread(target=linger).start()
"""
    assert service.run(code, own_session).outputs == []
    (tmp_path / "go").touch()
    until((tmp_path / "done").exists, "the thread has printed")
    assert service.run("1", own_session).kinds == ["execute_result"]


def test_code_that_asks_for_input_gets_an_error(service: Service, session_id: str) -> None:
    assert "StdinNotImplementedError" in service.run("input()", session_id).text("error")
