"""Reading what the relay answers: whatever comes from a session, it is read or refused."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tci_kernel.client.schema import Output
from tci_kernel.remote.exchanges import VERSION
from tci_kernel.remote.relay import BEGIN, END
from tci_kernel.session.live.exchange import Answer, Assembly, Incoming, printed, read, request_text

ANSWER: dict[str, Any] = {
    "version": VERSION,
    "relay": "one",
    "taken": 3,
    "first": 5,
    "more": False,
    "running": ["a"],
    "count": 7,
    "took": 0.5,
    "interpreter": {
        "number": 2,
        "state": "ready",
        "reason": "",
        "before": "killed by SIGKILL",
        "pid": 12,
        "info": {"implementation": "ipython"},
    },
    "messages": [],
}
MESSAGE: dict[str, Any] = {
    "channel": "iopub",
    "header": {"msg_type": "stream"},
    "parent_header": {"msg_id": "request"},
    "metadata": {"m": 1},
    "content": {"name": "stdout", "text": "ü"},
    "buffers": ["AP8="],
}

NAMES = st.sampled_from([*ANSWER, *ANSWER["interpreter"], *MESSAGE, "msg_id", "part", "\ud800"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud83d", "AP8=", "9" * 5_000])
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5)
)


def changed(fields: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """These fields, but that some are anything."""
    others = st.dictionaries(st.sampled_from([*fields]), VALUES, max_size=2)
    return others.map(lambda found: {**fields, **found})


def read_or_refused(text: str) -> Answer | None:
    """The answer, and all that is in it read; None if it is refused as documented."""
    try:
        answer = read(text)
    except ValueError:
        return None
    for incoming in Assembly().incoming(answer.texts):
        content = json.dumps(incoming.message.content, ensure_ascii=False, allow_nan=False)
        content.encode()
        assert isinstance(incoming.parent_id, str)
    return answer


# -- what is sent ----------------------------------------------------------------------------------


def test_a_request_carries_its_version_and_messages_that_are_json_already() -> None:
    text = request_text({"client": "me", "first": 1}, ['{"channel": "none"}', "{}"])
    messages = [{"channel": "none"}, {}]
    assert json.loads(text) == {
        "version": VERSION,
        "client": "me",
        "first": 1,
        "messages": messages,
    }
    assert json.loads(request_text({}, []))["messages"] == []


# -- found among the outputs -----------------------------------------------------------------------


def test_the_answer_is_found_among_what_else_is_printed() -> None:
    text = f"before{BEGIN}{{}}{END}behind"
    halves = [Output("stdout", text[:12]), Output("stderr", "x"), Output("stdout", text[12:])]
    assert printed(halves) == "{}"
    assert printed([Output("stdout", text.replace("\n", "\r\n"))]) == "{}"


def test_without_one_there_is_none() -> None:
    assert printed([]) is None
    assert printed([Output("stdout", "hello"), Output("error", BEGIN), Output("x", {})]) is None


def test_the_beginning_of_one_is_none() -> None:
    with pytest.raises(ValueError, match="cut off"):
        printed([Output("stdout", f"{BEGIN}{{")])


# -- read ------------------------------------------------------------------------------------------


def test_an_answer_is_read() -> None:
    answer = read(json.dumps(ANSWER))
    assert (answer.relay, answer.taken, answer.first, answer.count) == ("one", 3, 5, 7)
    assert (answer.more, answer.running) == (False, ["a"])
    state = answer.interpreter
    assert (state.number, state.state, state.pid) == (2, "ready", 12)
    assert (state.before, state.info) == ("killed by SIGKILL", {"implementation": "ipython"})


@pytest.mark.parametrize("version", [VERSION + 1, 0, None, "1"])
def test_another_version_is_refused_by_name(version: object) -> None:
    with pytest.raises(ValueError, match=f"version {version}, not {VERSION}"):
        read(json.dumps({**ANSWER, "version": version}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "[]",
        "null",
        "[" * 100_000,
        json.dumps({**ANSWER, "taken": "no"}),
        json.dumps(ANSWER).replace("7", "1e999"),
        json.dumps({**ANSWER, "messages": 1}),
        json.dumps({**ANSWER, "interpreter": []}),
        json.dumps({name: value for name, value in ANSWER.items() if name != "relay"}),
    ],
)
def test_what_is_no_answer_is_refused(text: str) -> None:
    assert read_or_refused(text) is None


@given(text=st.text() | VALUES.map(json.dumps))
def test_anything_is_read_or_refused(text: str) -> None:
    read_or_refused(text)


@given(
    answer=changed(ANSWER),
    interpreter=changed(ANSWER["interpreter"]),
    messages=st.lists(changed(MESSAGE) | VALUES),
)
def test_what_looks_like_an_answer_is_read_or_refused(
    answer: dict[str, Any], interpreter: dict[str, Any], messages: list[Any]
) -> None:
    read_or_refused(json.dumps(answer))
    read_or_refused(json.dumps({**ANSWER, "interpreter": interpreter, "messages": messages}))


@given(messages=st.lists(VALUES))
def test_what_is_no_message_keeps_its_number(messages: list[Any]) -> None:
    answer = read_or_refused(json.dumps({**ANSWER, "messages": messages}))
    assert answer is None or len(answer.texts) == len(messages)


# -- messages --------------------------------------------------------------------------------------


def test_a_message_is_read_with_all_its_parts() -> None:
    (incoming,) = Assembly().incoming([MESSAGE])
    message = incoming.message
    assert (incoming.channel, incoming.parent_id, message.type) == ("iopub", "request", "stream")
    assert (message.content, message.metadata) == (MESSAGE["content"], {"m": 1})
    assert (message.buffers, message.parent) == ([b"\0\xff"], {"msg_id": "request"})


@given(cuts=st.lists(st.integers(0, 200)))
def test_parts_are_put_together_across_answers(cuts: list[int]) -> None:
    text = json.dumps(MESSAGE)
    places = [0, *sorted({min(cut, len(text)) for cut in cuts}), len(text)]
    parts = [text[start:end] for start, end in pairwise(places)]
    assembly = Assembly()
    found: list[Incoming] = []
    for number, part in enumerate(parts):
        found += assembly.incoming([{"part": part, "more": number < len(parts) - 1}])
    assert [one.message.content for one in found] == [MESSAGE["content"]]


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"part": "no JSON", "more": False},
        {"part": "[]", "more": False},
        {"part": None},
        {"part": "[" * 100_000},
        {**MESSAGE, "header": None},
        {**MESSAGE, "parent_header": []},
        {**MESSAGE, "content": "text"},
        {**MESSAGE, "buffers": 5},
        {**MESSAGE, "buffers": [5]},
        {**MESSAGE, "buffers": ["ü"]},
    ],
)
def test_what_can_not_be_read_is_left_out(strange: dict[str, Any]) -> None:
    found = [*Assembly().incoming([MESSAGE, strange, MESSAGE])]
    assert len(found) == 2
