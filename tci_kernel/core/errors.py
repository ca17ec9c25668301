"""The exception tree. The name and the text of each are what a user reads in the notebook.

::

    TCIError
    ├── ConfigurationError      a setting can't be used; nothing was sent
    │   ├── MissingKey          there is no API key
    │   └── InvalidKey          an API key that can't be one
    ├── ConnectionFailed        no connection was made; nothing was sent
    │   └── TLSFailed           the other side could not prove who it is
    ├── ConnectionLost          the request went out and no whole answer came back
    │   └── ReadTimeout         the service was silent for too long
    ├── CellTimeout             the cell took longer than `cell_timeout` allows
    ├── InvalidAnswer           an answer that can't be read
    ├── ExecutionRefused        200 with `data: null`: the service did not run the code
    ├── ServiceError            an HTTP status other than 200
    │   ├── AuthenticationFailed    401, 403
    │   ├── OutOfCredit             402
    │   └── RateLimited             429
    ├── SessionExpired          the session is gone, with its variables and files
    ├── SessionChanged          the service ran the cell in another session
    ├── NoSession               silent code, which may begin no session, found none
    ├── Interrupted             the user stopped a cell
    ├── CodeFailed              code raised an exception, for scripts that ask for it
    ├── ReplayFailed            a cell failed when the session's cells were run again
    ├── UsageError              a %tci line or a call that can't be done; nothing was sent
    ├── FileError               files that can't be transferred or removed; nothing has changed
    ├── VariableError           variables that can't be pushed or pulled; nothing has changed
    ├── TransferFailed          a transfer of files or variables that broke off on the way
    ├── RemoteCallFailed        what the kernel ran in the session for itself failed there
    └── RequestRejected         (local server) a request that it answers with a 4xx or 5xx

Which failure raises which, and what becomes of the request, is the table in `failures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tci_kernel.core.text import printable, without_colours

__all__ = [
    "AuthenticationFailed",
    "CellTimeout",
    "CodeFailed",
    "ConfigurationError",
    "ConnectionFailed",
    "ConnectionLost",
    "ExecutionRefused",
    "FileError",
    "Interrupted",
    "InvalidAnswer",
    "InvalidKey",
    "MissingKey",
    "NoSession",
    "OutOfCredit",
    "RateLimited",
    "ReadTimeout",
    "RemoteCallFailed",
    "ReplayFailed",
    "RequestRejected",
    "ServiceError",
    "SessionChanged",
    "SessionExpired",
    "TCIError",
    "TLSFailed",
    "TransferFailed",
    "UsageError",
    "VariableError",
]


def _readable(text: str) -> str:
    """Text without what a terminal would obey: a service or a session may have written it."""
    return "\n".join(printable(line) for line in text.split("\n"))


class TCIError(Exception):
    """The root of all errors that this package raises on purpose.

    Its text is its parts, `what` on lines of its own.

    Args:
        what: what happened.
        fate: what became of the code, and what is lost.
        advice: what to do.

    Attributes:
        may_have_run: whether the code may have run all the same.
        sent_again: whether the request may be sent again: it surely did not run, and waiting
            may help.
        retry_after: seconds after which the service asks to be tried again, or None.
        session_id: the session that an otherwise useless answer named, or None.
    """

    may_have_run = False
    sent_again = False
    retry_after: float | None = None
    session_id: str | None = None

    def __init__(self, what: str, *, fate: str = "", advice: str = "") -> None:
        what = _readable(what)
        super().__init__(what)
        self.what = what
        self.fate = fate
        self.advice = advice

    def __str__(self) -> str:
        rest = " ".join(part.strip() for part in (self.fate, self.advice) if part)
        return f"{self.what}\n{rest}" if rest else self.what

    @property
    def ename(self) -> str:
        """The name under which the user reads it."""
        return type(self).__name__


class ConfigurationError(TCIError):
    """A setting that can't be used. Nothing was sent."""


class MissingKey(ConfigurationError):
    """There is no API key. Nothing was sent."""

    def __init__(self) -> None:
        super().__init__(
            "There is no API key for the code interpreter, so nothing was sent.",
            advice="Run 'tci-kernel login', or set the environment variable TOGETHER_API_KEY and "
            "restart the kernel, or pick the kernel 'tci-local' (Python (TCI, local)), which "
            "needs no key.",
        )


class InvalidKey(ConfigurationError):
    """An API key with characters that no key has. Nothing was sent."""


class ConnectionFailed(TCIError):
    """No connection was made."""


class TLSFailed(ConnectionFailed):
    """No connection was made: the other side could not prove who it is."""


class ConnectionLost(TCIError):
    """The request went out, but no whole answer came back."""


