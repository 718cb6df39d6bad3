"""Reorder tasks: one open task per product with low stock."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from domain.stock import Reason, StockRanLow
from domain.tasks import ReorderOpen, TaskFilter
from service_layer import catalogue
from service_layer import stock as stock_use_cases
from service_layer import tasks as task_use_cases
from service_layer.queries.tasks import TaskView
from support.backends import NOON, Backend
from support.concurrency import in_threads
from support.pagination import FIRST_PAGE
from support.people import CTX, MEMBER
from support.products import add_product, record_movement, stock_by_ledger
from support.tasks import task_titles
from support.use_cases import perform_as_service


def reorders(backend: Backend, id: UUID) -> list[TaskView]:
    """Return the reorder tasks of a product, oldest first."""
    of_it = TaskFilter(today=NOON.date(), product_id=id)
    return backend.ask(backend.tasks.list_page(of_it, FIRST_PAGE)).items


def test_each_time_the_stock_falls_to_its_level_one_task_appears(backend: Backend) -> None:
    id = add_product(backend, "Glue", stock=10, reorder_level=4)
    for quantity, planned in ((-5, 0), (-1, 1), (-1, 1), (3, 1), (-1, 1), (-2, 2), (-3, 2)):
        record_movement(backend, id, quantity)
        assert len(task_titles(backend)) == planned, quantity
    assert stock_by_ledger(backend, id) == 0
    assert set(task_titles(backend)) == {"Reorder Glue"}


def test_a_count_can_let_the_stock_fall_to_its_level_too(backend: Backend) -> None:
    id = add_product(backend, "x" * 100, stock=10, ctx=MEMBER.ctx)
    perform_as_service(
        backend, catalogue.edit_product, id, {"reorder_level": 6}, stock=6, ctx=MEMBER.ctx
    )
    perform_as_service(backend, catalogue.edit_product, id, {"reorder_level": 9}, stock=5)

    filter = TaskFilter(today=NOON.date())
    (task,) = backend.ask(backend.tasks.list_page(filter, FIRST_PAGE)).items
    assert (task.title, task.created_by) == (f"Reorder {'x' * 91}…", None)


def test_a_product_created_low_has_a_task_if_it_has_a_reorder_level(backend: Backend) -> None:
    add_product(backend, stock=0)
    add_product(backend, "Plenty", stock=6, reorder_level=5)
    assert task_titles(backend) == []
    add_product(backend, "Few", stock=3, reorder_level=5)
    add_product(backend, "None", stock=0, reorder_level=1)
    assert task_titles(backend) == ["Reorder Few", "Reorder None"]


def test_a_product_has_one_open_task_which_the_workshop_completes_when_there_is_enough(
    backend: Backend,
) -> None:
    id = add_product(backend, "Glue", stock=5, reorder_level=4)
    edit = partial(perform_as_service, backend, catalogue.edit_product, id)
    archive = partial(perform_as_service, backend, catalogue.archive_product, id)
    restore = partial(perform_as_service, backend, catalogue.restore_product, id)
    steps: list[tuple[Callable[[], Any], int, int]] = [
        (partial(record_movement, backend, id, -1), 1, 0),
        (partial(record_movement, backend, id, -1), 1, 0),
        (partial(record_movement, backend, id, 1), 1, 0),
        (partial(record_movement, backend, id, 2), 0, 1),
        (partial(edit, {"reorder_level": 6}), 1, 1),
        (partial(edit, {"reorder_level": 5}), 0, 2),
        (partial(edit, {}, stock=5), 1, 2),
        (archive, 0, 3),
        (partial(record_movement, backend, id, -2), 0, 3),
        (partial(edit, {"reorder_level": 2}), 0, 3),
        (restore, 0, 3),
        (partial(edit, {"reorder_level": 3}), 1, 3),
        (archive, 0, 4),
        (restore, 1, 4),
        # What one edit does and undoes is nothing to react to.
        (partial(edit, {"reorder_level": 9}, stock=10), 0, 5),
        (partial(edit, {"reorder_level": 20}, stock=21), 0, 5),
    ]
    for number, (step, pending, done) in enumerate(steps):
        step()
        found = reorders(backend, id)
        counts = [task.completed for task in found]
        assert (counts.count(False), counts.count(True)) == (pending, done), number
        assert {task.product_id for task in found} == {id}


def test_an_edit_that_keeps_a_product_low_makes_no_second_task_once_a_person_completed_it(
    backend: Backend,
) -> None:
    id = add_product(backend, "Glue", stock=3, reorder_level=5)
    (task,) = reorders(backend, id)
    perform_as_service(backend, task_use_cases.complete_task, task.id, ctx=MEMBER.ctx)
    perform_as_service(backend, catalogue.edit_product, id, {"reorder_level": 1}, stock=1)
    record_movement(backend, id, -1)
    assert [one.completed for one in reorders(backend, id)] == [True]


def test_a_task_is_found_by_its_product_whatever_its_title_or_the_products_name(
    backend: Backend,
) -> None:
    id = add_product(backend, "Glue", stock=3, reorder_level=5)
    (task,) = reorders(backend, id)
    perform_as_service(backend, task_use_cases.edit_task, task.id, {"title": "Ask Eve for glue"})
    perform_as_service(backend, catalogue.edit_product, id, {"name": "Wood glue"})
    perform_as_service(backend, task_use_cases.create_task, title="Reorder Wood glue")
    record_movement(backend, id, 10)
    assert [(one.id, one.completed) for one in reorders(backend, id)] == [(task.id, True)]


def test_a_second_reorder_task_is_not_reopened_while_another_is_open(backend: Backend) -> None:
    id = add_product(backend, "Glue", stock=3, reorder_level=5)
    (first,) = reorders(backend, id)
    record_movement(backend, id, 5)
    perform_as_service(backend, task_use_cases.reopen_task, first.id)
    perform_as_service(backend, task_use_cases.complete_task, first.id)
    record_movement(backend, id, -5)
    with pytest.raises(ReorderOpen):
        perform_as_service(backend, task_use_cases.reopen_task, first.id)
    assert [one.completed for one in reorders(backend, id)] == [True, False]


def test_of_many_who_reopen_or_cause_a_reorder_at_once_one_task_is_open(backend: Backend) -> None:
    id = add_product(backend, "Glue", stock=3, reorder_level=5)
    for _ in range(2):
        record_movement(backend, id, 9)
        record_movement(backend, id, -9)
    record_movement(backend, id, 9)
    closed = [task.id for task in reorders(backend, id)]
    assert len(closed) == 3

    def work(number: int) -> bool:
        if number < len(closed):
            try:
                perform_as_service(backend, task_use_cases.reopen_task, closed[number])
            except ReorderOpen:
                return False
        else:
            record_movement(backend, id, -9)
        return True

    outcomes = in_threads(len(closed) + 1, work)

    assert outcomes[-1]
    opened = [one.completed for one in reorders(backend, id)].count(False)
    assert opened == 1
    # At most one reopened one; the stock that ran low then made none.
    assert outcomes.count(True) <= 2


def test_a_product_with_reorder_tasks_can_be_deleted_and_they_stay_without_it(
    backend: Backend,
) -> None:
    id = add_product(backend, "Glue", reorder_level=5)
    perform_as_service(backend, catalogue.edit_product, id, {"reorder_level": 0})
    perform_as_service(backend, catalogue.archive_product, id)
    perform_as_service(backend, catalogue.restore_product, id)
    perform_as_service(backend, catalogue.delete_product, id)

    filter = TaskFilter(today=NOON.date())
    left = backend.ask(backend.tasks.list_page(filter, FIRST_PAGE)).items
    assert [(one.title, one.completed, one.product_id) for one in left] == [
        ("Reorder Glue", True, None)
    ] * len(left)
    assert len(left) >= 1


def test_a_sale_whose_task_cannot_be_written_is_not_made(backend: Backend) -> None:
    id = add_product(backend, stock=1)

    def fail(uow: Any, event: Any) -> None:
        stock_use_cases.plan_reorder(uow, event)
        raise RuntimeError

    runner = backend.runner({StockRanLow: (fail,)})
    with pytest.raises(RuntimeError):
        runner.perform(
            stock_use_cases.record_movement, id, quantity=-1, reason=Reason.SOLD, ctx=CTX
        )
    assert (stock_by_ledger(backend, id), task_titles(backend)) == (1, [])
