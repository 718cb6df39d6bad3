"""Working set: the identity map of a batch, in which each use case gets its own objects."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Executable, Result, Select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state

from adapters.sql.identity_map import IdentityMap, Key, key_of
from domain.base import Entity
from service_layer.group_commit.unit_of_work import FlushRequired


class WorkingSet(IdentityMap):
    """The identity map of a transaction that several use cases share, one after another."""

    leaves_references_to_commit = True
    # After a violation the use cases run alone, at last in the plain lane, which checks by itself.

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.previous: dict[Key, Entity] = {}
        """Aggregates of earlier use cases, which their callers may still reference."""
        self.pending: set[Key] = set()
        """Keys of changes by earlier use cases that are not flushed yet."""
        self.prefetched: dict[Key, Entity] = {}

    def get(self, key: Key) -> Entity | None:
        entity = self.loaded.get(key)
        if entity is None:
            self._evict(key)
            entity = self.prefetched.pop(key, None)
            if entity is not None:
                self.put(entity)
        return entity

    def exists(self, key: Key) -> bool:
        if key not in self.loaded and key not in self.removed:
            self.require_flushed(key)
        return super().exists(key)

    def require_flushed(self, key: Key) -> None:
        """Require that an aggregate has no deferred changes.

        Raises:
            FlushRequired: when it has.
        """
        if key in self.pending:
            raise FlushRequired

    def load_where(self, statement: Select[Any]) -> list[Any]:
        """Detach all aggregates of earlier use cases and all prefetched ones, to read fresh state.

        Raises:
            FlushRequired: when there are deferred changes.
        """
        for key in list(self.previous):
            self._evict(key)
        for entity in self.prefetched.values():
            self.session.expunge(entity)
        self.prefetched = {}
        return super().load_where(statement)

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> Result[Any]:
        """Run a statement.

        Raises:
            FlushRequired: when there are deferred changes, which it would miss.
        """
        if self.pending:
            raise FlushRequired
        return super().execute(statement, parameters)

    def prefetch(self, entity: Any, ids: Collection[Any], *, lock: bool) -> None:
        """Prefetch aggregates by their ids, with one statement."""
        self.prefetched.update((key_of(one), one) for one in self.load(entity, ids, lock=lock))

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Forget a use case's aggregates at its end; keep its changes unless it raises an error."""
        try:
            yield
        except BaseException:
            for entity in self.loaded.values():
                if entity in self.session:
                    self.session.expunge(entity)
            raise
        else:
            for key, entity in self.loaded.items():
                if key in self.added or key in self.removed or instance_state(entity).modified:
                    self.pending.add(key)
            self.previous.update(self.loaded)
        finally:
            self.loaded, self.added, self.removed = {}, set(), set()

    def clear(self) -> None:
        """Detach all aggregates after a flush, which emptied the session."""
        self.loaded, self.added, self.removed = {}, set(), set()
        self.previous, self.pending, self.prefetched = {}, set(), {}

    def _evict(self, key: Key) -> None:
        """Detach an aggregate of an earlier use case, so that the current one loads its own object.

        Raises:
            FlushRequired: when the aggregate has deferred changes.
        """
        self.require_flushed(key)
        before = self.previous.pop(key, None)
        if before is not None and before in self.session:
            self.session.expunge(before)
