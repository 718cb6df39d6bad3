"""The rules of products and their stock, with nothing around them but memory."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.store import MemoryStore
from adapters.memory.unit_of_work import MemoryUnitOfWork
from domain.base import Context, Event
from domain.catalogue import (
    PRICE,
    Product,
    ProductArchived,
    ProductCreated,
    ProductEdited,
    ProductRestored,
)
from domain.errors import InvalidField, InvalidValue
from domain.stock import MAX_STOCK, InsufficientStock, Reason, StockMoved, StockRanLow
from service_layer import catalogue
from service_layer.unit_of_work import UnitOfWork
from support.people import CTX

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def uow() -> Iterator[UnitOfWork]:
    with MemoryUnitOfWork(MemoryStore()) as made:
        yield made


def add(uow: UnitOfWork, **members: Any) -> Product:
    members = {"name": "Glue", "price": Decimal(1), "ctx": CTX, **members}
    return catalogue.create_product(uow, **members)


def move(uow: UnitOfWork, product: Product, quantity: int, reason: Reason = Reason.SOLD) -> None:
    product.move(uow.new_id(), quantity, reason, CTX, movements=uow.movements)


@given(
    st.decimals(allow_nan=True, allow_infinity=True)
    | st.decimals(-1, Decimal("9999999999.99"), places=2)
)
def test_an_amount_of_money_is_kept_with_two_decimals_or_refused(value: Decimal) -> None:
    possible = value.is_finite() and 0 <= value <= PRICE.max
    if possible and value == round(value, 2):
        assert PRICE(value) == value
        assert str(PRICE(value))[-3] == "."
        assert not PRICE(value).is_signed()
    else:
        with pytest.raises(InvalidValue):
            PRICE(value)


@given(st.lists(st.integers(-30, 30)), st.integers(0, 10))
def test_stock_is_the_sum_of_what_was_possible_and_falls_once_a_crossing(
    quantities: list[int], level: int
) -> None:
    with MemoryUnitOfWork(MemoryStore()) as uow:
        product = add(uow, reorder_level=level)
        product.collect_events()
        stock = crossings = 0
        events: list[Event] = []
        for quantity in quantities:
            before = stock
            if quantity and stock + quantity >= 0:
                stock += quantity
                move(uow, product, quantity)
            else:
                with pytest.raises(InsufficientStock if quantity else InvalidField):
                    move(uow, product, quantity)
            crossings += stock <= level < before
            assert product.stock == stock
            events += product.collect_events()
        assert sum(isinstance(event, StockRanLow) for event in events) == crossings
        moved = [event for event in events if isinstance(event, StockMoved)]
        assert sum(event.quantity for event in moved) == stock


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.COUNTED])
def test_any_reason_but_a_count_moves_stock_either_way(uow: UnitOfWork, reason: Reason) -> None:
    product = add(uow, stock=5)
    for quantity in (3, -3):
        move(uow, product, quantity, reason)
    assert product.stock == 5


def test_a_count_is_told_by_the_stock_and_not_by_a_movement(uow: UnitOfWork) -> None:
    with pytest.raises(InvalidField) as refused:
        move(uow, add(uow), 5, Reason.COUNTED)
    assert refused.value.field == "reason"


@pytest.mark.parametrize(
    "members",
    [
        {"name": ""}, {"name": "x" * 101}, {"sku": " "}, {"sku": "x" * 41},
        {"description": "x" * 501}, {"price": Decimal("-0.01")}, {"price": Decimal("0.001")},
        {"price": Decimal("1e10")}, {"reorder_level": -1}, {"stock": -1},
        {"stock": MAX_STOCK + 1},
    ],
)  # fmt: skip
def test_a_product_keeps_its_rules_whoever_adds_or_edits_it(
    uow: UnitOfWork, members: dict[str, Any]
) -> None:
    (field,) = members
    with pytest.raises(InvalidField) as added:
        add(uow, **members)
    product = add(uow, stock=3)
    changes: Any = {name: value for name, value in members.items() if name != "stock"}
    with pytest.raises(InvalidField) as edited:
        stock = members.get("stock")
        catalogue.edit_product(uow, product.id, changes, stock=stock, ctx=Context(None, LATER))
    assert added.value.field == edited.value.field == field
    assert (product.name, product.stock, product.updated_at) == ("Glue", 3, NOON)


def test_there_are_only_so_many_pieces(uow: UnitOfWork) -> None:
    product = add(uow, stock=MAX_STOCK)
    with pytest.raises(InvalidField) as refused:
        move(uow, product, 1)
    assert (refused.value.field, product.stock) == ("quantity", MAX_STOCK)


def test_a_product_tells_what_happened_to_it(uow: UnitOfWork) -> None:
    product = add(uow, stock=2)
    ctx = Context(None, LATER)
    product.edit({"name": "Wood glue", "price": Decimal("1.00")}, ctx, products=uow.products)
    product.edit({"name": "Wood glue"}, ctx, products=uow.products)
    product.count(uow.new_id(), 2, ctx, movements=uow.movements)
    product.count(uow.new_id(), 0, ctx, movements=uow.movements)
    for _ in range(2):
        product.archive(ctx)
    for _ in range(2):
        product.restore(ctx)
    id = product.id
    assert product.collect_events() == [
        ProductCreated(aggregate_id=id, at=NOON),
        StockMoved(aggregate_id=id, at=NOON, quantity=2, reason=Reason.RECEIVED, stock_after=2),
        ProductEdited(aggregate_id=id, at=LATER, changed_fields=("name",)),
        StockMoved(aggregate_id=id, at=LATER, quantity=-2, reason=Reason.COUNTED, stock_after=0),
        StockRanLow(aggregate_id=id, at=LATER, stock=0),
        ProductArchived(aggregate_id=id, at=LATER),
        ProductRestored(aggregate_id=id, at=LATER),
        StockRanLow(aggregate_id=id, at=LATER, stock=0),
    ]


def test_no_change_of_a_product_is_before_the_last(uow: UnitOfWork) -> None:
    product = add(uow, ctx=Context(None, LATER))
    move(uow, product, 1)
    product.archive(CTX)
    assert product.updated_at == LATER


def test_a_movement_that_is_refused_changes_nothing(uow: UnitOfWork) -> None:
    product = add(uow, stock=1)
    product.collect_events()
    with pytest.raises(InsufficientStock):
        product.move(uow.new_id(), -2, Reason.SOLD, Context(None, LATER), movements=uow.movements)
    assert (product.stock, product.updated_at, product.collect_events()) == (1, NOON, [])
