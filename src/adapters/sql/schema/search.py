"""Searching texts: what a search asks for, and the indexes of trigrams that each database keeps.

A trigram is three characters in a row. PostgreSQL keeps an index of them itself, where it has the
extension pg_trgm; in SQLite one is kept beside each table by triggers.
"""

from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    and_,
    bindparam,
    case,
    column,
    false,
    func,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.exc import OperationalError, ProgrammingError

from adapters.sql.database import Selected

SEARCHED = ("tasks", "users", "posts", "products", "devices")
"""The tables with a `search_text`."""

FEW = 1_000
"""So many rows are sorted as quickly as an order is walked until a page is full."""

TRIGRAM = 3

SAMPLES = 500
"""So many texts of a table tell PostgreSQL how frequent a word is. Of the usual hundred none has a
word, often enough, that one row in a hundred has; then all its rows are fetched to be sorted."""


def like(wanted: str) -> str:
    """Return the pattern that contains the text, its wildcards taken literally."""
    escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def contains(column: Column[Any], name: str) -> Callable[[Any], ColumnElement[bool]]:
    """Return the condition that a folded column contains the text in a parameter."""
    return lambda _: column.like(bindparam(name, type_=Text()), escape="\\")


def trigrams(wanted: str) -> str:
    """Return what SQLite's index is asked for: each trigram of the text, as a string (FTS5, 3.1).

    Whatever contains the text has all of them, though not everything that has them contains it.
    """
    places = range(len(wanted) - TRIGRAM + 1)
    parts = dict.fromkeys(wanted[place : place + TRIGRAM] for place in places)
    return " ".join('"{}"'.format(part.replace('"', '""')) for part in parts)


class Searches(Enum):
    """What a list is searched for, as far as it matters to the statement."""

    NOT = "nothing"
    SHORT = "a text that no index of trigrams has"
    LONG = "a text of a trigram or more"

    @classmethod
    def of(cls, wanted: str | None) -> "Searches":
        """Return how it is searched for a folded text."""
        if wanted is None:
            return cls.NOT
        return cls.SHORT if len(wanted) < TRIGRAM else cls.LONG


def hidden(conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Return conditions in a function, where no database takes them for a way by an index."""
    return func.coalesce(and_(*conditions), false())


class Candidates:
    """Rows that may contain what is searched for, found without the order: all, or more than `FEW`.

    A few are sorted at once. Of many the first are soon met with when the order is walked.
    """

    def __init__(self, ids: Selected) -> None:
        self._found = ids.limit(FEW + 1).cte("found").prefix_with("MATERIALIZED")
        self._are_few = select(func.count()).select_from(self._found).scalar_subquery() <= FEW

    def among(
        self, rows: Selected, id: ColumnElement[Any], where: list[ColumnElement[bool]]
    ) -> Selected:
        """Return those candidates that meet the conditions, in a select that looks at no others."""
        return rows.where(id.in_(select(self._found.c.id)), hidden(where)).limit(FEW + 1)

    def either(self, few: Selected, many: Selected, limit: ColumnElement[int]) -> list[Selected]:
        """Return two selects up to a limit, of which the one is empty that does not apply."""
        # A select that is limited to nothing is not even begun. The inner limit is for a database
        # that plans by it.
        few, many = (select(each.limit(limit).subquery()) for each in (few, many))
        return [
            few.limit(case((self._are_few, limit), else_=0)),
            many.limit(case((self._are_few, 0), else_=limit)),
        ]


def candidates(searched: Table, dialect: str, searches: Searches) -> Candidates | None:
    """Return the candidates for `q`, or `None` where the database chooses its way well by itself.

    What no index has is looked for in the table from its beginning.
    """
    if searches is Searches.SHORT:
        return Candidates(select(searched.c.id).where(contains(searched.c.search_text, "q")(None)))
    if searches is Searches.NOT or dialect == "postgresql":
        return None
    name = f"{searched.name}_search"
    index, rows = (
        table(name, column("rowid")),
        table(f"{name}_rows", column("number"), column("id")),
    )
    matches = literal_column(name).op("MATCH")(bindparam("q_trigrams", type_=Text()))
    ids = select(rows.c.id).join_from(index, rows, rows.c.number == index.c.rowid)
    return Candidates(ids.where(matches))


def keeps(name: str) -> bool:
    """Tell whether what has that name in the database is there for searching alone.

    The tables do not know of it: in SQLite migrations make it, in PostgreSQL `make_indexes`.
    """
    return name in _KEPT


# FTS5 keeps an index in tables of its own.
_PARTS = ("", "_rows", "_data", "_idx", "_config", "_insert", "_update", "_delete")
_KEPT = {f"{table}_search{part}" for table in SEARCHED for part in _PARTS} | {
    f"ix_{table}_search_text" for table in SEARCHED
}


def make_indexes(connection: Connection) -> None:
    """Make the indexes that are missing in PostgreSQL, if it has pg_trgm and lets us use it.

    Not every PostgreSQL has the extension, and not every owner of a database may create it. It can
    be had later than the tables; so this belongs to no revision and is done after each migration.
    Beside each index, more texts are sampled than usual.
    """
    with suppress(ProgrammingError, OperationalError), connection.begin_nested():
        if connection.scalar(text(_AVAILABLE)):
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    if connection.scalar(text(_USABLE)):
        for name in SEARCHED:
            index = f"CREATE INDEX IF NOT EXISTS ix_{name}_search_text ON {name}"
            connection.execute(text(f"{index} USING gin (search_text gin_trgm_ops)"))
            if connection.scalar(text(_UNSAMPLED), {"name": name, "samples": SAMPLES}):
                sampled = f"ALTER TABLE {name} ALTER search_text SET STATISTICS {SAMPLES}"
                connection.execute(text(sampled))
                connection.execute(text(f"ANALYZE {name} (search_text)"))


_AVAILABLE = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
_UNSAMPLED = """
SELECT attstattarget IS DISTINCT FROM :samples FROM pg_attribute
WHERE attrelid = CAST(:name AS regclass) AND attname = 'search_text'
"""
_USABLE = "SELECT 1 FROM pg_opclass WHERE opcname = 'gin_trgm_ops' AND pg_opclass_is_visible(oid)"
