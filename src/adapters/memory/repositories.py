"""The repositories over dictionaries."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from adapters.memory.repository import MemoryRepository
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
