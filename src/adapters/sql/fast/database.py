"""What both fast databases share: compiled statements, and settings of group commit."""

from collections.abc import Callable
from typing import Any, ClassVar

from sqlalchemy import Dialect, Engine

from adapters.sql.database import F, Row, Selected, SqlDatabase, Statement, Values
from adapters.sql.fast.bulk_writer import BulkWriter
from service_layer.group_commit.runner import DEFAULT_POLICY, BatchPolicy


class CompiledStatement(Statement):
    """A select compiled once, to be executed by a driver without SQLAlchemy."""

    def __init__(
        self, select: Selected, dialect: Dialect, *, value_sensitive: bool = False
    ) -> None:
        super().__init__(select, value_sensitive)
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


class FastDatabase(SqlDatabase):
    """A database with statements that bypass SQLAlchemy, and with group commit."""

    dialect: Dialect
    """The dialect in which statements are compiled."""
    batch_engine: Engine
    """The engine for batches, with a short lock timeout."""
    batch_policy: ClassVar[BatchPolicy] = DEFAULT_POLICY
    """The policy of group commit that suits the cost of this database's commits."""
    writer: BulkWriter = BulkWriter()
    """The bulk writer of a batch's rows."""

    def statement(self, select: Selected, *, value_sensitive: bool = False) -> Statement:
        return CompiledStatement(select, self.dialect, value_sensitive=value_sensitive)

    def reuse_last(self, build: F) -> F:
        return LastResult(build)  # type: ignore[return-value]


class LastResult:
    """A function that reuses its last result while its arguments are equal (page cache)."""

    def __init__(self, build: Callable[..., Any]) -> None:
        self._build = build
        self._last: tuple[Any, Any] = None, None

    def __call__(self, *args: Any) -> Any:
        if self._last[0] != args:
            self._last = args, self._build(*args)
        return self._last[1]
