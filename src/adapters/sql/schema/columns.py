"""Columns that several tables have."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, Uuid

from adapters.sql.schema.types import UtcDateTime


def entity_columns() -> list[Column[Any]]:
    """Return the columns that every aggregate has."""
    return [
        Column("id", Uuid, primary_key=True),
        Column("version", Integer, nullable=False),
        Column("created_at", UtcDateTime, nullable=False),
        Column("updated_at", UtcDateTime, nullable=False),
    ]


def id_column(name: str, table: str, *, nullable: bool) -> Column[Any]:
    """Return a foreign key column.

    The constraint is deferred to the end of the transaction, so that the order of writes within it
    does not matter.
    """
    there = ForeignKey(f"{table}.id", deferrable=True, initially="DEFERRED")
    return Column(name, Uuid, there, nullable=nullable)


def user_column(name: str, *, nullable: bool) -> Column[Any]:
    """Return a foreign key column that refers to a user."""
    return id_column(name, "users", nullable=nullable)
