"""Table alterations for migrations, in both databases."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations


@contextmanager
def alter_table(name: str) -> Iterator[BatchOperations]:
    """Alter a table like `op.batch_alter_table`, and keep its triggers.

    SQLite supports few alterations, so Alembic copies the table and drops the old one, including
    the triggers of the search index. It cannot copy a table with generated columns (`devices`). Add
    and drop columns of that table with `op.add_column` and `op.drop_column`, which SQLite does in
    place.
    """
    before = _triggers(name)
    with op.batch_alter_table(name) as table:
        yield table
    # An alteration in place has kept the triggers.
    for trigger in before.keys() - _triggers(name).keys():
        op.get_bind().exec_driver_sql(before[trigger])


def _triggers(table: str) -> dict[str, str]:
    """Return the statements that create a table's triggers, by name."""
    if op.get_bind().dialect.name != "sqlite":
        return {}
    made = sa.text(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = :table"
    )
    return {row.name: row.sql for row in op.get_bind().execute(made, {"table": table})}
