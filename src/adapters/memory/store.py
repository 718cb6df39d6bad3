"""The committed state: dictionaries in memory."""

import threading
from collections import defaultdict
from typing import Any, TypeVar
from uuid import UUID

from domain.base import Entity

E = TypeVar("E", bound=Entity)
State = dict[str, Any]


class MemoryStore:
    """Committed state: for each type of aggregate, the field values by id."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.writing = threading.Lock()
        self.states: dict[type[Entity], dict[UUID, State]] = defaultdict(dict)

    def all(self, entity: type[E]) -> list[E]:
        """Return a copy of every aggregate of a type."""
        with self.lock:
            return [entity(**state) for state in self.states[entity].values()]
