"""What travels between a client and a TCI service.

Strict where we send or serve (`ExecuteRequest.from_json`), lenient where we read what a service
answers (`ExecuteResponse.from_body`): it documents little of how it fails, and what can be read
should be shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from tci_kernel.client.failures import failure
from tci_kernel.core.cell import File
from tci_kernel.core.errors import InvalidAnswer, RequestRejected

ENCODINGS = ("string", "base64")
LANGUAGES = ("python",)

# The header by which a service says what it has beside the vendor's contract, and a client what it
# can use of that: words with commas between them.
EXTENSIONS_HEADER = "TCI-Extensions"

# The words for `DELETE /tci/sessions/{id}` and for `POST /tci/sessions/{id}/exchange`. A request to
# run code that has the second is one to start or to find a relay: a service that speaks exchanges
# itself begins the session, and runs nothing.
END_SESSIONS = "end-sessions"
EXCHANGE = "exchange"

# Levels of nesting that an answer may have. json and nbformat handle some hundreds, depending on
# the stack below them; what people display has about ten.
MAX_DEPTH = 200

# Years of the times that are read; others can't be told in every zone, or counted from.
_YEARS = range(1970, 9000)


@dataclass(frozen=True, slots=True)
class ExecuteRequest:
    """The body of `POST /tci/execute`."""

    code: str
    session_id: str | None = None
    files: Sequence[File] = ()

    def to_body(self) -> bytes:
        """The JSON body. Plain ASCII, so that half surrogate pairs in the code survive."""
        body: dict[str, Any] = {"language": "python", "code": self.code}
        if self.session_id is not None:
            body["session_id"] = self.session_id
        if self.files:
            body["files"] = written_files(self.files)
        return json.dumps(body).encode("ascii")

    @classmethod
    def from_json(cls, body: object) -> ExecuteRequest:
        """Check a decoded body against the contract, to the letter.

        Raises:
            RequestRejected: naming the field at fault.
        """
        if not isinstance(body, dict):
            raise RequestRejected("The body must be a JSON object.")
        code = _string(body, "code")
        language = _string(body, "language")
        if language not in LANGUAGES:
            raise RequestRejected(
                f"'language' must be 'python', not {language!r}.", param="language"
            )
        session_id = _string(body, "session_id") if "session_id" in body else None
        return cls(code, session_id, read_files(body))


def written_files(files: Sequence[File]) -> list[dict[str, str]]:
    """Files as the body of a request has them."""
    return [
        {"name": file.name, "encoding": file.encoding, "content": file.content} for file in files
    ]


def read_files(body: Mapping[str, object]) -> list[File]:
    """The files of a request's decoded body, checked against the contract.

    Raises:
        RequestRejected: naming the field at fault.
    """
    files = body.get("files", [])
    if not isinstance(files, list):
        raise RequestRejected("'files' must be an array.", param="files")
    return [_file(item, f"files.{i}") for i, item in enumerate(files)]


def _string(holder: Mapping[str, object], name: str, where: str = "") -> str:
    path = where + name
    if name not in holder:
        raise RequestRejected(f"'{path}' is required.", param=path)
    value = holder[name]
    if not isinstance(value, str):
        raise RequestRejected(f"'{path}' must be a string.", param=path)
    return value


def _file(item: object, path: str) -> File:
    if not isinstance(item, dict):
        raise RequestRejected(f"'{path}' must be an object.", param=path)
    name, encoding, content = (
        _string(item, key, f"{path}.") for key in ("name", "encoding", "content")
    )
    if encoding not in ENCODINGS:
        raise RequestRejected(
            f"'{path}.encoding' must be 'string' or 'base64', not {encoding!r}.",
            param=f"{path}.encoding",
        )
    return File(name, content, encoding)


@dataclass(frozen=True, slots=True)
class Output:
    """One thing that the code produced.

    Attributes:
        type: `stdout`, `stderr`, `error`, `display_data`, `execute_result`, or one unknown to us.
        data: text for the first three, a MIME bundle for the other two.
    """

    type: str
    data: Any


@dataclass(frozen=True, slots=True)
class ExecuteResponse:
    """What an execution gave: the session that it ran in and its outputs, in order.

    Attributes:
        session_id: None where the service named no session.
        outputs: in the order of emission.
        errors: what the service said went wrong beside the outputs; usually empty.
    """

    session_id: str | None
    outputs: Sequence[Output]
    errors: Sequence[str] = ()

    @classmethod
    def from_body(cls, body: bytes) -> ExecuteResponse:
        """Read the body of an answer with status 200.

        Raises:
            ExecutionRefused: `data` is null: the code did not run.
            InvalidAnswer: the body is not what the contract says.
        """
        try:
            answer = _answer(body)
        except InvalidAnswer as error:
            raise failure("body", str(error)) from error
        errors = _messages(answer.get("errors"))
        data = answer.get("data")
        if data is None and "data" in answer:
            raise failure("null", "\n".join(errors) or "The service did not say why.")
        fields = data if isinstance(data, dict) else {}
        named, items = fields.get("session_id"), fields.get("outputs")
        session_id = named if isinstance(named, str) and named else None
        if not isinstance(items, list):
            problem = failure("body", "\n".join(["The service's answer has no outputs.", *errors]))
            problem.session_id = session_id
            raise problem
        outputs = [_output(item) for item in items]
        return cls(session_id, outputs, errors + _messages(fields.get("errors")))


def _output(item: Any) -> Output:
    """An output; what is not one at all is kept as data of an unknown type."""
    if not isinstance(item, dict):
        return Output("", item)
    return Output(str(item.get("type", "")), item.get("data"))


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A row of `GET /tci/sessions`. A time that can't be read is None."""

    id: str
    execute_count: int = 0
    started_at: datetime | None = None
    last_execute_at: datetime | None = None
    expires_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as the service writes it, times in ISO 8601 with their offset."""
        times = ("started_at", "last_execute_at", "expires_at")
        return {
            "id": self.id,
            "execute_count": self.execute_count,
            **{name: time.isoformat() for name in times if (time := getattr(self, name))},
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> SessionInfo:
        """Read a row, leniently."""
        count = row.get("execute_count")
        return cls(
            str(row.get("id")),
            count if isinstance(count, int) else 0,
            _time(row.get("started_at")),
            _time(row.get("last_execute_at")),
            _time(row.get("expires_at")),
        )


@dataclass(frozen=True, slots=True)
class SessionsResponse:
    """The answer to `GET /tci/sessions`."""

    sessions: Sequence[SessionInfo] = field(default_factory=list)

    @classmethod
    def from_body(cls, body: bytes) -> SessionsResponse:
        """Read the body of an answer with status 200.

        Raises:
            InvalidAnswer: there is no list in it.
        """
        answer = _answer(body)
        data = answer.get("data")
        if data is None and (errors := _messages(answer.get("errors"))):
            raise InvalidAnswer("\n".join(errors))
        rows = data.get("sessions") if isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise InvalidAnswer("The service's answer has no list of sessions.")
        return cls(
            [SessionInfo.from_json(row) for row in rows if isinstance(row, dict) and "id" in row]
        )


def extensions(headers: Mapping[str, str]) -> frozenset[str]:
    """What a service has beside the vendor's contract, by the headers of an answer."""
    words = headers.get(EXTENSIONS_HEADER, "").split(",")
    return frozenset(word.strip() for word in words if word.strip())


