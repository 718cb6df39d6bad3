"""The store of dictionaries, its repositories, and the unit of work over them."""

import threading
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from adapters.ids import new_id
from domain.access import Purpose, Token, TokenRepository
from domain.actors import Role
from domain.base import Entity, Event, Repository
from domain.catalogue import Product, ProductRepository
from domain.categories import Category, CategoryRepository
from domain.devices import Device, DeviceRepository, Report, Status
from domain.idempotency import IdempotencyRecord, IdempotencyRecordRepository
from domain.login_throttle import LoginThrottle, LoginThrottleRepository
from domain.posts import Post, PostRepository
from domain.stock import Movement, MovementRepository
from domain.tasks import Task, TaskRepository
from domain.users import User, UserRepository
from service_layer.unit_of_work import UnitOfWork

E = TypeVar("E", bound=Entity)
State = dict[str, Any]


class MemoryStore:
    """Committed state: for each type of aggregate, the field values by id."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.writing = threading.Lock()
        self.states: dict[type[Entity], dict[UUID, State]] = {
            repository.entity: {} for repository in REPOSITORIES.values()
        }

    def all(self, entity: type[E]) -> list[E]:
        """Return a copy of every aggregate of a type."""
        with self.lock:
            return [entity(**state) for state in self.states[entity].values()]


def state_of(entity: Entity) -> State:
    """Return the values of an aggregate's fields, with times in UTC as in a database."""
    values = {field.name: getattr(entity, field.name) for field in fields(entity)}
    return {n: v.astimezone(UTC) if isinstance(v, datetime) else v for n, v in values.items()}


class MemoryRepository(Repository[E], Generic[E]):
    """Copies of committed aggregates, and the changes of this unit of work."""

    entity: type[E]

    def __init__(self, store: MemoryStore) -> None:
        self._committed = store.states[self.entity]
        # Flushed state by id; `None` if the aggregate was removed.
        self._flushed: dict[UUID, State | None] = {}
        self.discard()

    def discard(self) -> None:
        """Detach all aggregates and discard their changes."""
        self.loaded: dict[UUID, E] = {}
        self._loaded: dict[UUID, State] = {}
        self._removed: set[UUID] = set()

    def add(self, entity: E) -> None:
        self.loaded[entity.id] = entity

    def remove(self, entity: E) -> None:
        self._removed.add(entity.id)

    def find(self, id: UUID) -> E | None:
        if id in self._removed:
            return None
        if id not in self.loaded and (state := self._state(id)) is not None:
            self._loaded[id] = dict(state)
            self.loaded[id] = self.entity(**state)
        return self.loaded.get(id)

    def is_empty(self) -> bool:
        return not self._states()

    def _state(self, id: UUID) -> State | None:
        """Return the flushed or committed state under an id."""
        return self._flushed[id] if id in self._flushed else self._committed.get(id)

    def _states(self) -> dict[UUID, State]:
        """Return the flushed and committed states by id."""
        there = {**self._committed, **self._flushed}
        return {id: state for id, state in there.items() if state is not None}

    def _load_where(self, order: str, **members: Any) -> list[E]:
        """Return the aggregates whose fields equal `members`, in an order."""
        states = self._states().values()
        meant = [s for s in states if all(s[name] == value for name, value in members.items())]
        found = (self.find(state["id"]) for state in sorted(meant, key=lambda s: s[order]))
        return [one for one in found if one is not None]

    def flush(self) -> None:
        """Flush the changes, and increment the versions of changed aggregates."""
        for id, entity in self.loaded.items():
            state, loaded = state_of(entity), self._loaded.get(id)
            if id in self._removed:
                if loaded is not None:
                    self._flushed[id] = None
            elif state != loaded:
                if loaded is not None:
                    state["version"] = entity.version = loaded["version"] + 1
                self._flushed[id] = state
        self.discard()

    def commit(self) -> None:
        """Flush and commit the changes."""
        self.flush()
        for id, state in self._flushed.items():
            if state is None:
                self._committed.pop(id, None)
            else:
                self._committed[id] = state


class MemoryTasks(MemoryRepository[Task], TaskRepository):
    """Tasks in a dictionary."""

    entity = Task

    def references_user(self, user_id: UUID) -> bool:
        theirs = ("assignee_id", "created_by_id")
        return any(state[name] == user_id for state in self._states().values() for name in theirs)

    def list_pending(self, user_id: UUID | None) -> list[Task]:
        return self._load_where("created_at", assignee_id=user_id, completed_at=None)

    def open_reorder(self, product_id: UUID) -> Task | None:
        found = self._load_where("created_at", product_id=product_id, completed_at=None)
        return found[0] if found else None

    def list_reorders(self, product_id: UUID) -> list[Task]:
        return self._load_where("created_at", product_id=product_id)


class MemoryUsers(MemoryRepository[User], UserRepository):
    """Users in a dictionary."""

    entity = User

    def get_for_update(self, id: UUID) -> User | None:
        return self.find(id)

    def id_by_username(self, username_key: str) -> UUID | None:
        users = (User(**state) for state in self._states().values())
        return next((user.id for user in users if user.username_key == username_key), None)

    def id_by_email(self, email: str) -> UUID | None:
        users = self._states().values()
        return next((user["id"] for user in users if user["email"] == email), None)

    def has_member(self) -> bool:
        return any(state["role"] is Role.MEMBER for state in self._states().values())

    def active_admins(self) -> set[UUID]:
        users = (User(**state) for state in self._states().values())
        return {user.id for user in users if user.is_active_admin}


