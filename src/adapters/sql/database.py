"""What a SQL database offers the repositories and the queries, whichever product it is."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Dialect, Engine, Select
from sqlalchemy.exc import DBAPIError, TimeoutError
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

The service reads them here because loading Alembic would cost it memory. Revisions after 0009 have
unique names instead of numbers, so that two branches cannot take the same one.
"""

HEAD = REVISIONS[-1]
"""The migration this version of the service requires."""

AHEAD = "The database's schema is ahead of this version: install a newer Atelier."

STATEMENT_TIMEOUT = 10.0
"""Seconds after which a statement is given up."""


def schema_of(revisions: list[str]) -> Schema:
    """Compare the revision stored in a database with the one required; unknown ones are newer."""
    if not revisions:
        return Schema.EMPTY
    if revisions == [HEAD]:
        return Schema.CURRENT
    return Schema.BEHIND if set(revisions) <= set(REVISIONS) else Schema.AHEAD


class Statement:
    """A select that was compiled once, to be given to a driver without SQLAlchemy in between."""

    def __init__(
        self, select: Selected, dialect: Dialect, *, value_sensitive: bool = False
    ) -> None:
        self.value_sensitive = value_sensitive
        """Whether the best way to the rows depends on the values."""
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
        """Return the given values as the driver takes them, beside those the select has itself."""
        values = {**self._constants, **given}
        for name, process in self._bind.items():
            values[name] = process(values[name])
        return values

    def row(self, row: Row) -> Row:
        """Return a driver's row in Python's types."""
        if not self._columns:
            return row
        made = list(row)
        for place, process in self._columns:
            made[place] = process(made[place])
        return made


class Lookup(ABC):
    """Rows of a select by one of its tables' columns, in which no two have the same value."""

    def __init__(self, database: "SqlDatabase", rows: Selected, key: ColumnElement[Any]) -> None:
        self._database = database
        self._rows = rows.add_columns(key.label("looked_up"))
        self._key = key

    @abstractmethod
    def statement_for(self, keys: Collection[Any], given: Values) -> tuple[Statement, Values]:
        """Return the statement that looks some keys up, and what it is to be given."""

    async def rows(self, keys: Collection[Any], given: Values) -> Mapping[Any, Row]:
        """Return the rows of some keys by those, and maybe others; `given` is as in `fetch`.

        Raises:
            DatabaseUnavailable: when the database cannot be reached or takes too long.
        """
        rows = await self._database.fetch(*self.statement_for(keys, given), short=True)
        return {row[-1]: row[:-1] for row in rows}

    async def row(self, key: Any, given: Values) -> Row | None:
        """Return the row of a key, if there is one."""
        return (await self.rows((key,), given)).get(key)


class SqlDatabase(Database):
    """An engine for the units of work, and a short way for reads."""

    engine: Engine
    dialect: Dialect
    driver_error: type[Exception]
    """What all errors of the driver are."""
    writer: BulkWriter = BulkWriter()
    """How a unit of work writes the rows of a table."""

    @property
    def short_lock_timeout_engine(self) -> Engine:
        """The engine for units of work that do not wait for what others hold."""
        return self.engine

    @abstractmethod
    def making_engine(self) -> Engine:
        """Return an engine for migrations, which makes the database where that takes no server."""

    @abstractmethod
    def translate_error(self, error: BaseException, *, may_be_committed: bool) -> Exception | None:
        """Return the error to raise in place of the driver's one, or `None` to let it be.

        A use case looks before it writes whether a value is taken and what it refers to is there.
        That the database disagrees means that somebody else was quicker, which is a
        `ConcurrencyConflict`: looking again tells it properly.
        """

    def to_service_error(
        self, error: BaseException | None, *, may_be_committed: bool
    ) -> Exception | None:
        """Return the error to raise in place of SQLAlchemy's or the driver's one.

        What nobody foresaw is a defect and stays what it is; then it is `None`.
        """
        if isinstance(error, StaleDataError):
            return ConcurrencyConflict()
        if isinstance(error, TimeoutError):
            return Contention(BUSY)
        cause = error.orig if isinstance(error, DBAPIError) else error
        if cause is None:
            return None
        return self.translate_error(cause, may_be_committed=may_be_committed)

    @abstractmethod
    def begin(self) -> None:
        """Make ready for a unit of work; `end` must follow.

        Raises:
            DatabaseUnavailable: when the database cannot be used; `end` need not follow then.
        """

    @abstractmethod
    def check(self) -> None:
        """Make sure that what was just committed is in the database to stay.

        Raises:
            DatabaseUnavailable: when it is not.
        """

    @abstractmethod
    def end(self) -> None:
        """Take note that a unit of work is over."""

    def erase_deleted_users(self, connection: Connection) -> None:
        """Overwrite what the database would keep of users deleted in this transaction.

        A server's files are its operator's to protect; an embedded database is a file of ours.
        """

    @abstractmethod
    async def fetch(self, statement: Statement, given: Values, *, short: bool) -> list[Row]:
        """Run a statement and return its rows; `short` promises that an index makes it quick.

        Raises:
            DatabaseUnavailable: when the database cannot be reached or takes too long.
        """

    @abstractmethod
    def lookup(self, rows: Selected, key: ColumnElement[Any]) -> Lookup:
        """Return the way to the rows of a select by a column of unique values."""

    @abstractmethod
    def coalesced(self, ask: Callable[[G], Awaitable[R]]) -> Callable[[G], Awaitable[R]]:
        """Return the same question, for those who ask it at the same time to share the answer."""
