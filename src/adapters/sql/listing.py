"""Lists: from a filter and a slice to one statement that an index can walk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)

from adapters.sql.database import Rows
from domain.base import COUNT_LIMIT, Slice

Conditions = Mapping[str, Callable[[Any], ColumnElement[bool]]]
"""For each member of a filter the condition it stands for.

A condition takes its value from a parameter that is named after the member, so that one statement
serves all values; a truth value, or a member of an enumeration, is given to it, since it may change
the statement itself.
"""

Filters = tuple[tuple[str, bool | Enum | None], ...]
"""The members of a filter that are set, each with its value if that is given to the condition."""


def like(text: str) -> str:
    """Return the pattern that contains the text, its wildcards taken literally."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


@dataclass(frozen=True)
class Sort:
    """A column to sort by; `nullable` if rows may have no value in it."""

    column: ColumnElement[Any]
    nullable: bool = False


@dataclass(frozen=True)
class Shape:
    """What makes one list statement differ from another, values aside."""

    filters: Filters
    sort: str
    descending: bool
    after: str
    skips: bool
    counts: bool

    @classmethod
    def of(cls, filters: Mapping[str, Any], slice: Slice) -> "Shape":
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
        )

    def where(self, conditions: Conditions) -> list[ColumnElement[bool]]:
        """Return the conditions that the filters stand for."""
        return [conditions[name](value) for name, value in self.filters]


def page_values(slice: Slice) -> dict[str, Any]:
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
    columns: Rows, id: ColumnElement[Any], sort: Sort, shape: Shape, conditions: Conditions
) -> Rows:
    """Return the statement for a page: the columns of the select, then the sort value.

    With a count the first column is how many rows there are, counted up to a bound, and there is
    always a row, of NULLs when the page is empty.
    """
    where = shape.where(conditions)
    rows = columns.add_columns(sort.column.label("sort_value")).where(*where)
    # Within a segment the index gives the order; only the segments have one among themselves.
    within = Sort(sort.column)
    parts = [_ordered(part, id, within, shape) for part in _segments(rows, id, sort, shape)]
    if len(parts) == 1:
        page = parts[0].limit(_number("page_rows"))
        page = page.offset(_number("page_skip")) if shape.skips else page
        if not shape.counts:
            return page
        inner = page.subquery("page")
    else:
        reach = [part.limit(_number("page_reach")).subquery() for part in parts]
        both = union_all(*(select(part) for part in reach)).subquery("both")
        whole = Sort(both.c.sort_value, nullable=True)
        page = _ordered(select(both), both.c.id, whole, shape).limit(_number("page_rows"))
        page = page.offset(_number("page_skip")) if shape.skips else page
        if not shape.counts:
            return page
        inner = page.subquery("page")
    some: Rows = columns.with_only_columns(literal_column("1"), maintain_column_froms=True).where(
        *where
    )
    bounded = some.limit(COUNT_LIMIT + 1).subquery("some")
    total = select(func.count().label("total")).select_from(bounded).subquery("counted")
    counted = select(total.c.total, inner).select_from(total.outerjoin(inner, true()))
    return _ordered(counted, inner.c.id, Sort(inner.c.sort_value, sort.nullable), shape)


def _segments(rows: Rows, id: ColumnElement[Any], sort: Sort, shape: Shape) -> list[Rows]:
    """Return the rows after the cursor, those with a sort value and those without apart.

    Kept apart, each is a range of the index on (sort value, id); a row value compares both at once
    and is never true of a missing one.
    """
    value: BindParameter[Any] = bindparam("after_value", type_=sort.column.type)
    end = tuple_(value, bindparam("after_id", type_=Uuid()))
    place = tuple_(sort.column, id)
    beyond = place < end if shape.descending else place > end
    if not sort.nullable:
        return [rows if shape.after == "start" else rows.where(beyond)]
    missing = rows.where(sort.column.is_(None))
    if shape.after == "start":
        return [rows.where(sort.column.is_not(None)), missing]
    if shape.after == "value":
        return [rows.where(beyond), missing]
    after_id: BindParameter[Any] = bindparam("after_id", type_=Uuid())
    return [missing.where(id < after_id if shape.descending else id > after_id)]


def _ordered(rows: Rows, id: ColumnElement[Any], sort: Sort, shape: Shape) -> Rows:
    order: list[ColumnElement[Any]] = [sort.column, id]
    if shape.descending:
        order = [sort.column.desc(), id.desc()]
    if sort.nullable:
        order[:0] = [sort.column.is_(None)]
    return rows.order_by(*order)


def _number(name: str) -> BindParameter[int]:
    return bindparam(name, type_=Integer())
