"""The bulk insert and bulk update of PostgreSQL: one statement takes each column as an array."""

import re
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    Dialect,
    FromClause,
    Insert,
    Table,
    Update,
    bindparam,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.sql.fast.bulk_writer import EXPECTED_VERSION, ROW_ID, BulkWriter, Rows


class UnnestWriter(BulkWriter):
    """Write many rows with one statement over `unnest` of the columns' arrays.

    This halves the service's cost compared with a statement per row, and lowers the database's.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._statement = lru_cache(maxsize=256)(self._compile)

    def insert(self, connection: Connection, table: Table, rows: Rows) -> None:
        if len(rows) == 1:
            super().insert(connection, table, rows)
        else:
            self._execute(connection, table, rows)

    def update(self, connection: Connection, table: Table, rows: Rows) -> int:
        if len(rows) == 1:
            return super().update(connection, table, rows)
        return self._execute(connection, table, rows)

    def _execute(self, connection: Connection, table: Table, rows: Rows) -> int:
        sql, columns = self._statement(table, tuple(rows[0]))
        arrays = {
            name: [process(row[name]) for row in rows] if process else [row[name] for row in rows]
            for name, process in columns
        }
        written: int = connection.exec_driver_sql(sql, arrays).rowcount
        return written

    def _compile(self, table: Table, names: tuple[str, ...]) -> tuple[str, list[tuple[str, Any]]]:
        """Return a statement, and the name and bind processor of each column."""
        types = {name: _column(table, name).type for name in names}
        arrays = (bindparam(name, type_=ARRAY(column_type)) for name, column_type in types.items())
        given = func.unnest(*arrays).table_valued(*(column(n, t) for n, t in types.items()))
        made = (_updating_from if ROW_ID in names else _inserting_from)(
            table, given.render_derived()
        )
        # Binary arrays of numbers or times are shorter than text and faster to encode.
        sql = re.sub(r"%\((\w+)\)s", r"%(\1)b", str(made.compile(dialect=self._dialect)))
        return sql, [
            (name, column_type.dialect_impl(self._dialect).bind_processor(self._dialect))
            for name, column_type in types.items()
        ]


def _column(table: Table, name: str) -> Any:
    return table.c[{ROW_ID: "id", EXPECTED_VERSION: "version"}.get(name, name)]


def _inserting_from(table: Table, given: FromClause) -> Insert:
    return insert(table).from_select([each.key for each in given.c], select(given))


def _updating_from(table: Table, given: FromClause) -> Update:
    values = {each.key: each for each in given.c if each.key not in (ROW_ID, EXPECTED_VERSION)}
    same = (table.c.id == given.c[ROW_ID], table.c.version == given.c[EXPECTED_VERSION])
    return update(table).where(*same).values(values)
