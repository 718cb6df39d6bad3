"""SQLite with short reads on the event loop, one snapshot per tick, and group commit.

It relies on uvloop's and asyncio's order of callbacks: those scheduled in a tick run in the next.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import ColumnElement, bindparam, or_, select
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from adapters.sql.database import STATEMENT_TIMEOUT, G, Lookup, R, Row, Selected, Statement, Values
from adapters.sql.fast.database import CompiledStatement, FastDatabase
from adapters.sql.fast.sqlite_reader import Reader, ReadTimedOut
from adapters.sql.sqlite.database import SqliteDatabase

log = logging.getLogger("atelier.database")

LOOP_BUDGET = 0.005
"""Seconds for which a read may block the event loop; a longer read moves to a thread."""

UNKNOWN = object()


class FastSqliteDatabase(FastDatabase, SqliteDatabase):
    """SQLite with one connection for short reads on the event loop, and one in a thread."""

    dialect = SQLiteDialect_pysqlite(paramstyle="named")
    # Long reads share one connection. Each further thread would keep memory of its own.
    read_threads = 1

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.batch_engine = self.engine
        self._loop_reader = Reader(self._connect_reader, LOOP_BUDGET)
        self._thread_reader = Reader(self._connect_reader, STATEMENT_TIMEOUT)
        self._tick_open = False
        self._tick_cache: dict[Any, Any] = {}
        self._slow: WeakSet[Statement] = WeakSet()

    def end(self) -> None:
        # End the tick, so that later reads of the same tick see the change.
        self._tick_open = False
        super().end()

    def _close_readers(self) -> None:
        self._loop_reader.close()
        self._thread_reader.close()
        super()._close_readers()

    async def fetch(
        self, statement: Statement, values: Values, *, short: bool = False
    ) -> Sequence[Row]:
        assert isinstance(statement, CompiledStatement)
        values = statement.values(values)
        # A statement that was slow once is assumed to be slow again, unless an index is known to
        # serve it. A search never runs on the loop: FTS5 does not call the progress handler during
        # a match.
        if short or not (statement.value_sensitive or statement in self._slow):
            try:
                self.tick_cache()
                return self._loop_reader.fetch(statement, values)
            except ReadTimedOut:
                self._slow.add(statement)
                log.info("slow read moved to thread", extra={"sql": statement.sql})
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._read_in_thread, statement, values
        )

    def tick_cache(self) -> dict[Any, Any]:
        """Return the cache of reads in the current event-loop tick.

        A callback of this tick was scheduled before the tick's first read. That read therefore sees
        every change acknowledged by then. Later callbacks run in the next tick. The file's identity
        and snapshot are thus checked once per tick.
        """
        if not self._tick_open:
            self.check()
            # A late result of an earlier tick goes into a discarded dictionary.
            self._tick_cache = {}
            try:
                self._loop_reader.begin()
            except ReadTimedOut:
                # Other threads held the GIL for too long. This read gets a snapshot of its own.
                return self._tick_cache
            asyncio.get_running_loop().call_soon(self._end_tick)
            self._tick_open = True
        return self._tick_cache

    def _end_tick(self) -> None:
        self._tick_open = False
        self._loop_reader.end()

    def _read_in_thread(self, statement: CompiledStatement, values: Values) -> list[Row]:
        self.check()
        return self._thread_reader.fetch(statement, values)

    def lookup(self, rows: Selected, key: ColumnElement[Any]) -> Lookup:
        return _DirectLookup(self, rows, key)

    def coalesced(self, ask: Callable[[G], Awaitable[R]]) -> Callable[[G], Awaitable[R]]:
        async def answer(asked: G) -> R:
            answers = self.tick_cache()
            found: Any = answers.get((ask, asked), UNKNOWN)
            if found is UNKNOWN:
                found = answers[ask, asked] = await ask(asked)
            answer: R = found
            return answer

        return answer


class _DirectLookup(Lookup):
    """Look up rows by keys with one statement per request, which takes microseconds."""

    def __init__(
        self, database: FastSqliteDatabase, rows: Selected, key: ColumnElement[Any]
    ) -> None:
        super().__init__(database, rows, key)
        self._sqlite = database
        self._several = database.coalesced(self._look_up)
        # After ANALYZE, SQLite plans again for each bound value of an indexed column, which takes
        # longer than the lookup. A subquery hides the value from the planner.
        one = rows.where(key == select(bindparam("key", type_=key.type)).scalar_subquery())
        self._one = database.statement(one)
        self._statement_of = lru_cache(maxsize=8)(self._make_statement)

    async def row(self, key: Any, given: Values) -> Row | None:
        answers = self._sqlite.tick_cache()
        asked = (self, key, *given.values())
        found: Any = answers.get(asked, UNKNOWN)
        if found is UNKNOWN:
            rows = await self._database.fetch(self._one, {"key": key, **given}, short=True)
            found = answers[asked] = rows[0] if rows else None
        row: Row | None = found
        return row

    async def rows(self, keys: Collection[Any], given: Values) -> Mapping[Any, Row]:
        return await self._several((frozenset(keys), tuple(given.items())))

    async def _look_up(self, asked: tuple[frozenset[Any], Sequence[Any]]) -> Mapping[Any, Row]:
        return await super().rows(asked[0], dict(asked[1]))

    def statement_for(self, keys: Collection[Any], given: Values) -> tuple[Statement, Values]:
        numbered = {f"key_{place}": key for place, key in enumerate(keys)}
        return self._statement_of(len(keys)), {**numbered, **given}

    def _make_statement(self, number: int) -> Statement:
        keys = (bindparam(f"key_{place}", type_=self._key.type) for place in range(number))
        some = self._rows.where(or_(*(self._key == key for key in keys)))
        return self._database.statement(some)
