"""Cells of a saved state that run again, in a namespace of the test."""

from __future__ import annotations

from typing import Any

import pytest

from tci_kernel.remote.remaking import Remaking


def remaking(namespace: dict[str, Any], *sources: str) -> Remaking:
    cells = [
        {"number": number, "source": source, "carried": []} for number, source in enumerate(sources)
    ]
    parts = [{"names": ["made"], "digest": "", "cells": len(cells)}]
    return Remaking({"cells": cells, "parts": parts}, namespace, lambda _name: None)


def test_what_the_user_has_stays_and_what_was_asked_for_is_given() -> None:
    namespace = {"mine": 1}
    made = remaking(namespace, "mine = 2; other = 3", "made = mine + other").run()
    assert made == {"made": 5}
    assert namespace["mine"] == 1
    assert "other" not in namespace


def test_what_fails_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    again = remaking({}, "print('shown')", "made = 1 / 0")
    assert again.run() == {}
    [(name, error)] = again.failed
    assert (name, type(error)) == ("made", ZeroDivisionError)
    assert capsys.readouterr().out == ""


def test_a_cell_that_would_end_the_program_ends_itself_alone() -> None:
    again = remaking({}, "raise SystemExit(3)", "made = 1")
    assert again.run() == {}
    assert isinstance(again.failed[0][1], SystemExit)


def test_an_interrupt_leaves_the_users_variables_as_they_were() -> None:
    namespace = {"mine": 1}
    with pytest.raises(KeyboardInterrupt):
        remaking(namespace, "mine = 2; made = 3", "raise KeyboardInterrupt").run()
    assert namespace["mine"] == 1
    assert "made" not in namespace
