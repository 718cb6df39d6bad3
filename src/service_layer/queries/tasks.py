"""The views of tasks, and the port that answers with them."""

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


@dataclass(frozen=True, kw_only=True)
class TaskView(View):
    """A task as it is seen on a given day."""

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
        """The view of an aggregate in hand, beside the people it names."""
        assignee, by = task.assignee_id, task.created_by_id
        return cls.from_entity(
            task,
            assignee=people.get(assignee) if assignee else None,
            created_by=people.get(by) if by else None,
            overdue=task.is_overdue(today),
        )


@dataclass(frozen=True, kw_only=True)
class TaskCounts:
    """How many tasks there are, by what is left to do about them."""

    total: int
    completed: int
    pending: int
    overdue: int


@dataclass(frozen=True, kw_only=True)
class WeekCount:
    """How many tasks were done in the week that begins on a Monday, at midnight in UTC."""

    monday: date
    done: int


def weeks_until(now: datetime, weeks: int) -> tuple[tuple[datetime, datetime], ...]:
    """Return the last weeks (ISO 8601), the current one last: when each begins, and the next."""
    today = now.astimezone(UTC).date()
    monday = datetime.combine(today - timedelta(days=today.weekday()), time(), UTC)
    begins = [monday - timedelta(weeks=ago) for ago in range(weeks - 1, -2, -1)]
    return tuple(pairwise(begins))


class TaskQueries(Queries[TaskView, TaskFilter]):
    """The reads of tasks."""

    entity_name = Task.entity_name

    @abstractmethod
    async def count(self, filter: TaskFilter) -> TaskCounts:
        """Count the tasks that the filter means, exactly."""

    @abstractmethod
    async def completed_per_week(self, now: datetime, weeks: int) -> tuple[WeekCount, ...]:
        """Count the tasks done in each of the last weeks, one at least; the current one is last."""
