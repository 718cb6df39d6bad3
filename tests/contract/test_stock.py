"""Stock: movements, ledger, and concurrent sales."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain.base import Context, PageRequest
from domain.errors import NotFound, StillReferenced
from domain.stock import InsufficientStock, MovementFilter, Reason
from service_layer import catalogue, users
from service_layer.queries.stock import MovementView, StockLevel
from support.backends import NOON, Backend
from support.concurrency import in_threads
from support.pagination import walk
from support.people import ADMIN, MEMBER
from support.products import (
    add_product,
    get_product,
    list_movements,
    record_movement,
    stock_by_ledger,
)
from support.tasks import task_titles
from support.use_cases import perform_as_service


def test_a_product_does_not_go_while_its_stock_moves(backend: Backend) -> None:
    for _ in range(5):
        id = add_product(backend)

        def work(number: int, id: UUID = id) -> type[Exception] | None:
            try:
                if number:
                    record_movement(backend, id, 1)
                else:
                    perform_as_service(backend, catalogue.delete_product, id)
            except (NotFound, StillReferenced) as error:
                return type(error)
            return None

        removed, *moved = in_threads(4, work)
        gone = backend.ask(backend.products.get(id, NOON)) is None
        assert gone == (removed is None)
        assert moved == [NotFound if gone else None] * 3
        assert len(list_movements(backend, id)) == (0 if gone else 3)


def test_user_who_entered_a_movement_cannot_be_deleted(backend: Backend) -> None:
    id = add_product(backend)
    record_movement(backend, id, 3, ctx=MEMBER.ctx)
    with pytest.raises(StillReferenced):
        perform_as_service(backend, users.delete_user, MEMBER.id, ctx=ADMIN.ctx)


def test_a_movement_changes_the_stock_and_is_a_change_of_the_product(backend: Backend) -> None:
    id = add_product(backend, stock=10)
    later = NOON + timedelta(minutes=1)
    movement = record_movement(
        backend, id, -4, reason=Reason.USED, note="jig", ctx=Context(MEMBER.actor, later)
    )

    assert (movement.stock_after, movement.version) == (6, 1)
    product = get_product(backend, id)
    assert (product.stock, product.version, product.updated_at) == (6, 2, later)
    view = list_movements(backend, id)[1]
    assert view.created_by is not None
    assert view == MovementView(
        id=movement.id,
        version=1,
        created_at=later,
        updated_at=later,
        product_id=id,
        quantity=-4,
        reason=Reason.USED,
        note="jig",
        stock_after=6,
        created_by=view.created_by,
    )
    assert view.created_by.username == MEMBER.username
    assert backend.ask(backend.movements.get(movement.id, NOON)) == view


def test_what_is_not_there_is_not_given_out(backend: Backend) -> None:
    id = add_product(backend, stock=3)
    with pytest.raises(InsufficientStock) as refused:
        record_movement(backend, id, -4)
    assert refused.value.available == 3
    assert (get_product(backend, id).version, stock_by_ledger(backend, id)) == (1, 3)
    record_movement(backend, id, -3)
    assert stock_by_ledger(backend, id) == 0


def test_a_count_is_a_movement_of_the_difference(backend: Backend) -> None:
    id = add_product(backend, stock=5)
    perform_as_service(backend, catalogue.edit_product, id, {"name": "Counted"}, stock=5)
    assert (get_product(backend, id).version, len(list_movements(backend, id))) == (2, 1)
    perform_as_service(backend, catalogue.edit_product, id, {}, stock=2, expected={2})
    perform_as_service(backend, catalogue.edit_product, id, {}, stock=9)

    counts = [
        (one.quantity, one.reason, one.stock_after) for one in list_movements(backend, id)[1:]
    ]
    assert counts == [(-3, Reason.COUNTED, 2), (7, Reason.COUNTED, 9)]
    assert stock_by_ledger(backend, id) == 9


def test_what_was_archived_still_moves(backend: Backend) -> None:
    id = add_product(backend, stock=5)
    for _ in range(2):
        perform_as_service(backend, catalogue.archive_product, id)
    assert (get_product(backend, id).archived, get_product(backend, id).version) == (True, 2)
    record_movement(backend, id, -5)
    for _ in range(2):
        perform_as_service(backend, catalogue.restore_product, id)
    assert (get_product(backend, id).archived, get_product(backend, id).version) == (False, 4)
    assert stock_by_ledger(backend, id) == 0


def test_forty_want_one_of_twenty_pieces_and_twenty_get_it(backend: Backend) -> None:
    id = add_product(backend, "Chisel", stock=20, reorder_level=5)

    def buy(number: int) -> int | None:
        try:
            record_movement(
                backend, id, -1, ctx=Context(None, NOON + timedelta(seconds=40 - number))
            )
        except InsufficientStock as error:
            return error.available
        return None

    outcomes = in_threads(40, buy)

    assert (outcomes.count(None), outcomes.count(0)) == (20, 20)
    assert stock_by_ledger(backend, id) == 0
    assert get_product(backend, id).version == 21
    assert task_titles(backend) == ["Reorder Chisel"]


def test_counts_among_sales_and_deliveries_leave_a_ledger_that_adds_up(backend: Backend) -> None:
    id = add_product(backend, stock=10)

    def work(number: int) -> None:
        if number % 3:
            record_movement(backend, id, 2 if number % 2 else -1)
        else:
            perform_as_service(backend, catalogue.edit_product, id, {}, stock=30 + number)

    in_threads(12, work)
    stock_by_ledger(backend, id)


@pytest.mark.parametrize("descending", [False, True])
def test_a_ledger_is_walked_in_the_order_in_which_the_stock_moved(
    backend: Backend, descending: bool
) -> None:
    id, other = add_product(backend), add_product(backend)
    for number in range(1, 8):
        # Whoever entered it late, or by another clock, does not come before the last.
        record_movement(backend, id, number, ctx=Context(None, NOON - timedelta(seconds=number)))
        record_movement(backend, other, 1)
    order = PageRequest(sort="created_at", descending=descending, limit=3)
    filter = MovementFilter(product_id=id)
    walked = walk(backend.movements, backend, filter, order)
    numbers = list(range(1, 8))
    assert [one.quantity for one in walked] == (numbers[::-1] if descending else numbers)
    assert stock_by_ledger(backend, id) == 28


def test_history_of_a_stock_is_that_of_its_latest_movements(backend: Backend) -> None:
    id, other = add_product(backend, stock=5), add_product(backend, stock=1)
    for number in range(1, 5):
        # At the same moment, too, they are in the order in which they happened.
        record_movement(
            backend, id, number, ctx=Context(None, NOON + timedelta(seconds=number // 2))
        )
    assert backend.ask(backend.movements.stock_history(id, 3)) == (
        StockLevel(NOON + timedelta(seconds=1), stock=8, before=6),
        StockLevel(NOON + timedelta(seconds=1), stock=11, before=8),
        StockLevel(NOON + timedelta(seconds=2), stock=15, before=11),
    )
    assert backend.ask(backend.movements.stock_history(other, 3)) == (
        StockLevel(NOON, stock=1, before=0),
    )
    assert backend.ask(backend.movements.stock_history(add_product(backend), 3)) == ()
