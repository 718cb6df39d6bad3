"""SQLite: an embedded database in one file."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    bindparam,
    create_engine,
    event,
    or_,
    select,
)
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.pool import QueuePool

from adapters import private_files
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
from adapters.sql.errors import BUSY
from adapters.sql.fast.sqlite_reader import Reader, ReadTimedOut
from adapters.sql.sqlite.driver import sqlite3
from adapters.sql.sqlite.errors import translate_error
from adapters.sql.statement_log import log_statements_of
from service_layer.errors import Contention, DatabaseUnavailable
from service_layer.ports import Schema

log = logging.getLogger("atelier.database")

G = TypeVar("G", bound=Hashable)
R = TypeVar("R")

PRAGMAS = (
    # Readers and the writer do not block each other.
    "PRAGMA journal_mode = WAL",
    # A commit is on disk before it is acknowledged, even if the power fails next.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # Deleted content is overwritten with zeros, in free pages as well.
    "PRAGMA secure_delete = ON",
    f"PRAGMA busy_timeout = {int(STATEMENT_TIMEOUT * 1000)}",
)

LOOP_BUDGET = 0.005
"""Seconds for which a read may block the event loop; a longer read moves to a thread."""

ERASURE_SECONDS = 0.2
"""Seconds that the writer waits for readers when it truncates the write-ahead log."""

UNKNOWN = object()

GONE = "The database file is gone; nothing is written until it is back."
REPLACED = "The database file was replaced by another; the service now turns to that one."
FOREIGN = "The database file was replaced by one that this version cannot use."


def connect(path: Path, mode: str) -> Any:
    """Open the file in one of SQLite's modes: `ro`, `rw`, or `rwc` to create it."""
    if mode == "rwc":
        # SQLite would create it with the umask's mode. Its companion files get the same mode.
        _create(path)
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    return connection


def _create(path: Path) -> None:
    # SQLite reports the same failure when it opens the file.
    with suppress(OSError):
        private_files.create_file(path)


