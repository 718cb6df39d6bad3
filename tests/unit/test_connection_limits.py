"""What one connection may take: the size of a head, time for everything, and a place."""

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from entrypoints.web.body import read
from entrypoints.web.connection_limits import IDLE_SECONDS, MAX_REJECTED, SPREAD_SECONDS
from entrypoints.web.malformed_requests import MAX_HEAD
from entrypoints.web.protocol import Protocol
from support.backends import Clock, memory_app
from support.wire import GET, LAST, Wire, answering, echo, exchange, in_leaps, of_length

HEAD = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
START = b"GET /a HTTP/1.1\r\nHost: x\r\n"
OK = answering(200, of_length(5), b"Hello")


class SlowWire(Wire):
    """A wire whose other end reads only what a test lets it."""

    unsent = 0
    aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted = True


class Connection:
    """The server's end of a connection in a loop whose time leaps."""

    def __init__(
        self,
        protocol: type[Protocol],
        app: Any,
        state: ServerState | None = None,
        limit: int | None = None,
    ) -> None:
        config = Config(
            app, interface="asgi3", log_config=None, access_log=False, limit_concurrency=limit
        )
        config.load()
        self.wire = SlowWire()
        self.protocol = protocol(config, state or ServerState(), {})
        self.protocol.connection_made(self.wire)

    async def send(self, data: bytes, after: float = 0.01) -> None:
        self.protocol.data_received(data)
        await asyncio.sleep(after)

    def lose(self) -> None:
        self.protocol.connection_lost(None)

    @property
    def said(self) -> bytes:
        return b"".join(self.wire.pieces)

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", self.said)]

    def ends_with(self, status: int, code: str) -> None:
        """Assert that the connection ended with a problem."""
        assert self.wire.closed
        assert self.statuses[-1] == status
        last = self.said[self.said.rindex(b"HTTP/1.1 ") :]
        assert b'"code": "%b"' % code.encode() in last
        assert b"\r\nconnection: close\r\n" in last


Connect = Callable[..., Connection]


@pytest.fixture
def connect(protocol: type[Protocol]) -> Connect:
    """Open a connection to an application, which is the first argument."""
    return partial(Connection, protocol)


# Heads


def head_of(size: int, one_header: bool = True) -> bytes:
    """Return a request whose head has as many bytes."""
    head = START
    if not one_header:
        while len(head) < size - 100:
            head += b"X-%d: y\r\n" % len(head)
    return head + b"X: " + b"x" * (size - len(head) - 7) + b"\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        head_of(MAX_HEAD + 1),
        head_of(120_000),
        head_of(120_000, one_header=False),
        b"GET /" + b"a" * 120_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        START + b"X:" + b" " * 120_000 + b"x\r\n\r\n",
        START + b"Connection: upgrade\r\nUpgrade: h2c\r\nX: " + b"x" * 120_000 + b"\r\n\r\n",
    ],
)
@pytest.mark.parametrize("size", [1_000, 50_000, 1_000_000])
def test_a_head_over_64_kib_is_refused_in_however_many_pieces_it_comes(
    head: bytes, size: int, protocol: type[Protocol]
) -> None:
    for before in (b"", GET):
        sent = before + head
        wire = exchange(protocol, echo, *(sent[at : at + size] for at in range(0, len(sent), size)))
        said = b"".join(wire.pieces)
        assert re.findall(rb"HTTP/1\.1 (\d+) ", said) == [b"200"] * bool(before) + [b"431"]
        assert b'"code": "headers-too-large"' in said
        assert wire.closed


@pytest.mark.parametrize("one_header", [True, False])
@pytest.mark.parametrize("size", [1_000, 50_000, 1_000_000])
def test_a_head_of_64_kib_is_read(size: int, one_header: bool, protocol: type[Protocol]) -> None:
    sent = GET + head_of(MAX_HEAD, one_header) * 2 + GET
    wire = exchange(protocol, echo, *(sent[at : at + size] for at in range(0, len(sent), size)))
    assert b"".join(wire.pieces).count(b"HTTP/1.1 200 ") == 4


# Time


def test_a_connection_that_says_nothing_is_ended_after_ten_seconds(connect: Connect) -> None:
    async def use() -> None:
        silent = connect(OK)
        await asyncio.sleep(9.9)
        assert not silent.wire.closed
        await asyncio.sleep(0.2 + SPREAD_SECONDS)
        silent.ends_with(408, "request-timeout")

    in_leaps(use)


