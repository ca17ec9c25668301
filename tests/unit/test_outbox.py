"""What a client has not fetched yet: each message arrives once, in order, and the rest is said."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tci_kernel.remote.frames import JOINED, Frames
from tci_kernel.remote.outbox import OVERHEAD, Outbox
from tci_kernel.session.live.exchange import Assembly, Incoming
from tests.support.framing import frames, printed

# Enough for all that a test puts in.
AMPLE = 1_000_000


class Fetcher:
    """A client, as far as it counts: it acknowledges what has arrived, and forgets repetitions."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.received = 0
        self.assembly = Assembly()

    def fetch(self, limit: int = AMPLE, *, is_lost: bool = False) -> list[Incoming]:
        """What is new in an answer, unless that is lost on its way."""
        self.outbox.acknowledge(self.received)
        first, texts, _ = self.outbox.take(limit)
        if is_lost:
            return []
        assert first <= self.received + 1
        new = texts[self.received + 1 - first :]
        self.received += len(new)
        return [*self.assembly.incoming([json.loads(text) for text in new])]

    def rest(self) -> list[Incoming]:
        """All that there is, with as many answers as that takes."""
        found = self.fetch()
        self.outbox.acknowledge(self.received)
        while len(self.outbox):
            found += self.fetch()
            self.outbox.acknowledge(self.received)
        return found


def texts(incoming: list[Incoming]) -> str:
    """What was printed."""
    return "".join(one.message.content.get("text", "") for one in incoming)


def fetched(outbox: Outbox) -> list[Incoming]:
    """All that is in an outbox of which nothing was fetched."""
    return Fetcher(outbox).rest()


# -- once, and in order ----------------------------------------------------------------------------


