"""The HTTP side of the server: the endpoints of the contract, its own ones, its description."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable
from importlib.resources import files
from typing import Any, cast

import tornado.web
from tornado.http1connection import HTTP1Connection
from tornado.iostream import IOStream

from tci_kernel.client.schema import (
    END_SESSIONS,
    EXCHANGE,
    EXTENSIONS_HEADER,
    ExecuteRequest,
    extensions,
)
from tci_kernel.core.addresses import is_own_host
from tci_kernel.core.errors import RequestRejected
from tci_kernel.server.exchange_request import ExchangeRequest
from tci_kernel.server.sessions import SessionPool

# Bytes of a request's body. Files travel in it, in base64.
MAX_BODY = 100 * 1024 * 1024

_OK, _UNAUTHORIZED, _NOT_ALLOWED = 200, 401, 405

_ERROR_TYPES = {
    401: "authentication_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}


def make_app(pool: SessionPool, *, host: str, token: str | None) -> tornado.web.Application:
    """The web application of a server.

    Args:
        pool: the sessions.
        host: the address that the server is bound to, or the name that it was given.
        token: what callers must send as a bearer token; None lets everybody in.
    """
    shared = {"pool": pool, "host": host, "token": token}
    # Some clients leave out the version, one sends a double slash after it.
    return tornado.web.Application(
        [
            (r"/+(?:v1/+)?tci/+execute", ExecuteHandler, shared),
            (r"/+(?:v1/+)?tci/+sessions", SessionsHandler, shared),
            (r"/+(?:v1/+)?tci/+sessions/+([^/]+)", SessionHandler, shared),
            (r"/+(?:v1/+)?tci/+sessions/+([^/]+)/+exchange", ExchangeHandler, shared),
            (r"/+(?:v1/+)?openapi\.json", OpenAPIHandler, shared),
        ],
        default_handler_class=NotFoundHandler,
        default_handler_args=shared,
        log_function=lambda _handler: None,
    )


@tornado.web.stream_request_body
class ServiceHandler(tornado.web.RequestHandler):
    """What all endpoints share: who may call, how a body is read, what an error looks like."""

    method = "GET"
    is_public = False

    def initialize(self, pool: SessionPool, host: str, token: str | None) -> None:
        """Take what `make_app` shares with every handler."""
        self._pool = pool
        self._host = host
        self._token = token
        self._chunks: list[bytes] = []
        self._length = 0
        self._pending: asyncio.Future[Any] | None = None
        self._rejection: RequestRejected | None = None
        self._stream: IOStream | None = None  # of a caller who may call

    def prepare(self) -> None:
        """Decide who may call. Who may not hears of it once the body is read, and thrown away.

        An answer that comes earlier closes the connection, under a caller who still sends or who
        sends the next request on it.
        """
        try:
            self.check_caller()
        except RequestRejected as rejection:
            self._rejection = rejection
        else:
            self._stream = cast(HTTP1Connection, self.request.connection).stream
            self.settings["connections"].begin(self._stream)

    def on_finish(self) -> None:
        """Let go of the connection once the answer has gone out."""
        if self._stream is not None:
            self.settings["connections"].end(self._stream)

    def check_caller(self) -> None:
        """Turn away whoever may not call.

        Raises:
            RequestRejected: another server was meant, the token is wrong, or the method is.
        """
        if not is_own_host(self.request.headers.get("Host", ""), self._host):
            # A page in a browser can make its own name resolve to this address (DNS rebinding).
            raise RequestRejected("The Host header names another server.", status=403)
        if self._token is not None and not self.is_public and not self._is_authorized(self._token):
            raise RequestRejected(
                "Send the server's token as 'Authorization: Bearer TOKEN'.", status=_UNAUTHORIZED
            )
        if self.request.method != self.method:
            raise RequestRejected(f"Use {self.method} here.", status=_NOT_ALLOWED)

    def data_received(self, chunk: bytes) -> None:
        """Collect the body; of one that nobody will read, or is too long, keep nothing."""
        self._length += len(chunk)
        if self._rejection is None and self._length <= MAX_BODY:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()

    async def respond(self, *parts: str) -> None:
        """Answer a caller who may call.

        Args:
            parts: of the path, those that are not fixed.
        """
        raise NotImplementedError

    def set_default_headers(self) -> None:
        """Say with each answer what this server has beside the vendor's contract."""
        self.set_header(EXTENSIONS_HEADER, f"{END_SESSIONS}, {EXCHANGE}")

    async def _dispatch(self, *parts: str) -> None:
        if self._rejection is not None:
            raise self._rejection
        await self.respond(*parts)

    get = head = post = put = patch = delete = options = _dispatch

    def on_connection_close(self) -> None:
        """Stop the work of a caller who hung up."""
        if self._pending is not None:
            self._pending.cancel()

    async def wait_for(self, answer: Awaitable[Any]) -> Any:
        """Wait for an answer as long as the caller does.

        Raises:
            tornado.web.Finish: the caller hung up.
        """
        self._pending = asyncio.ensure_future(answer)
        try:
            return await self._pending
        except asyncio.CancelledError as error:
            raise tornado.web.Finish from error

    def send_json(self, answer: Any, status: int = _OK) -> None:
        """Answer in JSON."""
        self.send_text(json.dumps(answer), status)

    def send_text(self, answer: str, status: int = _OK) -> None:
        """Answer with JSON text."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(answer.encode("utf-8", "replace"))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the service's shape of an error."""
        problem = kwargs.get("exc_info", (None, None, None))[1]
        if not isinstance(problem, RequestRejected):
            problem = RequestRejected(self._reason, status=status_code)
        if problem.status == _NOT_ALLOWED:
            self.set_header("Allow", self.method)
        if problem.status == _UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Bearer")
        if problem.retry_after is not None:
            self.set_header("Retry-After", str(problem.retry_after))
        error = {
            "message": str(problem),
            "type": _ERROR_TYPES.get(problem.status, "invalid_request_error"),
            "param": problem.param,
            "code": problem.code,
        }
        self.send_json({"error": error}, problem.status)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log what is a defect of ours; a rejected request is the caller's affair."""
        if not isinstance(value, RequestRejected):
            super().log_exception(typ, value, tb)

    def _is_authorized(self, token: str) -> bool:
        scheme, _, given = self.request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode(), token.encode()
        )

    def read_json(self) -> object:
        """The decoded body.

        Raises:
            RequestRejected: too long, of another type, or not JSON.
        """
        if self._length > MAX_BODY:
            raise RequestRejected(
                f"The body has {self._length} bytes; {MAX_BODY} are allowed.", status=413
            )
        content_type = self.request.headers.get("Content-Type", "").partition(";")[0]
        if content_type.strip().lower() != "application/json":
            # A browser asks first before it sends this type to another site, and is refused.
            raise RequestRejected("Send 'Content-Type: application/json'.", status=415)
        try:
            return json.loads(b"".join(self._chunks).decode(), parse_constant=_reject_constant)
        except (ValueError, RecursionError) as error:
            raise RequestRejected(f"The body is not JSON: {error}.") from error


