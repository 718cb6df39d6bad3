"""What a unit of work has in hand: of the use case at hand, and of those before it."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state

from domain.base import Entity
from service_layer.errors import FlushRequired

Key = tuple[type[Entity], UUID]


def key_of(entity: Entity) -> Key:
    """Return what an aggregate is known by: ids come from clients, who may mistake their kinds."""
    return type(entity), entity.id


@dataclass(eq=False)
class WorkingSet:
    """What the repositories of a unit of work have in hand."""

    session: Session
    shared: bool = False
    """Whether its use cases can be run again, each in a transaction of its own."""
    for_update: bool = False
    """Whether rows that are loaded for a change are locked; see `UnitOfWork.for_update`."""
    loaded: dict[Key, Entity] = field(default_factory=dict)
    """What the use case at hand has found or added."""
    added: set[Key] = field(default_factory=set)
    removed: set[Key] = field(default_factory=set)
    previous: dict[Key, Entity] = field(default_factory=dict)
    """What use cases before it, in this transaction, have had: they may be looking at it still."""
    pending: set[Key] = field(default_factory=set)
    """What they have changed that is not written yet."""
    prefetched: dict[Key, Entity] = field(default_factory=dict)

    def evict(self, key: Key) -> None:
        """Let go of what another use case has had, so that this one has an object of its own.

        Raises:
            FlushRequired: when that has to be written first.
        """
        if key in self.pending:
            raise FlushRequired
        before = self.previous.pop(key, None)
        if before is not None and before in self.session:
            self.session.expunge(before)

    def evict_all(self) -> None:
        """Let go of all that was read before, so that what is read now is as it is now.

        Raises:
            FlushRequired: when some of it has to be written first.
        """
        for key in list(self.previous):
            self.evict(key)
        for entity in self.prefetched.values():
            self.session.expunge(entity)
        self.prefetched = {}

    def defer(self) -> None:
        """Begin with another use case, and leave what this one has changed to be written later."""
        for key, entity in self.loaded.items():
            if key in self.added or key in self.removed or instance_state(entity).modified:
                self.pending.add(key)
        self.previous.update(self.loaded)
        self._begin()

    def discard(self) -> None:
        """Begin with another use case, and undo what this one has changed."""
        for entity in self.loaded.values():
            if entity in self.session:
                self.session.expunge(entity)
        self._begin()

    def reset(self) -> None:
        """Begin with another use case, when all is written and the session holds nothing."""
        self.previous, self.pending, self.prefetched = {}, set(), {}
        self._begin()

    def _begin(self) -> None:
        self.loaded, self.added, self.removed = {}, set(), set()
