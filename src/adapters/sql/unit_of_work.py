"""The unit of work over a SQLAlchemy session."""

from types import TracebackType
from typing import Self
from uuid import UUID

from sqlalchemy.orm import Session

import adapters.sql.mapping  # noqa: F401  (makes the mapping)
from adapters.ids import new_id
from adapters.sql.database import SqlDatabase
from adapters.sql.repositories import (
    SqlAttempts,
    SqlCategories,
    SqlDevices,
    SqlMovements,
    SqlPosts,
    SqlProducts,
    SqlReceipts,
    SqlTasks,
    SqlTokens,
    SqlUsers,
)
from adapters.sql.troubles import translated
from domain.base import Entity, Event
from service_layer.unit_of_work import UnitOfWork


class SqlUnitOfWork(UnitOfWork):
    """A database transaction."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        self._committing = False

    def __enter__(self) -> Self:
        self._database.begin()
        # A repository finds what it has added before it is written, so nothing has to be flushed
        # early; and an aggregate stays readable after its transaction.
        self._session = Session(self._database.engine, autoflush=False, expire_on_commit=False)
        self._begin_anew()
        return self

    def _begin_anew(self) -> None:
        self._seen: dict[UUID, Entity] = {}
        self.tasks = SqlTasks(self._session, self._seen)
        self.users = SqlUsers(self._session, self._seen)
        self.tokens = SqlTokens(self._session, self._seen)
        self.attempts = SqlAttempts(self._session, self._seen)
        self.receipts = SqlReceipts(self._session, self._seen)
        self.posts = SqlPosts(self._session, self._seen)
        self.categories = SqlCategories(self._session, self._seen)
        self.products = SqlProducts(self._session, self._seen)
        self.movements = SqlMovements(self._session, self._seen)
        self.devices = SqlDevices(self._session, self._seen)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._session.close()
        finally:
            self._database.end()
            trouble = translated(error, may_be_committed=self._committing)
            if trouble is not None:
                raise trouble from error

    def new_id(self) -> UUID:
        return new_id()

    def take_events(self) -> list[Event]:
        return [event for entity in self._seen.values() for event in entity.take_events()]

    def settle(self) -> None:
        self._session.flush()
        self.forget()

    def forget(self) -> None:
        self._session.expunge_all()
        self._begin_anew()

    def commit(self) -> None:
        self._session.flush()
        self._committing = True
        self._session.commit()
        self._committing = False
        self._database.check()

    def rollback(self) -> None:
        self._session.rollback()
