"""A SQL database for repositories and queries, independent of the product."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from adapters.sql.errors import AWAY, BUSY
from service_layer.errors import (
    ConcurrencyConflict,
    ConnectionLost,
    Contention,
    DatabaseUnavailable,
)
from service_layer.ports import Database, Schema

Row = Sequence[Any]
Selected = Select[*tuple[Any, ...]]
Values = Mapping[str, Any]
G = TypeVar("G", bound=Hashable)
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "reorder_tasks",
    "price_decimals",
    "text_rules",
)
"""The migrations this version knows, oldest first; a test compares them with the files.

They are listed here because importing Alembic costs the service memory. Revisions after 0009 have
unique names instead of numbers, so that two branches cannot take the same one.
"""

HEAD = REVISIONS[-1]
"""The revision that this version of the service requires."""

AHEAD = "The database's schema is ahead of this version: install a newer Atelier."

STATEMENT_TIMEOUT = 10.0
"""Statement timeout in seconds."""

READERS = 8
"""Number of threads and connections for reads."""


def schema_of(revisions: list[str]) -> Schema:
    """Compare the stored revision with the required one; an unknown revision counts as newer."""
    if not revisions:
        return Schema.EMPTY
    if revisions == [HEAD]:
        return Schema.CURRENT
    return Schema.BEHIND if set(revisions) <= set(REVISIONS) else Schema.AHEAD


@dataclass(eq=False)
class Statement:
    """A select with named parameters."""

    select: Selected
    value_sensitive: bool = False
    """Whether the best query plan depends on the parameter values."""


class Lookup:
    """Look up rows of a select by a column with unique values."""

    def __init__(self, database: "SqlDatabase", rows: Selected, key: ColumnElement[Any]) -> None:
        self._database = database
        self._rows = rows.add_columns(key.label("looked_up"))
        self._key = key

    @cached_property
    def _statement(self) -> Statement:
        keys = bindparam("keys", type_=self._key.type, expanding=True)
        return self._database.statement(self._rows.where(self._key.in_(keys)))

    def statement_for(self, keys: Collection[Any], values: Values) -> tuple[Statement, Values]:
        """Return the statement that looks up the keys, and its parameters."""
        return self._statement, {"keys": list(keys), **values}

    async def rows(self, keys: Collection[Any], values: Values) -> Mapping[Any, Row]:
        """Return the rows by key, possibly including other keys; `values` are as in `fetch`.

        Raises:
            DatabaseUnavailable: when the database cannot be reached or takes too long.
        """
        rows = await self._database.fetch(*self.statement_for(keys, values), short=True)
        return {row[-1]: row[:-1] for row in rows}

    async def row(self, key: Any, values: Values) -> Row | None:
        """Return the row of a key, if there is one."""
        return (await self.rows((key,), values)).get(key)


class SqlDatabase(Database):
    """The engines for units of work and for reads.

    A read is one statement through SQLAlchemy Core, in a pool of threads.
    """

    engine: Engine
    read_engine: Engine
    """An engine in autocommit mode, with at least `READERS` connections."""
    read_threads: int = READERS
    driver_error: type[Exception]
    """The base class of the driver's errors."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(self.read_threads, thread_name_prefix="reads")

    async def close(self) -> None:
        self._threads.shutdown()
        self.read_engine.dispose()
        self.engine.dispose()

    @property
    def dialect_name(self) -> str:
        """SQLAlchemy's name of the product."""
        return self.engine.dialect.name

    @abstractmethod
    def migration_engine(self) -> Engine:
        """Return an engine for migrations, which creates an embedded database's file."""

    @abstractmethod
    def translate_error(self, error: BaseException, *, may_be_committed: bool) -> Exception | None:
        """Return the error to raise in place of the driver's, or `None` to keep it.

        A use case checks unique values and references before it writes. A constraint violation
        therefore means that another transaction was faster, which is a `ConcurrencyConflict`. A
        retry of the use case reports the proper error.
        """

    def to_service_error(
        self, error: BaseException | None, *, may_be_committed: bool
    ) -> Exception | None:
        """Return the error to raise in place of SQLAlchemy's or the driver's.

        Return `None` to keep the error as it is.
        """
        if isinstance(error, StaleDataError):
            return ConcurrencyConflict()
        if isinstance(error, PoolTimeout):
            return Contention(BUSY)
        cause = error.orig if isinstance(error, DBAPIError) else error
        if cause is None:
            return None
        return self.translate_error(cause, may_be_committed=may_be_committed)

    @abstractmethod
    def begin(self) -> None:
        """Prepare for a unit of work; `end` must follow.

        Raises:
            DatabaseUnavailable: when the database cannot be used; `end` must not follow then.
        """

    @abstractmethod
    def check(self) -> None:
        """Check that the database is still the one that was opened, after a commit in particular.

        Raises:
            DatabaseUnavailable: when it is not, so that a commit must not be acknowledged.
        """

    @abstractmethod
    def end(self) -> None:
        """Clean up after a unit of work."""

    def erase_deleted_users(self, connection: Connection) -> None:
        """Erase leftovers of users deleted in this transaction.

        The files of a database server are its operator's responsibility. An embedded database is a
        file of the service.
        """

    def statement(self, select: Selected, *, value_sensitive: bool = False) -> Statement:
        """Return a statement for `fetch`."""
        return Statement(select, value_sensitive)

    async def fetch(
        self, statement: Statement, values: Values, *, short: bool = False
    ) -> Sequence[Row]:
        """Run a statement and return its rows.

        `short` promises that an index makes it fast; only the fast lane uses this.

        Raises:
            DatabaseUnavailable: when the database cannot be reached or takes too long.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(STATEMENT_TIMEOUT):
                return await loop.run_in_executor(self._threads, self._read, statement, values)
        except TimeoutError:
            raise DatabaseUnavailable(AWAY) from None

    def _read(self, statement: Statement, values: Values) -> Sequence[Row]:
        """Read in this thread; retry once on a new connection if the first was lost."""
        try:
            return self._read_once(statement, values)
        except ConnectionLost:
            return self._read_once(statement, values)

    def _read_once(self, statement: Statement, values: Values) -> Sequence[Row]:
        try:
            with self.read_engine.connect() as connection:
                rows: Sequence[Row] = connection.execute(statement.select, values).all()
                return rows
        except Exception as error:
            trouble = self.to_service_error(error, may_be_committed=False)
            if trouble is None:
                raise
            raise trouble from error

    def lookup(self, rows: Selected, key: ColumnElement[Any]) -> Lookup:
        """Return a lookup of the select's rows by a column with unique values."""
        return Lookup(self, rows, key)

    def coalesced(self, ask: Callable[[G], Awaitable[R]]) -> Callable[[G], Awaitable[R]]:
        """Return `ask`, which an adapter may extend by request coalescing.

        With request coalescing, concurrent equal calls share one result.
        """
        return ask

    def reuse_last(self, build: F) -> F:
        """Return `build`, whose last result an adapter may reuse for equal arguments."""
        return build
