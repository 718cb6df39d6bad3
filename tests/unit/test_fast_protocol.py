"""What only the fast HTTP protocol promises: one write per response."""

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from entrypoints.server.protocol import FastProtocol
from support.backends import Clock, memory_app
from support.people import MEMBER
from support.wire import GET, answering, exchange, of_length


def test_a_short_answer_goes_out_in_one_piece() -> None:
    app = answering(200, of_length(5), b"Hello")
    (piece,) = exchange(FastProtocol, app, GET).pieces
    assert piece.startswith(b"HTTP/1.1 200 OK\r\n")
    assert piece.endswith(b"\r\n\r\nHello")


def test_whatever_the_service_says_goes_out_in_one_piece() -> None:
    app = memory_app(Clock(), cors_origins=["https://shop.example"])
    token = f"Authorization: Bearer {MEMBER.token}\r\n".encode()
    shop = b"Origin: https://shop.example\r\n"
    for line, more in (
        (b"GET /api/v1/tasks", token),
        (b"GET /api/v1/tasks", token + shop),
        (b"GET /api/v1/tasks", b""),
        (b"PUT /api/v1/tasks", token),
        (b"GET /nowhere", b""),
        (b"GET /sign-in", b""),
        (b"GET /docs", shop),
    ):
        request = line + b" HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n"
        wire = exchange(FastProtocol, app, request)
        assert len(wire.pieces) == 1, (line, more)


def test_a_cycle_has_all_that_one_of_uvicorn_has() -> None:
    seen: list[RequestResponseCycle] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(receive.__self__)  # type: ignore[attr-defined]
        await answering(204, [], b"")(scope, receive, send)

    for protocol in (FastProtocol, HttpToolsProtocol):
        exchange(protocol, app, GET)
    ours, theirs = seen
    assert type(ours) is not type(theirs)
    for name, value in vars(theirs).items():
        assert type(getattr(ours, name)) is type(value), name
