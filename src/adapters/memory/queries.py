"""The query ports over dictionaries."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from adapters.memory.store import MemoryStore
from domain import access, catalogue, categories, devices, posts, stock, tasks, users
from domain.access import Purpose, Token, TokenFilter
from domain.actors import Actor
from domain.base import COUNT_LIMIT, Entity, Page, PageRequest
from domain.catalogue import Product, ProductFilter
from domain.categories import Category, CategoryFilter
from domain.devices import Device, DeviceFilter, Presence, Status
from domain.login_throttle import LoginThrottle
from domain.posts import Post, PostFilter
from domain.stock import Movement, MovementFilter
from domain.tasks import Task, TaskFilter
from domain.users import USERNAME, User, UserFilter
from domain.values import search_fold
from service_layer.ports import Database, Schema
from service_layer.queries.access import (
    AccessQueries,
    Credentials,
    Grant,
    TokenQueries,
    TokenView,
)
from service_layer.queries.base import Queries, View
from service_layer.queries.catalogue import (
    CategoryQueries,
    CategoryView,
    ProductCategory,
    ProductQueries,
    ProductView,
)
from service_layer.queries.devices import DeviceQueries, DeviceView
from service_layer.queries.posts import PostQueries, PostView
from service_layer.queries.stock import MovementQueries, MovementView, StockLevel
from service_layer.queries.tasks import (
    TaskCounts,
    TaskQueries,
    TaskView,
    WeekCount,
    weeks_until,
)
from service_layer.queries.users import PublicUser, UserQueries, UserView

E = TypeVar("E", bound=Entity)
V = TypeVar("V", bound=View)
F = TypeVar("F")


class MemoryDatabase(Database):
    """A database that is always available."""

    async def connect(self) -> None:
        """Do nothing: there is no connection."""

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    async def schema(self) -> Schema:
        return Schema.CURRENT


class MemoryQueries(Queries[V, F], Generic[E, V, F]):
    """Read one type of aggregate in a dictionary."""

    type: type[E]
    sorts: Mapping[str, Callable[[E], Any]]

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    @abstractmethod
    def _view(self, entity: E, at: Any) -> V:
        """Return the view of an aggregate; `at` is the time on which it depends, or `None`."""

    @abstractmethod
    def _matches(self, filter: F, entity: E) -> bool:
        """Tell whether an aggregate matches a filter."""

    def _at(self, now: datetime) -> Any:
        """Return the `at` of a single view."""

    def _at_of(self, filter: F) -> Any:
        """Return the `at` of the views in a list."""

    def _meant(self, filter: F) -> list[E]:
        return [one for one in self._store.all(self.type) if self._matches(filter, one)]

    async def get(self, id: UUID, now: datetime) -> V | None:
        found = [one for one in self._store.all(self.type) if one.id == id]
        return self._view(found[0], self._at(now)) if found else None

    async def list_page(self, filter: F, page_request: PageRequest) -> Page[V]:
        at = self._at_of(filter)
        sort = self.sorts[page_request.sort]
        return page(self._meant(filter), page_request, sort, lambda one: self._view(one, at))


class MemoryTaskQueries(MemoryQueries[Task, TaskView, TaskFilter], TaskQueries):
    """Read tasks in a dictionary."""

    type = Task
    sorts = {**tasks.SORTS, **tasks.COMPLETED_SORTS}

    def _view(self, entity: Task, at: date) -> TaskView:
        people = {user.id: UserView.of(user).public() for user in self._store.all(User)}
        return TaskView.of(entity, at, people)

    def _matches(self, filter: TaskFilter, entity: Task) -> bool:
        return filter.matches(entity)

    def _at(self, now: datetime) -> date:
        return now.date()

    def _at_of(self, filter: TaskFilter) -> date:
        return filter.today

    async def count(self, filter: TaskFilter) -> TaskCounts:
        meant = self._meant(filter)
        completed = sum(task.completed for task in meant)
        return TaskCounts(
            total=len(meant),
            completed=completed,
            pending=len(meant) - completed,
            overdue=sum(task.is_overdue(filter.today) for task in meant),
        )

    async def completed_per_week(self, now: datetime, weeks: int) -> tuple[WeekCount, ...]:
        times = [task.completed_at for task in self._store.all(Task) if task.completed_at]
        return tuple(
            WeekCount(monday=begin.date(), completed=sum(begin <= time < end for time in times))
            for begin, end in weeks_until(now, weeks)
        )


class MemoryUserQueries(MemoryQueries[User, UserView, UserFilter], UserQueries):
    """Read users in a dictionary."""

    type = User
    sorts = users.SORTS

    def _view(self, entity: User, at: None) -> UserView:
        return UserView.of(entity)

    def _matches(self, filter: UserFilter, entity: User) -> bool:
        return filter.matches(entity)

    async def by_username(self, username: str) -> UserView | None:
        if not USERNAME.allows(username):
            return None
        users = self._store.all(User)
        found = (user for user in users if user.username_key == search_fold(username))
        return next((UserView.of(user) for user in found), None)

    async def public(self, ids: Collection[UUID]) -> dict[UUID, PublicUser]:
        meant = (user for user in self._store.all(User) if user.id in ids)
        return {user.id: UserView.of(user).public() for user in meant}


class MemoryPostQueries(MemoryQueries[Post, PostView, PostFilter], PostQueries):
    """Read posts in a dictionary."""

    type = Post
    sorts = posts.SORTS

    def _view(self, entity: Post, at: None) -> PostView:
        people = {user.id: UserView.of(user).public() for user in self._store.all(User)}
        return PostView.of(entity, people)

    def _matches(self, filter: PostFilter, entity: Post) -> bool:
        return filter.matches(entity)

    async def by_slug(self, slug: str) -> PostView | None:
        found = (post for post in self._store.all(Post) if post.slug == slug)
        return next((self._view(post, None) for post in found), None)


class MemoryDeviceQueries(MemoryQueries[Device, DeviceView, DeviceFilter], DeviceQueries):
    """Read devices in a dictionary."""

    type = Device
    sorts = devices.SORTS

    def _view(self, entity: Device, at: datetime) -> DeviceView:
        return DeviceView.of(entity, at)

    def _matches(self, filter: DeviceFilter, entity: Device) -> bool:
        return filter.matches(entity)

    def _at(self, now: datetime) -> datetime:
        return now

    def _at_of(self, filter: DeviceFilter) -> datetime:
        return filter.now

    async def has_key(self, id: UUID, key_digest: str) -> bool:
        found = (device for device in self._store.all(Device) if device.id == id)
        return any(device.key_digest == key_digest for device in found)

    async def presences(self, now: datetime) -> Mapping[Presence, int]:
        active = [one for one in self._store.all(Device) if one.status is Status.ACTIVE]
        each = [device.presence(now) for device in active]
        return {presence: each.count(presence) for presence in Presence}


class MemoryTokenQueries(MemoryQueries[Token, TokenView, TokenFilter], TokenQueries):
    """Read personal tokens in a dictionary."""

    type = Token
    sorts = access.SORTS

    def _view(self, entity: Token, at: None) -> TokenView:
        return TokenView.of(entity)

    def _matches(self, filter: TokenFilter, entity: Token) -> bool:
        return filter.matches(entity)

    async def owned(self, id: UUID, user_id: UUID) -> TokenView | None:
        mine = TokenFilter(user_id=user_id)
        found = [one for one in self._store.all(Token) if one.id == id and mine.matches(one)]
        return TokenView.of(found[0]) if found else None


class MemoryCategoryQueries(MemoryQueries[Category, CategoryView, CategoryFilter], CategoryQueries):
    """Read categories in a dictionary."""

    type = Category
    sorts = categories.SORTS

    def _view(self, entity: Category, at: None) -> CategoryView:
        return CategoryView.of(entity)

    def _matches(self, filter: CategoryFilter, entity: Category) -> bool:
        return filter.matches(entity)


class MemoryProductQueries(MemoryQueries[Product, ProductView, ProductFilter], ProductQueries):
    """Read products in a dictionary."""

    type = Product
    sorts = catalogue.SORTS

    def _view(self, entity: Product, at: None) -> ProductView:
        found = [one for one in self._store.all(Category) if one.id == entity.category_id]
        return ProductView.of(entity, ProductCategory.of(found[0] if found else None))

    def _matches(self, filter: ProductFilter, entity: Product) -> bool:
        return filter.matches(entity)


class MemoryMovementQueries(MemoryQueries[Movement, MovementView, MovementFilter], MovementQueries):
    """Read movements in a dictionary."""

    type = Movement
    sorts = stock.SORTS

    def _view(self, entity: Movement, at: None) -> MovementView:
        people = {user.id: UserView.of(user).public() for user in self._store.all(User)}
        return MovementView.of(entity, people)

    def _matches(self, filter: MovementFilter, entity: Movement) -> bool:
        return filter.matches(entity)

    async def stock_history(self, product_id: UUID, limit: int) -> tuple[StockLevel, ...]:
        meant = self._meant(MovementFilter(product_id=product_id))
        return tuple(
            StockLevel(each.created_at, each.stock_after, each.stock_after - each.quantity)
            for each in sorted(meant, key=lambda one: (one.created_at, one.id))[-limit:]
        )


class MemoryAccessQueries(AccessQueries):
    """Read grants and credentials in dictionaries."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def grant(self, digest: str) -> Grant | None:
        active = {user.id: user for user in self._store.all(User) if user.is_active}
        for token in self._store.all(Token):
            if token.digest == digest and token.user_id in active:
                return Grant(
                    token_id=token.id,
                    actor=Actor(
                        id=token.user_id,
                        role=active[token.user_id].role,
                        by_personal_token=token.purpose is Purpose.PERSONAL,
                    ),
                    public=UserView.of(active[token.user_id]).public(),
                    scope=token.scope,
                    expires_at=token.expires_at,
                    last_used_at=token.last_used_at,
                )
        return None

    async def credentials(self, login: str) -> Credentials | None:
        return self._credentials(lambda user: login in (user.username_key, user.email))

    async def credentials_by_id(self, user_id: UUID) -> Credentials | None:
        return self._credentials(lambda user: user.id == user_id)

    def _credentials(self, meant: Callable[[User], bool]) -> Credentials | None:
        for user in self._store.all(User):
            if meant(user):
                return Credentials(
                    user_id=user.id, password_hash=user.password_hash, is_active=user.is_active
                )
        return None

    async def awaits_setup(self) -> bool:
        return any(token.purpose is Purpose.SETUP for token in self._store.all(Token))

    async def is_setup_secret(self, digest: str) -> bool:
        tokens = self._store.all(Token)
        return any(t.purpose is Purpose.SETUP and t.digest == digest for t in tokens)

    async def failures(self, counters: Collection[UUID]) -> Mapping[UUID, Sequence[datetime]]:
        with self._store.lock:
            kept = self._store.states[LoginThrottle]
            return {id: kept[id]["failed_at"] for id in counters if id in kept}


def page(
    meant: Iterable[E], page_request: PageRequest, value: Callable[[E], Any], view: Callable[[E], V]
) -> Page[V]:
    """Return the requested page of a list (keyset pagination)."""

    def key(sort_value: Any, id: UUID) -> tuple[Any, ...]:
        # Rows without a sort value come last in either direction.
        missing = sort_value is None
        return (missing != page_request.descending, *(() if missing else (sort_value,)), id)

    def of(entity: E) -> tuple[Any, ...]:
        return key(value(entity), entity.id)

    rows = sorted(meant, key=of, reverse=page_request.descending)
    total = min(len(rows), COUNT_LIMIT + 1) if page_request.count else None
    if page_request.after is not None:
        end = key(*page_request.after)
        rows = [
            row for row in rows if (of(row) < end if page_request.descending else of(row) > end)
        ]
    rows = rows[page_request.skip :]
    chosen = rows[: page_request.limit]
    last = (value(chosen[-1]), chosen[-1].id) if len(rows) > page_request.limit else None
    return Page(items=[view(row) for row in chosen], next_key=last, total=total)