class Exchanges(RuleBasedStateMachine):
    """Messages are put in, given out, lost on their way, repeated and acknowledged at random."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(AMPLE * 100)
        self.client = Fetcher(self.outbox)
        self.put: list[Any] = []
        self.arrived: list[Any] = []

    @rule(text=st.text(min_size=1), name=st.sampled_from(["stdout", "stderr"]))
    def prints(self, text: str, name: str) -> None:
        self.outbox.put(printed(text, name))
        self.note(self.put, "stream", {"name": name, "text": text})

    @rule(kind=st.sampled_from(["display_data", "comm_msg", "error"]), data=st.text())
    def shows(self, kind: str, data: str) -> None:
        self.outbox.put(frames(kind, {"data": data}))
        self.note(self.put, kind, {"data": data})

    @rule(limit=st.integers(1, 3_000), is_lost=st.booleans())
    def fetches(self, limit: int, is_lost: bool) -> None:
        for one in self.client.fetch(limit, is_lost=is_lost):
            self.note(self.arrived, one.message.type, dict(one.message.content))

    @staticmethod
    def note(messages: list[Any], kind: str, content: dict[str, Any]) -> None:
        """Add a message; what follows on the same stream is one with it."""
        name = content.get("name")
        if name is not None and messages and messages[-1][1].get("name") == name:
            messages[-1][1]["text"] += content["text"]
        else:
            messages.append((kind, content))

    @invariant()
    def what_has_arrived_is_the_beginning_of_what_was_put(self) -> None:
        arrived, put = self.arrived, self.put[: len(self.arrived)]
        assert arrived[:-1] == put[:-1]
        if arrived and arrived[-1] != put[-1]:
            assert put[-1][1]["text"].startswith(arrived[-1][1]["text"])

    def teardown(self) -> None:
        for one in self.client.rest():
            self.note(self.arrived, one.message.type, dict(one.message.content))
        assert self.arrived == self.put


Exchanges.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestExchanges = Exchanges.TestCase


def test_what_was_not_acknowledged_is_given_again() -> None:
    outbox = Outbox()
    outbox.put(printed("a"))
    first = outbox.take(AMPLE)
    outbox.put(printed("b"))
    number, again, _ = outbox.take(AMPLE)
    assert (number, again[:1]) == (first[0], first[1])
    assert len(again) == 2
    outbox.acknowledge(1)
    assert outbox.take(AMPLE) == (2, again[1:], False)
    outbox.acknowledge(2)
    assert outbox.take(AMPLE) == (3, [], False)


def test_what_was_given_out_is_joined_with_nothing() -> None:
    outbox = Outbox()
    outbox.put(printed("a"))
    outbox.take(AMPLE)
    outbox.put(printed("b"))
    outbox.put(printed("c"))
    assert [one.message.content["text"] for one in fetched(outbox)] == ["a", "bc"]


@pytest.mark.parametrize("number", [-1, 0, 7])
def test_an_acknowledgement_of_what_was_never_given_loses_nothing(number: int) -> None:
    outbox = Outbox()
    outbox.put(printed("a"))
    outbox.acknowledge(number)
    assert texts(fetched(outbox)) == "a"


# -- the size of an answer -------------------------------------------------------------------------


@given(text=st.text(min_size=1), repeated=st.integers(1, 200), limit=st.integers(300, 2_000))
def test_an_answer_keeps_to_its_limit_and_long_messages_come_in_parts(
    text: str, repeated: int, limit: int
) -> None:
    outbox = Outbox(AMPLE)
    contents = [{"data": text * repeated}, {"data": "short"}]
    for content in contents:
        outbox.put(frames("display_data", content))
    client = Fetcher(outbox)
    found: list[Incoming] = []
    while len(outbox):
        found += client.fetch(limit)
        _, given_out, _ = outbox.take(limit)
        assert sum(len(one.encode()) for one in given_out) <= limit
        outbox.acknowledge(client.received)
    assert [dict(one.message.content) for one in found] == contents


def test_there_is_more_until_all_was_given() -> None:
    outbox = Outbox()
    for number in range(3):
        outbox.put(frames("display_data", {"data": f"{number}" * 500}))
    client = Fetcher(outbox)
    seen = []
    for _ in range(3):
        client.fetch(700)
        seen.append(outbox.take(700)[2])
        outbox.acknowledge(client.received)
    assert seen == [True, True, False]


# -- what is dropped -------------------------------------------------------------------------------


NOTE = re.compile(r"\n… ([\d,]+) lines? not kept …\n")


@given(
    lines=st.lists(st.integers(0, 200), min_size=1, max_size=150),
    kept=st.integers(4_000, 20_000),
)
@settings(deadline=None)
def test_the_middle_is_dropped_and_its_lines_are_counted(lines: list[int], kept: int) -> None:
    outbox = Outbox(kept)
    put = [f"{number}:{'x' * length}\n" for number, length in enumerate(lines)]
    for number, line in enumerate(put):
        outbox.put(printed(line, ("stdout", "stderr")[number % 2]))
        assert outbox.size <= kept + OVERHEAD + 1_000
    found = texts(fetched(outbox))
    assert found.endswith(put[-1])
    assert found.startswith(put[0])
    note = NOTE.search(found)
    dropped = int(note[1].replace(",", "")) if note else 0
    remaining = NOTE.sub("", found).count("\n")
    assert remaining + dropped == len(put)


def test_thousands_of_lines_are_said_readably() -> None:
    outbox = Outbox(10 * JOINED)
    for number in range(10**5):
        outbox.put(printed(f"{number:09}\n"))
    found = texts(fetched(outbox))
    note = NOTE.search(found)
    assert note is not None
    assert re.fullmatch(r"\d{2,3},\d{3}", note[1])
    assert NOTE.sub("", found).count("\n") + int(note[1].replace(",", "")) == 10**5
    assert found.startswith("000000000\n")
    assert found.endswith("000099999\n")


def test_the_end_of_one_large_text_is_kept() -> None:
    outbox = Outbox(4 * JOINED)
    outbox.put(printed("".join(f"{number:09}\n" for number in range(10**5))))
    found = texts(fetched(outbox))
    assert found.startswith("000000000\n")
    assert NOTE.search(found)
    assert found.endswith("000099999\n")


def test_a_last_display_is_kept_however_large_it_is() -> None:
    outbox = Outbox(10_000)
    for text in ("small", "x" * 50_000):
        outbox.put(frames("display_data", {"data": text}))
    assert [len(one.message.content["data"]) for one in fetched(outbox)] == [5, 50_000]


def test_after_a_beginning_that_is_too_large_the_end_has_its_share() -> None:
    outbox = Outbox(10_000)
    outbox.put(frames("display_data", {"data": "x" * 50_000}))
    for name in ("stdout", "stderr") * 50:
        outbox.put(printed("line\n", name))
    found = fetched(outbox)
    assert found[0].message.type == "display_data"
    assert texts(found).count("line\n") > 2
    assert texts(found).endswith("line\n")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("display_data", "displays"),
        ("execute_result", "displays"),
        ("comm_msg", "updates of widgets"),
        ("clear_output", "some output"),
    ],
)
def test_what_code_may_send_without_end_is_bounded(kind: str, said: str) -> None:
    outbox = Outbox(10_000)
    for _ in range(1_000):
        outbox.put(frames(kind, {"data": "x" * 100}))
    assert outbox.size < 11_000
    found = fetched(outbox)
    kept = [one for one in found if one.message.type == kind]
    assert said in texts(found)
    assert kind == "clear_output" or f"{1_000 - len(kept)} {said} not kept" in texts(found)


@pytest.mark.parametrize("kind", ["error", "comm_open", "comm_close", "debug_event"])
def test_what_others_wait_for_is_never_dropped(kind: str) -> None:
    outbox = Outbox(10_000)
    for number in range(20):
        outbox.put(printed("x" * 3_000))
        outbox.put(frames(kind, {"data": number}))
    found = [one.message.content["data"] for one in fetched(outbox) if one.message.type == kind]
    assert found == [*range(20)]


def test_replies_are_never_dropped() -> None:
    outbox = Outbox(1_000)
    for number in range(50):
        outbox.put(frames("execute_reply", {"data": number}, channel="shell"))
        outbox.put(printed("x" * 500))
    found = [one for one in fetched(outbox) if one.channel == "shell"]
    assert [one.message.content["data"] for one in found] == [*range(50)]


# -- what another one is told ----------------------------------------------------------------------


def unfetched(outbox: Outbox) -> list[Frames]:
    return [*outbox.unfetched()]


def test_unfetched_is_what_was_not_acknowledged_each_once() -> None:
    outbox = Outbox()
    outbox.put(frames("display_data", {"data": "x" * 1_000}))
    outbox.take(200)
    outbox.put(printed("a"))
    outbox.put(printed("b", "stderr"))
    assert [one.type for one in unfetched(outbox)] == ["display_data", "stream", "stream"]
    outbox.acknowledge(99)
    assert [one.type for one in unfetched(outbox)] == ["stream", "stream"]


def test_what_was_dropped_is_told_to_another_one_too() -> None:
    outbox = Outbox(2_000)
    for number in range(100):
        outbox.put(printed(f"{number}\n", ("stdout", "stderr")[number % 2]))
    told = "".join(one.content()["text"] for one in unfetched(outbox))
    assert told == texts(fetched(outbox))
