"""Limits of connections: their number, and the time for each thing they wait for."""

import asyncio
import logging
from typing import Protocol
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

from entrypoints.web.problems import RETRY_AFTER, ApiProblem

log = logging.getLogger("atelier.http")

HEAD_SECONDS = 10.0
"""Seconds for a request head, from its first byte or from the start of the connection."""

BODY_SECONDS = 30.0
"""Seconds for a body; each `BODY_RATE` bytes received add one second."""

BODY_RATE = 16 * 1024

IDLE_SECONDS = 75.0
"""Seconds that a connection may be idle after a response.

Proxies and load balancers keep idle connections for 60 seconds, and most clients for less. If the
service closed one first, a request could arrive just then, which the client must not resend.
"""

SEND_SECONDS = 30.0
"""Seconds for which a client may read nothing of a pending response."""

LINGER_SECONDS = 30.0
"""Linger: seconds for which input is discarded after an early response, so that it can be read.

Closing a connection with unread data resets it, and the response is lost (RFC 9112, 9.6).
"""

LINGER_SILENCE = 5.0
"""Seconds without input after which lingering ends."""

SPREAD_SECONDS = 0.5
"""Maximum random extension of the first timeout, so that simultaneous connections end apart."""

MAX_REJECTED = 32
"""Maximum number of connections beyond the limit that wait for a rejection."""

REJECTION_SECONDS = 1.0
"""Seconds that each of them may wait for its request."""

OVERLOAD_LOG_SECONDS = 10.0
"""Minimum seconds between two log events for too many connections."""


def request_timeout() -> ApiProblem:
    """Return the problem for a head or a body that takes too long."""
    detail = (
        f"Send the headers within {HEAD_SECONDS:.0f} seconds, and the body within"
        f" {BODY_SECONDS:.0f} seconds and one more for each {BODY_RATE:,} bytes."
    )
    return ApiProblem("request-timeout", detail)


def overloaded() -> ApiProblem:
    """Return the problem for a connection beyond the limit."""
    detail = "There are too many connections at the moment. Nothing was done."
    return ApiProblem("overloaded", detail, headers={"Retry-After": RETRY_AFTER})


class Connection(Protocol):
    """A connection, as the table sees it."""

    transport: asyncio.Transport
    client: tuple[str, int] | None

    def send_rejection(self) -> None:
        """Answer 503, unless this has been done."""


class ConnectionTable:
    """The idle, evicted and rejected connections of a server."""

    def __init__(self) -> None:
        # in the order in which they became idle
        self._idle: dict[Connection, None] = {}
        # idle connections that are being closed to make room
        self._evicted: set[Connection] = set()
        # in order of arrival
        self._rejected: dict[Connection, None] = {}
        self._logged_at = float("-inf")

    @staticmethod
    def of(server: ServerState) -> "ConnectionTable":
        """Return the table of a server; create it with its first connection."""
        table = _tables.get(server)
        if table is None:
            table = _tables[server] = ConnectionTable()
        return table

    def admits(self, number: int, limit: int) -> bool:
        """Whether the last of so many open connections may stay; evict an idle one if need be."""
        return number - len(self._rejected) - len(self._evicted) <= limit or self._evict()

    def _evict(self) -> bool:
        """Close the connection that has been idle for longest; return whether there was one."""
        while self._idle:
            longest = next(iter(self._idle))
            del self._idle[longest]
            if not longest.transport.is_closing():
                self._evicted.add(longest)
                longest.transport.close()
                return True
        return False

    def reject(self, connection: Connection, limit: int, now: float) -> None:
        """Record a connection that waits for its rejection; end the first of too many."""
        if now - self._logged_at >= OVERLOAD_LOG_SECONDS:
            self._logged_at = now
            client = connection.client[0] if connection.client else ""
            log.warning("too many connections", extra={"limit": limit, "client": client})
        if len(self._rejected) >= MAX_REJECTED:
            # By now, a client with a request has most likely sent it.
            longest = next(iter(self._rejected))
            del self._rejected[longest]
            longest.send_rejection()
            longest.transport.close()
        self._rejected[connection] = None

    def add_idle(self, connection: Connection) -> None:
        """Record that a connection waits for a request, so that it can be evicted."""
        self._idle[connection] = None

    def remove_idle(self, connection: Connection) -> None:
        """Record that a request has begun to arrive."""
        self._idle.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self._idle.pop(connection, None)
        self._evicted.discard(connection)
        self._rejected.pop(connection, None)


_tables: WeakKeyDictionary[ServerState, ConnectionTable] = WeakKeyDictionary()
