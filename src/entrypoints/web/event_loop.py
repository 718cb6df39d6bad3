"""The event loop: uvloop, but that it takes every new connection that waits."""

import asyncio
import resource
import socket
from collections.abc import Callable
from typing import Any

import uvloop

AT_ONCE = 64
"""How many connections are taken before the event loop looks after everything else.

Where few descriptors are allowed it is a sixteenth of them, since all of these are open before the
first is turned away.
"""


class EventLoop(uvloop.Loop):
    """uvloop takes one new connection, and the next when the loop has come round.

    On a busy loop, a connection behind many others waits as many rounds. So another handle of the
    listening socket takes all that wait.
    """

    async def create_server(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        """Listen as `asyncio.loop.create_server` does."""
        server = await super().create_server(protocol_factory, *args, **kwargs)
        return _Server(self, server, protocol_factory)


class _Server:
    """A server of uvloop's, with a second look at its sockets."""

    def __init__(
        self,
        loop: EventLoop,
        server: asyncio.AbstractServer,
        protocol_factory: Callable[[], asyncio.Protocol],
    ) -> None:
        self._loop = loop
        self._server = server
        self._protocol_factory = protocol_factory
        self._sockets = [one.dup() for one in server.sockets]  # type: ignore[attr-defined]
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = allowed != resource.RLIM_INFINITY and allowed // 16 < AT_ONCE
        self._at_once = allowed // 16 if few else AT_ONCE
        self._taking: set[asyncio.Task[Any]] = set()
        for one in self._sockets:
            one.setblocking(False)
            loop.add_reader(one, self._take, one)

    def _take(self, listening: socket.socket) -> None:
        for _ in range(self._at_once):
            try:
                connection, _ = listening.accept()
            except OSError:
                return  # there are no more; if it is anything else, uvloop meets it and says so
            connection.setblocking(False)
            taking = self._loop.create_task(
                self._loop.connect_accepted_socket(self._protocol_factory, connection)
            )
            self._taking.add(taking)
            taking.add_done_callback(self._taking.discard)

    def close(self) -> None:
        """Take no more connections."""
        for one in self._sockets:
            self._loop.remove_reader(one)
            one.close()
        self._sockets.clear()
        self._server.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)
