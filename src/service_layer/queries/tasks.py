"""Views of tasks, and their query port."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import ClassVar
from uuid import UUID

from domain.tasks import Task, TaskFilter
from service_layer.queries.base import Queries, View
from service_layer.queries.users import PublicUser


@dataclass(kw_only=True)
class TaskView(View):
    """A task; `overdue` is evaluated at a given date."""

    collection: ClassVar[str] = "tasks"

    title: str
    description: str | None
    priority: int
    due_on: date | None
    assignee_id: UUID | None
    assignee: PublicUser | None
    created_by: PublicUser | None
    product_id: UUID | None
    completed: bool
    completed_at: datetime | None
    overdue: bool

    @classmethod
    def of(cls, task: Task, today: date, people: Mapping[UUID, PublicUser]) -> "TaskView":
        """Return the view of a loaded aggregate with the users it references."""
        assignee, by = task.assignee_id, task.created_by_id
        return cls._of(
            task,
            assignee=people.get(assignee) if assignee else None,
            created_by=people.get(by) if by else None,
            overdue=task.is_overdue(today),
        )


@dataclass(frozen=True, kw_only=True)
class TaskCounts:
    """Numbers of tasks by state; overdue ones are also pending."""

    total: int
    completed: int
    pending: int
    overdue: int


@dataclass(frozen=True, kw_only=True)
class WeekCount:
    """Number of tasks completed in the week that starts at `monday`, 00:00 UTC."""

    monday: date
    completed: int


def weeks_until(now: datetime, weeks: int) -> tuple[tuple[datetime, datetime], ...]:
    """Return the bounds of the last weeks (ISO 8601), oldest first; the last one contains `now`.

    Each is half open: its start, and the start of the next week.
    """
    today = now.astimezone(UTC).date()
    monday = datetime.combine(today - timedelta(days=today.weekday()), time(), UTC)
    begins = [monday - timedelta(weeks=ago) for ago in range(weeks - 1, -2, -1)]
    return tuple(pairwise(begins))


class TaskQueries(Queries[TaskView, TaskFilter]):
    """Query port of tasks."""

    entity_name = Task.entity_name

    @abstractmethod
    async def count(self, filter: TaskFilter) -> TaskCounts:
        """Count the matching tasks exactly, without `COUNT_LIMIT`."""

    @abstractmethod
    async def completed_per_week(self, now: datetime, weeks: int) -> tuple[WeekCount, ...]:
        """Count the tasks completed in each of the last `weeks` weeks, oldest first.

        `weeks` is at least 1; the last entry is the current week.
        """
