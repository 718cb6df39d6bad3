"""Running the migrations, on either database."""

from pathlib import Path

import migrations
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from adapters.sql.database import AHEAD, HEAD, REVISIONS
from adapters.sql.search import make_indexes
from service_layer.errors import MigrationFailed

BASE = "base"
"""Alembic's name for a database without tables."""


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, with the connection that the migrations are to use."""
    made = Config()
    made.set_main_option(
        "script_location", str(Path(migrations.__file__).parent).replace("%", "%%")
    )
    made.attributes["connection"] = connection
    return made


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to a revision, in one transaction: all of it happens or nothing.

    Raises:
        MigrationFailed: when the database is at a revision that this version does not know.
    """
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # A table that is rebuilt would otherwise take the rows that refer to it along.
            connection.connection.dbapi_connection.execute("PRAGMA foreign_keys = OFF")  # type: ignore[union-attr]
        else:
            # Large tables take longer than the service may for anything else.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        try:
            if not _is_known(found := current(connection)):
                raise MigrationFailed(AHEAD)
            if revision != "head" and _position(revision) < _position(found):
                command.downgrade(config(connection), revision)
            else:
                command.upgrade(config(connection), revision)
        except CommandError as error:
            raise MigrationFailed(str(error)) from error
        if connection.dialect.name == "postgresql" and current(connection) == HEAD:
            make_indexes(connection)
        connection.commit()


def current(connection: Connection) -> str:
    """Return the revision stored in the database, or `base` if there is none."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return BASE
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or BASE


def _is_known(revision: str) -> bool:
    return revision == BASE or revision in REVISIONS


def _position(revision: str) -> int:
    """Return the place of a revision in the chain; `base` comes before the first."""
    return REVISIONS.index(revision) if revision in REVISIONS else -1
