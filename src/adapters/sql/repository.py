"""Base of the SQL repositories: loading and locks over the identity map."""

from collections.abc import Sequence
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select, true

from adapters.sql.identity_map import IdentityMap
from domain.base import Entity, Repository

E = TypeVar("E", bound=Entity)


class SqlRepository(Repository[E], Generic[E]):
    """Aggregates of one type in the session of a unit of work."""

    entity: type[E]
    for_update: bool = False
    """Whether found rows stay locked until the transaction ends (pessimistic lock).

    PostgreSQL uses `FOR NO KEY UPDATE`, which permits new references to the row. SQLite has one
    writer and ignores it.
    """

    def __init__(self, identity_map: IdentityMap) -> None:
        self._map = identity_map

    def add(self, entity: E) -> None:
        self._map.add(entity)

    def remove(self, entity: E) -> None:
        self._map.remove(entity)

    def find(self, id: UUID) -> E | None:
        return self._find(id, lock=self.for_update)

    def find_for_update(self, id: UUID) -> E | None:
        return self._find(id, lock=self.for_update or self._map.for_update)

    def _find(self, id: UUID, *, lock: bool) -> E | None:
        key = (self.entity, id)
        if key in self._map.removed:
            return None
        entity = self._map.get(key)
        if entity is None:
            rows = self._map.load(self.entity, (id,), lock=lock)
            if not rows:
                return None
            (entity,) = rows
            self._map.put(entity)
        found: E = entity  # type: ignore[assignment]
        return found

    def has(self, id: UUID) -> bool:
        return self._map.exists((self.entity, id))

    def require_exists(self, id: UUID) -> None:
        if not self._map.leaves_references_to_commit:
            super().require_exists(id)

    def is_empty(self) -> bool:
        return not self._exists(true())

    def _exists(self, condition: ColumnElement[bool]) -> bool:
        """Tell whether any stored aggregate meets a condition."""
        some = select(literal(1)).select_from(self.entity).where(condition).limit(1)
        return self._map.execute(some).first() is not None

    def _lock_value(self, column: str, value: str) -> None:
        """Serialize transactions that choose a unique value from the existing ones, until they end.

        No row exists yet that could be locked. PostgreSQL has advisory locks for this purpose;
        SQLite has one writer.
        """
        if self._map.session.get_bind().dialect.name == "postgresql":
            keys = func.hashtext(column), func.hashtext(value)
            self._map.execute(select(func.pg_advisory_xact_lock(*keys)))

    def _load_where(
        self,
        *where: ColumnElement[bool],
        order: Sequence[ColumnElement[object]],
        limit: int | None = None,
        skip_locked: bool = False,
    ) -> list[E]:
        """Load stored aggregates for a change, except those removed in this transaction.

        With `skip_locked`, rows locked by other transactions are skipped, and the loaded rows are
        locked.
        """
        statement = select(self.entity).where(*where).order_by(*order).limit(limit)
        if skip_locked or self._map.for_update:
            statement = statement.with_for_update(key_share=True, skip_locked=skip_locked)
        return self._map.load_where(statement)
