"""The bulk insert and bulk update of a table's rows, by SQLAlchemy's `executemany`."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Insert, Table, Update, bindparam, insert, update

Rows = Sequence[dict[str, Any]]
"""Rows with the same keys, which are column names.

Rows for an update have two more keys, `ROW_ID` and `EXPECTED_VERSION`: the id, and the version that
the row must still have (optimistic lock).
"""

ROW_ID, EXPECTED_VERSION = "row_id", "expected_version"


class BulkWriter:
    """Write rows with `executemany`: a single-row statement is executed for each of them."""

    def insert(self, connection: Connection, table: Table, rows: Rows) -> None:
        """Insert new rows."""
        connection.execute(_insertion(table), rows)

    def update(self, connection: Connection, table: Table, rows: Rows) -> int:
        """Update rows, and return how many still had the expected version."""
        names = tuple(name for name in rows[0] if name not in (ROW_ID, EXPECTED_VERSION))
        changed: int = connection.execute(_updating(table, names), rows).rowcount
        return changed


@lru_cache
def _insertion(table: Table) -> Insert:
    return insert(table)


@lru_cache(maxsize=256)
def _updating(table: Table, names: tuple[str, ...]) -> Update:
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    same = (table.c.id == bindparam(ROW_ID), table.c.version == bindparam(EXPECTED_VERSION))
    return update(table).where(*same).values(values)
