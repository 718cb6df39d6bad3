"""An in-memory transport for server protocols, and an event loop with virtual time."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"

Headers = list[tuple[bytes, bytes]]


class Wire(asyncio.Transport):
    """A transport that records the written data, one item per write."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def write_eof(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Do nothing: there is no reading to pause or resume."""

    def resume_reading(self) -> None:
        """Do nothing: there is no reading to pause or resume."""


def exchange(protocol: type[HttpToolsProtocol], answers: Any, *pieces: bytes) -> Wire:
    """Feed a client's data to a protocol, piece by piece; return the transport afterwards."""

    async def exchanged() -> Wire:
        config = Config(answers, interface="asgi3", log_config=None, access_log=False)
        config.load()
        state, wire = ServerState(), Wire()
        state.default_headers = [(b"date", b"Fri, 20 Nov 2026 12:00:00 GMT")]
        connection = protocol(config, state, {})
        connection.connection_made(wire)
        for piece in pieces:
            connection.data_received(piece)
            for _ in range(5):
                await asyncio.sleep(0)
            if wire.closed:
                connection.connection_lost(None)
                break
        while state.tasks:
            await asyncio.gather(*state.tasks)
            await asyncio.sleep(0)
        return wire

    return asyncio.run(asyncio.wait_for(exchanged(), 5))


def answering(status: int, headers: Headers, *bodies: bytes, reads: bool = False) -> Any:
    """Return an application that sends the same response to all requests."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if reads:
            await receive()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for number, body in enumerate(bodies, 1):
            more = number < len(bodies)
            await send({"type": "http.response.body", "body": body, "more_body": more})

    return app


def of_length(length: int, *more: tuple[bytes, bytes]) -> Headers:
    return [(b"content-type", b"text/plain"), (b"content-length", b"%d" % length), *more]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the method, path and body of the request."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    said = f"{scope['method']} {scope['path']} ".encode() + body + b"\n"
    await send({"type": "http.response.start", "status": 200, "headers": of_length(len(said))})
    await send({"type": "http.response.body", "body": said})


class Leaping(selectors.DefaultSelector):
    """A selector with virtual time: instead of waiting it advances the clock by the timeout.

    This makes timeouts in tests independent of the speed of the computer.
    """

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            self.now += timeout or 0
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop with virtual time, which jumps to the next scheduled call."""

    def __init__(self) -> None:
        self._leaping = Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now


def in_leaps(use: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine function in an event loop with virtual time."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        runner.run(use())
