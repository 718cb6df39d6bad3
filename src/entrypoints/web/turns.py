"""Turns: many requests at once are begun in a fair order, and hold nothing else up."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROUND_SECONDS = 0.005
"""For how long requests are begun before the event loop looks after everything else again."""

NEXT = 2
"""How many of the requests that wait are begun then, of one address or of several."""

_OF_BODIES = (b"content-length", b"transfer-encoding")


class FairScheduler:
    """ASGI middleware that keeps many requests at once from holding the event loop.

    What a request does between two waits holds up everything else, and most of it comes when all
    of the request is there. So once requests have been begun for `ROUND_SECONDS`, others wait until
    the loop has come round, and take turns by the addresses of their clients: a client that sends
    very many delays its own.
    """

    def __init__(self, app: ASGIApp, *, exempt: Collection[str] = ()) -> None:
        """Take the application, and the paths that cost nothing and never wait."""
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
