"""The repositories in the session of a unit of work."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, literal, or_, select, true, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from adapters.sql.tables import (
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
from domain.access import Attempts, AttemptsRepository, Purpose, Token, TokenRepository
from domain.actors import Role
from domain.base import Entity, Repository
from domain.catalogue import Product, ProductRepository
from domain.categories import Category, CategoryRepository
from domain.devices import Device, DeviceRepository, Report, Status
from domain.posts import Post, PostRepository
from domain.receipts import Receipt, ReceiptRepository
from domain.stock import Movement, MovementRepository
from domain.tasks import Task, TaskRepository
from domain.users import User, UserRepository

E = TypeVar("E", bound=Entity)


class SqlRepository(Repository[E], Generic[E]):
    """Aggregates of one type in the session of a unit of work."""

    type: type[E]
    locks: bool = False
    """Whether nobody else changes what was found until the transaction ends. SQLite has one writer
    and ignores it."""

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
        entity = self._added.get(id) or self._session.get(self.type, id, with_for_update=self.locks)
        if entity is not None:
            self._seen[id] = entity
        return entity

    def any(self) -> bool:
        return self._any(true())

    def _any(self, condition: ColumnElement[bool]) -> bool:
        """Whether there is any kept aggregate of which a condition holds."""
        some = select(literal(1)).select_from(self.type).where(condition).limit(1)
        return self._session.execute(some).first() is not None

    def _some(
        self,
        *where: ColumnElement[bool],
        order: Sequence[ColumnElement[object]],
        limit: int | None = None,
        free: bool = False,
    ) -> list[E]:
        """Return kept aggregates for a change, but those that were removed meanwhile.

        With `free` also none that another transaction holds, and these are held until this ends.
        """
        statement = select(self.type).where(*where).order_by(*order).limit(limit)
        if free:
            statement = statement.with_for_update(skip_locked=True)
        found = [one for one in self._session.scalars(statement) if one.id not in self._removed]
        self._seen.update((one.id, one) for one in found)
        return found


class SqlTasks(SqlRepository[Task], TaskRepository):
    """Tasks in a table."""

    type = Task

    def concern(self, user_id: UUID) -> bool:
        return self._any(or_(tasks.c.assignee_id == user_id, tasks.c.created_by_id == user_id))

    def pending_of(self, user_id: UUID | None) -> list[Task]:
        # Comparing with None asks whether there is no user.
        theirs = (tasks.c.assignee_id == user_id, tasks.c.completed_at.is_(None))
        return self._some(*theirs, order=(tasks.c.created_at, tasks.c.id))


class SqlUsers(SqlRepository[User], UserRepository):
    """Users in a table."""

    type = User

    def hold(self, id: UUID) -> User | None:
        if id not in self._added and id not in self._removed:
            # What was read before somebody else let go of it is read again.
            self._session.get(User, id, with_for_update=True, populate_existing=True)
        return self.find(id)

    def named(self, username_key: str) -> UUID | None:
        return self._who(users.c.username_key == username_key)

    def addressed(self, email: str) -> UUID | None:
        return self._who(users.c.email == email)

    def _who(self, condition: ColumnElement[bool]) -> UUID | None:
        return self._session.execute(select(users.c.id).where(condition)).scalar()

    def any_member(self) -> bool:
        return self._any(users.c.role == Role.MEMBER)

    def active_admins(self) -> set[UUID]:
        # Locked in one order, two who do this wait for each other instead of for ever. SQLite has
        # one writer and ignores the locking.
        admins = (
            select(users.c.id)
            .where(users.c.role == Role.ADMIN, users.c.is_active)
            .order_by(users.c.id)
            .with_for_update()
        )
        return set(self._session.execute(admins).scalars())


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


class SqlAttempts(SqlRepository[Attempts], AttemptsRepository):
    """Attempts in a table."""

    type = Attempts
    # Many guess at one account at once; by versions alone most would collide, time and again.
    locks = True

    def over(self, now: datetime, limit: int) -> list[Attempts]:
        order = (attempts.c.forget_at,)
        return self._some(attempts.c.forget_at <= now, order=order, limit=limit)


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
        # A slug has nothing in it that LIKE would take for a wildcard.
        alike = or_(posts.c.slug == wanted, posts.c.slug.like(f"{wanted}-%"))
        return set(self._session.execute(select(posts.c.slug).where(alike)).scalars())

    def concern(self, user_id: UUID) -> bool:
        return self._any(posts.c.author_id == user_id)


class SqlCategories(SqlRepository[Category], CategoryRepository):
    """Categories in a table."""

    type = Category

    def named(self, own_key: str) -> UUID | None:
        named = select(categories.c.id).where(categories.c.own_key == own_key)
        return self._session.execute(named).scalar()


class SqlProducts(SqlRepository[Product], ProductRepository):
    """Products in a table."""

    type = Product
    locks = True

    def with_sku(self, sku_key: str) -> UUID | None:
        having = select(products.c.id).where(products.c.sku_key == sku_key)
        return self._session.execute(having).scalar()

    def any_in(self, category_id: UUID) -> bool:
        return self._any(products.c.category_id == category_id)


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
        return self._session.execute(theirs).scalar()

    def beat(self, id: UUID, key_digest: str, at: datetime, report: Report) -> Status | None:
        # Nothing else of the transaction hangs on it, so it may be written at once; and there are
        # many, so it takes the shortest way.
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
