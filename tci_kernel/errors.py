"""The exception tree. The name and the text of each are what a user reads in the notebook.

::

    TCIError
    ├── ConfigurationError      a setting can't be used; nothing was sent
    │   └── MissingKey          there is no API key
    ├── ConnectionFailed        no connection was made; nothing was sent
    ├── ExecutionRefused        200 with `data: null`: the service did not run the code
    ├── ServiceError            an HTTP status other than 200
    │   ├── AuthenticationFailed    401, 403
    │   ├── OutOfCredit             402
    │   └── RateLimited             429
    ├── SessionExpired          the session is gone, with its variables and files
    ├── ConnectionLost          the request went out and no whole answer came back
    ├── InvalidAnswer           an answer that can't be read
    └── RequestRejected         (local server) a request that it answers with a 4xx or 5xx

`may_have_run` on each says whether the code may have run all the same. It decides what the user
is told, and it forbids sending the request again.
"""

from __future__ import annotations

__all__ = [
    "AuthenticationFailed",
    "ConfigurationError",
    "ConnectionFailed",
    "ConnectionLost",
    "ExecutionRefused",
    "InvalidAnswer",
    "MissingKey",
    "OutOfCredit",
    "RateLimited",
    "RequestRejected",
    "ServiceError",
    "SessionExpired",
    "TCIError",
    "service_error",
]


class TCIError(Exception):
    """The root of all errors that this package raises on purpose."""

    may_have_run = False


class ConfigurationError(TCIError):
    """A setting that can't be used. Nothing was sent."""


class MissingKey(ConfigurationError):
    """There is no API key. Nothing was sent."""

    def __init__(self) -> None:
        super().__init__(
            "There is no API key for the code interpreter, so nothing was sent.\n"
            "Set the environment variable TOGETHER_API_KEY (or TCIClient.api_key in the "
            "configuration) and restart the kernel,\n"
            "or pick the kernel 'tci-local' (Python (TCI, local)), which needs no key."
        )


class ConnectionFailed(TCIError):
    """No connection was made: the code did not run."""


class ExecutionRefused(TCIError):
    """The service answered that it did not run the code (`data` is null)."""


class ServiceError(TCIError):
    """The service answered with an HTTP status other than 200.

    Attributes:
        status_code: the HTTP status.
    """

    def __init__(self, message: str, status_code: int) -> None:
        super().__init__(message)
        self.status_code = status_code
        # A 4xx refuses a request before it is run; 408 (the server gave up waiting) and 409
        # (a conflict while running) don't say so, and neither does any 5xx.
        self.may_have_run = status_code >= 500 or status_code in (408, 409)  # noqa: PLR2004


class AuthenticationFailed(ServiceError):
    """401 or 403: the key is wrong or may not use the code interpreter."""


class OutOfCredit(ServiceError):
    """402: the account has no credit left."""


class RateLimited(ServiceError):
    """429: too many requests."""


class SessionExpired(TCIError):
    """The session is gone, as the service's list of sessions confirms. The code did not run."""

    def __init__(self, session_id: str, said: str) -> None:
        super().__init__(
            f"Session {session_id} is gone, and its variables and files with it. The code did not "
            f"run.\nRun the cell again to start afresh in a new session. (The service: {said})"
        )


class ConnectionLost(TCIError):
    """The request went out, but no whole answer came back."""

    may_have_run = True


class InvalidAnswer(TCIError):
    """An answer that can't be read."""

    may_have_run = True


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


_BY_STATUS: dict[int, tuple[type[ServiceError], str]] = {
    401: (AuthenticationFailed, "Check TOGETHER_API_KEY and restart the kernel."),
    402: (OutOfCredit, "Add credit to the account, then run the cell again."),
    403: (AuthenticationFailed, "This key may not use the code interpreter."),
    429: (RateLimited, "Wait a little, then run the cell again."),
}


def service_error(status_code: int, message: str) -> ServiceError:
    """The exception for an HTTP status other than 200, with advice in its text.

    Args:
        status_code: the HTTP status.
        message: what the service said, possibly empty.
    """
    kind, advice = _BY_STATUS.get(status_code, (ServiceError, ""))
    said = f"HTTP {status_code}: {message or 'the service gave no reason'}"
    error = kind(said, status_code)
    if not advice:
        advice = "The code may have run." if error.may_have_run else "The code did not run."
    error.args = (f"{said}\n{advice}",)
    return error
