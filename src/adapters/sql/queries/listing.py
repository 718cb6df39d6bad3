"""List statements with keyset pagination: a filter and a page request become an index walk."""

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
from adapters.sql.schema.search import Candidates, SearchMode, not_indexable
from domain.base import COUNT_LIMIT, PageRequest

Conditions = Mapping[str, Callable[[Any], ColumnElement[bool]]]
"""The SQL condition of each filter attribute.

A condition takes its value from a parameter named after the attribute, so that one statement serves
all values. Booleans and enumeration members are passed to the function instead, because they may
change the statement.
"""

Filters = tuple[tuple[str, bool | Enum | None], ...]
"""The set attributes of a filter, each with its value if that is a boolean or enumeration."""


@dataclass(frozen=True)
class SortColumn:
    """A column to sort by; `nullable` if it may be NULL."""

    column: ColumnElement[Any]
    nullable: bool = False


@dataclass(frozen=True)
class QueryShape:
    """The cache key of a list statement: everything but the parameter values."""

    filters: Filters
    sort: str
    descending: bool
    after: str
    skips: bool
    counts: bool
    searches: SearchMode

    @classmethod
    def of(
        cls,
        filters: Mapping[str, Any],
        page_request: PageRequest,
        searches: SearchMode = SearchMode.NONE,
    ) -> "QueryShape":
        """Return the shape of a request; `filters` holds the set attributes."""
        return cls(
            filters=tuple(
                (n, v if isinstance(v, bool | Enum) else None) for n, v in filters.items()
            ),
            sort=page_request.sort,
            descending=page_request.descending,
            after="start"
            if page_request.after is None
            else "null"
            if page_request.after[0] is None
            else "value",
            skips=page_request.skip > 0,
            counts=page_request.count,
            searches=searches,
        )

    def where(self, conditions: Conditions) -> list[ColumnElement[bool]]:
        """Return the SQL conditions of the filters."""
        return [conditions[name](value) for name, value in self.filters]


def page_values(page_request: PageRequest) -> dict[str, Any]:
    """Return the values of a page statement's own parameters."""
    values: dict[str, Any] = {"page_rows": page_request.limit + 1}
    if page_request.skip:
        values |= {
            "page_skip": page_request.skip,
            "page_reach": page_request.skip + page_request.limit + 1,
        }
    else:
        values |= {"page_reach": page_request.limit + 1}
    if page_request.after is not None:
        values |= {"after_value": page_request.after[0], "after_id": page_request.after[1]}
    return values


def page_select(
    columns: Selected,
    id: Column[Any],
    sort: SortColumn,
    shape: QueryShape,
    conditions: Conditions,
    candidates: Candidates | None = None,
) -> Selected:
    """Build the statement for a page: the columns of the select, then the sort value.

    With a count, the first column is the total, counted up to a bound. There is then always at
    least one row, with NULLs in the other columns if the page is empty. With search candidates, few
    of them are sorted; among many, the sort index is walked until the page is full.
    """
    where = shape.where(conditions)
    own = _without_joins(columns, id)
    rows = own.add_columns(sort.column.label("sort_value"))
    parts: list[Selected] = []
    for segment in _segments(id, sort, shape):
        # The index yields the order within a segment; only the segments must be sorted.
        walked = _ordered(rows.where(*where, *segment), id, SortColumn(sort.column), shape)
        if candidates is None:
            parts.append(walked.limit(_number("page_reach")))
        else:
            some = candidates.among(rows, id, [*where, *segment]).subquery()
            few = _ordered(select(some), some.c.id, SortColumn(some.c.sort_value), shape)
            parts += candidates.either(few, walked, _number("page_reach"))
    # The rows of a single segment either all have a sort value or all lack one.
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
    """Return the select without joins, from the table that has the id.

    Joined columns are then looked up for the rows of the page only.
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
    """Return the select of the row count, up to the bound."""
    one: ColumnElement[int] = literal_column("1")
    ones: Selected = rows.with_only_columns(one.label("one"), maintain_column_froms=True)
    limit: ColumnElement[int] = literal_column(str(COUNT_LIMIT + 1))
    parts = [ones.where(*where).limit(limit)]
    if candidates is not None:
        # `not_indexable` prevents a scan of the whole table in the order of an unrelated index.
        few, many = candidates.among(ones, id, where), ones.where(not_indexable(where))
        parts = candidates.either(few, many, limit)
    some = parts[0] if len(parts) == 1 else _union(parts)
    return select(func.count().label("total")).select_from(some.subquery("some"))


def _union(parts: list[Selected]) -> CompoundSelect[*tuple[Any, ...]]:
    return union_all(*(select(part.subquery()) for part in parts))


def _segments(
    id: ColumnElement[Any], sort: SortColumn, shape: QueryShape
) -> list[list[ColumnElement[bool]]]:
    """Return the conditions for rows after the cursor, as separate segments with and without value.

    Each segment is a range of the index on (sort value, id). A single row-value comparison would
    never be true for NULL.
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
