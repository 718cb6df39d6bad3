"""A persistent connection that reads with prepared statements, directly through libpq.

psycopg's own cursors take twice as long per statement. This module uses psycopg's connections,
libpq wrapper and type conversions only.
"""

import asyncio
from typing import Any, Self

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer

from adapters.sql.database import Row, Values
from adapters.sql.fast.prepared import LOST, MAX_PREPARED, check_result, to_positional
from adapters.sql.statement_log import log_statement


class PostgresReader:
    """One connection for one read at a time."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._convert = Transformer(connection)
        self._prepared: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._answered: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        # The socket stays registered: adding and removing it per statement costs two system calls.
        self._socket = self._libpq.socket
        self._loop.add_reader(self._socket, self._hear)
        self.listens = True

    @classmethod
    async def connect(cls, **arguments: Any) -> Self:
        """Open a new connection in autocommit mode and return its reader."""
        return cls(await psycopg.AsyncConnection.connect(autocommit=True, **arguments))

    async def close(self) -> None:
        """Close the connection, even during a read."""
        self._end()
        await self._connection.close()

    async def read(self, sql: str, values: Values) -> list[Row]:
        """Run a statement and return its rows.

        Raises:
            psycopg.Error: the server's error, after which the reader remains usable; or
                `OperationalError` when the connection is lost. After any other exception, including
                cancellation, the reader must be closed.
        """
        log_statement(sql)
        query, names, formats = to_positional(sql)
        given = self._convert.dump_sequence([values[name] for name in names], formats)
        types = self._convert.types or ()
        name = self._prepared.get((sql, types)) or await self._prepare(sql, query, types)
        self._libpq.send_query_prepared(
            name, given, self._convert.formats, result_format=pq.Format.BINARY
        )
        result = await self._result()
        self._convert.set_pgresult(result, format=pq.Format.BINARY)
        return self._convert.load_rows(0, result.ntuples, tuple)

    async def _prepare(self, sql: str, query: bytes, types: tuple[int, ...]) -> bytes:
        """Prepare a statement for parameters of these types, and return its name."""
        if len(self._prepared) >= MAX_PREPARED:
            self._prepared.clear()
            self._libpq.send_query(b"DEALLOCATE ALL")
            await self._result()
        name = b"read_%d" % len(self._prepared)
        self._libpq.send_prepare(name, query, types)
        await self._result()
        self._prepared[sql, types] = name
        return name

    async def _result(self) -> pq.abc.PGresult:
        """Return the result of the request in flight.

        Raises:
            psycopg.Error: the server's error, or `OperationalError` if the connection is lost.
        """
        await self._sent()
        results = []
        while (result := await self._next()) is not None:
            results.append(result)
        if self._libpq.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError(LOST)
        (result,) = results
        return check_result(self._libpq, result)

    async def _sent(self) -> None:
        """Wait until the request is sent; only a very long one needs more than one write."""
        while self._libpq.flush():
            room = self._loop.create_future()
            self._loop.add_writer(self._socket, _done, room)
            try:
                await room
            finally:
                self._loop.remove_writer(self._socket)

    async def _next(self) -> pq.abc.PGresult | None:
        """Return the next result, or `None` after the last one."""
        while self._libpq.is_busy():
            self._answered = self._loop.create_future()
            try:
                await self._answered
            finally:
                self._answered = None
        return self._libpq.get_result()

    def _end(self) -> None:
        """Stop listening, because the socket's number may be reused."""
        if self.listens:
            self._loop.remove_reader(self._socket)
            self.listens = False

    def _hear(self) -> None:
        """Consume input, including unsolicited input such as the end of the connection."""
        error: psycopg.Error | None = None
        try:
            self._libpq.consume_input()
        except psycopg.Error as lost:
            self._end()
            error = lost
        answered = self._answered
        if answered is not None and not answered.done():
            if error is not None:
                answered.set_exception(error)
            elif not self._libpq.is_busy():
                answered.set_result(None)


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
