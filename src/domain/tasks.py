"""Tasks: what has to be done, by when, and whether it is done."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar, TypedDict
from uuid import UUID

from domain.actors import Actor, id_of
from domain.base import Entity, Event, Repository, validate
from domain.errors import DomainError
from domain.values import IntegerRule, TextRule, search_fold, search_text

TITLE = TextRule(1, 100, if_empty="Enter a title.")
DESCRIPTION = TextRule(0, 500, lines=True)
PRIORITY = IntegerRule(0, 9)

RULES: Mapping[str, Callable[[Any], Any]] = {
    "title": TITLE,
    "description": DESCRIPTION,
    "priority": PRIORITY,
}


class TaskCreated(Event):
    """A task was written down."""


@dataclass(frozen=True, kw_only=True)
class TaskEdited(Event):
    """Members of a task were given other values."""

    changed_fields: tuple[str, ...]


class TaskCompleted(Event):
    """A task was done."""


class TaskReopened(Event):
    """A task that was done has to be done after all."""


class TaskDeleted(Event):
    """A task was struck off the list."""


class ReorderOpen(DomainError):
    """Another task to reorder the same product is still to be done."""

    def __init__(self) -> None:
        super().__init__("A reorder task for this product is already open.")


class TaskChanges(TypedDict, total=False):
    """The members that an edit may set; absent ones are kept."""

    title: str
    description: str | None
    priority: int
    due_on: date | None
    assignee_id: UUID | None


@dataclass(eq=False, kw_only=True)
class Task(Entity):
    """One thing that has to be done. `priority` runs from 0 (whenever) to 9 (now).

    A reorder task has a `product_id`. Of one product at most one such task is open.
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
    def create(
        cls,
        id: UUID,
        now: datetime,
        *,
        title: str,
        description: str | None = None,
        priority: int = 0,
        due_on: date | None = None,
        assignee_id: UUID | None = None,
        product_id: UUID | None = None,
        by: Actor | None = None,
    ) -> "Task":
        """Write a task down; without `by` the workshop itself does.

        Raises:
            InvalidField: when a value breaks the rule for its member.
        """
        task = cls(
            id=id,
            created_at=now,
            updated_at=now,
            title=validate(TITLE, "title", title),
            description=validate(DESCRIPTION, "description", description),
            priority=validate(PRIORITY, "priority", priority),
            due_on=due_on,
            assignee_id=assignee_id,
            created_by_id=id_of(by),
            product_id=product_id,
        )
        task.record(TaskCreated(aggregate_id=id, at=now, by=id_of(by)))
        return task

    @property
    def completed(self) -> bool:
        """Whether it is done."""
        return self.completed_at is not None

    def is_overdue(self, today: date) -> bool:
        """Whether it should have been done before `today` (a date in UTC) and is not."""
        return not self.completed and self.due_on is not None and self.due_on < today

    @property
    def title_key(self) -> str:
        """What sorting by title compares: enough of it to keep an index entry small."""
        return search_fold(self.title)[:200]

    @property
    def search_text(self) -> str:
        """What a search looks into: title and description, a line each."""
        return search_text(self.title, self.description)

    def edit(self, changes: TaskChanges, now: datetime, by: Actor | None = None) -> None:
        """Give members other values; a change to what they are already changes nothing.

        Raises:
            InvalidField: when a value breaks the rule for its member.
        """
        different = self.assign(changes, RULES)
        if different:
            self.updated_at = now
            members = tuple(different)
            self.record(
                TaskEdited(aggregate_id=self.id, at=now, by=id_of(by), changed_fields=members)
            )

    def complete(self, now: datetime, by: Actor | None = None) -> None:
        """Mark it as done; doing so again keeps the first time."""
        if self.completed_at is None:
            self.completed_at = self.updated_at = now
            self.record(TaskCompleted(aggregate_id=self.id, at=now, by=id_of(by)))

    def reopen(self, now: datetime, by: Actor | None = None, *, tasks: "TaskRepository") -> None:
        """Mark it as still to be done.

        Raises:
            ReorderOpen: when it is a reorder task and another one of its product is open.
        """
        if self.completed_at is not None:
            if self.product_id is not None and tasks.open_reorder(self.product_id) is not None:
                raise ReorderOpen
            self.completed_at = None
            self.updated_at = now
            self.record(TaskReopened(aggregate_id=self.id, at=now, by=id_of(by)))

    def release_product(self, now: datetime, by: Actor | None = None) -> None:
        """Refer to no product any longer, because there is none."""
        if self.product_id is not None:
            self.product_id = None
            self.updated_at = now
            members = ("product_id",)
            self.record(
                TaskEdited(aggregate_id=self.id, at=now, by=id_of(by), changed_fields=members)
            )


@dataclass(frozen=True, kw_only=True)
class TaskFilter:
    """Which tasks are meant; every member that is not `None` must hold.

    `today` is the date in UTC that `overdue` is measured against.
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
        """Whether the task is among those meant."""
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
"""The orders a list of tasks can have, each with the value it compares."""

COMPLETED_SORTS: Mapping[str, Callable[[Task], Any]] = {
    "completed_at": lambda task: task.completed_at,
}
"""The further orders that a list of completed tasks alone can have."""


class TaskRepository(Repository[Task]):
    """Where tasks are kept."""

    entity_name = Task.entity_name

    @abstractmethod
    def references_user(self, user_id: UUID) -> bool:
        """Whether a user wrote any task down, or is to do any."""

    @abstractmethod
    def list_pending(self, user_id: UUID | None) -> list[Task]:
        """Return the tasks that a user has still to do, or that nobody is to do, oldest first."""

    @abstractmethod
    def open_reorder(self, product_id: UUID) -> Task | None:
        """Return the open task to reorder a product."""

    @abstractmethod
    def list_reorders(self, product_id: UUID) -> list[Task]:
        """Return all tasks to reorder a product, open or completed, oldest first."""
