"""Reads of tasks."""

from datetime import date, datetime

from adapters.memory.queries.base import MemoryQueries
from domain import tasks
from domain.tasks import Task, TaskFilter
from service_layer.queries.tasks import TaskCounts, TaskQueries, TaskView, WeekCount, weeks_until


class MemoryTaskQueries(MemoryQueries[Task, TaskView, TaskFilter], TaskQueries):
    """Read tasks in a dictionary."""

    type = Task
    sorts = {**tasks.SORTS, **tasks.COMPLETED_SORTS}

    def _view(self, entity: Task, at: date) -> TaskView:
        return TaskView.of(entity, at, self._people())

    def _at(self, now: datetime) -> date:
        return now.date()

    def _at_of(self, filter: TaskFilter) -> date:
        return filter.today

    async def count(self, filter: TaskFilter) -> TaskCounts:
        meant = self._meant(filter)
        completed = sum(task.completed for task in meant)
        return TaskCounts(
            total=len(meant),
            completed=completed,
            pending=len(meant) - completed,
            overdue=sum(task.is_overdue(filter.today) for task in meant),
        )

    async def completed_per_week(self, now: datetime, weeks: int) -> tuple[WeekCount, ...]:
        times = [task.completed_at for task in self._store.all(Task) if task.completed_at]
        return tuple(
            WeekCount(monday=begin.date(), completed=sum(begin <= time < end for time in times))
            for begin, end in weeks_until(now, weeks)
        )
