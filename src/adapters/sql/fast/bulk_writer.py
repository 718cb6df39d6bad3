"""Rows: how many of one table are written at once."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Insert, Table, Update, bindparam, insert, update

Rows = Sequence[dict[str, Any]]
"""Rows that have the same members, by the names of their columns.

Those to be updated have two more, `ROW_ID` and `EXPECTED_VERSION`: the id, and the version that
the row must still have.
"""

ROW_ID, EXPECTED_VERSION = "which", "was"


class BulkWriter:
    """Writes rows by a statement for one, which the driver is given with the values of all."""

    def insert(self, connection: Connection, table: Table, rows: Rows) -> None:
        """Write new rows."""
        connection.execute(_insertion(table), rows)

    def update(self, connection: Connection, table: Table, rows: Rows) -> int:
        """Write changed rows, and return how many still had the version that they were to have."""
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
