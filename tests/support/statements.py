"""Recording of a database's reads, in either lane."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from adapters.sql.database import Row, SqlDatabase, Statement, Values
from support.backends import database_at


def recording_database(
    place: Path | URL, record: Callable[[Statement, Values], object]
) -> SqlDatabase:
    """Return the database, which passes each read to a function before it runs."""
    made: Any = type(database_at(place))

    class Recording(made):  # type: ignore[misc]
        async def fetch(
            self, statement: Statement, values: Values, *, short: bool = False
        ) -> Sequence[Row]:
            record(statement, values)
            rows: Sequence[Row] = await super().fetch(statement, values, short=short)
            return rows

    database: SqlDatabase = Recording(place)
    return database


def driver_statement(
    place: Path | URL, statement: Statement, values: Values
) -> tuple[str, dict[str, Any]]:
    """Return the SQL of a statement and its parameters, both as the driver takes them."""
    dialect: Any = SQLiteDialect_pysqlite(paramstyle="named")
    if isinstance(place, URL):
        dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    compiled = statement.select.compile(dialect=dialect)
    bound = {**compiled.params, **values}
    for bind, name in compiled.bind_names.items():
        process = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if process is not None:
            bound[name] = process(bound[name])
    return str(compiled), bound
