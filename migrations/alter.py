"""Altering tables in migrations, on either database."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations


@contextmanager
def alter_table(name: str) -> Iterator[BatchOperations]:
    """Alter a table like `op.batch_alter_table`, and keep its triggers.

    SQLite cannot alter much, so Alembic copies the table and drops the old one, and with it the
    triggers that keep the search index.
    """
    connection = op.get_bind()
    triggers: list[str] = []
    if connection.dialect.name == "sqlite":
        made = sa.text(
            "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = :name"
            " ORDER BY name"
        )
        triggers = list(connection.execute(made, {"name": name}).scalars())
    with op.batch_alter_table(name) as table:
        yield table
    for trigger in triggers:
        connection.exec_driver_sql(trigger)