@pytest.mark.parametrize("before", [b"", GET])
def test_a_head_that_takes_more_than_ten_seconds_is_refused_however_it_trickles(
    before: bytes, connect: Connect
) -> None:
    async def use() -> None:
        slow = connect(OK)
        if before:
            await slow.send(before, after=3)
        await slow.send(START, after=0.5)
        for _ in range(9):
            await slow.send(b"X: y\r\n", after=1)
        assert not slow.wire.closed
        await slow.send(b"X: y\r\n", after=1)
        slow.ends_with(408, "request-timeout")
        assert slow.statuses == [200] * bool(before) + [408]

    in_leaps(use)


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer once the body is there."""
    await read(dict(scope["headers"]), receive, 10_000_000)
    await OK(scope, receive, send)


def test_a_body_that_stops_or_trickles_is_refused_after_thirty_seconds(connect: Connect) -> None:
    async def use() -> None:
        for pieces in (0, 40):
            slow = connect(reading)
            await slow.send(HEAD % 1_000_000)
            for _ in range(pieces):
                if not slow.wire.closed:
                    await slow.send(b"x", after=1)
            if not pieces:
                await asyncio.sleep(29.8)
                assert not slow.wire.closed
                await asyncio.sleep(0.3)
            slow.ends_with(408, "request-timeout")
            assert slow.statuses == [408]

    in_leaps(use)


def test_a_body_of_16_kib_a_second_may_take_minutes(connect: Connect) -> None:
    async def use() -> None:
        steady = connect(reading)
        await steady.send(HEAD % (200 * 16_384))
        for _ in range(200):
            await steady.send(b"x" * 16_384, after=1)
        assert steady.statuses == [200]
        assert not steady.wire.closed

    in_leaps(use)


def test_a_service_that_takes_long_itself_is_waited_for(connect: Connect) -> None:
    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(100)
        await reading(scope, receive, send)

    async def use() -> None:
        for body in (b"x" * 10, b"x" * 300_000):
            patient = connect(late)
            await patient.send(HEAD % len(body) + body, after=101)
            assert patient.statuses == [200]

    in_leaps(use)


def test_a_refused_request_is_answered_once_and_its_use_ends(connect: Connect) -> None:
    ended: list[str] = []

    async def use() -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await reading(scope, receive, send)
            finally:
                ended.append("ended")

        slow = connect(app)
        await slow.send(HEAD % 10 + b"x", after=31)
        assert ended == ["ended"]
        await slow.send(b"x" * 9, after=1)
        assert slow.statuses == [408]

    in_leaps(use)


def test_a_connection_idles_once_the_rest_of_a_refused_body_has_come(connect: Connect) -> None:
    async def use() -> None:
        early = connect(answering(413, of_length(5), b"Hello"))
        await early.send(HEAD % 300_000)
        for _ in range(3):
            await early.send(b"x" * 100_000, after=4)
        assert not early.wire.closed
        await early.send(GET, after=IDLE_SECONDS - 1)
        assert early.statuses == [413, 413]
        assert not early.wire.closed
        await asyncio.sleep(2)
        assert early.wire.closed

    in_leaps(use)


def test_the_rest_of_a_refused_body_is_not_waited_for_for_ever(connect: Connect) -> None:
    async def use() -> None:
        for step, most in ((3.0, 35.0), (7.0, 15.0)):
            early = connect(answering(413, of_length(5), b"Hello"))
            await early.send(HEAD % 1_000_000_000)
            began = asyncio.get_running_loop().time()
            while not early.wire.closed:
                await early.send(b"x" * 1_000, after=step)
                assert asyncio.get_running_loop().time() - began < most + step
            assert early.statuses == [413]

    in_leaps(use)


def test_a_client_that_reads_nothing_of_its_answer_is_given_up(connect: Connect) -> None:
    async def use() -> None:
        greedy = connect(OK)
        await greedy.send(GET)
        greedy.wire.unsent = 100_000
        for _ in range(5):
            await asyncio.sleep(20)
            assert not greedy.wire.aborted
            greedy.wire.unsent -= 1_000
        await asyncio.sleep(45)
        assert greedy.wire.aborted

    in_leaps(use)


def test_no_timer_is_left_of_a_connection_that_is_reset(connect: Connect) -> None:
    async def use() -> None:
        for error in (None, ConnectionResetError()):
            lost = connect(OK)
            await lost.send(GET)
            lost.protocol.connection_lost(error)
            assert lost.protocol.timeout_keep_alive_task is None

    in_leaps(use)


# Places


def test_more_connections_than_there_is_room_for_are_told_so_and_the_log_as_well(
    caplog: pytest.LogCaptureFixture, connect: Connect
) -> None:
    async def use() -> None:
        state = ServerState()
        open_ = [connect(OK, state, limit=3) for _ in range(3)]
        more = [connect(OK, state, limit=3) for _ in range(3)]
        for one in more:
            await one.send(GET)
            one.ends_with(503, "overloaded")
            assert b"\r\nRetry-After: 2\r\n" in one.said
        silent = connect(OK, state, limit=3)
        await asyncio.sleep(1.1)
        assert silent.wire.closed
        # Those that wait to be closed take no room.
        open_.pop().lose()
        allowed = connect(OK, state, limit=3)
        await allowed.send(GET)
        assert allowed.statuses == [200]
        for one in (*open_, allowed):
            await one.send(GET)
            assert one.statuses[-1] == 200

    with caplog.at_level(logging.WARNING, "atelier.http"):
        in_leaps(use)
    (line,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert line.message == "too many connections"
    assert vars(line)["limit"] == 3


def test_a_connection_that_idles_makes_room_for_a_new_one(connect: Connect) -> None:
    async def use() -> None:
        state = ServerState()
        silent = connect(OK, state, limit=4)
        longest, longer, used = (connect(OK, state, limit=4) for _ in range(3))
        for one in (used, longest, longer, used):
            await one.send(GET)
        # It is closed in a later turn of the event loop than the one in which others come.
        first, second = (connect(OK, state, limit=4) for _ in range(2))
        for one in (first, second):
            await one.send(GET)
            assert one.statuses == [200]
        assert [one.wire.closed for one in (longest, longer, used, silent)] == [True] * 2 + [
            False
        ] * 2
        assert longest.statuses == longer.statuses == [200]
        for one in (longest, longer):
            one.lose()
        # A connection on which a request has begun to come does not idle.
        for one in (used, first, second):
            await one.send(START)
        more = connect(OK, state, limit=4)
        await more.send(GET)
        more.ends_with(503, "overloaded")
        for one in (used, first, second):
            await one.send(b"\r\n")
            assert one.statuses[-1] == 200

    in_leaps(use)


def test_only_so_many_connections_wait_to_be_turned_away(connect: Connect) -> None:
    async def use() -> None:
        state = ServerState()
        first = connect(OK, state, limit=1)
        waiting = [connect(OK, state, limit=1) for _ in range(MAX_REJECTED)]
        assert not any(one.wire.closed for one in waiting)
        # The one that has been silent for longest makes room for one that may say something.
        last = connect(OK, state, limit=1)
        waiting[0].ends_with(503, "overloaded")
        assert not any(one.wire.closed for one in (*waiting[1:], last))
        await last.send(GET)
        last.ends_with(503, "overloaded")
        # One that has its answer, and only waits for the client to close, makes room as well.
        await waiting[1].send(GET)
        next_ = connect(OK, state, limit=1)
        assert waiting[1].wire.closed
        await next_.send(GET)
        next_.ends_with(503, "overloaded")
        for one in (*waiting, last, next_):
            one.lose()
        await first.send(GET)
        assert first.statuses == [200]

    in_leaps(use)


# The end of an answer


@pytest.mark.parametrize("head", [b"Connection: close\r\n", b""])
@pytest.mark.parametrize("body", [3 * 1024 * 1024, 60_000])
def test_an_early_answer_is_read_by_a_client_that_is_still_sending(
    head: bytes, body: int, protocol: type[Protocol]
) -> None:
    request = (
        b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n%b\r\n" % (body, head)
    )

    def ask(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(request)
            client.sendall(b" " * body + LAST)
            answer = b""
            with contextlib.suppress(TimeoutError):
                while piece := client.recv(65_536):
                    answer += piece
            return answer

    async def use() -> None:
        loop = asyncio.get_running_loop()
        config = Config(memory_app(Clock()), log_config=None, lifespan="off")
        config.load()
        state = ServerState()
        server = await loop.create_server(lambda: protocol(config, state, {}), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            for _ in range(3):
                answer = await loop.run_in_executor(None, ask, port)
                assert answer.startswith(b"HTTP/1.1 401 ")
                assert answer.count(b"HTTP/1.1 ") == (1 if head else 2)

    asyncio.run(use())
