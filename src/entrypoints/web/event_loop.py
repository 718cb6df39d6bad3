"""The event loop: uvloop, with batched accepting of new connections."""

import asyncio
import resource
import socket
from collections.abc import Callable
from typing import Any

import uvloop

AT_ONCE = 64
"""Maximum number of connections accepted per listening socket and event loop iteration.

With a low limit of file descriptors it is a sixteenth of that limit. All connections of a batch are
open before the server can reject the first one.
"""


class EventLoop(uvloop.Loop):
    """uvloop that accepts all pending connections at once.

    uvloop itself accepts one connection per iteration. On a busy loop, the last of many pending
    connections waits for as many iterations. A duplicate of the listening socket accepts them all.
    """

    async def create_server(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        """Create a server as `asyncio.loop.create_server` does."""
        server = await super().create_server(protocol_factory, *args, **kwargs)
        return _Server(self, server, protocol_factory)


class _Server:
    """A server of uvloop with a second reader on its listening sockets."""

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
                return  # none pending; any other error recurs in uvloop, which reports it
            connection.setblocking(False)
            taking = self._loop.create_task(
                self._loop.connect_accepted_socket(self._protocol_factory, connection)
            )
            self._taking.add(taking)
            taking.add_done_callback(self._taking.discard)

    def close(self) -> None:
        """Stop accepting connections."""
        for one in self._sockets:
            self._loop.remove_reader(one)
            one.close()
        self._sockets.clear()
        self._server.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)
