"""Base types of the domain model: context, entity, event, repository, page request and page."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from domain.actors import Actor
from domain.errors import (
    InvalidField,
    InvalidValue,
    NotFound,
    PermissionDenied,
    VersionMismatch,
)

Expected = Collection[int] | None
"""Versions that the caller accepts for a change (optimistic lock); `None` accepts any version."""


@dataclass(frozen=True)
class Context:
    """The actor and the time of an operation.

    `actor` is `None` if the service itself or an unauthenticated caller acts. `now` is in UTC.
    """

    actor: Actor | None
    now: datetime

    @property
    def by(self) -> UUID | None:
        """The actor's id for an event, or `None` without an actor."""
        return None if self.actor is None else self.actor.id

    def require_actor(self) -> Actor:
        """Return the actor.

        Raises:
            PermissionDenied: without an actor.
        """
        if self.actor is None:
            raise PermissionDenied
        return self.actor


@dataclass(frozen=True, kw_only=True)
class Event:
    """A domain event of one aggregate, named in the past tense.

    `by` is the id of the acting user. It is `None` if the service itself or an unauthenticated
    caller acts.
    """

    aggregate_id: UUID
    at: datetime
    by: UUID | None = None


@dataclass(eq=False, kw_only=True)
class Entity:
    """An object with an identity; two entities are equal only if they are the same object.

    `version` is the optimistic lock. It starts at 1, and the unit of work increments it with each
    committed change; aggregates never set it. Times are in UTC.
    """

    entity_name: ClassVar[str]

    id: UUID
    created_at: datetime
    updated_at: datetime
    version: int = 1

    def record(self, event: Event) -> None:
        """Record an event, for the reactions in the same transaction."""
        # SQLAlchemy loads entities without calling __init__, so the list is created on first use.
        self.__dict__.setdefault("_events", []).append(event)

    def collect_events(self) -> list[Event]:
        """Return and clear the events recorded since the last call."""
        events: list[Event] = self.__dict__.pop("_events", [])
        return events

    def retract(self, kind: type[Event]) -> bool:
        """Discard the recorded events of a type; return whether there were any.

        A change that is undone within the same use case must not trigger reactions.
        """
        events: list[Event] = self.__dict__.get("_events", [])
        kept = [event for event in events if not isinstance(event, kind)]
        found = len(kept) < len(events)
        events[:] = kept
        return found

    def assign(self, changes: Mapping[str, Any], rules: Mapping[str, Any]) -> dict[str, Any]:
        """Validate the changes, set the fields that differ, and return these with their new values.

        Raises:
            InvalidField: for the first field that breaks its rule; no field is set then.
        """
        checked = {name: validate(rules.get(name), name, value) for name, value in changes.items()}
        different = {name: value for name, value in checked.items() if getattr(self, name) != value}
        for name, value in different.items():
            setattr(self, name, value)
        return different


def validate(rule: Any, name: str, value: Any) -> Any:
    """Return the value as normalized by its rule. `None`, or a field without a rule, passes as is.

    Raises:
        InvalidField: when the value breaks the rule.
    """
    if rule is None or value is None:
        return value
    try:
        return rule(value)
    except InvalidValue as error:
        raise InvalidField(name, str(error)) from None


E_ = TypeVar("E_", bound=Entity)


class Repository(ABC, Generic[E_]):
    """The collection of all aggregates of one type, within one unit of work."""

    entity_name: str

    @abstractmethod
    def add(self, entity: E_) -> None:
        """Add a new aggregate."""

    @abstractmethod
    def remove(self, entity: E_) -> None:
        """Remove an aggregate."""

    @abstractmethod
    def find(self, id: UUID) -> E_ | None:
        """Return the aggregate, or `None`.

        The repository is an identity map: within one use case it returns the same object for the
        same id.
        """

    @abstractmethod
    def is_empty(self) -> bool:
        """Return whether there is no aggregate."""

    def find_for_update(self, id: UUID) -> E_ | None:
        """Return the aggregate, under a pessimistic lock if the unit of work takes them."""
        return self.find(id)

    def has(self, id: UUID) -> bool:
        """Return whether an aggregate with this id exists."""
        return self.find(id) is not None

    def require_exists(self, id: UUID) -> None:
        """Require that an aggregate exists, because a new row will reference it.

        An adapter may leave this to the commit, which then fails with a concurrency conflict.

        Raises:
            NotFound: when there is none.
        """
        if not self.has(id):
            raise NotFound(self.entity_name, id)

    def get(self, id: UUID, expected: Expected = None) -> E_:
        """Return the aggregate for a change, after the check of its optimistic lock.

        Raises:
            NotFound: when there is none.
            VersionMismatch: when `expected` does not contain its version (RFC 9110, 13.1.1).
        """
        entity = self.find_for_update(id)
        if entity is None:
            raise NotFound(self.entity_name, id)
        if expected is not None and entity.version not in expected:
            raise VersionMismatch(self.entity_name, entity.version)
        return entity


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """A page request: sort order, position and size of a page.

    `after` is the cursor of keyset pagination: sort value and id of the last row of the previous
    page. The id breaks ties. Rows without a sort value come last in both directions. `skip` is an
    offset in rows. `count` requests the total.
    """

    sort: str
    descending: bool = False
    after: tuple[Any, UUID] | None = None
    skip: int = 0
    limit: int = 20
    count: bool = False


COUNT_LIMIT = 10_000
"""Maximum row count of a list. A higher count would cost more than it is worth."""


V = TypeVar("V")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[V]):
    """One page of a list.

    `next_key` is the cursor for the next page, or `None` on the last one. `total` is the row count
    if it was requested; it stops at `COUNT_LIMIT` + 1.
    """

    items: list[V]
    next_key: tuple[Any, UUID] | None = None
    total: int | None = None
