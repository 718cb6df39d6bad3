"""The tables, alike in SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    Uuid,
)

# Every constraint has a name on both databases, so that a migration can find it again.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Time(TypeDecorator[datetime]):
    """A moment in UTC: `timestamptz` in PostgreSQL, sortable text without a zone in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        # PostgreSQL answers in the zone of the session, which its surroundings can set.
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


# Folded text is compared by code point: SQLite does so by itself, PostgreSQL by its collation "C".
Folded = Text().with_variant(Text(collation="C"), "postgresql")


def entity_columns() -> list[Column[Any]]:
    """The columns that every aggregate has."""
    return [
        Column("id", Uuid, primary_key=True),
        Column("version", Integer, nullable=False),
        Column("created_at", Time, nullable=False),
        Column("updated_at", Time, nullable=False),
    ]


tasks = Table(
    "tasks",
    metadata,
    *entity_columns(),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("priority", Integer, nullable=False),
    Column("due_on", Date),
    Column("completed_at", Time),
    # What sorting and searching compare, written with each change of what it is made from.
    Column("title_key", Folded, nullable=False),
    Column("search_text", Folded, nullable=False),
    CheckConstraint("length(title) BETWEEN 1 AND 100", name="title_length"),
    CheckConstraint("length(description) <= 500", name="description_length"),
    CheckConstraint("priority BETWEEN 0 AND 9", name="priority_range"),
    Index(None, "created_at", "id"),
    Index(None, "priority", "id"),
    Index(None, "due_on", "id"),
    Index(None, "title_key", "id"),
)
