"""The repositories in the session of a unit of work."""

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
    attempts,
    categories,
    devices,
    movements,
    posts,
    products,
    receipts,
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
from domain.idempotency import Receipt, ReceiptRepository
from domain.login_throttle import LoginThrottle, LoginThrottleRepository
from domain.posts import Post, PostRepository
from domain.stock import Movement, MovementRepository
from domain.tasks import Task, TaskRepository
from domain.users import User, UserRepository
from service_layer.errors import Unsettled


class SqlTasks(SqlRepository[Task], TaskRepository):
    """Tasks in a table."""

    type = Task

    def concern(self, user_id: UUID) -> bool:
        return self._any(or_(tasks.c.assignee_id == user_id, tasks.c.created_by_id == user_id))

    def pending_of(self, user_id: UUID | None) -> list[Task]:
        # Comparing with None asks whether there is no user.
        theirs = (tasks.c.assignee_id == user_id, tasks.c.completed_at.is_(None))
        return self._some(*theirs, order=(tasks.c.created_at, tasks.c.id))

    def open_reorder(self, product_id: UUID) -> Task | None:
        open_one = (tasks.c.product_id == product_id, tasks.c.completed_at.is_(None))
        found = self._some(*open_one, order=(tasks.c.created_at, tasks.c.id))
        return found[0] if found else None

    def reorders(self, product_id: UUID) -> list[Task]:
        theirs = tasks.c.product_id == product_id
        return self._some(theirs, order=(tasks.c.created_at, tasks.c.id))


class SqlUsers(SqlRepository[User], UserRepository):
    """Users in a table."""

    type = User

    def has(self, id: UUID) -> bool:
        # The database holds whatever names them to that, when the transaction ends. If it has to,
        # those who shared the transaction run again, each alone, and look.
        return self._work.shared or super().has(id)

    def hold(self, id: UUID) -> User | None:
        work, key = self._work, (User, id)
        if key in work.added or key in work.removed:
            return self.find(id)
        if key not in work.seen:
            work.part_with(key)
        # What was read before somebody else let go of it is read again.
        lock = {"key_share": True}
        held = self._session.get(User, id, with_for_update=lock, populate_existing=True)
        if held is not None:
            work.seen[key] = held
        return held

    def named(self, username_key: str) -> UUID | None:
        return self._who(users.c.username_key == username_key)

    def addressed(self, email: str) -> UUID | None:
        return self._who(users.c.email == email)

    def _who(self, condition: ColumnElement[bool]) -> UUID | None:
        return self._ask(select(users.c.id).where(condition)).scalar()

    def any_member(self) -> bool:
        return self._any(users.c.role == Role.MEMBER)

    def active_admins(self) -> set[UUID]:
        # Locked in one order, two who do this wait for each other instead of for ever. SQLite has
        # one writer and ignores the locking.
        admins = (
            select(users.c.id)
            .where(users.c.role == Role.ADMIN, users.c.is_active)
            .order_by(users.c.id)
            .with_for_update(key_share=True)
        )
        return set(self._ask(admins).scalars())


class SqlTokens(SqlRepository[Token], TokenRepository):
    """Tokens in a table."""

    type = Token

    def of(self, purpose: Purpose, user_id: UUID | None) -> list[Token]:
        # Comparing with None asks whether there is no user.
        theirs = (tokens.c.purpose == purpose, tokens.c.user_id == user_id)
        return self._some(*theirs, order=(tokens.c.created_at, tokens.c.id))

    def mark_used(self, id: UUID, at: datetime) -> None:
        # Nothing else of the transaction hangs on it, so it may be written at once.
        self._session.execute(update(tokens).where(tokens.c.id == id).values(last_used_at=at))


