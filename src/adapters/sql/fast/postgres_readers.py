"""Pools of persistent connections for reads: each is a prepared statement and one round trip."""

import asyncio
from collections import deque
from typing import Any

import psycopg

from adapters.sql.database import STATEMENT_TIMEOUT, Row, Values
from adapters.sql.errors import AWAY
from adapters.sql.fast.libpq_reader import PostgresReader
from adapters.sql.postgres.errors import translate_error
from service_layer.errors import ConnectionLost, DatabaseUnavailable


class PostgresReaders:
    """A pool of persistent connections; a read is a prepared statement and one round trip."""

    def __init__(self, said: dict[str, Any], options: str, number: int) -> None:
        self._arguments = {**said, "options": f"{said['options']} {options}"}
        self._free: deque[PostgresReader | None] = deque([None] * number)
        self._slots = asyncio.Semaphore(number)

    async def close(self) -> None:
        for reader in self._free:
            if reader is not None:
                await reader.close()
        self._free = deque([None] * len(self._free))

    async def read(self, sql: str, values: Values) -> list[Row]:
        """Return the rows; retry once on a new connection if the first was lost.

        Raises:
            DatabaseUnavailable: when the database cannot be reached or takes too long.
        """
        try:
            async with asyncio.timeout(STATEMENT_TIMEOUT), self._slots:
                try:
                    return await self._read_once(sql, values)
                except ConnectionLost:
                    return await self._read_once(sql, values, reconnect=True)
        except TimeoutError:
            raise DatabaseUnavailable(AWAY) from None

    async def _read_once(self, sql: str, values: Values, *, reconnect: bool = False) -> list[Row]:
        """Read on a free connection, or on a new one in its place if `reconnect`."""
        reader = self._free.popleft()
        try:
            if reader is not None and reconnect:
                await reader.close()
                reader = None
            if reader is None:
                reader = await PostgresReader.connect(**self._arguments)
            rows = await reader.read(sql, values)
            self._free.appendleft(reader)
            return rows
        except BaseException as error:
            trouble = translate_error(error, may_be_committed=False)
            if isinstance(error, psycopg.DataError):
                # The request is invalid, but the connection is usable.
                self._free.appendleft(reader)
                raise
            self._free.append(None)
            if reader is not None:
                await reader.close()
            if trouble is None:
                raise
            raise trouble from error
