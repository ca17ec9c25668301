"""A relay that answers at once, with nothing, is not asked without end."""

from __future__ import annotations

from tci_kernel.session.live.haste import FREE, LONGEST_PAUSE, Haste


def pauses(haste: Haste, count: int) -> list[float]:
    found = []
    for _ in range(count):
        haste.note(is_early=True)
        found.append(haste.pause)
    return found


def test_few_early_answers_are_chance_and_many_are_not() -> None:
    haste = Haste()
    found = pauses(haste, 30)
    assert found[: FREE - 1] == [0.0] * (FREE - 1)
    assert found[FREE - 1 : FREE + 2] == [0.05, 0.1, 0.2]
    assert found[-1] == LONGEST_PAUSE
    pauses(haste, 10_000)
    assert haste.pause == LONGEST_PAUSE


def test_an_answer_with_a_reason_begins_anew() -> None:
    haste = Haste()
    pauses(haste, 20)
    haste.note(is_early=False)
    assert haste.pause == 0.0
