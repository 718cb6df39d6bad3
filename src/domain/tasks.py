"""Tasks: work to do, with due dates and assignees."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar, NotRequired, TypedDict, Unpack
from uuid import UUID

from domain.base import Context, Entity, Event, Repository, validate
from domain.errors import DomainError
from domain.text import search_fold, search_text
from domain.values import IntegerRule, TextRule

TITLE = TextRule(1, 100, if_empty="Enter a title.")
DESCRIPTION = TextRule(0, 500, lines=True)
PRIORITY = IntegerRule(0, 9)

RULES: Mapping[str, Callable[[Any], Any]] = {
    "title": TITLE,
    "description": DESCRIPTION,
    "priority": PRIORITY,
}


class TaskCreated(Event):
    """A task was created."""


@dataclass(frozen=True, kw_only=True)
class TaskEdited(Event):
    """Fields of a task were changed."""

    changed_fields: tuple[str, ...]


class TaskCompleted(Event):
    """A task was completed."""


class TaskReopened(Event):
    """A completed task was reopened."""


class TaskDeleted(Event):
    """A task was deleted."""


class ReorderOpen(DomainError):
    """Another reorder task of the same product is open."""

    def __init__(self) -> None:
        super().__init__("A reorder task for this product is already open.")


class TaskDetails(TypedDict):
    """The fields of a new task."""

    title: str
    description: NotRequired[str | None]
    priority: NotRequired[int]
    due_on: NotRequired[date | None]
    assignee_id: NotRequired[UUID | None]
    product_id: NotRequired[UUID | None]


class TaskChanges(TypedDict, total=False):
    """The fields that an edit may set; absent ones keep their values."""

    title: str
    description: str | None
    priority: int
    due_on: date | None
    assignee_id: UUID | None


@dataclass(eq=False, kw_only=True)
class Task(Entity):
    """A task. `priority` ranges from 0 (lowest) to 9 (highest).

    A reorder task has a `product_id`; each product has at most one open reorder task.
    """

    entity_name: ClassVar[str] = "task"

    title: str
    description: str | None = None
    priority: int = 0
    due_on: date | None = None
    assignee_id: UUID | None = None
    created_by_id: UUID | None = None
    completed_at: datetime | None = None
    product_id: UUID | None = None

    @classmethod
    def create(cls, id: UUID, ctx: Context, **details: Unpack[TaskDetails]) -> "Task":
        """Create a task.

        Raises:
            InvalidField: when a value breaks the rule for its field.
        """
        kept: Any = {
            name: validate(RULES.get(name), name, value) for name, value in details.items()
        }
        task = cls(id=id, created_at=ctx.now, updated_at=ctx.now, created_by_id=ctx.by, **kept)
        task.record(TaskCreated(aggregate_id=id, at=ctx.now, by=ctx.by))
        return task

    @property
    def completed(self) -> bool:
        """Whether the task is completed."""
        return self.completed_at is not None

    def is_overdue(self, today: date) -> bool:
        """Return whether the task is open and was due before `today`, a date in UTC."""
        return not self.completed and self.due_on is not None and self.due_on < today

    @property
    def title_key(self) -> str:
        """Sort key of the title, truncated to bound the size of index entries."""
        return search_fold(self.title)[:200]

    @property
    def search_text(self) -> str:
        """Search text: folded title and description, one line each."""
        return search_text(self.title, self.description)

    def edit(self, changes: TaskChanges, ctx: Context) -> None:
        """Set the given fields; equal values leave the task unchanged.

        Raises:
            InvalidField: when a value breaks the rule for its field.
        """
        different = self.assign(changes, RULES)
        if different:
            self.updated_at = ctx.now
            members = tuple(different)
            self.record(
                TaskEdited(aggregate_id=self.id, at=ctx.now, by=ctx.by, changed_fields=members)
            )

    def complete(self, ctx: Context) -> None:
        """Complete the task; repeating this keeps the first time."""
        if self.completed_at is None:
            self.completed_at = self.updated_at = ctx.now
            self.record(TaskCompleted(aggregate_id=self.id, at=ctx.now, by=ctx.by))

    def reopen(self, ctx: Context, *, tasks: "TaskRepository") -> None:
        """Reopen a completed task.

        Raises:
            ReorderOpen: when the task is a reorder task and another one of its product is open.
        """
        if self.completed_at is not None:
            if self.product_id is not None and tasks.open_reorder(self.product_id) is not None:
                raise ReorderOpen
            self.completed_at = None
            self.updated_at = ctx.now
            self.record(TaskReopened(aggregate_id=self.id, at=ctx.now, by=ctx.by))

    def release_product(self, ctx: Context) -> None:
        """Clear `product_id`, because the product is being deleted."""
        if self.product_id is not None:
            self.product_id = None
            self.updated_at = ctx.now
            members = ("product_id",)
            self.record(
                TaskEdited(aggregate_id=self.id, at=ctx.now, by=ctx.by, changed_fields=members)
            )


@dataclass(frozen=True, kw_only=True)
class TaskFilter:
    """Conditions on tasks, combined with AND; `None` is no condition.

    `today` is the date in UTC at which `overdue` is evaluated.
    """

    today: date
    completed: bool | None = None
    priority: int | None = None
    min_priority: int | None = None
    assignee_id: UUID | None = None
    due_before: date | None = None
    overdue: bool | None = None
    product_id: UUID | None = None
    q: str | None = None

    def matches(self, task: Task) -> bool:
        """Return whether the task satisfies the filter."""
        due_on = task.due_on
        return (
            (self.completed is None or task.completed == self.completed)
            and (self.priority is None or task.priority == self.priority)
            and (self.min_priority is None or task.priority >= self.min_priority)
            and (self.assignee_id is None or task.assignee_id == self.assignee_id)
            and (self.due_before is None or (due_on is not None and due_on < self.due_before))
            and (self.overdue is None or task.is_overdue(self.today) == self.overdue)
            and (self.product_id is None or task.product_id == self.product_id)
            and (self.q is None or search_fold(self.q) in task.search_text)
        )


SORTS: Mapping[str, Callable[[Task], Any]] = {
    "created_at": lambda task: task.created_at,
    "priority": lambda task: task.priority,
    "due_on": lambda task: task.due_on,
    "title": lambda task: task.title_key,
}
"""Sort names of a list of tasks, each with its sort key."""

COMPLETED_SORTS: Mapping[str, Callable[[Task], Any]] = {
    "completed_at": lambda task: task.completed_at,
}
"""Further sort names, which require a filter for completed tasks."""


class TaskRepository(Repository[Task]):
    """Repository of tasks."""

    entity_name = Task.entity_name

    @abstractmethod
    def references_user(self, user_id: UUID) -> bool:
        """Return whether the user created any task or is assigned to any."""

    @abstractmethod
    def list_pending(self, user_id: UUID | None) -> list[Task]:
        """Return the user's open tasks, oldest first; `None` stands for the unassigned ones."""

    @abstractmethod
    def open_reorder(self, product_id: UUID) -> Task | None:
        """Return the open reorder task of the product, or `None`."""

    @abstractmethod
    def list_reorders(self, product_id: UUID) -> list[Task]:
        """Return all reorder tasks of the product, open or completed, oldest first."""
