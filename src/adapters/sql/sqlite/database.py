"""SQLite: an embedded database in one file."""

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import QueuePool

from adapters.sql.database import (
    READERS,
    STATEMENT_TIMEOUT,
    Row,
    SqlDatabase,
    Statement,
    Values,
    schema_of,
)
from adapters.sql.errors import BUSY
from adapters.sql.sqlite.driver import sqlite3
from adapters.sql.sqlite.engine import PRAGMAS, connect, make_engine, make_read_engine
from adapters.sql.sqlite.errors import translate_error
from service_layer.errors import Contention, DatabaseUnavailable
from service_layer.ports import Schema

log = logging.getLogger("atelier.database")

ERASURE_SECONDS = 0.2
"""Seconds that the writer waits for readers when it truncates the write-ahead log."""

GONE = "The database file is gone; nothing is written until it is back."
REPLACED = "The database file was replaced by another; the service now turns to that one."
FOREIGN = "The database file was replaced by one that this version cannot use."


class SqliteDatabase(SqlDatabase):
    """One file: one connection for writes, several for reads.

    The file may be deleted or replaced while the service runs. SQLite would continue to write to
    the old, unreachable file. The file's identity is therefore compared before and after each
    transaction. A commit is acknowledged only if it is in the current file.
    """

    driver_error = sqlite3.Error

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.engine = make_engine(path, "rw")
        self._identity: tuple[int, int] | None = None
        # Held from a unit of work's beginning to its end, so that the file is not reopened during
        # it.
        self._working = threading.RLock()
        # Set while the service reopens the file; no reader connects meanwhile.
        self._is_reopening = False
        self._reads = threading.Semaphore(READERS)
        self.read_engine = make_read_engine(self._connect_reader)
        # Set while the write-ahead log may contain personal data of a deleted user.
        self._must_empty_log = False

    async def connect(self) -> None:
        self._identity = self._file_identity()
        # The writer's connection keeps this file open from now on; see `_close_connections`.
        self.engine.connect().close()

    async def close(self) -> None:
        self._threads.shutdown()
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
        # Reopen the file unless a unit of work of another thread is in progress.
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
        self._is_reopening = True
        try:
            self._close_connections()
            found = self._file_identity()
            if self._schema() is not Schema.CURRENT:
                raise DatabaseUnavailable(FOREIGN)
            self.engine.connect().close()
            self._identity = found
        finally:
            self._is_reopening = False

    def _close_connections(self) -> None:
        """Close every connection and leave no log that another file could inherit.

        The write-ahead log lies beside the database under a fixed name. If it still contained
        changes of the old file, SQLite would apply them to the new one.
        """
        self._close_readers()
        if self._pool.checkedin():
            try:
                with self.engine.connect() as connection:
                    raw: Any = connection.connection.dbapi_connection
                    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except Exception as error:
                if self.to_service_error(error, may_be_committed=False) is None:
                    raise
        self.engine.dispose()

    def _close_readers(self) -> None:
        """Close the connections for reads, after the reads in progress."""
        with self._no_reads():
            self.read_engine.dispose()

    @contextmanager
    def _no_reads(self) -> Iterator[None]:
        for _ in range(READERS):
            self._reads.acquire()
        try:
            yield
        finally:
            self._reads.release(READERS)

    def _connect_reader(self) -> Any:
        if self._is_reopening or self._file_identity() != self._identity:
            raise DatabaseUnavailable(REPLACED)
        connection = connect(self.path, "rw")
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _read(self, statement: Statement, values: Values) -> Sequence[Row]:
        self.check()
        with self._reads:
            return super()._read(statement, values)

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
