"""The repository over a dictionary that all aggregates share."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from adapters.memory.store import MemoryStore, State
from domain.base import Entity, Repository

E = TypeVar("E", bound=Entity)


def state_of(entity: Entity) -> State:
    """Return the values of an aggregate's fields, with times in UTC as in a database."""
    values = {field.name: getattr(entity, field.name) for field in fields(entity)}
    return {n: v.astimezone(UTC) if isinstance(v, datetime) else v for n, v in values.items()}


class MemoryRepository(Repository[E], Generic[E]):
    """Copies of committed aggregates, and the changes of this unit of work."""

    entity: type[E]

    def __init__(self, store: MemoryStore) -> None:
        self._committed = store.states[self.entity]
        # Flushed state by id; `None` if the aggregate was removed.
        self._flushed: dict[UUID, State | None] = {}
        self.discard()

    def discard(self) -> None:
        """Detach all aggregates and discard their changes."""
        self.loaded: dict[UUID, E] = {}
        self._loaded: dict[UUID, State] = {}
        self._removed: set[UUID] = set()

    def add(self, entity: E) -> None:
        self.loaded[entity.id] = entity

    def remove(self, entity: E) -> None:
        self._removed.add(entity.id)

    def find(self, id: UUID) -> E | None:
        if id in self._removed:
            return None
        if id not in self.loaded and (state := self._state(id)) is not None:
            self._loaded[id] = dict(state)
            self.loaded[id] = self.entity(**state)
        return self.loaded.get(id)

    def is_empty(self) -> bool:
        return not self._states()

    def _state(self, id: UUID) -> State | None:
        """Return the flushed or committed state under an id."""
        return self._flushed[id] if id in self._flushed else self._committed.get(id)

    def _states(self) -> dict[UUID, State]:
        """Return the flushed and committed states by id."""
        there = {**self._committed, **self._flushed}
        return {id: state for id, state in there.items() if state is not None}

    def _load_where(self, order: str, **members: Any) -> list[E]:
        """Return the aggregates whose fields equal `members`, in an order."""
        states = self._states().values()
        meant = [s for s in states if all(s[name] == value for name, value in members.items())]
        found = (self.find(state["id"]) for state in sorted(meant, key=lambda s: s[order]))
        return [one for one in found if one is not None]

    def flush(self) -> None:
        """Flush the changes, and increment the versions of changed aggregates."""
        for id, entity in self.loaded.items():
            state, loaded = state_of(entity), self._loaded.get(id)
            if id in self._removed:
                if loaded is not None:
                    self._flushed[id] = None
            elif state != loaded:
                if loaded is not None:
                    state["version"] = entity.version = loaded["version"] + 1
                self._flushed[id] = state
        self.discard()

    def commit(self) -> None:
        """Flush and commit the changes."""
        self.flush()
        for id, state in self._flushed.items():
            if state is None:
                self._committed.pop(id, None)
            else:
                self._committed[id] = state
