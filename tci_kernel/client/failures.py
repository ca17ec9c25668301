"""The table of failures, and the exceptions that are made from it.

For each cause: what is raised, whether the code may have run, whether the request is sent again,
and what the user should do. `docs/failures.md` is generated from it.
"""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from tci_kernel.core.errors import (
    AuthenticationFailed,
    CellTimeout,
    ConnectionFailed,
    ConnectionLost,
    ExecutionRefused,
    InvalidAnswer,
    OutOfCredit,
    RateLimited,
    ReadTimeout,
    ServiceError,
    TCIError,
    TLSFailed,
)


class Again(Enum):
    """Whether a request is sent again."""

    NEVER = "no"
    ALWAYS = "yes, after a growing pause, for as long as `retry_for` allows"
    IF_TOLD = "only if the service says after how long, and `retry_for` allows that"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table.

    Attributes:
        cause: what happened, for the documents.
        error: what is raised.
        may_have_run: whether the code may have run.
        again: whether the request is sent again.
        advice: what the user should do.
    """

    cause: str
    error: type[TCIError]
    may_have_run: bool
    again: Again
    advice: str


_NEVER, _ALWAYS, _IF_TOLD = Again.NEVER, Again.ALWAYS, Again.IF_TOLD

_CHECK = "Look at what it did before you run it again."
_RETRY = "Try again."
_LATER = "Wait a little, then try again."
_KEY = "Check the key."
_NETWORK = "Check the network and the service's address, then try again."
_OURS = "This is likely a defect of tci-kernel: please report it."

# Failures of the transport, of a body, and of time.
RULES: Mapping[str, Rule] = {
    "dns": Rule("the service's name can't be resolved", ConnectionFailed, False, _ALWAYS, _NETWORK),
    "connect": Rule(
        "the connection is refused or can't be made", ConnectionFailed, False, _ALWAYS, _NETWORK
    ),
    "connect timeout": Rule(
        "no connection within `connect_timeout`", ConnectionFailed, False, _ALWAYS, _NETWORK
    ),
    "tls": Rule(
        "TLS fails, such as a certificate that nobody vouches for",
        TLSFailed,
        False,
        _NEVER,
        "Behind a proxy with certificates of its own, name them in SSL_CERT_FILE.",
    ),
    "lost": Rule(
        "the connection is lost during or after the request",
        ConnectionLost,
        True,
        _NEVER,
        _CHECK,
    ),
    "read timeout": Rule(
        "silence for longer than `read_timeout`", ReadTimeout, True, _NEVER, _CHECK
    ),
    "cell timeout": Rule(
        "the cell takes longer than `cell_timeout`", CellTimeout, True, _NEVER, _CHECK
    ),
    "body": Rule(
        "status 200 with a body that is empty, cut off, HTML, not JSON, not UTF-8 or of a wrong "
        "shape",
        InvalidAnswer,
        True,
        _NEVER,
        _CHECK,
    ),
    "null": Rule("status 200 with `data: null`", ExecutionRefused, False, _NEVER, _RETRY),
}

# Answers with another status than 200.
STATUSES: Mapping[int, Rule] = {
    400: Rule("bad request", ServiceError, False, _NEVER, _OURS),
    401: Rule("unauthorized", AuthenticationFailed, False, _NEVER, _KEY),
    402: Rule("out of credit", OutOfCredit, False, _NEVER, "Add credit to the account."),
    403: Rule(
        "forbidden",
        AuthenticationFailed,
        False,
        _NEVER,
        "This key may not use the code interpreter.",
    ),
    404: Rule("not found", ServiceError, False, _NEVER, "Check the service's address."),
    408: Rule("request timeout", ServiceError, True, _NEVER, _CHECK),
    409: Rule("conflict", ServiceError, True, _NEVER, _CHECK),
    413: Rule(
        "too large",
        ServiceError,
        False,
        _NEVER,
        "Send less code. For files, lower RemoteSession.transfer_size.",
    ),
    422: Rule("not understood", ServiceError, False, _NEVER, _OURS),
    429: Rule("rate limited", RateLimited, False, _ALWAYS, _LATER),
    500: Rule("server error", ServiceError, True, _NEVER, _CHECK),
    502: Rule("bad gateway", ServiceError, True, _NEVER, _CHECK),
    503: Rule("unavailable", ServiceError, True, _IF_TOLD, _CHECK),
    504: Rule("gateway timeout", ServiceError, True, _NEVER, _CHECK),
    520: Rule("the proxy got an unknown error", ServiceError, True, _NEVER, _CHECK),
    524: Rule("the proxy stopped waiting for a long cell", ServiceError, True, _NEVER, _CHECK),
    529: Rule("overloaded", ServiceError, True, _NEVER, _CHECK),
}

_OTHER_REFUSAL = Rule(
    "any other status below 500", ServiceError, False, _NEVER, "Check the service's address."
)
_OTHER = Rule("any other status from 500 on", ServiceError, True, _NEVER, _CHECK)

_SERVER_ERROR = 500


def failure(name: str, detail: str, *, runs_code: bool = True) -> TCIError:
    """The exception for a failure of transport, body or time.

    Args:
        name: a key of `RULES`.
        detail: what happened, in words for the user.
        runs_code: whether the request was to run code; else nothing is said of code.
    """
    rule = RULES[name]
    may_have_run = rule.may_have_run and runs_code
    return _made(rule, detail, may_have_run, rule.again is _ALWAYS, runs_code)


def status_failure(
    status: int, said: str, headers: Mapping[str, str], *, runs_code: bool = True
) -> TCIError:
    """The exception for an HTTP status other than 200.

    Args:
        status: the status.
        said: the service's own words, possibly empty.
        headers: the answer's headers; `retry-after` and `retry-after-ms` count.
        runs_code: whether the request was to run code; else nothing is said of code.
    """
    rule = STATUSES.get(status, _OTHER if status >= _SERVER_ERROR else _OTHER_REFUSAL)
    wait = retry_after(headers)
    says_when = rule.again is _IF_TOLD and wait is not None
    error = _made(
        rule,
        f"HTTP {status} ({rule.cause if status in STATUSES else 'unexpected'}): "
        f"{said or 'the service gave no reason'}",
        rule.may_have_run and runs_code and not says_when,
        rule.again is _ALWAYS or says_when,
        runs_code,
    )
    error.retry_after = wait
    if isinstance(error, ServiceError):
        error.status = status
    return error


def _made(
    rule: Rule, detail: str, may_have_run: bool, sent_again: bool, runs_code: bool
) -> TCIError:
    ran = "may have run, and may still be running" if may_have_run else "did not run"
    advice = _RETRY if rule.advice is _CHECK and not runs_code else rule.advice
    error = rule.error(detail, fate=f"The code {ran}." if runs_code else "", advice=advice)
    error.may_have_run = may_have_run
    error.sent_again = sent_again
    return error


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks to wait, from `retry-after-ms` or `retry-after`.

    The first is in milliseconds; the second in seconds or an HTTP date (RFC 9110, 10.2.3). What
    can't be read, or lies in the past, counts as absent.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "")
        try:
            seconds = float(text) * unit
        except ValueError:
            seconds = _until(text) if unit == 1.0 else math.nan
        if 0 <= seconds < math.inf:
            return seconds
    return None


def _until(date: str) -> float:
    try:
        moment = email.utils.parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()


def table() -> str:
    """The rows as a table in Markdown, for the documents."""
    rows = [(f"`{status}` {rule.cause}", rule) for status, rule in STATUSES.items()]
    rows += [(rule.cause, rule) for rule in (_OTHER_REFUSAL, _OTHER, *RULES.values())]
    lines = [
        "| cause | sent again | the code | error | what to do |",
        "| --- | --- | --- | --- | --- |",
    ]
    for cause, rule in rows:
        ran = "may have run" if rule.may_have_run else "did not run"
        if rule.again is _IF_TOLD:
            ran = "may have run; did not if the service says after how long to try again"
        lines.append(
            f"| {cause} | {rule.again.value} | {ran} | `{rule.error.__name__}` | {rule.advice} |"
        )
    return "\n".join(lines) + "\n"
