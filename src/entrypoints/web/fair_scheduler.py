"""Fair scheduling: start many concurrent requests in rounds, and alternate between clients."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROUND_SECONDS = 0.005
"""Seconds per event loop iteration in which requests start without waiting."""

NEXT = 2
"""Number of waiting requests that start in each round, from one address or several."""

_OF_BODIES = (b"content-length", b"transfer-encoding")


class FairScheduler:
    """ASGI middleware that keeps a burst of requests from blocking the event loop.

    The synchronous part of a request blocks all other work, and most of it runs once the request is
    complete. So a round of starting requests lasts `ROUND_SECONDS`. Later requests wait for the
    next iteration of the event loop. They start in round-robin order by client address, so that a
    client with many requests delays only its own.
    """

    def __init__(self, app: ASGIApp, *, exempt: Collection[str] = ()) -> None:
        """Wrap an application; requests for the exempt paths never wait."""
        self._app = app
        self._exempt = exempt
        self._round_began: float | None = None
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
            return
        address = (scope.get("client") or ("",))[0]

        async def receive_in_turn() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                await self._turn(address)
            return message

        if any(name in _OF_BODIES for name, _ in scope["headers"]):
            await self._app(scope, receive_in_turn, send)
        else:
            await self._turn(address)
            await self._app(scope, receive, send)

    async def _turn(self, address: str) -> None:
        now = time.perf_counter()
        if self._round_began is None:
            self._begin_round(now)
        elif self._waiting or now - self._round_began > ROUND_SECONDS:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(address, deque()).append(turn)
            await turn

    def _begin_round(self, now: float) -> None:
        self._round_began = now
        asyncio.get_running_loop().call_soon(self._come_round)

    def _come_round(self) -> None:
        self._round_began = None
        for _ in range(NEXT):
            if self._waiting:
                self._begin_next()
        if self._waiting:
            self._begin_round(time.perf_counter())

    def _begin_next(self) -> None:
        address, turns = self._waiting.popitem(last=False)
        turn = turns.popleft()
        if turns:
            self._waiting[address] = turns  # behind the other addresses
        if not turn.done():
            turn.set_result(None)
