"""The reads of every context: single views, and pages of a filtered list."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from adapters.memory.store import MemoryStore
from domain.base import COUNT_LIMIT, Entity, Page, PageRequest
from domain.users import User
from service_layer.queries.base import Queries, View
from service_layer.queries.users import PublicUser, UserView

E = TypeVar("E", bound=Entity)
V = TypeVar("V", bound=View)


class Filter(Protocol):
    """A filter of the domain."""

    def matches(self, entity: Any, /) -> bool:
        """Return whether an aggregate satisfies the filter."""


F = TypeVar("F", bound=Filter)


class MemoryQueries(Queries[V, F], Generic[E, V, F]):
    """Read one type of aggregate in a dictionary."""

    type: type[E]
    sorts: Mapping[str, Callable[[E], Any]]

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    @abstractmethod
    def _view(self, entity: E, at: Any) -> V:
        """Return the view of an aggregate; `at` is the time on which it depends, or `None`."""

    def _at(self, now: datetime) -> Any:
        """Return the `at` of a single view."""

    def _at_of(self, filter: F) -> Any:
        """Return the `at` of the views in a list."""

    def _meant(self, filter: F) -> list[E]:
        return [one for one in self._store.all(self.type) if filter.matches(one)]

    def _people(self) -> dict[UUID, PublicUser]:
        return {user.id: UserView.of(user).public() for user in self._store.all(User)}

    async def get(self, id: UUID, now: datetime) -> V | None:
        found = [one for one in self._store.all(self.type) if one.id == id]
        return self._view(found[0], self._at(now)) if found else None

    async def list_page(self, filter: F, page_request: PageRequest) -> Page[V]:
        at = self._at_of(filter)
        sort = self.sorts[page_request.sort]
        return page(self._meant(filter), page_request, sort, lambda one: self._view(one, at))


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
