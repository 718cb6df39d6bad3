"""Rows: how many of one table are written at once."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Insert, Table, Update, bindparam, insert, update

Rows = Sequence[dict[str, Any]]
"""Rows that have the same members, by the names of their columns.

Those to be changed have two more, `WHICH` and `WAS`: their id, and the version that they had.
"""

WHICH, WAS = "which", "was"


class RowWriter:
    """Writes rows by a statement for one, which the driver is given with the values of all."""

    def insert(self, connection: Connection, table: Table, rows: Rows) -> None:
        """Write new rows."""
        connection.execute(_insertion(table), rows)

    def update(self, connection: Connection, table: Table, rows: Rows) -> int:
        """Write changed rows, and return how many still had the version that they were to have."""
        names = tuple(name for name in rows[0] if name not in (WHICH, WAS))
        changed: int = connection.execute(_updating(table, names), rows).rowcount
        return changed


@lru_cache
def _insertion(table: Table) -> Insert:
    return insert(table)


@lru_cache(maxsize=256)
def _updating(table: Table, names: tuple[str, ...]) -> Update:
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    same = (table.c.id == bindparam(WHICH), table.c.version == bindparam(WAS))
    return update(table).where(*same).values(values)
