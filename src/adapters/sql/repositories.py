"""The repositories over the session of a unit of work."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from adapters.sql.repository import SqlRepository
from adapters.sql.schema.tables import (
    categories,
    devices,
    idempotency_records,
    login_throttles,
    movements,
    posts,
    products,
    tasks,
    tokens,
    users,
)
from adapters.sql.schema.types import finer_than
from domain.access import Purpose, Token, TokenRepository
from domain.actors import Role
from domain.catalogue import Product, ProductRepository
from domain.categories import Category, CategoryRepository
from domain.devices import Device, DeviceRepository, Report, Status
from domain.idempotency import IdempotencyRecord, IdempotencyRecordRepository
from domain.login_throttle import LoginThrottle, LoginThrottleRepository
from domain.posts import Post, PostRepository
from domain.stock import Movement, MovementRepository
from domain.tasks import Task, TaskRepository
from domain.users import User, UserRepository


class SqlTasks(SqlRepository[Task], TaskRepository):
    """Tasks in a table."""

    entity = Task

    def references_user(self, user_id: UUID) -> bool:
        return self._exists(or_(tasks.c.assignee_id == user_id, tasks.c.created_by_id == user_id))

    def list_pending(self, user_id: UUID | None) -> list[Task]:
        # SQLAlchemy renders a comparison with None as IS NULL.
        theirs = (tasks.c.assignee_id == user_id, tasks.c.completed_at.is_(None))
        return self._load_where(*theirs, order=(tasks.c.created_at, tasks.c.id))

    def open_reorder(self, product_id: UUID) -> Task | None:
        open_one = (tasks.c.product_id == product_id, tasks.c.completed_at.is_(None))
        found = self._load_where(*open_one, order=(tasks.c.created_at, tasks.c.id))
        return found[0] if found else None

    def list_reorders(self, product_id: UUID) -> list[Task]:
        theirs = tasks.c.product_id == product_id
        return self._load_where(theirs, order=(tasks.c.created_at, tasks.c.id))


class SqlUsers(SqlRepository[User], UserRepository):
    """Users in a table."""

    entity = User

    def get_for_update(self, id: UUID) -> User | None:
        key = (User, id)
        if key in self._map.added or key in self._map.removed:
            return self.find(id)
        # In a batch, this detaches the object of an earlier use case.
        self._map.get(key)
        # Reload a row that was read before the lock was acquired.
        lock = {"key_share": True}
        user = self._map.session.get(User, id, with_for_update=lock, populate_existing=True)
        if user is not None:
            self._map.put(user)
        return user

    def id_by_username(self, username_key: str) -> UUID | None:
        return self._id_where(users.c.username_key == username_key)

    def id_by_email(self, email: str) -> UUID | None:
        return self._id_where(users.c.email == email)

    def _id_where(self, condition: ColumnElement[bool]) -> UUID | None:
        return self._map.execute(select(users.c.id).where(condition)).scalar()

    def has_member(self) -> bool:
        return self._exists(users.c.role == Role.MEMBER)

    def active_admins(self) -> set[UUID]:
        # Locking in one order avoids deadlocks. SQLite has one writer and ignores the lock.
        admins = (
            select(users.c.id)
            .where(users.c.role == Role.ADMIN, users.c.is_active)
            .order_by(users.c.id)
            .with_for_update(key_share=True)
        )
        return set(self._map.execute(admins).scalars())


class SqlTokens(SqlRepository[Token], TokenRepository):
    """Tokens in a table."""

    entity = Token

    def list_for_user(self, purpose: Purpose, user_id: UUID | None) -> list[Token]:
        # SQLAlchemy renders a comparison with None as IS NULL.
        theirs = (tokens.c.purpose == purpose, tokens.c.user_id == user_id)
        return self._load_where(*theirs, order=(tokens.c.created_at, tokens.c.id))

    def mark_used(self, id: UUID, at: datetime) -> None:
        # No other change in the transaction depends on it, so it bypasses the flush.
        session = self._map.session
        session.execute(update(tokens).where(tokens.c.id == id).values(last_used_at=at))


class SqlLoginThrottles(SqlRepository[LoginThrottle], LoginThrottleRepository):
    """Login throttles (rate limit counters) in a table."""

    entity = LoginThrottle
    # Concurrent guesses at one account would mostly fail by the optimistic lock alone.
    for_update = True

    def list_expired(self, now: datetime, limit: int) -> list[LoginThrottle]:
        # Skip locked rows: two transactions that wait for each other's counters would deadlock.
        order = (login_throttles.c.expires_at,)
        return self._load_where(
            login_throttles.c.expires_at <= now, order=order, limit=limit, skip_locked=True
        )


class SqlIdempotencyRecords(SqlRepository[IdempotencyRecord], IdempotencyRecordRepository):
    """Idempotency records in a table."""

    entity = IdempotencyRecord
    # Of two transactions that find an expired record, the second waits and sees it replaced.
    for_update = True

    def list_expired(self, now: datetime, limit: int) -> list[IdempotencyRecord]:
        # Skip locked rows: all transactions find the same records, and one of them deletes each.
        order = (idempotency_records.c.expires_at,)
        return self._load_where(
            idempotency_records.c.expires_at <= now, order=order, limit=limit, skip_locked=True
        )


class SqlPosts(SqlRepository[Post], PostRepository):
    """Posts in a table."""

    entity = Post

    def list_slugs(self, wanted: str) -> set[str]:
        self._lock_value("posts.slug", wanted)
        # A slug contains no wildcard of LIKE.
        alike = or_(posts.c.slug == wanted, posts.c.slug.like(f"{wanted}-%"))
        return set(self._map.execute(select(posts.c.slug).where(alike)).scalars())

    def references_user(self, user_id: UUID) -> bool:
        return self._exists(posts.c.author_id == user_id)


class SqlCategories(SqlRepository[Category], CategoryRepository):
    """Categories in a table."""

    entity = Category

    def id_by_key(self, unique_key: str) -> UUID | None:
        named = select(categories.c.id).where(categories.c.unique_key == unique_key)
        return self._map.execute(named).scalar()


class SqlProducts(SqlRepository[Product], ProductRepository):
    """Products in a table."""

    entity = Product
    for_update = True

    def id_by_sku(self, sku_key: str) -> UUID | None:
        having = select(products.c.id).where(products.c.sku_key == sku_key)
        return self._map.execute(having).scalar()

    def exists_in_category(self, category_id: UUID) -> bool:
        return self._exists(products.c.category_id == category_id)

    def exists_finer_than(self, digits: int) -> bool:
        return self._exists(
            finer_than(products.c.price, digits, self._map.session.get_bind().dialect)
        )


class SqlMovements(SqlRepository[Movement], MovementRepository):
    """Movements in a table."""

    entity = Movement

    def exists_for_product(self, product_id: UUID) -> bool:
        return self._exists(movements.c.product_id == product_id)

    def references_user(self, user_id: UUID) -> bool:
        return self._exists(movements.c.created_by_id == user_id)


class SqlDevices(SqlRepository[Device], DeviceRepository):
    """Devices in a table."""

    entity = Device

    def id_by_serial(self, serial_key: str) -> UUID | None:
        theirs = select(devices.c.id).where(devices.c.serial_key == serial_key)
        return self._map.execute(theirs).scalar()

    def record_heartbeat(
        self, id: UUID, key_digest: str, at: datetime, report: Report
    ) -> Status | None:
        # No other change in the transaction depends on it, so it bypasses the flush. Heartbeats are
        # frequent, so it also bypasses the ORM.
        self._map.require_flushed((Device, id))
        connection = self._map.session.connection()
        whose = {"whose": id, "by": key_digest}
        noted = {**whose, "last_seen_at": at, **report}
        status: Status | None = connection.execute(_beat(tuple(report)), noted).scalar()
        return status or connection.execute(_status_of, whose).scalar()


_own = (devices.c.id == bindparam("whose"), devices.c.key_digest == bindparam("by"))
_status_of: Select[Any] = select(devices.c.status).where(*_own)


@lru_cache(maxsize=8)
def _beat(reported: tuple[str, ...]) -> ReturningUpdate[Any]:
    """Return the UPDATE for a heartbeat that reports these columns."""
    values: dict[str, Any] = {name: bindparam(name) for name in ("last_seen_at", *reported)}
    in_service = devices.c.status != Status.RETIRED
    return update(devices).where(*_own, in_service).values(values).returning(devices.c.status)


REPOSITORIES: Mapping[str, type[SqlRepository[Any]]] = {
    "tasks": SqlTasks,
    "users": SqlUsers,
    "tokens": SqlTokens,
    "login_throttles": SqlLoginThrottles,
    "idempotency_records": SqlIdempotencyRecords,
    "posts": SqlPosts,
    "categories": SqlCategories,
    "products": SqlProducts,
    "movements": SqlMovements,
    "devices": SqlDevices,
}
"""The repository of each attribute of a unit of work."""