class SqlLoginThrottles(SqlRepository[LoginThrottle], LoginThrottleRepository):
    """Counters of failed attempts in a table."""

    type = LoginThrottle
    # Many guess at one account at once; by versions alone most would collide, time and again.
    locks = True

    def over(self, now: datetime, limit: int) -> list[LoginThrottle]:
        # Two transactions that wait for each other's counters would wait for ever.
        order = (attempts.c.forget_at,)
        return self._some(attempts.c.forget_at <= now, order=order, limit=limit, free=True)


class SqlReceipts(SqlRepository[Receipt], ReceiptRepository):
    """Receipts in a table."""

    type = Receipt
    # Of two that find one over at once, the second waits and sees it renewed.
    locks = True

    def over(self, now: datetime, limit: int) -> list[Receipt]:
        # All find the same ones at first, and only one can throw each away.
        order = (receipts.c.forget_at,)
        return self._some(receipts.c.forget_at <= now, order=order, limit=limit, free=True)


class SqlPosts(SqlRepository[Post], PostRepository):
    """Posts in a table."""

    type = Post

    def slugs(self, wanted: str) -> set[str]:
        self._lock_value("posts.slug", wanted)
        # A slug has nothing in it that LIKE would take for a wildcard.
        alike = or_(posts.c.slug == wanted, posts.c.slug.like(f"{wanted}-%"))
        return set(self._ask(select(posts.c.slug).where(alike)).scalars())

    def concern(self, user_id: UUID) -> bool:
        return self._any(posts.c.author_id == user_id)


class SqlCategories(SqlRepository[Category], CategoryRepository):
    """Categories in a table."""

    type = Category

    def named(self, own_key: str) -> UUID | None:
        named = select(categories.c.id).where(categories.c.own_key == own_key)
        return self._ask(named).scalar()


class SqlProducts(SqlRepository[Product], ProductRepository):
    """Products in a table."""

    type = Product
    locks = True

    def with_sku(self, sku_key: str) -> UUID | None:
        having = select(products.c.id).where(products.c.sku_key == sku_key)
        return self._ask(having).scalar()

    def any_in(self, category_id: UUID) -> bool:
        return self._any(products.c.category_id == category_id)

    def any_finer_than(self, digits: int) -> bool:
        return self._any(finer_than(products.c.price, digits, self._session.get_bind().dialect))


class SqlMovements(SqlRepository[Movement], MovementRepository):
    """Movements in a table."""

    type = Movement

    def of_product(self, product_id: UUID) -> bool:
        return self._any(movements.c.product_id == product_id)

    def concern(self, user_id: UUID) -> bool:
        return self._any(movements.c.created_by_id == user_id)


class SqlDevices(SqlRepository[Device], DeviceRepository):
    """Devices in a table."""

    type = Device

    def with_serial(self, serial_key: str) -> UUID | None:
        theirs = select(devices.c.id).where(devices.c.serial_key == serial_key)
        return self._ask(theirs).scalar()

    def beat(self, id: UUID, key_digest: str, at: datetime, report: Report) -> Status | None:
        # Nothing else of the transaction hangs on it, so it may be written at once; and there are
        # many, so it takes the shortest way.
        if (Device, id) in self._work.waiting:
            raise Unsettled
        connection = self._session.connection()
        whose = {"whose": id, "by": key_digest}
        noted = {**whose, "last_seen_at": at, **report}
        status: Status | None = connection.execute(_beat(tuple(report)), noted).scalar()
        return status or connection.execute(_status_of, whose).scalar()


_own = (devices.c.id == bindparam("whose"), devices.c.key_digest == bindparam("by"))
_status_of: Select[Any] = select(devices.c.status).where(*_own)


@lru_cache(maxsize=8)
def _beat(told: tuple[str, ...]) -> ReturningUpdate[Any]:
    """Return the statement of a heartbeat that tells some members, made once for each such."""
    values: dict[str, Any] = {name: bindparam(name) for name in ("last_seen_at", *told)}
    in_service = devices.c.status != Status.RETIRED
    return update(devices).where(*_own, in_service).values(values).returning(devices.c.status)
