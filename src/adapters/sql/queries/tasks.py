"""Reads of tasks."""

from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

from sqlalchemy import (
    Boolean,
    Date,
    Integer,
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
from adapters.sql.queries.base import SqlQueries
from adapters.sql.queries.listing import Filters, QueryShape, SortColumn
from adapters.sql.queries.users import public_columns, public_user
from adapters.sql.schema.search import contains
from adapters.sql.schema.tables import tasks, users
from adapters.sql.schema.types import UtcDateTime
from domain.base import PageRequest
from domain.tasks import TaskFilter
from service_layer.queries.tasks import (
    TaskCounts,
    TaskQueries,
    TaskView,
    WeekCount,
    weeks_until,
)

_assignee, _creator = users.alias("assignee"), users.alias("creator")
_completed = tasks.c.completed_at.is_not(None)
_overdue = and_(tasks.c.completed_at.is_(None), tasks.c.due_on < bindparam("today", type_=Date()))


class SqlTaskQueries(SqlQueries[TaskView, TaskFilter], TaskQueries):
    """Read tasks, each with its assignee and creator."""

    view_columns = (
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
        tasks.c.assignee_id,
        tasks.c.product_id,
    )
    columns = select(
        *view_columns, *public_columns(_assignee), *public_columns(_creator)
    ).select_from(
        tasks.outerjoin(_assignee, _assignee.c.id == tasks.c.assignee_id).outerjoin(
            _creator, _creator.c.id == tasks.c.created_by_id
        )
    )
    id = tasks.c.id
    search_table = tasks
    conditions = {
        "completed": lambda value: _completed if value else tasks.c.completed_at.is_(None),
        "priority": lambda _: tasks.c.priority == bindparam("priority", type_=Integer()),
        "min_priority": lambda _: tasks.c.priority >= bindparam("min_priority", type_=Integer()),
        "assignee_id": lambda _: tasks.c.assignee_id == bindparam("assignee_id", type_=Uuid()),
        "due_before": lambda _: tasks.c.due_on < bindparam("due_before", type_=Date()),
        "overdue": lambda value: _overdue if value else not_(func.coalesce(_overdue, false())),
        "product_id": lambda _: tasks.c.product_id == bindparam("product_id", type_=Uuid()),
        "q": contains(tasks.c.search_text, "q"),
    }
    sorts = {
        "created_at": SortColumn(tasks.c.created_at),
        "priority": SortColumn(tasks.c.priority),
        "due_on": SortColumn(tasks.c.due_on, nullable=True),
        "title": SortColumn(tasks.c.title_key),
        # Only for completed tasks: each of them has the value, and the partial index has no others.
        "completed_at": SortColumn(tasks.c.completed_at),
    }

    def __init__(self, database: SqlDatabase) -> None:
        super().__init__(database)
        self._count = database.coalesced(self._fetch_count)
        self._counts = lru_cache(maxsize=128)(self._counts_statement)
        self._done = lru_cache(maxsize=8)(self._done_statement)

    def filter_parameters(self, filter: TaskFilter) -> dict[str, Any]:
        return {"today": filter.today}

    def row_parameters(self, now: datetime) -> dict[str, Any]:
        return {"today": now.date()}

    def view(self, row: Row) -> TaskView:
        members, beside = self.row_to_dict(row), self.view_width
        members["assignee"] = public_user(row[beside : beside + 4])
        members["created_by"] = public_user(row[beside + 4 : beside + 8])
        return TaskView(**members)

    async def count(self, filter: TaskFilter) -> TaskCounts:
        return await self._count(filter)

    async def _fetch_count(self, filter: TaskFilter) -> TaskCounts:
        filters = self.filters(filter)
        shape = QueryShape.of(filters, PageRequest(sort="created_at"))
        values = self.values(filter, filters)
        rows = await self._database.fetch(self._counts(shape.filters), values, short=False)
        total, completed, overdue = rows[0]
        return TaskCounts(
            total=total, completed=completed, pending=total - completed, overdue=overdue
        )

    def _counts_statement(self, filters: Filters) -> Statement:
        counts = select(
            func.count(),
            func.count(tasks.c.completed_at),
            func.count(case((_overdue, 1))),
        ).where(*(self.conditions[name](value) for name, value in filters))
        depends = any(name in self.text_filters for name, _ in filters)
        return self._database.statement(counts, value_sensitive=depends)

    async def completed_per_week(self, now: datetime, weeks: int) -> tuple[WeekCount, ...]:
        bounds = weeks_until(now, weeks)
        given = {f"begin_{n}": begin for n, (begin, _) in enumerate(bounds)}
        given[f"begin_{weeks}"] = bounds[-1][1]
        rows = await self._database.fetch(self._done(weeks), given, short=False)
        return tuple(
            WeekCount(monday=begin.date(), completed=done)
            for (begin, _), done in zip(bounds, rows[0], strict=True)
        )

    def _done_statement(self, weeks: int) -> Statement:
        """Return the statement that counts each week in a subquery, as a range of the index."""
        begins = [bindparam(f"begin_{n}", type_=UtcDateTime()) for n in range(weeks + 1)]
        counts = (
            select(func.count())
            .where(tasks.c.completed_at >= begin, tasks.c.completed_at < end)
            .scalar_subquery()
            for begin, end in pairwise(begins)
        )
        return self._database.statement(select(*counts))
