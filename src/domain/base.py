"""The vocabulary that all aggregates share: entity, event, repository, and a slice of a list."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from domain.errors import InvalidField, InvalidValue, NotFound, VersionMismatch

Expected = Collection[int] | None
"""The versions that the caller has seen and would change; `None` when any will do."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to one aggregate, told in the past tense.

    `by` is the user who did it, `None` if the workshop itself or a stranger did.
    """

    aggregate_id: UUID
    at: datetime
    by: UUID | None = None


@dataclass(eq=False, kw_only=True)
class Entity:
    """A thing with an identity and a history; two of them are equal only if they are one.

    `version` starts at 1 and grows by one with each committed change: the unit of work counts, an
    aggregate never does. Times are in UTC.
    """

    entity_name: ClassVar[str]

    id: UUID
    created_at: datetime
    updated_at: datetime
    version: int = 1

    def record(self, event: Event) -> None:
        """Remember what happened, for the reactions that belong to the same transaction."""
        # Loading from a database skips __init__, so the list is made when it is first needed.
        self.__dict__.setdefault("_events", []).append(event)

    def collect_events(self) -> list[Event]:
        """Return what happened since the last call, and forget it."""
        events: list[Event] = self.__dict__.pop("_events", [])
        return events

    def retract(self, kind: type[Event]) -> bool:
        """Forget the recorded events of a type; return whether there was one.

        What the same use case does and undoes leaves nothing to react to.
        """
        events: list[Event] = self.__dict__.get("_events", [])
        kept = [event for event in events if not isinstance(event, kind)]
        found = len(kept) < len(events)
        events[:] = kept
        return found

    def assign(self, changes: Mapping[str, Any], rules: Mapping[str, Any]) -> dict[str, Any]:
        """Set the members that differ, each by its rule, and return those.

        Raises:
            InvalidField: for the first member whose rule refuses; nothing has been set then.
        """
        checked = {name: validate(rules.get(name), name, value) for name, value in changes.items()}
        different = {name: value for name, value in checked.items() if getattr(self, name) != value}
        for name, value in different.items():
            setattr(self, name, value)
        return different


def validate(rule: Any, name: str, value: Any) -> Any:
    """Return the value as its rule keeps it; a missing value (`None`) is left to the caller.

    Raises:
        InvalidField: when the rule refuses.
    """
    if rule is None or value is None:
        return value
    try:
        return rule(value)
    except InvalidValue as error:
        raise InvalidField(name, str(error)) from None


E_ = TypeVar("E_", bound=Entity)


class Repository(ABC, Generic[E_]):
    """Where the aggregates of one kind are kept, within one unit of work."""

    entity_name: str

    @abstractmethod
    def add(self, entity: E_) -> None:
        """Keep a new aggregate."""

    @abstractmethod
    def remove(self, entity: E_) -> None:
        """Stop keeping an aggregate."""

    @abstractmethod
    def find(self, id: UUID) -> E_ | None:
        """Return the aggregate, the same object each time within one unit of work, or `None`."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether there is no aggregate."""

    def find_for_update(self, id: UUID) -> E_ | None:
        """Return the aggregate like `find`, locked if the unit of work locks what it changes."""
        return self.find(id)

    def has(self, id: UUID) -> bool:
        """Whether there is such an aggregate."""
        return self.find(id) is not None

    def get(self, id: UUID, expected: Expected = None) -> E_:
        """Return the aggregate for a change.

        Raises:
            NotFound: when there is none.
            VersionMismatch: when `expected` does not hold its version (RFC 9110, 13.1.1).
        """
        entity = self.find_for_update(id)
        if entity is None:
            raise NotFound(self.entity_name, id)
        if expected is not None and entity.version not in expected:
            raise VersionMismatch(self.entity_name, entity.version)
        return entity


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """Which part of a list is asked for, and in which order.

    `after` is where the last page ended: its sort value and its id. The id always breaks ties, and
    rows without a sort value come last in both directions.
    """

    sort: str
    descending: bool = False
    after: tuple[Any, UUID] | None = None
    skip: int = 0
    limit: int = 20
    count: bool = False


COUNT_LIMIT = 10_000
"""Counting the rows of a list stops here: beyond it a number costs more than it tells."""


V = TypeVar("V")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[V]):
    """A part of a list: its rows, where it ended if there is more, and the count if asked for.

    `total` stops at one more than `COUNT_LIMIT`.
    """

    items: list[V]
    next_key: tuple[Any, UUID] | None = None
    total: int | None = None