def error_message(body: bytes) -> str:
    """What an answer with another status than 200 says, or an empty text.

    The shape seen is `{"error": {"message": …}}`; bodies of 5xx may be HTML, which tells a user
    nothing and is left out.
    """
    try:
        answer = _answer(body)
    except InvalidAnswer:
        return ""
    return "\n".join(_messages(answer.get("error", answer.get("errors"))))


def _answer(body: bytes) -> dict[str, Any]:
    try:
        answer = decoded(body.decode("utf-8-sig", "replace"))
    except ValueError as error:
        raise InvalidAnswer("The service's answer is not JSON.") from error
    if not isinstance(answer, dict):
        raise InvalidAnswer("The service's answer is not a JSON object.")
    return answer


def decoded(text: str) -> Any:
    """The value of JSON that somebody else has written; see `carried`.

    Raises:
        ValueError: it is none, or nested too deeply.
    """
    try:
        return carried(json.loads(text))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def carried(value: Any, depth: int = 0) -> Any:
    """The value without what no later stage can carry as JSON in UTF-8.

    Python's reader takes more than that: NaN, numbers beyond a float's range, escapes of half a
    surrogate pair, and nesting almost as deep as its stack.
    """
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, (list, dict)) and depth == MAX_DEPTH:
        raise RecursionError("nested too deeply")
    if isinstance(value, list):
        return [carried(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {carried(key): carried(item, depth + 1) for key, item in value.items()}
    return value


def _messages(errors: object) -> list[str]:
    """The texts in an `errors` array of strings and objects, or in one without its array."""
    texts = []
    for error in errors if isinstance(errors, list) else [errors]:
        message = error.get("message") if isinstance(error, dict) else error
        if message is None and error:
            message = json.dumps(error)
        if message:
            texts.append(str(message))
    return texts


def _time(text: object) -> datetime | None:
    """A time in ISO 8601; in UTC where it names no offset."""
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if time is None or time.year not in _YEARS:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
