"""Identity map: the aggregates that a unit of work has loaded, added or removed."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Result, Select, Uuid, bindparam, select
from sqlalchemy.orm import Session, class_mapper

from domain.base import Entity

Key = tuple[type[Entity], UUID]


def key_of(entity: Entity) -> Key:
    """Return the identity of an aggregate: its type and id.

    The type is part of it, because ids come from clients, which may send an id of another type.
    """
    return type(entity), entity.id


class IdentityMap:
    """The identity map that the repositories of a unit of work share.

    It keeps references to all loaded aggregates, for their events; the session's own map is weak.
    """

    leaves_references_to_commit = False
    """Whether only the foreign keys check references to aggregates that no use case loads."""

    def __init__(self, session: Session, *, for_update: bool = False) -> None:
        self.session = session
        self.for_update = for_update
        """Whether rows loaded for a change are locked; see `UnitOfWorkFactory`."""
        self.loaded: dict[Key, Entity] = {}
        self.added: set[Key] = set()
        self.removed: set[Key] = set()

    def get(self, key: Key) -> Entity | None:
        """Return the aggregate if it is loaded."""
        return self.loaded.get(key)

    def put(self, entity: Entity) -> None:
        """Record a loaded aggregate."""
        self.loaded[key_of(entity)] = entity

    def add(self, entity: Entity) -> None:
        """Add a new aggregate."""
        self.session.add(entity)
        self.added.add(key_of(entity))
        self.put(entity)

    def remove(self, entity: Entity) -> None:
        """Remove an aggregate."""
        if entity in self.session.new:
            self.session.expunge(entity)
        else:
            self.session.delete(entity)
        self.removed.add(key_of(entity))

    def exists(self, key: Key) -> bool:
        """Return whether the aggregate exists, without loading it."""
        if key in self.removed:
            return False
        if key in self.loaded:
            return True
        entity: Any = key[0]
        rows = self.session.connection().execute(_exists(entity), {"id": key[1]})
        return rows.first() is not None

    def require_flushed(self, key: Key) -> None:
        """Require that the stored row is up to date, because a statement is about to use it."""

    def load(self, entity: Any, ids: Collection[UUID], *, lock: bool) -> list[Any]:
        """Load aggregates by their ids, with one statement.

        Rows are locked in the order of their ids, so that concurrent loads do not deadlock.
        """
        found = self.session.scalars(_by_ids(entity, lock), {"ids": list(ids)})
        return list(found)

    def load_where(self, statement: Select[Any]) -> list[Any]:
        """Load the aggregates that a statement selects, except removed ones."""
        rows = self.execute(statement).scalars()
        found = [one for one in rows if key_of(one) not in self.removed]
        for one in found:
            self.put(one)
        return found

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Result[Any]:
        """Run a statement; it sees flushed changes only."""
        return self.session.execute(statement, parameters)

    def clear(self) -> None:
        """Detach all aggregates."""
        self.session.expunge_all()
        self.loaded, self.added, self.removed = {}, set(), set()


@lru_cache
def _by_ids(entity: Any, lock: bool) -> Select[Any]:
    """Return the statement that loads aggregates by their ids, in the order of the ids."""
    id = class_mapper(entity).local_table.c.id
    found = select(entity).where(id.in_(bindparam("ids", expanding=True))).order_by(id)
    return found.with_for_update(key_share=True) if lock else found


@lru_cache
def _exists(entity: Any) -> Select[Any]:
    id = class_mapper(entity).local_table.c.id
    return select(id).where(id == bindparam("id", type_=Uuid()))
