"""Migration runner for both databases."""

import re
from pathlib import Path

import migrations
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, func, inspect, select, text
from sqlalchemy import table as quoted_table

from adapters.sql.database import AHEAD, HEAD, REVISIONS
from adapters.sql.schema.search import is_search_object, make_indexes
from service_layer.errors import MigrationFailed

BASE = "base"
"""Alembic's name for a database without tables."""


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, with the connection that the migrations use."""
    made = Config()
    made.set_main_option(
        "script_location", str(Path(migrations.__file__).parent).replace("%", "%%")
    )
    made.attributes["connection"] = connection
    return made


def migrate(engine: Engine, to: str = "head", *, may_lose: bool = True) -> tuple[str, str]:
    """Migrate to a revision in one transaction, and return the revisions before and after.

    Args:
        engine: the database.
        to: the name of a revision, `head`, `base`, or a number of steps such as `-1` or `+1`.
        may_lose: whether a downgrade may drop columns and rows; otherwise it is rolled back.

    Raises:
        MigrationFailed: when this version does not know the database's revision, the revision `to`
            does not exist, or the migration would lose data without `may_lose`.
    """
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # SQLite rebuilds a table by dropping the old one, which would delete the rows that
            # refer to it.
            connection.connection.dbapi_connection.execute("PRAGMA foreign_keys = OFF")  # type: ignore[union-attr]
        else:
            # Large tables take longer than the service's statement timeout.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        before = current(connection)
        if not _is_known(before):
            raise MigrationFailed(AHEAD)
        after = target(before, to)
        try:
            if _position(after) < _position(before):
                _downgrade(connection, after, may_lose=may_lose)
            else:
                command.upgrade(config(connection), after)
        except CommandError as error:
            raise MigrationFailed(str(error)) from error
        if connection.dialect.name == "postgresql" and after == HEAD:
            make_indexes(connection)
        connection.commit()
    return before, after


def target(before: str, to: str) -> str:
    """Resolve `to` for a database at the revision `before`.

    Raises:
        MigrationFailed: when there is no such revision.
    """
    chain = (BASE, *REVISIONS)
    if to == "head":
        return HEAD
    if re.fullmatch("[+-][0-9]{1,4}", to):
        place = chain.index(before) + int(to)
        if not 0 <= place < len(chain):
            raise MigrationFailed(f"There are not so many revisions from {before}.")
        return chain[place]
    if to not in chain:
        raise MigrationFailed(f"There is no such revision. The revisions are {', '.join(chain)}.")
    return to


def _downgrade(connection: Connection, to: str, *, may_lose: bool) -> None:
    before = {} if may_lose else _content(connection)
    command.downgrade(config(connection), to)
    after = {} if may_lose else _content(connection)
    lost = []
    for table, (columns, rows) in before.items():
        kept_columns, kept_rows = after.get(table, (set(), 0))
        if table not in after:
            lost.append(f"the table {table} ({rows} rows)")
        elif gone := sorted(columns - kept_columns):
            lost.append(f"{table}.{', '.join(gone)}")
        elif kept_rows < rows:
            lost.append(f"{rows - kept_rows} rows of {table}")
    if lost:
        raise MigrationFailed(f"With --yes this loses {'; '.join(lost)}. Nothing was changed.")


def _content(connection: Connection) -> dict[str, tuple[set[str], int]]:
    """Return each table's columns and number of rows, without search indexes."""
    found = {}
    inspector = inspect(connection)
    for table in sorted(inspector.get_table_names()):
        if table != "alembic_version" and not is_search_object(table):
            columns = {column["name"] for column in inspector.get_columns(table)}
            rows = select(func.count()).select_from(quoted_table(table))
            found[table] = (columns, connection.scalar(rows) or 0)
    return found


def current(connection: Connection) -> str:
    """Return the revision stored in the database, or `base` if there is none."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return BASE
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or BASE


def _is_known(revision: str) -> bool:
    return revision == BASE or revision in REVISIONS


def _position(revision: str) -> int:
    """Return the index of a revision in the chain; `base` is -1."""
    return REVISIONS.index(revision) if revision in REVISIONS else -1