class MemoryTokens(MemoryRepository[Token], TokenRepository):
    """Tokens in a dictionary."""

    entity = Token

    def list_for_user(self, purpose: Purpose, user_id: UUID | None) -> list[Token]:
        return self._load_where("created_at", purpose=purpose, user_id=user_id)

    def mark_used(self, id: UUID, at: datetime) -> None:
        if state := self._states().get(id):
            self._flushed[id] = {**state, "last_used_at": at}


class MemoryLoginThrottles(MemoryRepository[LoginThrottle], LoginThrottleRepository):
    """Login throttles (rate limit counters) in a dictionary."""

    entity = LoginThrottle

    def list_expired(self, now: datetime, limit: int) -> list[LoginThrottle]:
        return [one for one in self._load_where("expires_at") if one.expires_at <= now][:limit]


class MemoryIdempotencyRecords(MemoryRepository[IdempotencyRecord], IdempotencyRecordRepository):
    """Idempotency records in a dictionary."""

    entity = IdempotencyRecord

    def list_expired(self, now: datetime, limit: int) -> list[IdempotencyRecord]:
        return [one for one in self._load_where("expires_at") if not one.is_valid(now)][:limit]


class MemoryPosts(MemoryRepository[Post], PostRepository):
    """Posts in a dictionary."""

    entity = Post

    def list_slugs(self, wanted: str) -> set[str]:
        slugs = (state["slug"] for state in self._states().values())
        return {slug for slug in slugs if slug == wanted or slug.startswith(f"{wanted}-")}

    def references_user(self, user_id: UUID) -> bool:
        return any(state["author_id"] == user_id for state in self._states().values())


class MemoryCategories(MemoryRepository[Category], CategoryRepository):
    """Categories in a dictionary."""

    entity = Category

    def id_by_key(self, unique_key: str) -> UUID | None:
        categories = (Category(**state) for state in self._states().values())
        return next((one.id for one in categories if one.unique_key == unique_key), None)


class MemoryProducts(MemoryRepository[Product], ProductRepository):
    """Products in a dictionary."""

    entity = Product

    def id_by_sku(self, sku_key: str) -> UUID | None:
        products = (Product(**state) for state in self._states().values())
        return next((one.id for one in products if one.sku_key == sku_key), None)

    def exists_in_category(self, category_id: UUID) -> bool:
        return any(state["category_id"] == category_id for state in self._states().values())

    def exists_finer_than(self, digits: int) -> bool:
        prices = (state["price"] for state in self._states().values())
        return any(price != round(price, digits) for price in prices)


class MemoryMovements(MemoryRepository[Movement], MovementRepository):
    """Movements in a dictionary."""

    entity = Movement

    def exists_for_product(self, product_id: UUID) -> bool:
        return any(state["product_id"] == product_id for state in self._states().values())

    def references_user(self, user_id: UUID) -> bool:
        return any(state["created_by_id"] == user_id for state in self._states().values())


class MemoryDevices(MemoryRepository[Device], DeviceRepository):
    """Devices in a dictionary."""

    entity = Device

    def id_by_serial(self, serial_key: str) -> UUID | None:
        devices = (Device(**state) for state in self._states().values())
        return next((one.id for one in devices if one.serial_key == serial_key), None)

    def record_heartbeat(
        self, id: UUID, key_digest: str, at: datetime, report: Report
    ) -> Status | None:
        state = self._states().get(id)
        if state is None or state["key_digest"] != key_digest:
            return None
        status: Status = state["status"]
        if status is not Status.RETIRED:
            self._flushed[id] = {**state, "last_seen_at": at, **report}
        return status


REPOSITORIES: Mapping[str, type[MemoryRepository[Any]]] = {
    "tasks": MemoryTasks,
    "users": MemoryUsers,
    "tokens": MemoryTokens,
    "login_throttles": MemoryLoginThrottles,
    "idempotency_records": MemoryIdempotencyRecords,
    "posts": MemoryPosts,
    "categories": MemoryCategories,
    "products": MemoryProducts,
    "movements": MemoryMovements,
    "devices": MemoryDevices,
}
"""The repository of each attribute of a unit of work."""


class MemoryUnitOfWork(UnitOfWork):
    """A transaction over dictionaries; one at a time, as in SQLite."""

    def __init__(self, store: MemoryStore, *, for_update: bool = False) -> None:
        """Begin a unit of work; it has no locks to take `for_update`."""
        self._store = store

    def __enter__(self) -> Self:
        self._store.writing.acquire()
        self.rollback()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._store.writing.release()

    def new_id(self) -> UUID:
        return new_id()

    def collect_events(self) -> list[Event]:
        return [
            event
            for repository in self._repositories
            for entity in repository.loaded.values()
            for event in entity.collect_events()
        ]

    def flush(self) -> None:
        for repository in self._repositories:
            repository.flush()

    def commit(self) -> None:
        with self._store.lock:
            for repository in self._repositories:
                repository.commit()

    def rollback(self) -> None:
        for name, repository in REPOSITORIES.items():
            setattr(self, name, repository(self._store))
        self._repositories = tuple(getattr(self, name) for name in REPOSITORIES)
