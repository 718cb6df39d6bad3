"""The dictionaries, and the unit of work over them."""

import threading
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from adapters.ids import new_id
from domain.base import Entity, Event, Repository
from domain.tasks import Task, TaskRepository
from service_layer.errors import ConcurrentChange
from service_layer.unit_of_work import UnitOfWork

E = TypeVar("E", bound=Entity)
State = dict[str, Any]


class MemoryStore:
    """What is committed: for each type of aggregate the state of each, by id."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.states: dict[type[Entity], dict[UUID, State]] = {Task: {}}

    def all(self, type: type[E]) -> list[E]:
        """Return a copy of every aggregate of a type."""
        with self.lock:
            return [type(**state) for state in self.states[type].values()]


def state_of(entity: Entity) -> State:
    """Return the values of an aggregate's fields, times in UTC as a database would keep them."""
    values = {field.name: getattr(entity, field.name) for field in fields(entity)}
    return {n: v.astimezone(UTC) if isinstance(v, datetime) else v for n, v in values.items()}


class MemoryRepository(Repository[E], Generic[E]):
    """Copies of committed aggregates, and what this unit of work has done to them."""

    type: type[E]

    def __init__(self, states: dict[UUID, State]) -> None:
        self._states = states
        self.seen: dict[UUID, E] = {}
        self.loaded: dict[UUID, State] = {}
        self.removed: set[UUID] = set()

    def add(self, entity: E) -> None:
        self.seen[entity.id] = entity

    def remove(self, entity: E) -> None:
        self.removed.add(entity.id)

    def find(self, id: UUID) -> E | None:
        if id in self.removed:
            return None
        if id not in self.seen and (state := self._states.get(id)) is not None:
            self.loaded[id] = dict(state)
            self.seen[id] = self.type(**state)
        return self.seen.get(id)

    def changes(self) -> dict[UUID, State | None]:
        """Return what a commit has to write: a new state, or `None` for a removal.

        Raises:
            ConcurrentChange: when a changed aggregate is no longer what was loaded.
        """
        wanted: dict[UUID, State | None] = {
            id: state
            for id, entity in self.seen.items()
            if (state := state_of(entity)) != self.loaded.get(id)
        }
        wanted |= dict.fromkeys(self.removed & self.loaded.keys())
        for added_and_removed in self.removed - self.loaded.keys():
            wanted.pop(added_and_removed, None)
        for id in wanted:
            kept, loaded = self._states.get(id), self.loaded.get(id)
            if (kept and kept["version"]) != (loaded and loaded["version"]):
                raise ConcurrentChange
        return wanted

    def write(self, wanted: dict[UUID, State | None]) -> None:
        """Make the changes, counting the versions of what was there before."""
        for id, state in wanted.items():
            if state is None:
                self._states.pop(id, None)
                continue
            if id in self.loaded:
                state["version"] = self.seen[id].version = self.loaded[id]["version"] + 1
            self._states[id] = state


class MemoryTasks(MemoryRepository[Task], TaskRepository):
    """Tasks in a dictionary."""

    type = Task


class MemoryUnitOfWork(UnitOfWork):
    """A transaction over dictionaries: it sees what was committed when it first looked."""

    tasks: MemoryTasks

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def __enter__(self) -> Self:
        self.tasks = MemoryTasks(self._store.states[Task])
        return self

    def new_id(self) -> UUID:
        return new_id()

    def take_events(self) -> list[Event]:
        return [event for entity in self.tasks.seen.values() for event in entity.take_events()]

    def commit(self) -> None:
        with self._store.lock:
            self.tasks.write(self.tasks.changes())

    def rollback(self) -> None:
        self.tasks = MemoryTasks(self._store.states[Task])
