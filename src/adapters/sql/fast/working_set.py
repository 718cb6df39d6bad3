"""Working set (identity map): the aggregates of a unit of work, per use case."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state

from domain.base import Entity
from service_layer.errors import FlushRequired

Key = tuple[type[Entity], UUID]


def key_of(entity: Entity) -> Key:
    """Return the identity of an aggregate: its type and id.

    The type is part of it, because ids come from clients, which may send an id of another type.
    """
    return type(entity), entity.id


@dataclass(eq=False)
class WorkingSet:
    """The identity map that the repositories of a unit of work share.

    In a group commit, several use cases share one transaction. Each of them gets its own objects.
    """

    session: Session
    shared: bool = False
    """Whether the use cases can be retried, each in its own transaction (group commit)."""
    for_update: bool = False
    """Whether rows loaded for a change are locked; see `UnitOfWork.for_update`."""
    loaded: dict[Key, Entity] = field(default_factory=dict)
    """Aggregates that the current use case has found or added."""
    added: set[Key] = field(default_factory=set)
    removed: set[Key] = field(default_factory=set)
    previous: dict[Key, Entity] = field(default_factory=dict)
    """Aggregates of earlier use cases in this transaction, which may still reference them."""
    pending: set[Key] = field(default_factory=set)
    """Keys of changes by earlier use cases that are not flushed yet."""
    prefetched: dict[Key, Entity] = field(default_factory=dict)

    def evict(self, key: Key) -> None:
        """Detach an aggregate of an earlier use case, so that the current one loads its own object.

        Raises:
            FlushRequired: when the aggregate has changes that are not flushed yet.
        """
        if key in self.pending:
            raise FlushRequired
        before = self.previous.pop(key, None)
        if before is not None and before in self.session:
            self.session.expunge(before)

    def evict_all(self) -> None:
        """Detach all aggregates of earlier use cases and all prefetched ones, to read fresh state.

        Raises:
            FlushRequired: when one of them has changes that are not flushed yet.
        """
        for key in list(self.previous):
            self.evict(key)
        for entity in self.prefetched.values():
            self.session.expunge(entity)
        self.prefetched = {}

    def defer(self) -> None:
        """End the current use case and leave its changes to a later flush."""
        for key, entity in self.loaded.items():
            if key in self.added or key in self.removed or instance_state(entity).modified:
                self.pending.add(key)
        self.previous.update(self.loaded)
        self._begin()

    def discard(self) -> None:
        """End the current use case and discard its changes."""
        for entity in self.loaded.values():
            if entity in self.session:
                self.session.expunge(entity)
        self._begin()

    def reset(self) -> None:
        """End the current use case after a flush, when the session is empty."""
        self.previous, self.pending, self.prefetched = {}, set(), {}
        self._begin()

    def _begin(self) -> None:
        self.loaded, self.added, self.removed = {}, set(), set()
