"""Many requests at once: in which order they are begun, and who need not wait for them."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvloop

from entrypoints.web.event_loop import EventLoop
from entrypoints.web.fair_scheduler import ROUND_SECONDS, FairScheduler

LIVE = "/health/live"


async def begun(requests: list[tuple[str, str, bytes]]) -> list[str]:
    """Send requests at once, each of which holds the event loop; return those begun, in order.

    Each is the address of a client, a path and a body.
    """
    order: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["headers"]:
            while (await receive()).get("more_body"):
                pass
        order.append(f"{scope['client'][0]} {scope['path']}")
        time.sleep(ROUND_SECONDS * 1.5)

    def request(client: str, path: str, body: bytes) -> Any:
        pieces = [{"type": "http.request", "body": body, "more_body": more} for more in (1, 0)]
        headers = [(b"content-length", b"2")] if body else []
        scope = {"type": "http", "client": (client, 1), "path": path, "headers": headers}

        async def receive() -> Any:
            return pieces.pop(0)

        async def send(message: Any) -> None:
            raise AssertionError(message)

        return turns(scope, receive, send)

    turns = FairScheduler(app, exempt=[LIVE])
    await asyncio.gather(*(request(*each) for each in requests))
    return order


def test_who_sends_many_requests_delays_their_own() -> None:
    many = [("a", f"/{number}", b"") for number in range(10)]
    order = asyncio.run(begun([*many, ("b", "/", b""), ("c", "/", b"")]))
    assert max(order.index("b /"), order.index("c /")) <= 4
    assert [each for each in order if each[0] == "a"] == [f"a /{number}" for number in range(10)]
    assert len(order) == 12


def test_a_request_with_a_body_takes_its_turn_when_all_of_it_is_there() -> None:
    many = [("a", f"/{number}", b"{}") for number in range(10)]
    order = asyncio.run(begun([*many, ("b", "/", b"{}")]))
    assert order.index("b /") <= 3
    assert len(order) == 11


def test_whether_the_service_lives_is_answered_before_what_waits() -> None:
    many = [("a", f"/{number}", b"") for number in range(10)]
    assert asyncio.run(begun([*many, ("a", LIVE, b"")])).index(f"a {LIVE}") <= 1


async def none_is_held() -> None:
    """Send requests of which one goes away while it waits for its turn."""
    done = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        time.sleep(ROUND_SECONDS * 1.5)
        done.append(scope["path"])

    turns = FairScheduler(app)
    scopes: list[Any] = [
        {"type": "http", "path": str(n), "headers": [], "client": None} for n in range(5)
    ]
    tasks = [asyncio.create_task(turns(scope, None, None)) for scope in scopes]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done == ["0", "1", "3", "4"]


def test_one_that_goes_away_while_it_waits_holds_up_nobody() -> None:
    asyncio.run(none_is_held())


WAITING = 40


@contextmanager
def waiting_connections() -> Iterator[socket.socket]:
    """Listen, and have connections wait."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        connections = [socket.create_connection(listening.getsockname()) for _ in range(WAITING)]
        yield listening
        for each in connections:
            each.close()


async def rounds_until_all_are_taken(listening: socket.socket) -> int:
    """Return how often the event loop comes round until no connection waits."""
    taken = []

    class Taken(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken.append(transport)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(Taken, sock=listening)
    rounds = 0
    while len(taken) < WAITING:
        await asyncio.sleep(0)
        rounds += 1
    address = listening.getsockname()
    server.close()
    await server.wait_closed()
    listening.close()
    with socket.socket() as late:
        assert late.connect_ex(address) != 0
    for each in taken:
        each.close()
    return rounds


def test_all_connections_that_wait_are_taken_at_once() -> None:
    with waiting_connections() as listening, asyncio.Runner(loop_factory=EventLoop) as runner:
        assert runner.run(rounds_until_all_are_taken(listening)) < WAITING // 2
    # What it is there for: uvloop alone takes one with each round.
    with waiting_connections() as listening, asyncio.Runner(loop_factory=uvloop.Loop) as runner:
        assert runner.run(rounds_until_all_are_taken(listening)) >= WAITING - 1
