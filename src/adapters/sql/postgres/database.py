"""PostgreSQL through psycopg 3: connection pools, timeouts and query batching."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

import psycopg
from sqlalchemy import URL, ColumnElement, Engine, create_engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from adapters.sql.database import (
    STATEMENT_TIMEOUT,
    Lookup,
    Row,
    Selected,
    SqlDatabase,
    Statement,
    Values,
    schema_of,
)
from adapters.sql.errors import AWAY
from adapters.sql.fast.batching import BatchedLookup, Batcher
from adapters.sql.fast.cpu_affinity import Nearness
from adapters.sql.fast.libpq_cursor import WritingConnection
from adapters.sql.fast.libpq_reader import PostgresReader
from adapters.sql.fast.unnest import UnnestWriter
from adapters.sql.postgres.errors import translate_error
from adapters.sql.postgres.gin_cleaner import GinCleaner
from adapters.sql.statement_log import log_statements_of
from service_layer.errors import ConnectionLost, DatabaseUnavailable
from service_layer.ports import Schema

G = TypeVar("G", bound=Hashable)
R = TypeVar("R")

_CONNECT: dict[str, Any] = {
    "connect_timeout": 3,
    # Keepalives detect a vanished peer within seconds instead of minutes.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": int(STATEMENT_TIMEOUT * 1000),
    "application_name": "atelier",
}
_OPTIONS = (
    f"-c TimeZone=UTC -c statement_timeout={int(STATEMENT_TIMEOUT)}s"
    f" -c lock_timeout={int(STATEMENT_TIMEOUT)}s"
    f" -c idle_in_transaction_session_timeout={int(STATEMENT_TIMEOUT) * 3}s"
)


def arguments(url: URL) -> dict[str, Any]:
    """Return psycopg's connection arguments; options of the service follow those of the URL."""
    said = {**url.translate_connect_args(username="user", database="dbname"), **url.query}
    return {**_CONNECT, **said, "options": f"{said.get('options', '')} {_OPTIONS}"}


LOCK_TIMEOUT = 0.03
"""Seconds; the lock timeout of a batch transaction (group commit).

A commit in progress ends within it. A longer wait would delay the other jobs of the batch.
"""


# A read selects few rows and their related rows, for which nested loops over indexes are best.
# Without these options PostgreSQL plans for as many rows as the page limit, and plans longer.
READING = "-c enable_hashjoin=off -c enable_mergejoin=off"
# PostgreSQL would switch to a generic plan, which treats frequent and rare search words alike.
_PLANNING = "-c plan_cache_mode=force_custom_plan"


def make_engine(url: URL, *, hurried: bool = False) -> Engine:
    """Create the engine for the units of work of one process."""
    said = arguments(url)
    connection: type[psycopg.Connection[Any]] = psycopg.Connection
    if hurried:
        said["options"] += f" -c lock_timeout={int(LOCK_TIMEOUT * 1000)}"
        connection = WritingConnection
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: connection.connect(**said),
        pool_size=4,
        max_overflow=4,
        pool_timeout=STATEMENT_TIMEOUT,
        # Errors are logged, and parameter values must not be.
        hide_parameters=True,
    )
    log_statements_of(engine)
    return engine


READERS, LONG_READERS, SEARCHERS = 4, 4, 8
"""Number of connections for short indexed reads, for long reads, and for searches."""


class _Readers:
    """A pool of persistent connections; a read is a prepared statement and one round trip."""

    def __init__(self, said: dict[str, Any], options: str, number: int) -> None:
        self._arguments = {**said, "options": f"{said['options']} {options}"}
        self._free: deque[PostgresReader | None] = deque([None] * number)
        self._turn = asyncio.Semaphore(number)

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
            async with asyncio.timeout(STATEMENT_TIMEOUT), self._turn:
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


class PostgresDatabase(SqlDatabase):
    """A pool of transactions for writes, and autocommit connections for reads."""

    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    driver_error = psycopg.Error
    writer = UnnestWriter(dialect)
    full_batch = 12  # measured: docs/decisions/0022-turns-for-company.md

    def __init__(self, url: URL) -> None:
        self._url = url
        self.engine = make_engine(url)
        self._hurried = make_engine(url, hurried=True)
        self._indexing = GinCleaner(self.engine)
        self._nearness = Nearness()
        self._readers = _Readers(arguments(url), READING, READERS)
        self._long_readers = _Readers(arguments(url), READING, LONG_READERS)
        self._searchers = _Readers(arguments(url), f"{READING} {_PLANNING}", SEARCHERS)

    async def connect(self) -> None:
        # Connections are opened on first use.
        self._nearness.to_this_thread()
        self._indexing.start()

    async def close(self) -> None:
        await self._readers.close()
        await self._long_readers.close()
        await self._searchers.close()
        self._indexing.close()
        self.engine.dispose()
        self._hurried.dispose()

    @property
    def short_lock_timeout_engine(self) -> Engine:
        return self._hurried

    def migration_engine(self) -> Engine:
        return make_engine(self._url)

    def translate_error(self, error: BaseException, *, may_be_committed: bool) -> Exception | None:
        return translate_error(error, may_be_committed=may_be_committed)

    def begin(self) -> None:
        self._nearness.keep()

    def check(self) -> None:
        """Do nothing: PostgreSQL's commit is already durable."""

    def end(self) -> None:
        self._indexing.notify()

    async def fetch(self, statement: Statement, given: Values, *, short: bool) -> list[Row]:
        readers = self._readers if short else self._long_readers
        if statement.value_sensitive:
            readers = self._searchers
        rows = await readers.read(statement.sql, statement.values(given))
        return [statement.row(row) for row in rows]

    def lookup(self, rows: Selected, key: ColumnElement[Any]) -> Lookup:
        return BatchedLookup(self, rows, key)

    def coalesced(self, ask: Callable[[G], Awaitable[R]]) -> Callable[[G], Awaitable[R]]:
        gathering: Batcher[G, R] = Batcher(lambda group, _: ask(group))
        return lambda group: gathering(group, ())

    async def schema(self) -> Schema:
        if (await self._readers.read("SELECT to_regclass('alembic_version')", {}))[0][0] is None:
            return Schema.EMPTY
        rows = await self._readers.read("SELECT version_num FROM alembic_version", {})
        return schema_of([row[0] for row in rows])