class ExecuteHandler(ServiceHandler):
    """`POST /tci/execute`."""

    method = "POST"

    async def respond(self, *_parts: str) -> None:
        """Run code; or where that were to start a relay, begin a session, which needs none."""
        request = ExecuteRequest.from_json(self.read_json())
        if EXCHANGE in extensions(self.request.headers):
            response = await self.wait_for(self._pool.begin(request.session_id))
        else:
            response = await self.wait_for(self._pool.execute(request))
        outputs = [{"type": output.type, "data": output.data} for output in response.outputs]
        data = {"session_id": response.session_id, "status": "success", "outputs": outputs}
        self.send_json({"data": data, "errors": None})


class SessionsHandler(ServiceHandler):
    """`GET /tci/sessions`."""

    async def respond(self, *_parts: str) -> None:
        """List the live sessions."""
        sessions = [session.to_json() for session in self._pool.live_sessions()]
        self.send_json({"data": {"sessions": sessions}, "errors": None})


class SessionHandler(ServiceHandler):
    """`DELETE /tci/sessions/{id}`, which the vendor's contract does not have."""

    method = "DELETE"

    async def respond(self, *parts: str) -> None:
        """End a session."""
        [session_id] = parts
        self._pool.end(session_id)
        self.send_json({"data": {"session_id": session_id}, "errors": None})


class ExchangeHandler(ServiceHandler):
    """`POST /tci/sessions/{id}/exchange`, which the vendor's contract does not have."""

    method = "POST"

    async def respond(self, *parts: str) -> None:
        """Exchange messages with a session's interpreter."""
        [session_id] = parts
        request = ExchangeRequest.from_json(self.read_json())
        self.send_text(await self.wait_for(self._pool.exchange(session_id, request)))


class OpenAPIHandler(ServiceHandler):
    """`GET /openapi.json`, which needs no token."""

    is_public = True

    async def respond(self, *_parts: str) -> None:
        """Give the description of this server."""
        self.send_json(json.loads(files("tci_kernel.server").joinpath("openapi.json").read_bytes()))


class NotFoundHandler(ServiceHandler):
    """Every other path."""

    def check_caller(self) -> None:
        """Say what there is."""
        raise RequestRejected(
            "There is only POST /v1/tci/execute, GET /v1/tci/sessions, DELETE "
            "/v1/tci/sessions/{id}, POST /v1/tci/sessions/{id}/exchange and GET /openapi.json.",
            status=404,
        )


def _reject_constant(name: str) -> None:
    """Python's reader takes NaN and Infinity, which JSON doesn't have."""
    raise ValueError(f"{name} is no value of JSON")
