"""The unit of work over a SQLAlchemy session."""

from types import TracebackType
from typing import Self
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.orm import Session

import adapters.sql.schema.mapping  # noqa: F401  (makes the mapping)
from adapters.ids import new_id
from adapters.sql.database import SqlDatabase
from adapters.sql.identity_map import IdentityMap
from adapters.sql.repositories import REPOSITORIES
from domain.base import Event
from domain.users import User
from service_layer.unit_of_work import UnitOfWork


class SqlUnitOfWork(UnitOfWork):
    """A database transaction."""

    def __init__(self, database: SqlDatabase, *, for_update: bool = False) -> None:
        self._database = database
        self._for_update = for_update
        self._committing = False

    def __enter__(self) -> Self:
        self._database.begin()
        # No autoflush: a flush increments versions, so there is one at the end of a use case. No
        # expiry: an aggregate stays readable after its transaction.
        self._session = Session(self._engine(), autoflush=False, expire_on_commit=False)
        self._map = self._make_map(self._session)
        for name, repository in REPOSITORIES.items():
            setattr(self, name, repository(self._map))
        return self

    def _engine(self) -> Engine:
        return self._database.engine

    def _make_map(self, session: Session) -> IdentityMap:
        return IdentityMap(session, for_update=self._for_update)

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
        return [event for entity in self._map.loaded.values() for event in entity.collect_events()]

    def flush(self) -> None:
        deletes_user = any(isinstance(entity, User) for entity in self._session.deleted)
        self._flush_session()
        if deletes_user:
            self._database.erase_deleted_users(self._session.connection())
        self._map.clear()

    def _flush_session(self) -> None:
        self._session.flush()

    def commit(self) -> None:
        self.flush()
        self._committing = True
        self._session.commit()
        self._committing = False
        self._database.check()

    def rollback(self) -> None:
        self._session.close()
