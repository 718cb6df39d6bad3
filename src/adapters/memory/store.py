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
        self._committed = states
        # What has been settled (`None`: removed), and the committed version that it builds on.
        self._settled: dict[UUID, State | None] = {}
        self._base: dict[UUID, int | None] = {}
        self.forget()

    def forget(self) -> None:
        """Let go of the aggregates."""
        self.seen: dict[UUID, E] = {}
        self._loaded: dict[UUID, State] = {}
        self._removed: set[UUID] = set()

    def add(self, entity: E) -> None:
        self.seen[entity.id] = entity

    def remove(self, entity: E) -> None:
        self._removed.add(entity.id)

    def find(self, id: UUID) -> E | None:
        if id in self._removed:
            return None
        if id not in self.seen and (state := self._state(id)) is not None:
            self._loaded[id] = dict(state)
            self.seen[id] = self.type(**state)
        return self.seen.get(id)

    def _state(self, id: UUID) -> State | None:
        if id in self._settled:
            return self._settled[id]
        state = self._committed.get(id)
        self._base[id] = state["version"] if state else None
        return state

    def settle(self) -> None:
        """Note the changes, counting the versions of what was there before."""
        for id, entity in self.seen.items():
            state, loaded = state_of(entity), self._loaded.get(id)
            if id in self._removed:
                if loaded is not None:
                    self._settled[id] = None
            elif state != loaded:
                if loaded is not None:
                    state["version"] = entity.version = loaded["version"] + 1
                self._settled[id] = state
        self.forget()

    def commit(self) -> None:
        """Make the changes.

        Raises:
            ConcurrentChange: when a changed aggregate is no longer what it builds on.
        """
        self.settle()
        for id in self._settled:
            kept = self._committed.get(id)
            if (kept and kept["version"]) != self._base.get(id):
                raise ConcurrentChange
        for id, state in self._settled.items():
            if state is None:
                del self._committed[id]
            else:
                self._committed[id] = state


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

    def settle(self) -> None:
        self.tasks.settle()

    def forget(self) -> None:
        self.tasks.forget()

    def commit(self) -> None:
        with self._store.lock:
            self.tasks.commit()

    def rollback(self) -> None:
        self.tasks = MemoryTasks(self._store.states[Task])
