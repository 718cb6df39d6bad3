"""What goes over the wire: each protocol sends what uvicorn would have sent."""

import asyncio
import re
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from entrypoints.web.connection_limits import IDLE_SECONDS
from entrypoints.web.protocol import Protocol
from support.wire import (
    GET,
    HEAD,
    LAST,
    OLD,
    POST,
    Headers,
    Wire,
    answering,
    echo,
    exchange,
    in_leaps,
    of_length,
)


@pytest.mark.parametrize("request_", [GET, HEAD, LAST, OLD, GET + GET, GET + LAST, HEAD + GET])
@pytest.mark.parametrize(
    "app",
    [
        answering(200, of_length(5), b"Hello"),
        answering(201, of_length(5, (b"location", b"/a"), (b"etag", b'"1-a"')), b"Hello"),
        answering(200, of_length(0), b""),
        answering(204, [(b"x-request-id", b"1")], b""),
        answering(304, [(b"etag", b'"1"')], b""),
        answering(200, [(b"content-type", b"text/plain")], b"Hello"),
        answering(200, of_length(5), b"Hel", b"lo"),
        answering(200, [(b"transfer-encoding", b"chunked")], b"Hello", b"", b"you"),
        answering(200, of_length(5, (b"connection", b"close")), b"Hello"),
        answering(200, of_length(5, (b"Connection", b"Close")), b"Hello"),
        answering(200, of_length(5, (b"x-new", b"1"), (b"X-New", b"2")), b"Hello"),
        answering(200, of_length(6), b"Hello"),
        answering(200, of_length(4), b"Hello"),
        answering(200, of_length(5, (b"location", b"/a\r\nset-cookie: a=b")), b"Hello"),
        answering(200, of_length(5, (b"etag", b'"\x00"')), b"Hello"),
        answering(200, of_length(5, (b"etag", b'"\t"')), b"Hello"),
        answering(200, of_length(5, (b"e tag", b'"1"')), b"Hello"),
        answering(200, of_length(5), b"Hello", b"more"),
        answering(204, of_length(0), b""),
        answering(204, [], b"Hello"),
        answering(304, [(b"etag", b'"1"')], b"Hello"),
        answering(304, of_length(5), b""),
    ],
)
def test_an_answer_on_the_wire_is_what_uvicorn_sends(
    app: Any, request_: bytes, protocol: type[Protocol]
) -> None:
    ours, uvicorns = (exchange(by, app, request_) for by in (protocol, HttpToolsProtocol))
    assert b"".join(ours.pieces) == b"".join(uvicorns.pieces)
    assert ours.closed == uvicorns.closed


