"""Pages of lists: the first one, all of them, and the order that the contract prescribes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from domain.base import Entity, PageRequest
from support.backends import Backend

E = TypeVar("E", bound=Entity)
FIRST_PAGE = PageRequest(sort="created_at", limit=100)


def in_order(things: list[E], value: Callable[[E], Any], descending: bool) -> list[E]:
    """Sort as the contract says: by value, then id; without a value last."""
    having = [thing for thing in things if value(thing) is not None]
    lacking = [thing for thing in things if value(thing) is None]
    having.sort(key=lambda thing: (value(thing), thing.id), reverse=descending)
    lacking.sort(key=lambda thing: thing.id, reverse=descending)
    return having + lacking


def walk(queries: Any, backend: Backend, filter: Any, page_request: PageRequest) -> list[Any]:
    """Follow the cursors to the end."""
    seen: list[Any] = []
    for _ in range(1_000):
        page = backend.ask(queries.list_page(filter, page_request))
        seen += page.items
        if page.next_key is None:
            return seen
        assert len(page.items) == page_request.limit
        page_request = replace(page_request, after=page.next_key)
    raise AssertionError("the walk does not end")
