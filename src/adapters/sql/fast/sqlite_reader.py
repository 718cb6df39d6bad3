"""A read-only SQLite connection with a time budget per read."""

import threading
import time
from collections.abc import Callable
from typing import Any

from adapters.sql.database import STATEMENT_TIMEOUT, Row, Values
from adapters.sql.fast.database import CompiledStatement
from adapters.sql.sqlite.driver import sqlite3
from adapters.sql.sqlite.errors import translate_error
from adapters.sql.statement_log import log_statement


class ReadTimedOut(Exception):
    """A read exceeded its time budget."""


# SQLITE_BUSY and SQLITE_INTERRUPT (sqlite.org/rescode.html).
_IMMEDIATELY = (5, 9)


class Reader:
    """A read-only connection, opened on first use, for one thread at a time."""

    def __init__(self, connect: Callable[[], Any], seconds: float) -> None:
        self._open = connect
        self._seconds = seconds
        self._end = 0.0
        self._lock = threading.Lock()
        self._connection: Any = None

    def _connect(self) -> Any:
        """Open a connection whose progress handler interrupts a read at its deadline."""
        made = self._open()
        made.set_progress_handler(lambda: time.monotonic() > self._end, 1_000)
        made.execute(f"PRAGMA busy_timeout = {int(self._seconds * 1000)}")
        return made

    def begin(self) -> None:
        """Begin a read transaction; all reads until `end` share one snapshot, which is cheaper."""
        self.end()
        self.read("BEGIN", {})

    def end(self) -> None:
        """End the read transaction, so that the next reads see newer commits."""
        with self._lock:
            try:
                if self._connection is not None and self._connection.in_transaction:
                    self._connection.execute("COMMIT")
            except sqlite3.Error:
                # No data is lost. The next read opens a new connection and reports its errors.
                self._close()

    def fetch(self, statement: CompiledStatement, values: Values) -> list[Row]:
        return [statement.row(row) for row in self.read(statement.sql, values)]

    def read(self, sql: str, values: Values) -> list[Row]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                log_statement(sql)
                self._end = time.monotonic() + self._seconds
                rows: list[Row] = self._connection.execute(sql, values).fetchall()
                return rows
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", None)
                if (
                    self._seconds < STATEMENT_TIMEOUT
                    and code is not None
                    and code & 0xFF in _IMMEDIATELY
                ):
                    raise ReadTimedOut from None
                trouble = translate_error(error)
                if trouble is None:
                    raise
                self._close()
                raise trouble from error

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