class ReadTimeout(ConnectionLost):
    """The service was silent for longer than `TCIClient.read_timeout`."""


class CellTimeout(TCIError):
    """The cell took longer than `RemoteSession.cell_timeout`."""


class InvalidAnswer(TCIError):
    """An answer that can't be read."""


class ExecutionRefused(TCIError):
    """The service answered that it did not run the code (`data` is null)."""


class ServiceError(TCIError):
    """The service answered with an HTTP status other than 200.

    Attributes:
        status: the HTTP status.
    """

    status = 0


class AuthenticationFailed(ServiceError):
    """401 or 403: the key is wrong or may not use the code interpreter."""


class OutOfCredit(ServiceError):
    """402: the account has no credit left."""


class RateLimited(ServiceError):
    """429: too many requests."""


class SessionExpired(TCIError):
    """The session is gone, as the service's list of sessions confirms.

    Args:
        gone: the session's id.
        expires_at: when it was to expire, if that is known and has come.
        said: the error that gave it away.
        replayable: how many cells `%tci replay` would run again.

    Attributes:
        gone: the session's id.
    """

    def __init__(
        self, gone: str, expires_at: datetime | None, said: TCIError, replayable: int
    ) -> None:
        when = f" It was to expire at {expires_at:%Y-%m-%d %H:%M:%S %Z}." if expires_at else ""
        ran = "may have run" if said.may_have_run else "did not run"
        again = "Run the cell again to start afresh in a new session."
        if replayable:
            cells = "cell" if replayable == 1 else f"{replayable} cells"
            again = (
                f"To have the {cells} that succeeded run again in a new session, run "
                f"'%tci replay'; then, or to start afresh, run this cell again."
            )
        super().__init__(
            f"Session {gone} has expired, or is not one of this key's.{when}\n"
            f"The service: {said.what}",
            fate=f"Its variables and files are gone, and the code {ran}.",
            advice=again,
        )
        self.gone = gone
        self.may_have_run = said.may_have_run


class SessionChanged(TCIError):
    """The service ran the cell, but in another session than the one that was asked for."""

    may_have_run = True

    def __init__(self, old: str, new: str) -> None:
        super().__init__(
            f"The service ran this code in session {new} instead of {old}.",
            fate="Variables and files from before are not there.",
            advice="From now on the new session is used.",
        )


class NoSession(TCIError):
    """Code that a program runs for itself found no session to run in, and may begin none."""

    def __init__(self) -> None:
        super().__init__(
            "There is no session in which this code could run, and silent code begins none.",
            fate="It did not run.",
            advice="Run a cell that is not silent first: it begins a session.",
        )


class Interrupted(TCIError):
    """The user stopped a cell. They read it under Python's own name for that."""

    @property
    def ename(self) -> str:
        """As Python calls it."""
        return KeyboardInterrupt.__name__


class CodeFailed(TCIError):
    """Code that a script has run raised an exception. Its text is the traceback, as printed there.

    Args:
        name: the exception's.
        value: its text.
        traceback: the texts of its traceback; may hold ANSI colours.

    Attributes:
        name: as above.
        value: as above.
    """

    may_have_run = True

    def __init__(self, name: str, value: str, traceback: Sequence[str]) -> None:
        shown = without_colours("\n".join(traceback)) or f"{name}: {value}"
        super().__init__(f"The code raised {name}:\n{shown}")
        self.name = name
        self.value = value


class ReplayFailed(TCIError):
    """A cell failed when the session's cells were run again; what came after it did not run."""


class UsageError(TCIError):
    """A `%tci` line, or a call of the Python API, that can't be done. Nothing was sent."""


class FileError(TCIError):
    """Files that can't be transferred, listed or removed as asked. Nothing has changed."""


class VariableError(TCIError):
    """Variables that can't be pushed or pulled. Nothing has changed."""


class TransferFailed(TCIError):
    """A transfer broke off. What had arrived is whole; nothing of the rest is left."""


class RemoteCallFailed(TCIError):
    """What the kernel ran in the session for itself failed there.

    Args:
        code: why, in a word for programs: that of a `Failure` in `remote/failure.py`, the name of
            an error of the system, such as `ENOENT`, or `exception` for any other exception.
        text: why, in the session's words.

    Attributes:
        code: as above.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"In the session: {text}")
        self.code = code
        self.text = text


class RequestRejected(TCIError):
    """A request that the local server answers with an error.

    Attributes:
        status: the HTTP status of the answer.
        param: the field at fault, such as `files.0.name`, or None.
        code: a word for programs, such as `session_not_found`, or None.
        retry_after: seconds after which the request may succeed, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.retry_after = retry_after
