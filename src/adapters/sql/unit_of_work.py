"""The unit of work over a SQLAlchemy session."""

from collections.abc import Collection
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from sqlalchemy.orm import Session

import adapters.sql.schema.mapping  # noqa: F401  (makes the mapping)
from adapters.ids import new_id
from adapters.sql.database import SqlDatabase
from adapters.sql.fast.bulk_flush import write
from adapters.sql.fast.working_set import WorkingSet
from adapters.sql.repositories import (
    SqlCategories,
    SqlDevices,
    SqlIdempotencyRecords,
    SqlLoginThrottles,
    SqlMovements,
    SqlPosts,
    SqlProducts,
    SqlTasks,
    SqlTokens,
    SqlUsers,
)
from adapters.sql.repository import SqlRepository
from domain.base import Entity, Event
from domain.users import User
from service_layer.unit_of_work import UnitOfWork


class SqlUnitOfWork(UnitOfWork):
    """A database transaction."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        self._committing = False

    def __enter__(self) -> Self:
        self._database.begin()
        # No autoflush: the identity map finds added aggregates before they are written. No expiry:
        # an aggregate stays readable after its transaction.
        engine = self._database.engine if self.patient else self._database.short_lock_timeout_engine
        self._session = Session(engine, autoflush=False, expire_on_commit=False)
        self._work = work = WorkingSet(self._session, self.shared, self.for_update)
        self.tasks = tasks = SqlTasks(work)
        self.users = SqlUsers(work)
        self.tokens = SqlTokens(work)
        self.login_throttles = SqlLoginThrottles(work)
        self.idempotency_records = SqlIdempotencyRecords(work)
        self.posts = posts = SqlPosts(work)
        self.categories = SqlCategories(work)
        self.products = products = SqlProducts(work)
        self.movements = SqlMovements(work)
        self.devices = devices = SqlDevices(work)
        self._prefetchable: tuple[SqlRepository[Any], ...] = (tasks, posts, products, devices)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.rollback()
        finally:
            self._database.end()
            trouble = self._database.to_service_error(error, may_be_committed=self._committing)
            if trouble is not None:
                raise trouble from error

    def new_id(self) -> UUID:
        return new_id()

    def collect_events(self) -> list[Event]:
        return [event for entity in self._work.loaded.values() for event in entity.collect_events()]

    def prefetch(self, keys: Collection[tuple[type[Entity], UUID]]) -> None:
        ids: dict[type[Entity], set[UUID]] = {}
        for entity, id in keys:
            ids.setdefault(entity, set()).add(id)
        for repository in self._prefetchable:
            if len(some := ids.get(repository.entity, ())) > 1:
                repository.prefetch(some)

    def flush(self) -> None:
        if User in write(self._session, self._database.writer):
            self._database.erase_deleted_users(self._session.connection())
        self._work.reset()

    def defer(self) -> None:
        self._work.defer()

    def discard(self) -> None:
        self._work.discard()

    def commit(self) -> None:
        self.flush()
        self._committing = True
        self._session.commit()
        self._committing = False
        self._database.check()

    def rollback(self) -> None:
        self._session.close()
