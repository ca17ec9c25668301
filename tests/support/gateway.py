"""A gateway in front of a server, as services have one: it offers two endpoints, and it fails.

It passes calls on over HTTP and goes on with those whose caller has hung up or was cut off, as
gateways do. What goes wrong on the way is a list of faults, each around those behind it.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import httpx
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tci_kernel.client.schema import EXTENSIONS_HEADER as EXTENSIONS
from tci_kernel.remote.relay import BEGIN, END
from tests.support.waiting import PATIENCE

ENDPOINTS = {("POST", "/tci/execute"), ("GET", "/tci/sessions")}

# What else a server of ours has that a gateway of its own passes on.
EXCHANGE = re.compile("/tci/sessions/[^/]+/exchange")

SEED = 20_251_208

# Seconds after which the proxies of some services stop waiting.
CUT = 5.0

_NEVER = httpx.Timeout(None)


@dataclass(frozen=True)
class Call:
    """A request on its way.

    Attributes:
        method: `POST` runs code, `GET` lists sessions.
        path: behind the version.
        headers: those that the server needs.
        body: as it came.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code that it asks to run; empty where it asks for something else."""
        return str(json.loads(self.body).get("code", "")) if self.method == "POST" else ""

    @property
    def session_id(self) -> str | None:
        """The session that it names."""
        return json.loads(self.body).get("session_id") if self.method == "POST" else None


@dataclass(frozen=True)
class Reply:
    """What the caller gets.

    Attributes:
        status: the HTTP status.
        body: what is to be sent.
        kind: the type of it.
        share: the part of it that is sent before the connection is closed; None for all of it.
        extensions: what the server says that it has beside the contract.
    """

    status: int
    body: bytes
    kind: str = "application/json"
    share: float | None = None
    extensions: str = ""


Pass = Callable[[Call], Awaitable[Reply]]

# What goes wrong, or is slow: is given a call and the way on.
Fault = Callable[[Call, Pass], Awaitable[Reply]]

LOST = Reply(0, b"", share=0.0)


def page(status: int) -> Reply:
    """The page of HTML that proxies answer with."""
    text = f"<!DOCTYPE html>\n<html><head><title>{status}</title></head><body>Oh.</body></html>"
    return Reply(status, text.encode(), "text/html; charset=UTF-8")


# Bodies that are no answers.
GARBAGE = (b"", b"null", b"[]", b"{", b"7", b"\xff\xfe", b"[" * 100_000, b'{"data": 7}')


class Chance:
    """Faults that hit a part of the calls, always the same ones of those that run code.

    Args:
        share: the part of the calls that is hit.
        seed: of the dice.
    """

    def __init__(self, share: float, seed: int = SEED) -> None:
        self._share = share
        self._random = random.Random(seed)

    def _is_hit(self) -> bool:
        return self._random.random() < self._share

    def lost_requests(self) -> Fault:
        """Close the connection; nothing arrives."""

        async def fault(call: Call, onward: Pass) -> Reply:
            return LOST if self._is_hit() else await onward(call)

        return fault

    def lost_answers(self) -> Fault:
        """Close the connection when there is an answer."""

        async def fault(call: Call, onward: Pass) -> Reply:
            is_hit = self._is_hit()
            reply = await onward(call)
            return LOST if is_hit else reply

        return fault

    def half_answers(self) -> Fault:
        """Close the connection in the middle of the answer."""

        async def fault(call: Call, onward: Pass) -> Reply:
            is_hit = self._is_hit()
            reply = await onward(call)
            return replace(reply, share=self._random.random()) if is_hit else reply

        return fault

    def pages(self, *statuses: int) -> Fault:
        """Answer in HTML, in some cases before and in some after the call has run."""

        async def fault(call: Call, onward: Pass) -> Reply:
            is_hit = self._is_hit()
            if is_hit and self._random.random() < 0.5:
                return page(self._random.choice(statuses))
            reply = await onward(call)
            return page(self._random.choice(statuses)) if is_hit else reply

        return fault

    def some(self, fault: Fault) -> Fault:
        """Have another fault hit a part of the calls that run code."""

        async def limited(call: Call, onward: Pass) -> Reply:
            is_hit = call.method == "POST" and self._is_hit()
            return await (fault(call, onward) if is_hit else onward(call))

        return limited

    def garbage(self) -> Fault:
        """Pass a call on, and say in its answer what nobody can read, or what is no answer."""

        async def fault(call: Call, onward: Pass) -> Reply:
            await onward(call)
            return Reply(200, self._random.choice(GARBAGE))

        return self.some(fault)

    def late(self, longest: float) -> Fault:
        """Keep a call back for a while before it is passed on."""

        async def fault(call: Call, onward: Pass) -> Reply:
            if self._is_hit():
                await asyncio.sleep(self._random.uniform(0, longest))
            return await onward(call)

        return fault


def delayed(seconds: float) -> Fault:
    """A service that is far away: half of the time is the request's, half is the answer's."""

    async def fault(call: Call, onward: Pass) -> Reply:
        await asyncio.sleep(seconds / 2)
        reply = await onward(call)
        await asyncio.sleep(seconds / 2)
        return reply

    return fault


def cut(seconds: float = CUT) -> Fault:
    """Answer 524 after a while; the call goes on."""

    async def fault(call: Call, onward: Pass) -> Reply:
        going = asyncio.ensure_future(onward(call))
        await asyncio.wait({going}, timeout=seconds)
        if going.done():
            return going.result()
        going.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return page(524)

    return fault


def one_after_another() -> Fault:
    """Run the calls of a session in the order in which they came, also those nobody waits for."""
    queues: defaultdict[str | None, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def fault(call: Call, onward: Pass) -> Reply:
        if call.session_id is None:
            return await onward(call)
        async with queues[call.session_id]:
            return await onward(call)

    return fault


def silent_requests() -> Fault:
    """Pass nothing on, and keep the connection open for ever."""

    async def fault(call: Call, onward: Pass) -> Reply:
        await asyncio.Event().wait()
        return LOST

    return fault


def silent_answers() -> Fault:
    """Pass a call on, and keep the connection open for ever."""

    async def fault(call: Call, onward: Pass) -> Reply:
        await onward(call)
        await asyncio.Event().wait()
        return LOST

    return fault


def answers(reply: Reply) -> Fault:
    """Pass nothing on, and answer always the same."""

    async def fault(call: Call, onward: Pass) -> Reply:
        return reply

    return fault


def lies(change: Callable[[dict[str, Any]], None]) -> Fault:
    """Have something else stand in the answers of the relay in a session than it has said.

    Args:
        change: is given the fields of an answer to an exchange, and changes them.
    """

    async def fault(call: Call, onward: Pass) -> Reply:
        reply = await onward(call)
        before, begin, rest = reply.body.decode().partition(json.dumps(BEGIN)[1:-1])
        said, end, after = rest.partition(json.dumps(END.rstrip("\n"))[1:-1])
        fields = json.loads(json.loads(f'"{said}"')) if begin and end else {}
        if "messages" not in fields:
            return reply
        change(fields)
        changed = json.dumps(json.dumps(fields))[1:-1]
        return replace(reply, body="".join([before, begin, changed, end, after]).encode())

    return fault


def first(fault: Fault, count: int = 1) -> Fault:
    """Have a fault hit the first calls that run code, and no other."""
    left = count

    async def limited(call: Call, onward: Pass) -> Reply:
        nonlocal left
        left -= call.method == "POST"
        return await (fault(call, onward) if left >= 0 and call.method == "POST" else onward(call))

    return limited


class Gateway:
    """Where it listens, what goes wrong there, and what it has seen.

    Attributes:
        base_url: with the version.
        target: the server's, likewise.
        passes_exchanges: whether it offers the server's own exchanges, too.
        faults: the outermost first; may be changed at any time, for the calls that follow.
        received: the calls that have come, in their order.
        passed: those that were passed on to the server.
        refused: method and path of what is not offered here.
    """

    def __init__(self, target: str, *, passes_exchanges: bool) -> None:
        self.passes_exchanges = passes_exchanges
        self.target = target.rstrip("/")
        self._loop = asyncio.new_event_loop()
        self._going: set[asyncio.Task[Reply]] = set()
        self._server: HTTPServer | None = None
        self._port = 0
        self.faults: Sequence[Fault] = ()
        self.received: list[Call] = []
        self.passed: list[Call] = []
        self.refused: list[tuple[str, str]] = []

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}{urlsplit(self.target).path}"

    def forget(self) -> None:
        """Begin to count anew."""
        for seen in (self.received, self.passed, self.refused):
            seen.clear()

    def passed_code(self) -> list[str]:
        """The code of what was passed on to be run."""
        return [call.code for call in [*self.passed] if call.method == "POST"]

    # -- from the thread of a test -----------------------------------------------------------

    def leave(self) -> None:
        """Be away: there is nobody at the port, and all connections are closed."""
        self._do(self._leave())

    def come_back(self) -> None:
        """Listen again, at the same address."""
        self._do(self._listen())

    def leave_for(self, seconds: float) -> None:
        """Be away for a while that begins now."""
        self.leave()
        self._loop.call_soon_threadsafe(
            self._loop.call_later, seconds, lambda: self._loop.create_task(self._listen())
        )

    @contextmanager
    def running(self) -> Iterator[Gateway]:
        """Listen, until the end of a block."""
        thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        thread.start()
        try:
            self._do(self._begin())
            yield self
        finally:
            self._do(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    # -- on its own thread -------------------------------------------------------------------

    async def _begin(self) -> None:
        self._client = httpx.AsyncClient(timeout=_NEVER, trust_env=False)
        await self._listen()

    async def _listen(self) -> None:
        server = HTTPServer(Application([(".*", _Handler, {"gateway": self})], log_function=_quiet))
        sockets = bind_sockets(self._port, "127.0.0.1")
        self._port = sockets[0].getsockname()[1]
        server.add_sockets(sockets)
        self._server = server

    async def _leave(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()
            await server.close_all_connections()

    async def _end(self) -> None:
        await self._leave()
        for going in self._going:
            going.cancel()
        await asyncio.gather(*self._going, return_exceptions=True)
        await self._client.aclose()

    async def answer(self, call: Call) -> Reply:
        """What the caller gets; the call goes on if the caller does not wait for it."""
        self.received.append(call)
        onward: Pass = self._pass_on
        for fault in reversed(self.faults):
            onward = _around(fault, onward)
        going: asyncio.Task[Reply] = asyncio.ensure_future(onward(call))
        self._going.add(going)
        going.add_done_callback(self._going.discard)
        await asyncio.wait({going})
        return LOST if going.cancelled() else going.result()

    async def _pass_on(self, call: Call) -> Reply:
        self.passed.append(call)
        url = self.target + call.path
        try:
            response = await self._client.request(
                call.method, url, content=call.body, headers=call.headers
            )
        except httpx.HTTPError:
            return page(502)
        kind = response.headers.get("content-type", "")
        extensions = response.headers.get(EXTENSIONS, "") if self.passes_exchanges else ""
        return Reply(response.status_code, response.content, kind, extensions=extensions)


class _Handler(RequestHandler):
    def initialize(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def _answer(self) -> None:
        path = (self.request.path or "").removeprefix("/v1")
        method = str(self.request.method)
        is_exchange = self._gateway.passes_exchanges and EXCHANGE.fullmatch(path)
        if (method, path) not in ENDPOINTS and not is_exchange:
            self._gateway.refused.append((method, path))
            await self._send(page(404))
            return
        names = ["Authorization", "Content-Type"]
        names += [EXTENSIONS] if self._gateway.passes_exchanges else []
        headers = {name: self.request.headers.get(name, "") for name in names}
        await self._send(await self._gateway.answer(Call(method, path, headers, self.request.body)))

    get = post = put = delete = patch = head = options = _answer

    async def _send(self, reply: Reply) -> None:
        """Send a reply, or a part of it and then close the connection."""
        if reply.share is None:
            self.set_status(reply.status, "Whatever")
            self.set_header("Content-Type", reply.kind)
            self.set_header(EXTENSIONS, reply.extensions)
            self.finish(reply.body)
            return
        stream = self.detach()  # tornado itself sends whole answers only
        head = f"HTTP/1.1 {reply.status} Whatever\r\nContent-Type: {reply.kind}\r\n"
        head += f"{EXTENSIONS}: {reply.extensions}\r\nContent-Length: {len(reply.body)}\r\n\r\n"
        whole = head.encode() + reply.body
        with suppress(StreamClosedError):  # the caller was quicker
            await stream.write(whole[: int(len(whole) * reply.share)])
        stream.close()


def _around(fault: Fault, onward: Pass) -> Pass:
    def passed(call: Call) -> Awaitable[Reply]:
        return fault(call, onward)

    return passed


def _quiet(_handler: RequestHandler) -> None:
    """Log nothing."""


@contextmanager
def gateway(target: str, *faults: Fault, passes_exchanges: bool = False) -> Iterator[Gateway]:
    """Stand a gateway before the server at `target`, on a free port of loopback.

    Args:
        target: the server's address, with its version.
        faults: what goes wrong there, the outermost first.
        passes_exchanges: see `Gateway`.
    """
    made = Gateway(target, passes_exchanges=passes_exchanges)
    made.faults = faults
    with made.running():
        yield made
