"""A psycopg connection whose cursors run prepared statements directly through libpq.

SQLAlchemy uses it like psycopg's own connections and cursors, which do more work per statement than
the writer needs. `libpq_reader` is the counterpart without SQLAlchemy.
"""

import select
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.errors import FeatureNotSupported, InvalidSqlStatementName

from adapters.sql.database import Row
from adapters.sql.fast.prepared import LOST, MAX_PREPARED, check_result, to_positional

_NOTHING: dict[str, Any] = {}


class LibpqConnection(psycopg.Connection[Any]):
    """A psycopg connection whose default cursors run prepared statements only."""

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """Return a prepared-statement cursor, or psycopg's own cursor if there are arguments."""
        if args or kwargs:
            return super().cursor(*args, **kwargs)
        return _Cursor(self._statements)

    def commit(self) -> None:
        """Commit the open transaction, if any.

        Raises:
            psycopg.Error: the server's error, or `OperationalError` if the connection is lost.
        """
        if self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            check_result(self.pgconn, self.pgconn.exec_(b"COMMIT"))

    def rollback(self) -> None:
        """Roll back the open transaction, if any.

        Raises:
            psycopg.OperationalError: when the connection is lost.
        """
        if self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            super().rollback()

    @cached_property
    def _statements(self) -> "_Statements":
        return _Statements(self)


class _Statements:
    """A connection's prepared statements, each prepared on first use."""

    def __init__(self, connection: LibpqConnection) -> None:
        self.connection = connection
        self.convert = Transformer(connection)
        self._libpq = connection.pgconn
        self._prepared: dict[tuple[str, tuple[int, ...]], bytes] = {}

    def run(self, sql: str, values: Mapping[str, Any]) -> pq.abc.PGresult:
        """Run a statement, and begin a transaction with it if none is open.

        Raises:
            psycopg.Error: the server's error, or `OperationalError` if the connection is lost.
        """
        query, names, formats = to_positional(sql)
        given = self.convert.dump_sequence([values[name] for name in names], formats)
        types = self.convert.types or ()
        idle = self._libpq.transaction_status == pq.TransactionStatus.IDLE
        run = self._run_first if idle and not self.connection.autocommit else self._run
        try:
            name = self._prepared.get((sql, types)) or self._prepare(sql, query, types)
            return run(name, given)
        except (FeatureNotSupported, InvalidSqlStatementName):
            # The prepared statements are stale: a table changed, or they were deallocated.
            self._prepared.clear()
            raise

    def _prepare(self, sql: str, query: bytes, types: tuple[int, ...]) -> bytes:
        """Prepare a statement for parameters of these types, and return its name."""
        if not self._prepared or len(self._prepared) >= MAX_PREPARED:
            check_result(self._libpq, self._libpq.exec_(b"DEALLOCATE ALL"))
            self._prepared.clear()
        name = b"write_%d" % len(self._prepared)
        check_result(self._libpq, self._libpq.prepare(name, query, types))
        self._prepared[sql, types] = name
        return name

    def _run(self, name: bytes, given: Sequence[Any]) -> pq.abc.PGresult:
        formats = self.convert.formats
        result = self._libpq.exec_prepared(name, given, formats, result_format=pq.Format.BINARY)
        return check_result(self._libpq, result)

    def _run_first(self, name: bytes, given: Sequence[Any]) -> pq.abc.PGresult:
        """Send BEGIN and the first statement in one round trip (libpq pipeline mode)."""
        libpq, formats = self._libpq, self.convert.formats
        try:
            libpq.enter_pipeline_mode()
            libpq.send_query_params(b"BEGIN", None)
            libpq.send_query_prepared(name, given, formats, result_format=pq.Format.BINARY)
            libpq.pipeline_sync()
            while libpq.flush():
                self._wait(select.POLLIN | select.POLLOUT)
                libpq.consume_input()
            begun, result = self._results()
            libpq.exit_pipeline_mode()
        except BaseException:
            # The protocol state is unknown, so the connection cannot be reused.
            self.connection.close()
            raise
        check_result(libpq, begun)
        return check_result(libpq, result)

    def _results(self) -> list[pq.abc.PGresult]:
        """Return the results of a pipeline.

        Raises:
            psycopg.OperationalError: when the connection is lost.
        """
        libpq = self._libpq
        results: list[pq.abc.PGresult] = []
        while True:
            while libpq.is_busy():
                self._wait(select.POLLIN)
                libpq.consume_input()
            result = libpq.get_result()
            if libpq.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError(LOST)
            if result is None:
                continue  # end of one statement's results
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                return results
            results.append(result)

    def _wait(self, what: int) -> None:
        waiting = select.poll()
        waiting.register(self._libpq.socket, what)
        waiting.poll()


class _Cursor:
    """The part of a DB-API cursor (PEP 249) that SQLAlchemy uses."""

    arraysize = 1

    def __init__(self, statements: _Statements) -> None:
        self._statements = statements
        self._rows: list[Row] = []
        self.connection = statements.connection
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = -1

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> None:
        result = self._statements.run(sql, values or _NOTHING)
        self.description = None
        self._rows = []
        if result.status == pq.ExecStatus.TUPLES_OK:
            self.description = [
                ((result.fname(n) or b"").decode(), result.ftype(n), *(None,) * 5)
                for n in range(result.nfields)
            ]
            convert = self._statements.convert
            convert.set_pgresult(result, format=pq.Format.BINARY)
            self._rows = convert.load_rows(0, result.ntuples, tuple)
        written = result.command_tuples
        self.rowcount = -1 if written is None else written

    def executemany(self, sql: str, several: Sequence[Mapping[str, Any]]) -> None:
        written = 0
        for values in several:
            self.execute(sql, values)
            written += self.rowcount
        self.rowcount = written

    def fetchone(self) -> Row | None:
        return self._rows.pop(0) if self._rows else None

    def fetchmany(self, size: int = arraysize) -> list[Row]:
        some, self._rows = self._rows[:size], self._rows[size:]
        return some

    def fetchall(self) -> list[Row]:
        rows, self._rows = self._rows, []
        return rows

    def close(self) -> None:
        self._rows = []
