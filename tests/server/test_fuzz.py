"""Requests that schemathesis makes up from openapi.yaml, good ones and bad ones."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.server.service import Service
from tests.support.contract import OPENAPI
from tests.support.servers import serving

schema = schemathesis.openapi.from_path(OPENAPI)

# How often each operation was answered with each status.
Answers = defaultdict[str, Counter[int]]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    # A few sessions only, so that requests without an id soon meet the limit, and start no more.
    with (
        serving("--max-sessions", "3") as server,
        Service(server.base_url, server.token) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def session_id(service: Service) -> str:
    return service.run("pass").session_id


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    """Counts the answers; afterwards, makes sure that the requests went beyond the doorstep."""
    counts: Answers = defaultdict(Counter)
    yield counts
    for label, counter in counts.items():
        # No made-up session can be ended: there is none.
        assert counter[404 if label.startswith("DELETE") else 200] >= 10
        assert counter[401] > 0


def _prepare(case: schemathesis.Case[Any], session_id: str) -> None:
    """Make a request harmless, and likely to reach an interpreter."""
    if isinstance(case.body, dict):
        if isinstance(code := case.body.get("code"), str):
            # As a literal of Python, any text may run.
            case.body["code"] = repr(code)
        # Made-up ids, the empty one aside, become one that exists; few requests go without.
        given = case.body.get("session_id", code)
        if given and isinstance(given, str):
            case.body["session_id"] = session_id
        if isinstance(wait := case.body.get("wait"), (int, float)) and wait > 0:
            case.body["wait"] = 0.01
    if case.operation.label.startswith("POST") and "id" in case.path_parameters:
        case.path_parameters["id"] = session_id


@schema.parametrize()
# The same requests in every run, so that a failure is the fault of the change at hand. To look
# for more, leave out `derandomize` and raise the number.
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_requests_from_the_description_are_answered_as_described(
    case: schemathesis.Case[Any], service: Service, session_id: str, answers: Answers
) -> None:
    _prepare(case, session_id)
    response = case.call_and_validate(
        base_url=service.base_url,
        headers={"Authorization": f"Bearer {service.token}"},
        # A schema can't tell what a file's name or base64 is: the server turns away more than it.
        excluded_checks=[positive_data_acceptance],
    )
    answers[case.operation.label][response.status_code] += 1
