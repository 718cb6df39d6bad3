"""PostgreSQL with reads directly through libpq, query batching, and group commit."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import URL, ColumnElement
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from adapters.sql.database import G, Lookup, R, Row, Selected, Statement, Values
from adapters.sql.fast.batching import BatchedLookup, Batcher
from adapters.sql.fast.database import CompiledStatement, FastDatabase
from adapters.sql.fast.libpq_cursor import LibpqConnection
from adapters.sql.fast.postgres_readers import PostgresReaders
from adapters.sql.fast.unnest import UnnestWriter
from adapters.sql.postgres.database import READING, PostgresDatabase, arguments, make_engine
from service_layer.group_commit.runner import BatchPolicy

LOCK_TIMEOUT = 0.03
"""Seconds; the lock timeout of a batch (group commit).

A commit in progress ends within it. A longer wait would delay the other jobs of the batch.
"""

READERS, LONG_READERS, SEARCHERS = 4, 4, 8
"""Number of connections for short indexed reads, for long reads, and for searches."""

# PostgreSQL would switch to a generic plan, which treats frequent and rare search words alike.
_PLANNING = "-c plan_cache_mode=force_custom_plan"


class FastPostgresDatabase(FastDatabase, PostgresDatabase):
    """PostgreSQL with asynchronous autocommit connections for reads."""

    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    writer = UnnestWriter(dialect)
    # A larger batch gains little and waits longer: docs/decisions/0022-turns-for-company.md.
    batch_policy = BatchPolicy(full_batch=12)

    def __init__(self, url: URL) -> None:
        super().__init__(url)
        self.batch_engine = make_engine(
            url,
            connection=LibpqConnection,
            options=f"-c lock_timeout={int(LOCK_TIMEOUT * 1000)}",
        )
        said = arguments(url)
        self._readers = PostgresReaders(said, READING, READERS)
        self._long_readers = PostgresReaders(said, READING, LONG_READERS)
        self._searchers = PostgresReaders(said, f"{READING} {_PLANNING}", SEARCHERS)

    async def close(self) -> None:
        for readers in (self._readers, self._long_readers, self._searchers):
            await readers.close()
        self.batch_engine.dispose()
        await super().close()

    async def fetch(
        self, statement: Statement, values: Values, *, short: bool = False
    ) -> Sequence[Row]:
        assert isinstance(statement, CompiledStatement)
        readers = self._readers if short else self._long_readers
        if statement.value_sensitive:
            readers = self._searchers
        rows = await readers.read(statement.sql, statement.values(values))
        return [statement.row(row) for row in rows]

    def lookup(self, rows: Selected, key: ColumnElement[Any]) -> Lookup:
        return BatchedLookup(self, rows, key)

    def coalesced(self, ask: Callable[[G], Awaitable[R]]) -> Callable[[G], Awaitable[R]]:
        batcher: Batcher[G, R] = Batcher(lambda group, _: ask(group))
        return lambda group: batcher(group, ())
