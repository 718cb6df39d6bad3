"""Lists: from a filter and a slice to one statement that an index can walk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    CompoundSelect,
    Integer,
    Join,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.sql.util import ClauseAdapter
from sqlalchemy.sql.visitors import iterate

from adapters.sql.database import Selected
from adapters.sql.schema.search import Candidates, Searches, hidden
from domain.base import COUNT_LIMIT, PageRequest

Conditions = Mapping[str, Callable[[Any], ColumnElement[bool]]]
"""For each member of a filter the condition it stands for.

A condition takes its value from a parameter that is named after the member, so that one statement
serves all values; a truth value, or a member of an enumeration, is given to it, since it may change
the statement itself.
"""

Filters = tuple[tuple[str, bool | Enum | None], ...]
"""The members of a filter that are set, each with its value if that is given to the condition."""


@dataclass(frozen=True)
class SortColumn:
    """A column to sort by; `nullable` if rows may have no value in it."""

    column: ColumnElement[Any]
    nullable: bool = False


@dataclass(frozen=True)
class QueryShape:
    """What makes one list statement differ from another, values aside."""

    filters: Filters
    sort: str
    descending: bool
    after: str
    skips: bool
    counts: bool
    searches: Searches

    @classmethod
    def of(
        cls, filters: Mapping[str, Any], slice: PageRequest, searches: Searches = Searches.NOT
    ) -> "QueryShape":
        """Return the shape of a request; `filters` holds the members that are set."""
        return cls(
            filters=tuple(
                (n, v if isinstance(v, bool | Enum) else None) for n, v in filters.items()
            ),
            sort=slice.sort,
            descending=slice.descending,
            after="start" if slice.after is None else "null" if slice.after[0] is None else "value",
            skips=slice.skip > 0,
            counts=slice.count,
            searches=searches,
        )

    def where(self, conditions: Conditions) -> list[ColumnElement[bool]]:
        """Return the conditions that the filters stand for."""
        return [conditions[name](value) for name, value in self.filters]


def page_values(slice: PageRequest) -> dict[str, Any]:
    """Return the values of a page statement's own parameters."""
    values: dict[str, Any] = {"page_rows": slice.limit + 1}
    if slice.skip:
        values |= {"page_skip": slice.skip, "page_reach": slice.skip + slice.limit + 1}
    else:
        values |= {"page_reach": slice.limit + 1}
    if slice.after is not None:
        values |= {"after_value": slice.after[0], "after_id": slice.after[1]}
    return values


def page_select(
    columns: Selected,
    id: Column[Any],
    sort: SortColumn,
    shape: QueryShape,
    conditions: Conditions,
    candidates: Candidates | None = None,
) -> Selected:
    """Return the statement for a page: the columns of the select, then the sort value.

    With a count the first column is how many rows there are, counted up to a bound, and there is
    always a row, of NULLs when the page is empty. Where there are candidates, a few are sorted, and
    only among many is the order walked until the page is full.
    """
    where = shape.where(conditions)
    own = _without_joins(columns, id)
    rows = own.add_columns(sort.column.label("sort_value"))
    parts: list[Selected] = []
    for segment in _segments(id, sort, shape):
        # Within a segment the index gives the order; only the segments have one among themselves.
        walked = _ordered(rows.where(*where, *segment), id, SortColumn(sort.column), shape)
        if candidates is None:
            parts.append(walked.limit(_number("page_reach")))
        else:
            some = candidates.among(rows, id, [*where, *segment]).subquery()
            few = _ordered(select(some), some.c.id, SortColumn(some.c.sort_value), shape)
            parts += candidates.either(few, walked, _number("page_reach"))
    # The rows of one part alone either all have a sort value or all have none.
    nullable = sort.nullable and len(parts) > 1
    if len(parts) == 1:
        page = parts[0]
    else:
        both = _union(parts).subquery("both")
        page = _ordered(select(both), both.c.id, SortColumn(both.c.sort_value, nullable), shape)
    page = page.limit(_number("page_rows"))
    page = page.offset(_number("page_skip")) if shape.skips else page
    if own is not columns:
        bare = page.subquery("bare")
        beside = ClauseAdapter(bare).traverse(columns).add_columns(bare.c.sort_value)
        page = _ordered(beside, bare.c.id, SortColumn(bare.c.sort_value, nullable), shape)
    if not shape.counts:
        return page
    inner = page.subquery("page")
    total = _total(own, id, where, candidates).subquery("counted")
    counted = select(total.c.total, inner).select_from(total.outerjoin(inner, true()))
    return _ordered(counted, inner.c.id, SortColumn(inner.c.sort_value, nullable), shape)


def _without_joins(columns: Selected, id: Column[Any]) -> Selected:
    """Return the select of what the table that has the id tells by itself, without joins.

    What comes by a join is looked up for the rows of the page alone, when they are known.
    """
    table = columns.get_final_froms()[0]
    if not isinstance(table, Join):
        return columns
    parts = iterate(columns)
    needed = {part for part in parts if isinstance(part, Column) and part.table is id.table}
    return select(*(column for column in id.table.c if column in needed))


def _total(
    rows: Selected,
    id: ColumnElement[Any],
    where: list[ColumnElement[bool]],
    candidates: Candidates | None,
) -> Selected:
    """Return the select of how many rows there are, counted up to the bound."""
    one: ColumnElement[int] = literal_column("1")
    ones: Selected = rows.with_only_columns(one.label("one"), maintain_column_froms=True)
    limit: ColumnElement[int] = literal_column(str(COUNT_LIMIT + 1))
    parts = [ones.where(*where).limit(limit)]
    if candidates is not None:
        # An index on something else would lead through the whole table in its own order.
        few, many = candidates.among(ones, id, where), ones.where(hidden(where))
        parts = candidates.either(few, many, limit)
    some = parts[0] if len(parts) == 1 else _union(parts)
    return select(func.count().label("total")).select_from(some.subquery("some"))


def _union(parts: list[Selected]) -> CompoundSelect[*tuple[Any, ...]]:
    return union_all(*(select(part.subquery()) for part in parts))


def _segments(
    id: ColumnElement[Any], sort: SortColumn, shape: QueryShape
) -> list[list[ColumnElement[bool]]]:
    """Return the conditions of the rows after the cursor, those without a sort value apart.

    Kept apart, each is a range of the index on (sort value, id); a row value compares both at once
    and is never true of a missing one.
    """
    value: BindParameter[Any] = bindparam("after_value", type_=sort.column.type)
    end = tuple_(value, bindparam("after_id", type_=Uuid()))
    place = tuple_(sort.column, id)
    beyond = place < end if shape.descending else place > end
    if not sort.nullable:
        return [[] if shape.after == "start" else [beyond]]
    missing = sort.column.is_(None)
    if shape.after == "start":
        return [[sort.column.is_not(None)], [missing]]
    if shape.after == "value":
        return [[beyond], [missing]]
    after_id: BindParameter[Any] = bindparam("after_id", type_=Uuid())
    return [[missing, id < after_id if shape.descending else id > after_id]]


def _ordered(
    rows: Selected, id: ColumnElement[Any], sort: SortColumn, shape: QueryShape
) -> Selected:
    order: list[ColumnElement[Any]] = [sort.column, id]
    if shape.descending:
        order = [sort.column.desc(), id.desc()]
    if sort.nullable:
        order[:0] = [sort.column.is_(None)]
    return rows.order_by(*order)


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=Integer())