def make_engine(path: Path, mode: str) -> Engine:
    """Create an engine whose transactions take the write lock at once.

    A transaction that reads first and writes later fails if another one has written in between. The
    busy timeout does not help then. `BEGIN IMMEDIATE` waits for the lock instead.
    """
    engine = create_engine(
        "sqlite://",
        creator=lambda: connect(path, mode),
        module=sqlite3,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=STATEMENT_TIMEOUT,
        # Errors are logged, and parameter values must not be.
        hide_parameters=True,
    )
    log_statements_of(engine)

    @event.listens_for(engine, "begin")
    def begin_immediate(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def leave_no_transaction_open(raw: Any, record: Any) -> None:
        # A failed commit leaves SQLite's transaction open, but SQLAlchemy considers it closed.
        if raw is not None and raw.in_transaction:
            raw.rollback()

    return engine


class SqliteDatabase(SqlDatabase):
    """One file: one writer, one connection for short reads, one for long reads in a thread.

    The file may be deleted or replaced while the service runs. SQLite would continue to write to
    the old, unreachable file. The file's identity is therefore compared before and after each
    transaction. A commit is acknowledged only if it is in the current file.
    """

    dialect = SQLiteDialect_pysqlite(paramstyle="named")
    driver_error = sqlite3.Error

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = make_engine(path, "rw")
        self._identity: tuple[int, int] | None = None
        # Held from a unit of work's beginning to its end, so that the file is not reopened during
        # it.
        self._working = threading.RLock()
        # Held while the service reopens the file; no reader connects meanwhile.
        self._reopening = threading.Lock()
        self._loop_reader = Reader(self._connect_reader, LOOP_BUDGET)
        self._thread_reader = Reader(self._connect_reader, STATEMENT_TIMEOUT)
        self._tick_open = False
        self._tick_cache: dict[Any, Any] = {}
        self._slow: WeakSet[Statement] = WeakSet()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="long-reads")
        # Set while the write-ahead log may contain personal data of a deleted user.
        self._must_empty_log = False

    async def connect(self) -> None:
        self._identity = self._file_identity()
        # The writer's connection keeps this file open from now on; see `_close_connections`.
        self.engine.connect().close()

    async def close(self) -> None:
        self._thread.shutdown(wait=True)
        self._close_connections()

    def migration_engine(self) -> Engine:
        return make_engine(self.path, "rwc")

    def translate_error(self, error: BaseException, *, may_be_committed: bool) -> Exception | None:
        return translate_error(error)

    def begin(self) -> None:
        if not self._working.acquire(timeout=STATEMENT_TIMEOUT):
            raise Contention(BUSY)
        try:
            self.check()
        except BaseException:
            self._working.release()
            raise

    def end(self) -> None:
        # End the tick, so that later reads of the same tick see the change.
        self._tick_open = False
        try:
            if self._must_empty_log:
                self._empty_log()
        finally:
            self._working.release()

    def erase_deleted_users(self, connection: Connection) -> None:
        # FTS5 only marks a deleted user's trigrams as deleted until it merges its segments.
        # `optimize` merges all of them now, which removes the trigrams. FTS5's `secure-delete`
        # would do so as well, but makes the index unreadable to SQLite before 3.42.
        connection.exec_driver_sql("INSERT INTO users_search (users_search) VALUES ('optimize')")
        self._must_empty_log = True

    def _empty_log(self) -> None:
        """Checkpoint and truncate the write-ahead log, or leave that to the next unit of work.

        A reader whose transaction began before the last commit delays this only briefly.
        """
        try:
            with self.engine.connect() as connection:
                raw: Any = connection.connection.dbapi_connection
                raw.execute(f"PRAGMA busy_timeout = {int(ERASURE_SECONDS * 1000)}")
                try:
                    busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                finally:
                    raw.execute(PRAGMAS[-1])
            self._must_empty_log = bool(busy)
        except Exception as error:
            # The change itself is committed, and the next unit of work reports an unusable file.
            if self.to_service_error(error, may_be_committed=False) is None:
                raise

    def check(self) -> None:
        if self._file_identity() == self._identity:
            return
        # Reopen the file unless a unit of work is in progress.
        if self._working.acquire(blocking=False):
            try:
                self._reopen()
            finally:
                self._working.release()
        raise DatabaseUnavailable(REPLACED)

    def _file_identity(self) -> tuple[int, int]:
        """Return the device and inode of the file that has the name now.

        Raises:
            DatabaseUnavailable: when there is no such file.
        """
        try:
            status = self.path.stat()
        except OSError:
            raise DatabaseUnavailable(GONE) from None
        return status.st_dev, status.st_ino

    def _reopen(self) -> None:
        """Close the old file and open the one that has its name now.

        Raises:
            DatabaseUnavailable: when the new file is missing or not usable by this version.
        """
        with self._reopening:
            self._close_connections()
            found = self._file_identity()
            if self._schema() is not Schema.CURRENT:
                raise DatabaseUnavailable(FOREIGN)
            self.engine.connect().close()
            self._identity = found

    def _close_connections(self) -> None:
        """Close every connection and leave no log that another file could inherit.

        The write-ahead log lies beside the database under a fixed name. If it still contained
        changes of the old file, SQLite would apply them to the new one.
        """
        self._loop_reader.close()
        self._thread_reader.close()
        if self._pool.checkedin():
            try:
                with self.engine.connect() as connection:
                    raw: Any = connection.connection.dbapi_connection
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except Exception as error:
                if self.to_service_error(error, may_be_committed=False) is None:
                    raise
        self.engine.dispose()

    def _connect_reader(self) -> Any:
        if not self._reopening.acquire(blocking=False):
            raise DatabaseUnavailable(REPLACED)
        try:
            if self._file_identity() != self._identity:
                raise DatabaseUnavailable(REPLACED)
            connection = connect(self.path, "rw")
            connection.execute("PRAGMA query_only = ON")
            return connection
        finally:
            self._reopening.release()

    async def fetch(self, statement: Statement, given: Values, *, short: bool) -> list[Row]:
        values = statement.values(given)
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
            self._thread, self._read_in_thread, statement, values
        )

    def tick_cache(self) -> dict[Any, Any]:
        """Return the cache of reads in the current event-loop tick.

        A callback of this tick was scheduled before the tick's first read. That read therefore sees
        every change acknowledged by then. Later callbacks run in the next tick. The file's identity
        and snapshot are thus checked once per tick.
        """
        if not self._tick_open:
            self.check()
            asyncio.get_running_loop().call_soon(self._end_tick)
            self._tick_open = True
            # A late result of an earlier tick goes into a discarded dictionary.
            self._tick_cache = {}
            self._loop_reader.begin()
        return self._tick_cache

    def _end_tick(self) -> None:
        self._tick_open = False
        self._loop_reader.end()

    def _read_in_thread(self, statement: Statement, values: Values) -> list[Row]:
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

    async def schema(self) -> Schema:
        return await asyncio.get_running_loop().run_in_executor(None, self._checked_schema)

    def _checked_schema(self) -> Schema:
        if self._identity is not None:  # only while serving
            self.check()
        return self._schema()

    def _schema(self) -> Schema:
        """Read the schema revision without modifying the file.

        Raises:
            DatabaseUnavailable: when the file cannot be read.
        """
        if not self.path.exists():
            return Schema.EMPTY
        try:
            connection = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                tables = "SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'"
                if not connection.execute(tables).fetchall():
                    return Schema.EMPTY
                revisions = connection.execute("SELECT version_num FROM alembic_version")
                return schema_of([row[0] for row in revisions.fetchall()])
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise translate_error(error) or error from error

    @property
    def _pool(self) -> QueuePool:
        pool = self.engine.pool
        assert isinstance(pool, QueuePool)
        return pool


class _DirectLookup(Lookup):
    """Look up rows by keys with one statement per request, which takes microseconds."""

    def __init__(self, database: SqliteDatabase, rows: Selected, key: ColumnElement[Any]) -> None:
        super().__init__(database, rows, key)
        self._turns = database
        self._several = database.coalesced(self._look_up)
        # After ANALYZE, SQLite plans again for each bound value of an indexed column, which takes
        # longer than the lookup. A subquery hides the value from the planner.
        one = rows.where(key == select(bindparam("key", type_=key.type)).scalar_subquery())
        self._one = Statement(one, database.dialect)
        self._statement = lru_cache(maxsize=8)(self._statement_for)

    async def row(self, key: Any, given: Values) -> Row | None:
        answers = self._turns.tick_cache()
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
        return self._statement(len(keys)), {**numbered, **given}

    def _statement_for(self, number: int) -> Statement:
        keys = (bindparam(f"key_{place}", type_=self._key.type) for place in range(number))
        some = self._rows.where(or_(*(self._key == key for key in keys)))
        return Statement(some, self._database.dialect)
