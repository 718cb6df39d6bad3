"""Reading: the views that people get to see, and the abstract ports that answer with them.

A read passes through no aggregate and opens no transaction: each call is one statement.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar
from uuid import UUID

from domain.base import Page, Slice
from domain.errors import NotFound
from domain.tasks import Task, TaskFilter

V = TypeVar("V", bound="View")
F = TypeVar("F")


@dataclass(frozen=True, kw_only=True)
class View:
    """What every representation carries."""

    id: UUID
    version: int
    created_at: datetime
    updated_at: datetime


class Queries(ABC, Generic[V, F]):
    """The reads that every kind of thing offers.

    All of them raise `DatabaseUnavailable` when the database cannot be reached.
    """

    kind: str

    @abstractmethod
    async def get(self, id: UUID, today: date) -> V | None:
        """Return the thing as it is seen on the day `today` (UTC), or `None`."""

    async def one(self, id: UUID, today: date) -> V:
        """Return the thing as it is seen on a day.

        Raises:
            NotFound: when there is none.
        """
        view = await self.get(id, today)
        if view is None:
            raise NotFound(self.kind, id)
        return view

    @abstractmethod
    async def list(self, filter: F, slice: Slice) -> Page[V]:
        """Return the part of the list that the slice asks for."""


@dataclass(frozen=True, kw_only=True)
class TaskView(View):
    """A task as it is seen on a given day."""

    title: str
    description: str | None
    priority: int
    due_on: date | None
    completed: bool
    completed_at: datetime | None
    overdue: bool

    @classmethod
    def of(cls, task: Task, today: date) -> "TaskView":
        """The view of an aggregate in hand."""
        return cls(
            id=task.id,
            version=task.version,
            created_at=task.created_at,
            updated_at=task.updated_at,
            title=task.title,
            description=task.description,
            priority=task.priority,
            due_on=task.due_on,
            completed=task.completed,
            completed_at=task.completed_at,
            overdue=task.is_overdue(today),
        )


@dataclass(frozen=True, kw_only=True)
class TaskCounts:
    """How many tasks there are, by what is left to do about them."""

    total: int
    completed: int
    pending: int
    overdue: int


class TaskQueries(Queries[TaskView, TaskFilter]):
    """The reads of tasks."""

    kind = Task.kind

    @abstractmethod
    async def count(self, filter: TaskFilter) -> TaskCounts:
        """Count the tasks that the filter means, exactly."""
