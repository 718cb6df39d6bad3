"""The unit of work over a SQLAlchemy session, and the repositories in it."""

from types import TracebackType
from typing import Generic, Self, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

import adapters.sql.mapping  # noqa: F401  (makes the mapping)
from adapters.ids import new_id
from adapters.sql.database import SqlDatabase
from adapters.sql.troubles import translated
from domain.base import Entity, Event, Repository
from domain.tasks import Task, TaskRepository
from service_layer.unit_of_work import UnitOfWork

E = TypeVar("E", bound=Entity)


class SqlRepository(Repository[E], Generic[E]):
    """Aggregates of one type in the session of a unit of work."""

    type: type[E]

    def __init__(self, session: Session, seen: dict[UUID, Entity]) -> None:
        self._session = session
        self._seen = seen
        # What is added is written with the commit, what is removed goes with it.
        self._added: dict[UUID, E] = {}
        self._removed: set[UUID] = set()

    def add(self, entity: E) -> None:
        self._session.add(entity)
        self._added[entity.id] = self._seen[entity.id] = entity

    def remove(self, entity: E) -> None:
        if entity in self._session.new:
            self._session.expunge(entity)
        else:
            self._session.delete(entity)
        self._removed.add(entity.id)

    def find(self, id: UUID) -> E | None:
        if id in self._removed:
            return None
        entity = self._added.get(id) or self._session.get(self.type, id)
        if entity is not None:
            self._seen[id] = entity
        return entity


class SqlTasks(SqlRepository[Task], TaskRepository):
    """Tasks in a table."""

    type = Task


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
