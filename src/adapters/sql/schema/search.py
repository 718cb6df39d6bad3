"""Substring search: patterns, and the trigram index of each searched table.

A trigram is a sequence of three characters. PostgreSQL has trigram indexes with the extension
pg_trgm. In SQLite, triggers maintain an FTS5 table (full-text index) beside each searched table.
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

SORT_THRESHOLD = 1_000
"""Number of candidates up to which sorting is as fast as a walk of the sort index."""

TRIGRAM = 3

SAMPLES = 500
"""Statistics target: number of values that ANALYZE samples for the frequency of a word.

PostgreSQL's default of 100 often misses a word that one row in a hundred has. It then
underestimates the matches and fetches all of them to sort.
"""


def like(wanted: str) -> str:
    """Return the LIKE pattern for texts that contain `wanted`, with wildcards escaped."""
    escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def contains(column: Column[Any], name: str) -> Callable[[Any], ColumnElement[bool]]:
    """Return the condition that a folded column contains the text in a parameter."""
    return lambda _: column.like(bindparam(name, type_=Text()), escape="\\")


def trigrams(wanted: str) -> str:
    """Return the FTS5 query for all trigrams of the text, each as a string (FTS5, 3.1).

    A match is necessary for containing the text, but not sufficient.
    """
    places = range(len(wanted) - TRIGRAM + 1)
    parts = dict.fromkeys(wanted[place : place + TRIGRAM] for place in places)
    return " ".join('"{}"'.format(part.replace('"', '""')) for part in parts)


class SearchMode(Enum):
    """How a list is searched, as far as the statement depends on it."""

    NONE = "nothing"
    SCAN = "a text that no index of trigrams has"
    INDEX = "a text of a trigram or more"

    @classmethod
    def of(cls, wanted: str | None) -> "SearchMode":
        """Return the mode for a folded search text."""
        if wanted is None:
            return cls.NONE
        return cls.SCAN if len(wanted) < TRIGRAM else cls.INDEX


def not_indexable(conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Wrap conditions in a function, which hides them from the query planner's choice of index."""
    return func.coalesce(and_(*conditions), false())


class Candidates:
    """Rows that may match a search, in no order: all of them, or `SORT_THRESHOLD` + 1.

    Up to `SORT_THRESHOLD` candidates are sorted. If there are more, a walk of the sort index soon
    finds the first matches.
    """

    def __init__(self, ids: Selected) -> None:
        self._found = ids.limit(SORT_THRESHOLD + 1).cte("found").prefix_with("MATERIALIZED")
        self._are_few = (
            select(func.count()).select_from(self._found).scalar_subquery() <= SORT_THRESHOLD
        )

    def among(
        self, rows: Selected, id: ColumnElement[Any], where: list[ColumnElement[bool]]
    ) -> Selected:
        """Return the candidates that meet the conditions, from a select limited to candidates."""
        return rows.where(id.in_(select(self._found.c.id)), not_indexable(where)).limit(
            SORT_THRESHOLD + 1
        )

    def either(self, few: Selected, many: Selected, limit: ColumnElement[int]) -> list[Selected]:
        """Return two limited selects, of which the one that does not apply is empty."""
        # A select with LIMIT 0 is not executed. The inner limit informs the query planner.
        few, many = (select(each.limit(limit).subquery()) for each in (few, many))
        return [
            few.limit(case((self._are_few, limit), else_=0)),
            many.limit(case((self._are_few, 0), else_=limit)),
        ]


def candidates(searched: Table, dialect: str, searches: SearchMode) -> Candidates | None:
    """Return the candidates for `q`, or `None` if the query planner chooses well without them.

    A search text shorter than a trigram is found by a scan of the table.
    """
    if searches is SearchMode.SCAN:
        return Candidates(select(searched.c.id).where(contains(searched.c.search_text, "q")(None)))
    if searches is SearchMode.NONE or dialect == "postgresql":
        return None
    name = f"{searched.name}_search"
    index, rows = (
        table(name, column("rowid")),
        table(f"{name}_rows", column("number"), column("id")),
    )
    matches = literal_column(name).op("MATCH")(bindparam("q_trigrams", type_=Text()))
    ids = select(rows.c.id).join_from(index, rows, rows.c.number == index.c.rowid)
    return Candidates(ids.where(matches))


def is_search_object(name: str) -> bool:
    """Tell whether a database object belongs to a search index.

    The table metadata does not contain these objects. In SQLite the migrations create them, in
    PostgreSQL `make_indexes`.
    """
    return name in _KEPT


# FTS5 stores an index in several shadow tables; `_rows` and the triggers are the service's own.
_PARTS = ("", "_rows", "_data", "_idx", "_config", "_insert", "_update", "_delete")
_KEPT = {f"{table}_search{part}" for table in SEARCHED for part in _PARTS} | {
    f"ix_{table}_search_text" for table in SEARCHED
}


def make_indexes(connection: Connection) -> None:
    """Create missing trigram indexes in PostgreSQL, if the extension pg_trgm is usable.

    Not every server has the extension, and not every database owner may create it. It may become
    available after the tables exist, so this belongs to no revision and runs after each migration.
    The statistics target of each indexed column is raised too.
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