def test_who_asks_whether_to_send_the_body_is_told_to_before_the_answer(
    protocol: type[Protocol],
) -> None:
    app = answering(200, of_length(5), b"Hello", reads=True)
    pieces = exchange(protocol, app, POST + b"{}").pieces
    assert pieces[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"".join(pieces[1:]).endswith(b"\r\n\r\nHello")


def failing(*messages: Message) -> Any:
    """Return an application that fails after it has sent something."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        raise RuntimeError("a defect")

    return app


START: Message = {"type": "http.response.start", "status": 200, "headers": of_length(5)}
BEGUN: Message = {"type": "http.response.body", "body": b"Hel", "more_body": True}


@pytest.mark.parametrize("sent", [[START], [START, BEGUN]])
def test_half_an_answer_ends_the_connection(
    sent: Iterable[Message], protocol: type[Protocol]
) -> None:
    wire = exchange(protocol, failing(*sent), GET)
    assert wire.closed
    assert b" 500 " not in b"".join(wire.pieces)


def test_a_defect_before_the_answer_is_answered_500(protocol: type[Protocol]) -> None:
    wire = exchange(protocol, failing(), GET)
    assert b"".join(wire.pieces).startswith(b"HTTP/1.1 500 ")
    assert wire.closed


# What is offered instead of HTTP/1.1


def told(wire: Wire) -> list[str]:
    """Return what the answers of `echo` say."""
    return re.findall("\r\n\r\n(.*)\n", b"".join(wire.pieces).decode())


OFFERS = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    b"Upgrade: foo, bar\r\nX-Empty:\r\nconnection: keep-alive, upgrade\r\n",
]


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_request_that_offers_another_protocol_is_answered_as_any_other(
    offer: bytes, size: int, protocol: type[Protocol]
) -> None:
    requests = b"".join(
        (
            b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n" + offer + b"\r\nGET ",
            b"PUT /b HTTP/1.1\r\nHost: x\r\n" + offer + b"Transfer-Encoding: chunked\r\n\r\n",
            b"2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\n",
            b"GET /c HTTP/1.1\r\nHost: x\r\n" + offer + b"\r\n",
            b"GET /d HTTP/1.1\r\nHost: x\r\n\r\n",
        )
    )
    pieces = (requests[at : at + size] for at in range(0, len(requests), size))
    wire = exchange(protocol, echo, *pieces)
    assert told(wire) == ["POST /a GET ", "PUT /b Hello", "GET /c ", "GET /d "]


def test_any_number_of_offers_may_come_at_once(protocol: type[Protocol]) -> None:
    request = b"GET /a HTTP/1.1\r\nHost: x\r\n" + OFFERS[0] + b"\r\n"
    assert told(exchange(protocol, echo, request * 2_000)) == ["GET /a "] * 2_000


def test_a_tunnel_is_refused(protocol: type[Protocol]) -> None:
    wire = exchange(protocol, echo, b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n" + GET)
    assert b"".join(wire.pieces).startswith(b"HTTP/1.1 400 ")
    assert wire.closed


# Trailers

CHUNKED = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"


def test_trailers_are_no_part_of_the_head(protocol: type[Protocol]) -> None:
    seen: list[Headers] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)
        seen.append(scope["headers"])

    trailers = b'0\r\nIf-Match: "9-a"\r\nX-Sum: 1\r\n\r\n'
    wire = exchange(protocol, app, CHUNKED, trailers + GET)
    assert told(wire) == ["POST /a {}", "GET / "]
    host = (b"host", b"x")
    assert seen == [[host, (b"transfer-encoding", b"chunked")], [host]]


@pytest.mark.parametrize(
    "line",
    [b"0\r\n" + b"X: 1\r\n" * 200, b"0\r\nX: " + b"x" * 1000, b"1;x=" + b"x" * 1000, b"0" * 1000],
)
@pytest.mark.parametrize("reads", [True, False])
def test_what_follows_a_body_without_an_end_is_not_waited_for(
    line: bytes, reads: bool, protocol: type[Protocol]
) -> None:
    end = [line, *([line.removeprefix(b"0\r\n")] * 100)]
    app = echo if reads else answering(401, of_length(5), b"Hello")
    wire = exchange(protocol, app, CHUNKED, *end)
    assert wire.closed


def test_a_long_body_in_small_pieces_is_waited_for(protocol: type[Protocol]) -> None:
    small = b"1\r\nx\r\n" * 100
    wire = exchange(protocol, echo, CHUNKED, *([small] * 200), b"0\r\n\r\n")
    assert told(wire) == ["POST /a {}" + "x" * 20_000]


# What is no request


def statuses(wire: Wire) -> list[int]:
    """Return the status of each response."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", b"".join(wire.pieces))]


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer as `echo` does, but not at once."""
    await asyncio.sleep(0.01)
    await echo(scope, receive, send)


PUT = b"PUT /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    "nonsense",
    [
        b"nonsense\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        CHUNKED + b"x\r\n",
        b"X: " + b"x" * 100_000,
    ],
)
@pytest.mark.parametrize("app", [echo, slow])
def test_what_came_before_nonsense_is_answered_before_it_and_nothing_after(
    app: Any, nonsense: bytes, protocol: type[Protocol]
) -> None:
    for pieces in ([GET + PUT + nonsense + GET], [GET, PUT, nonsense, GET], [GET + PUT, nonsense]):
        wire = exchange(protocol, app, *pieces)
        assert told(wire) == ["GET / ", "PUT /b {}"]
        assert statuses(wire) == [200, 200, 400]
        assert wire.pieces[-1].startswith(b"HTTP/1.1 400 ")
        assert b"\r\ndate: Fri, 20 Nov 2026 12:00:00 GMT\r\n" in wire.pieces[-1]
        assert wire.closed


def test_a_request_that_goes_on_as_nonsense_gets_one_answer(protocol: type[Protocol]) -> None:
    wire = exchange(protocol, echo, CHUNKED, b"nonsense\r\n")
    assert statuses(wire) == [400]
    assert wire.closed
    early = exchange(protocol, answering(401, of_length(5), b"Hello"), CHUNKED, b"nonsense\r\n")
    assert statuses(early) == [401]
    assert early.closed


class Idling:
    """A connection that has been answered, and the means to let time pass for it."""

    def __init__(self, protocol: type[Protocol]) -> None:
        app = answering(200, of_length(5), b"Hello")
        config = Config(
            app,
            interface="asgi3",
            log_config=None,
            access_log=False,
        )
        config.load()
        self.wire = Wire()
        self.connection = protocol(config, ServerState(), {})
        self.connection.connection_made(self.wire)

    async def send(self, data: bytes) -> None:
        self.connection.data_received(data)
        await asyncio.sleep(0.01)

    async def idle(self, share: float) -> None:
        """Let a share of the time pass for which it may idle."""
        await asyncio.sleep(IDLE_SECONDS * share)


def test_a_connection_that_idles_is_closed_and_one_that_is_used_is_not(
    protocol: type[Protocol],
) -> None:
    async def use() -> None:
        idling = Idling(protocol)
        for _ in range(5):
            await idling.send(GET)
            await idling.idle(0.5)
        assert not idling.wire.closed
        assert statuses(idling.wire) == [200] * 5
        await idling.idle(0.8)
        assert idling.wire.closed

    in_leaps(use)


def test_a_connection_that_a_proxy_keeps_for_a_minute_is_not_closed_before(
    protocol: type[Protocol],
) -> None:
    async def use() -> None:
        idling = Idling(protocol)
        await idling.send(GET)
        await asyncio.sleep(60)
        await idling.send(GET)
        assert statuses(idling.wire) == [200] * 2

    in_leaps(use)


def test_a_connection_does_not_idle_while_a_request_is_coming(protocol: type[Protocol]) -> None:
    async def use() -> None:
        idling = Idling(protocol)
        await idling.send(GET)
        await idling.idle(0.95)
        await idling.send(GET[:9])
        await idling.idle(0.1)
        assert not idling.wire.closed
        await idling.send(GET[9:])
        assert statuses(idling.wire) == [200] * 2
        await idling.idle(1.3)
        assert idling.wire.closed

    in_leaps(use)


def test_no_timer_is_left_of_a_connection_that_is_lost(protocol: type[Protocol]) -> None:
    async def use() -> None:
        idling = Idling(protocol)
        await idling.send(GET)
        idling.connection.connection_lost(None)
        assert idling.connection.timeout_keep_alive_task is None

    in_leaps(use)


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1",
        b"GET /a%20b/%C3%A9?q=%20&c#d HTTP/1.1",
        b"GET /?a?b HTTP/1.0",
        b"DELETE http://x:80/a?b HTTP/1.1",
    ],
)
def test_an_application_is_told_what_uvicorn_would_tell_it(
    line: bytes, protocol: type[Protocol]
) -> None:
    told: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        told.append({**scope, "asgi": None})
        await answering(204, [], b"")(scope, receive, send)

    for by in (protocol, HttpToolsProtocol):
        exchange(by, app, line + b"\r\nHost: x\r\nExpect: nothing\r\n\r\n")
    ours, theirs = told
    assert ours == theirs
