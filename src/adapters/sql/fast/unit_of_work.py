"""The unit of work of group commit over a SQLAlchemy session, with prefetch and bulk flush."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from adapters.sql.fast.bulk_flush import write
from adapters.sql.fast.database import FastDatabase
from adapters.sql.fast.working_set import WorkingSet
from adapters.sql.repositories import REPOSITORIES
from adapters.sql.unit_of_work import SqlUnitOfWork
from domain.base import Entity
from service_layer.group_commit.unit_of_work import BatchUnitOfWork, Key

_LOCKS = {repository.entity: repository.for_update for repository in REPOSITORIES.values()}


class SqlBatchUnitOfWork(SqlUnitOfWork, BatchUnitOfWork):
    """A database transaction that several use cases share."""

    def __init__(self, database: FastDatabase) -> None:
        super().__init__(database)
        self._fast = database

    def _engine(self) -> Engine:
        return self._fast.batch_engine

    def _make_map(self, session: Session) -> WorkingSet:
        self._working_set = WorkingSet(session)
        return self._working_set

    def prefetch(self, keys: Collection[Key]) -> None:
        ids: dict[type[Entity], set[UUID]] = {}
        for entity, id in keys:
            ids.setdefault(entity, set()).add(id)
        for entity, some in sorted(ids.items(), key=lambda item: item[0].__name__):
            if len(some) > 1:
                self._working_set.prefetch(entity, some, lock=_LOCKS[entity])

    def scope(self) -> AbstractContextManager[None]:
        return self._working_set.scope()

    def _flush_session(self) -> None:
        write(self._session, self._fast.writer)
