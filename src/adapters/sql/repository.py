"""Base of the SQL repositories: loading, prefetch and locks over the identity map."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Executable,
    Result,
    ScalarResult,
    Select,
    bindparam,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.orm import class_mapper

from adapters.sql.fast.working_set import WorkingSet, key_of
from domain.base import Entity, Repository
from service_layer.errors import FlushRequired

E = TypeVar("E", bound=Entity)


class SqlRepository(Repository[E], Generic[E]):
    """Aggregates of one type in the session of a unit of work."""

    entity: type[E]
    for_update: bool = False
    """Whether found rows stay locked until the transaction ends (pessimistic lock).

    PostgreSQL uses `FOR NO KEY UPDATE`, which permits new references to the row. SQLite has one
    writer and ignores it.
    """

    def __init__(self, work: WorkingSet) -> None:
        self._work = work
        self._session = work.session

    def add(self, entity: E) -> None:
        self._session.add(entity)
        key = key_of(entity)
        self._work.added.add(key)
        self._work.loaded[key] = entity

    def remove(self, entity: E) -> None:
        if entity in self._session.new:
            self._session.expunge(entity)
        else:
            self._session.delete(entity)
        self._work.removed.add(key_of(entity))

    def find(self, id: UUID) -> E | None:
        return self._find(id, lock=self.for_update)

    def find_for_update(self, id: UUID) -> E | None:
        return self._find(id, lock=self.for_update or self._work.for_update)

    def _find(self, id: UUID, *, lock: bool) -> E | None:
        work, key = self._work, (self.entity, id)
        if key in work.removed:
            return None
        entity: Any = work.loaded.get(key)
        if entity is None:
            work.evict(key)
            entity = work.prefetched.pop(key, None)
        if entity is None:
            entity = self._load((id,), lock=lock).first()
        if entity is None:
            return None
        work.loaded[key] = entity
        found: E = entity
        return found

    def prefetch(self, ids: Collection[UUID]) -> None:
        """Prefetch aggregates by their ids, with one statement.

        Rows are locked in the order of their ids, so that concurrent prefetches do not deadlock.
        """
        self._work.prefetched.update((key_of(one), one) for one in self._load(ids, self.for_update))

    def _load(self, ids: Collection[UUID], lock: bool) -> ScalarResult[E]:
        kind: Any = self.entity
        return self._session.scalars(_by_ids(kind, lock), {"ids": list(ids)})

    def is_empty(self) -> bool:
        return not self._exists(true())

    def _query(self, statement: Executable) -> Result[Any]:
        """Run a query; raise `FlushRequired` if it would miss changes that are not flushed yet."""
        if self._work.pending:
            raise FlushRequired
        return self._session.execute(statement)

    def _lock_value(self, column: str, value: str) -> None:
        """Serialize transactions that choose a unique value from the existing ones, until they end.

        No row exists yet that could be locked. PostgreSQL has advisory locks for this purpose;
        SQLite has one writer.
        """
        if self._session.get_bind().dialect.name == "postgresql":
            keys = func.hashtext(column), func.hashtext(value)
            self._query(select(func.pg_advisory_xact_lock(*keys)))

    def _exists(self, condition: ColumnElement[bool]) -> bool:
        """Tell whether any stored aggregate meets a condition."""
        some = select(literal(1)).select_from(self.entity).where(condition).limit(1)
        return self._query(some).first() is not None

    def _load_where(
        self,
        *where: ColumnElement[bool],
        order: Sequence[ColumnElement[object]],
        limit: int | None = None,
        skip_locked: bool = False,
    ) -> list[E]:
        """Load stored aggregates for a change, except those removed in this transaction.

        With `free`, rows locked by other transactions are skipped, and the loaded rows are locked.
        """
        statement = select(self.entity).where(*where).order_by(*order).limit(limit)
        if skip_locked or self._work.for_update:
            statement = statement.with_for_update(key_share=True, skip_locked=skip_locked)
        self._work.evict_all()
        rows = self._query(statement).scalars()
        found = [one for one in rows if key_of(one) not in self._work.removed]
        self._work.loaded.update((key_of(one), one) for one in found)
        return found


@lru_cache
def _by_ids(kind: Any, locks: bool) -> Select[Any]:
    """Return the statement that loads aggregates by their ids, in the order of the ids."""
    id = class_mapper(kind).local_table.c.id
    found = select(kind).where(id.in_(bindparam("ids", expanding=True))).order_by(id)
    return found.with_for_update(key_share=True) if locks else found
