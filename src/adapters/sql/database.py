"""The interface of a SQL database for repositories and queries, independent of the product."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Dialect, Engine, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from adapters.sql.errors import BUSY
from adapters.sql.fast.bulk_writer import BulkWriter
from service_layer.errors import ConcurrencyConflict, Contention
from service_layer.ports import Database, Schema

Row = Sequence[Any]
Selected = Select[*tuple[Any, ...]]
Values = Mapping[str, Any]
G = TypeVar("G", bound=Hashable)
R = TypeVar("R")

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


def schema_of(revisions: list[str]) -> Schema:
    """Compare the stored revision with the required one; an unknown revision counts as newer."""
    if not revisions:
        return Schema.EMPTY
    if revisions == [HEAD]:
        return Schema.CURRENT
    return Schema.BEHIND if set(revisions) <= set(REVISIONS) else Schema.AHEAD


class Statement:
    """A select compiled once, to be executed by a driver without SQLAlchemy."""

    def __init__(
        self, select: Selected, dialect: Dialect, *, value_sensitive: bool = False
    ) -> None:
        self.value_sensitive = value_sensitive
        """Whether the best query plan depends on the parameter values."""
        compiled = select.compile(dialect=dialect)
        self.sql = str(compiled)
        self._constants = {k: v for k, v in compiled.params.items() if v is not None}
        self._bind = {
            name: process
            for bind, name in compiled.bind_names.items()
            if (process := bind.type.dialect_impl(dialect).bind_processor(dialect))
        }
        self._columns = [
            (place, process)
            for place, column in enumerate(select.selected_columns)
            if (process := column.type.dialect_impl(dialect).result_processor(dialect, None))
        ]

    def values(self, given: Values) -> dict[str, Any]:
        """Return the parameters in the driver's types, including the select's own constants."""
        values = {**self._constants, **given}
        for name, process in self._bind.items():
            values[name] = process(values[name])
        return values

    def row(self, row: Row) -> Row:
        """Convert a driver's row to Python types."""
        if not self._columns:
            return row
        made = list(row)
        for place, process in self._columns:
            made[place] = process(made[place])
        return made


class Lookup(ABC):
    """Look up rows of a select by a column with unique values."""

    def __init__(self, database: "SqlDatabase", rows: Selected, key: ColumnElement[Any]) -> None:
        self._database = database
        self._rows = rows.add_columns(key.label("looked_up"))
        self._key = key

    @abstractmethod
    def statement_for(self, keys: Collection[Any], given: Values) -> tuple[Statement, Values]:
        """Return the statement that looks up the keys, and its parameters."""

    async def rows(self, keys: Collection[Any], given: Values) -> Mapping[Any, Row]:
        """Return the rows by key, possibly including other keys; `given` is as in `fetch`.

        Raises:
            DatabaseUnavailable: when the database cannot be reached or takes too long.
        """
        rows = await self._database.fetch(*self.statement_for(keys, given), short=True)
        return {row[-1]: row[:-1] for row in rows}

    async def row(self, key: Any, given: Values) -> Row | None:
        """Return the row of a key, if there is one."""
        return (await self.rows((key,), given)).get(key)


class SqlDatabase(Database):
    """An engine for units of work, and a fast path for reads."""

    engine: Engine
    dialect: Dialect
    driver_error: type[Exception]
    """The base class of the driver's errors."""
    writer: BulkWriter = BulkWriter()
    """The bulk writer of a unit of work's rows."""

    @property
    def short_lock_timeout_engine(self) -> Engine:
        """The engine for units of work with a short lock timeout."""
        return self.engine

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

        Return `None` for an unexpected error, which is a bug and stays as it is.
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

    @abstractmethod
    async def fetch(self, statement: Statement, given: Values, *, short: bool) -> list[Row]:
        """Run a statement and return its rows; `short` promises that an index makes it fast.

        Raises:
            DatabaseUnavailable: when the database cannot be reached or takes too long.
        """

    @abstractmethod
    def lookup(self, rows: Selected, key: ColumnElement[Any]) -> Lookup:
        """Return a lookup of the select's rows by a column with unique values."""

    @abstractmethod
    def coalesced(self, ask: Callable[[G], Awaitable[R]]) -> Callable[[G], Awaitable[R]]:
        """Return `ask` with request coalescing: concurrent equal calls share one result."""
