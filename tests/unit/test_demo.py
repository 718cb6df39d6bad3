"""The demo's story, told at different times."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.store import MemoryStore
from adapters.memory.unit_of_work import MemoryUnitOfWork
from domain.catalogue import Product
from domain.devices import Device
from domain.posts import Post
from domain.stock import Movement
from domain.tasks import Task
from domain.users import User
from entrypoints.demo import workshop
from service_layer.runner import Runner
from service_layer.unit_of_work import UnitOfWork

FRIDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
MONDAY = datetime(2027, 3, 1, 0, 0, 1, tzinfo=UTC)
SUNDAY = datetime(2027, 5, 30, 23, 59, tzinfo=UTC)


def told_at(now: datetime, shares: list[float] | None = None) -> MemoryStore:
    """Return a store with the demo in it."""
    store = MemoryStore()

    def tell(uow: UnitOfWork, step: Callable[[], None]) -> str | None:
        def told(share: float) -> None:
            step()
            if shares is not None:
                shares.append(share)

        return workshop.tell(uow, told, now=now, password_hash="known", unknown_hash="unknown")

    assert Runner(partial(MemoryUnitOfWork, store)).perform_in_steps(tell) == "nora.lindqvist"
    return store


def gist(store: MemoryStore) -> list[Any]:
    """Return what there is, but for ids, times and secrets."""
    products = {product.id: product.name for product in store.all(Product)}
    people: dict[UUID | None, str] = {user.id: user.username for user in store.all(User)}
    return [
        [(user.username, user.role, user.is_active) for user in store.all(User)],
        [(post.title, people[post.author_id], post.published) for post in store.all(Post)],
        [
            (
                task.title,
                task.completed,
                people.get(task.assignee_id),
                people.get(task.created_by_id),
            )
            for task in store.all(Task)
        ],
        [(one.name, one.price, one.stock, one.archived) for one in store.all(Product)],
        [
            (products[one.product_id], one.quantity, one.reason, one.note)
            for one in store.all(Movement)
        ],
        [(device.name, device.status) for device in store.all(Device)],
    ]


def test_the_same_is_told_whenever_it_is_told() -> None:
    told = gist(told_at(FRIDAY))
    assert gist(told_at(MONDAY)) == told
    assert gist(told_at(SUNDAY)) == told


@pytest.mark.parametrize("now", [FRIDAY, MONDAY, SUNDAY])
def test_all_of_it_is_in_the_past_on_days_of_work(now: datetime) -> None:
    store = told_at(now)
    for kind in (User, Post, Task, Product, Movement, Device):
        for one in store.all(kind):
            assert one.created_at <= one.updated_at < now
            assert one.created_at.weekday() < 6
    assert {task.is_overdue(now.date()) for task in store.all(Task)} == {True, False}
    assert Counter(device.presence(now) for device in store.all(Device)) == {
        "online": 14, "late": 5, "offline": 6, "never": 5,
    }  # fmt: skip


def test_its_progress_only_ever_grows_up_to_the_end() -> None:
    shares: list[float] = []
    told_at(FRIDAY, shares)
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.01
    assert 0.99 < shares[-1] <= 1


def test_nobody_but_the_first_admin_has_a_password_that_somebody_knows() -> None:
    people = told_at(FRIDAY).all(User)
    assert [user.username for user in people if user.password_hash == "known"] == ["nora.lindqvist"]
