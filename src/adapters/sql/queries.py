"""The read ports over a SQL database: one statement each, compiled once for each shape."""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Date,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    false,
    func,
    not_,
    select,
)

from adapters.sql.database import Row, SqlDatabase, Statement
from adapters.sql.listing import Conditions, Shape, Sort, like, page_select, page_values
from adapters.sql.tables import tasks
from domain.base import Page, Slice
from domain.tasks import TaskFilter
from domain.values import fold
from service_layer.queries import TaskCounts, TaskQueries, TaskView

_completed = tasks.c.completed_at.is_not(None)
_overdue = and_(tasks.c.completed_at.is_(None), tasks.c.due_on < bindparam("today", type_=Date()))

_columns = select(
    tasks.c.id,
    tasks.c.version,
    tasks.c.created_at,
    tasks.c.updated_at,
    tasks.c.title,
    tasks.c.description,
    tasks.c.priority,
    tasks.c.due_on,
    _completed.label("completed"),
    tasks.c.completed_at,
    func.coalesce(_overdue, false(), type_=Boolean()).label("overdue"),
)

_conditions: Conditions = {
    "completed": lambda value: _completed if value else tasks.c.completed_at.is_(None),
    "priority": lambda _: tasks.c.priority == bindparam("priority", type_=Integer()),
    "min_priority": lambda _: tasks.c.priority >= bindparam("min_priority", type_=Integer()),
    "due_before": lambda _: tasks.c.due_on < bindparam("due_before", type_=Date()),
    "overdue": lambda value: _overdue if value else not_(func.coalesce(_overdue, false())),
    "q": lambda _: tasks.c.search_text.like(bindparam("q", type_=Text()), escape="\\"),
}

_sorts: Mapping[str, Sort] = {
    "created_at": Sort(tasks.c.created_at),
    "priority": Sort(tasks.c.priority),
    "due_on": Sort(tasks.c.due_on, nullable=True),
    "title": Sort(tasks.c.title_key),
}


def _task(row: Row) -> TaskView:
    (id, version, created, updated, title, description, priority, due, done, done_at, late) = row
    return TaskView(
        id=id,
        version=version,
        created_at=created,
        updated_at=updated,
        title=title,
        description=description,
        priority=priority,
        due_on=due,
        completed=done,
        completed_at=done_at,
        overdue=late,
    )


class SqlTaskQueries(TaskQueries):
    """Reads of tasks in a table."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        one = _columns.where(tasks.c.id == bindparam("id", type_=Uuid()))
        self._one = Statement(one, database.dialect)
        self._page = lru_cache(maxsize=512)(self._page_statement)
        self._counts = lru_cache(maxsize=128)(self._counts_statement)

    async def get(self, id: UUID, today: date) -> TaskView | None:
        rows = await self._database.fetch(self._one, {"id": id, "today": today}, short=True)
        return _task(rows[0]) if rows else None

    async def list(self, filter: TaskFilter, slice: Slice) -> Page[TaskView]:
        filters = _set(filter)
        shape = Shape.of(filters, slice)
        values = {**_values(filter, filters), **page_values(slice)}
        short = not (filters or shape.skips or shape.counts)
        rows = await self._database.fetch(self._page(shape), values, short=short)
        total = None
        if slice.count:
            total = rows[0][0]
            rows = [row[1:] for row in rows if row[1] is not None]
        items = [_task(row[:-1]) for row in rows[: slice.limit]]
        last = (rows[slice.limit - 1][-1], items[-1].id) if len(rows) > slice.limit else None
        return Page(items=items, last=last, total=total)

    async def count(self, filter: TaskFilter) -> TaskCounts:
        filters = _set(filter)
        shape = Shape.of(filters, Slice(sort="created_at"))
        values = _values(filter, filters)
        rows = await self._database.fetch(self._counts(shape.filters), values, short=False)
        total, completed, overdue = rows[0]
        return TaskCounts(
            total=total, completed=completed, pending=total - completed, overdue=overdue
        )

    def _page_statement(self, shape: Shape) -> Statement:
        page = page_select(_columns, tasks.c.id, _sorts[shape.sort], shape, _conditions)
        return Statement(page, self._database.dialect)

    def _counts_statement(self, filters: tuple[tuple[str, bool | None], ...]) -> Statement:
        counts = select(
            func.count(),
            func.count(tasks.c.completed_at),
            func.count(case((_overdue, 1))),
        ).where(*(_conditions[name](value) for name, value in filters))
        return Statement(counts, self._database.dialect)


def _set(filter: TaskFilter) -> dict[str, Any]:
    """Return the members of a filter that are set."""
    return {name: value for name in _conditions if (value := getattr(filter, name)) is not None}


def _values(filter: TaskFilter, filters: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {"today": filter.today, **filters}
    if filter.q is not None:
        values["q"] = like(fold(filter.q))
    return values
