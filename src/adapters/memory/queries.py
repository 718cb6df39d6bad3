"""The read ports over dictionaries."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from adapters.memory.store import MemoryStore
from domain.base import COUNT_LIMIT, Entity, Page, Slice
from domain.tasks import SORTS, Task, TaskFilter
from service_layer.ports import Database, Schema
from service_layer.queries import TaskCounts, TaskQueries, TaskView, View

E = TypeVar("E", bound=Entity)
V = TypeVar("V", bound=View)


class MemoryDatabase(Database):
    """A database that is always there."""

    async def open(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def schema(self) -> Schema:
        return Schema.CURRENT


class MemoryTaskQueries(TaskQueries):
    """Reads of tasks in a dictionary."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def get(self, id: UUID, today: date) -> TaskView | None:
        found = [task for task in self._store.all(Task) if task.id == id]
        return TaskView.of(found[0], today) if found else None

    async def list(self, filter: TaskFilter, slice: Slice) -> Page[TaskView]:
        meant = [task for task in self._store.all(Task) if filter.matches(task)]
        return page(meant, slice, SORTS[slice.sort], lambda t: TaskView.of(t, filter.today))

    async def count(self, filter: TaskFilter) -> TaskCounts:
        meant = [task for task in self._store.all(Task) if filter.matches(task)]
        completed = sum(task.completed for task in meant)
        return TaskCounts(
            total=len(meant),
            completed=completed,
            pending=len(meant) - completed,
            overdue=sum(task.is_overdue(filter.today) for task in meant),
        )


def page(
    meant: Iterable[E], slice: Slice, value: Callable[[E], Any], view: Callable[[E], V]
) -> Page[V]:
    """Return the part of a list that the slice asks for."""

    def key(sort_value: Any, id: UUID) -> tuple[Any, ...]:
        # What has no sort value comes last, whichever way the rest runs.
        missing = sort_value is None
        return (missing != slice.descending, *(() if missing else (sort_value,)), id)

    def of(entity: E) -> tuple[Any, ...]:
        return key(value(entity), entity.id)

    rows = sorted(meant, key=of, reverse=slice.descending)
    total = min(len(rows), COUNT_LIMIT + 1) if slice.count else None
    if slice.after is not None:
        end = key(*slice.after)
        rows = [row for row in rows if (of(row) < end if slice.descending else of(row) > end)]
    rows = rows[slice.skip :]
    chosen = rows[: slice.limit]
    last = (value(chosen[-1]), chosen[-1].id) if len(rows) > slice.limit else None
    return Page(items=[view(row) for row in chosen], last=last, total=total)
