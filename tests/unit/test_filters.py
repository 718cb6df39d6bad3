"""What the contract's comparisons of filters are worth: each member is tried with a difference."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st

from domain.base import Entity
from domain.catalogue import ProductFilter
from domain.devices import DeviceFilter
from domain.posts import PostFilter
from domain.tasks import TaskFilter
from domain.users import UserFilter
from service_layer import catalogue
from support import filters
from support.backends import Backend, memory_backend
from support.people import CTX

CONTEXT = {"today", "now"}
"""Members that say at which moment others are judged."""

Made = tuple[list[Any], st.SearchStrategy[Any]]
"""Made-up aggregates, and the filters that they are compared by."""


def tasks(backend: Backend, some: list[Any]) -> Made:
    with backend.open() as uow:
        made, products = filters.make_tasks(uow, some)
    return made, filters.task_filters(products)


def products(backend: Backend, some: list[Any]) -> Made:
    with backend.open() as uow:
        category = catalogue.create_category(uow, name="Tools", ctx=CTX)
        return filters.make_products(uow, some, category.id), filters.product_filters(category.id)


def devices(backend: Backend, some: list[Any]) -> Made:
    ids = filters.make_devices(backend, some)
    with backend.open() as uow:
        made = [uow.devices.get(id) for id in ids]
        for device in made:
            uow.devices.remove(device)
        uow.commit()
    return made, filters.device_filters


def users(backend: Backend, some: list[Any]) -> Made:
    with backend.open() as uow:
        return filters.make_users(uow, some), filters.user_filters


def news(backend: Backend, some: list[Any]) -> Made:
    with backend.open() as uow:
        return filters.make_posts(uow, some), filters.post_filters


COMPARED: dict[type, tuple[st.SearchStrategy[list[Any]], Callable[[Backend, list[Any]], Made]]] = {
    TaskFilter: (filters.some_tasks, tasks),
    ProductFilter: (filters.some_products, products),
    DeviceFilter: (filters.some_devices, devices),
    UserFilter: (filters.some_users, users),
    PostFilter: (filters.some_posts, news),
}
MEMBERS = [
    (kind, field.name) for kind in COMPARED for field in fields(kind) if field.name not in CONTEXT
]


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with memory_backend() as made:
        yield made


@pytest.mark.parametrize(("kind", "member"), MEMBERS)
def test_each_member_of_a_filter_is_compared_where_it_makes_a_difference(
    kind: type, member: str, backend: Backend
) -> None:
    some, make = COMPARED[kind]

    @st.composite
    def examples(draw: st.DrawFn) -> tuple[Any, list[Entity]]:
        made, choices = make(backend, draw(some))
        return draw(choices), made

    def differs(example: tuple[Any, list[Entity]]) -> bool:
        filter, made = example
        others = [field.name for field in fields(kind) if field.name not in {member, *CONTEXT}]
        alone = replace(filter, **dict.fromkeys(others))
        included = {bool(alone.matches(one)) for one in made}
        return included == {True, False}

    # It raises if there is none. The first one will do, however large it is.
    first = settings(max_examples=1_000, database=None, phases=[Phase.generate])
    find(examples(), differs, settings=first)
