"""Products and categories: state, unique names, references."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from domain.base import Context
from domain.catalogue import PricesTooFine, ProductFilter
from domain.categories import CategoryFilter
from domain.currencies import Currency
from domain.errors import InvalidField, NotFound, NotUnique, StillReferenced, VersionMismatch
from domain.stock import Reason
from service_layer import catalogue
from service_layer.queries.catalogue import CategoryView, ProductCategory, ProductView
from support.backends import NOON, Backend
from support.concurrency import in_threads
from support.pagination import FIRST_PAGE
from support.people import ADMIN, MEMBER
from support.products import (
    add_category,
    add_product,
    get_product,
    list_movements,
    record_movement,
    stock_by_ledger,
)
from support.use_cases import perform, perform_as_service

# State


def test_a_product_is_read_as_it_was_added(backend: Backend) -> None:
    category_id = add_category(backend, "Abrasives")
    id = add_product(
        backend, "Öl 油 'x\"; --", sku="A-1", description="a\nb", price=Decimal("9999999999.99"),
        stock=7, reorder_level=7, category_id=category_id, ctx=MEMBER.ctx,
    )  # fmt: skip

    assert get_product(backend, id) == ProductView(
        id=id,
        version=1,
        created_at=NOON,
        updated_at=NOON,
        name="Öl 油 'x\"; --",
        sku="A-1",
        description="a\nb",
        price=Decimal("9999999999.99"),
        stock=7,
        reorder_level=7,
        category_id=category_id,
        category=ProductCategory(id=category_id, name="Abrasives"),
        low_stock=True,
        archived=False,
    )
    (first,) = list_movements(backend, id)
    assert (first.quantity, first.stock_after, first.reason) == (7, 7, Reason.RECEIVED)
    assert first.created_by is not None
    assert first.created_by.id == MEMBER.id


@pytest.mark.parametrize("price", ["0.00", "0.01", "0.10", "1.00", "12.50", "9999999999.99"])
def test_a_price_is_kept_to_the_hundredth_and_has_two_decimals(
    backend: Backend, price: str
) -> None:
    assert str(get_product(backend, add_product(backend, price=Decimal(price))).price) == price


@pytest.mark.parametrize(
    ("code", "price"), [("JPY", "100"), ("KWD", "12.505"), ("CLF", "0.0001"), ("KWD", "0.010")]
)
def test_a_price_is_kept_exactly_whatever_decimals_its_currency_has(
    backend: Backend, code: str, price: str
) -> None:
    currency, exactly = Currency.of(code), Decimal(price)
    id = add_product(backend, price=exactly, currency=currency)
    assert get_product(backend, id).price == exactly
    changes = {"price": exactly + currency.step}
    perform_as_service(backend, catalogue.edit_product, id, changes, currency=currency)
    more = get_product(backend, id).price
    assert more == exactly + currency.step
    for filter, found in (
        (ProductFilter(min_price=more), 1),
        (ProductFilter(min_price=more + currency.step), 0),
        (ProductFilter(max_price=exactly), 0),
    ):
        assert len(backend.ask(backend.products.list_page(filter, FIRST_PAGE)).items) == found


@pytest.mark.parametrize(
    ("price", "too_few"),
    [("100.00", []), ("12.50", ["JPY"]), ("12.505", ["JPY", "EUR"])],
)
def test_stored_prices_fit_a_currency_with_as_many_decimals(
    backend: Backend, price: str, too_few: list[str]
) -> None:
    add_product(backend, price=Decimal(price), currency=Currency.of("KWD"))
    refused = []
    for code in ("JPY", "EUR", "KWD", "CLF"):
        try:
            perform(backend, catalogue.require_prices_fit, currency=Currency.of(code))
        except PricesTooFine:
            refused.append(code)
    assert refused == too_few


def test_a_category_is_read_as_it_was_added_and_renamed(backend: Backend) -> None:
    id = add_category(backend, " Werkzeüg ")
    perform_as_service(backend, catalogue.edit_category, id, name="Werkzeüg")
    view = CategoryView(id=id, version=1, created_at=NOON, updated_at=NOON, name="Werkzeüg")
    assert backend.ask(backend.categories.get(id, NOON)) == view
    later = NOON + timedelta(hours=1)
    product = add_product(backend, category_id=id)
    perform_as_service(
        backend, catalogue.edit_category, id, name="Tools", ctx=Context(None, later), expected={1}
    )

    renamed = replace(view, version=2, updated_at=later, name="Tools")
    assert backend.ask(backend.categories.get(id, NOON)) == renamed
    assert get_product(backend, product).category == ProductCategory(id=id, name="Tools")


# Unique names


def test_a_sku_is_one_products_whatever_the_case(backend: Backend) -> None:
    first, other = add_product(backend, sku="Ab-1"), add_product(backend, sku=None)
    with pytest.raises(NotUnique) as adding:
        add_product(backend, sku="aB-1")
    with pytest.raises(NotUnique) as editing:
        perform_as_service(backend, catalogue.edit_product, other, {"sku": "AB-1"})
    assert adding.value.field == editing.value.field == "sku"
    assert get_product(backend, other).sku is None
    # One's own, in another case, is not another's; and any number have none.
    perform_as_service(backend, catalogue.edit_product, first, {"sku": "AB-1"})
    add_product(backend, sku=None)
    assert get_product(backend, first).sku == "AB-1"
    add_product(backend, sku="Ö-1")
    add_product(backend, sku="O-1")
    with pytest.raises(NotUnique):
        add_product(backend, sku="ö-1")


def test_a_name_is_one_categorys_whatever_the_case(backend: Backend) -> None:
    first, other = add_category(backend, "Tools"), add_category(backend, "Glue")
    with pytest.raises(NotUnique):
        add_category(backend, "TOOLS")
    with pytest.raises(NotUnique):
        perform_as_service(backend, catalogue.edit_category, other, name="tools")
    perform_as_service(backend, catalogue.edit_category, first, name="tools")
    found = backend.ask(backend.categories.list_page(CategoryFilter(), FIRST_PAGE)).items
    assert [category.name for category in found] == ["tools", "Glue"]
    # Accents make another name, with which no case has to do.
    add_category(backend, "Möbel")
    add_category(backend, "Mobel")
    for name in ("MÖBEL", "mobel"):
        with pytest.raises(NotUnique):
            add_category(backend, name)


def test_of_many_who_want_one_sku_at_once_one_gets_it(backend: Backend) -> None:
    def want(number: int) -> str:
        try:
            add_product(backend, f"p{number}", sku="One" if number % 2 else "ONE")
        except NotUnique as error:
            return error.field
        return "got"

    outcomes = in_threads(12, want)
    assert (outcomes.count("got"), outcomes.count("sku")) == (1, 11)


def test_of_many_who_want_one_name_for_a_category_at_once_one_gets_it(backend: Backend) -> None:
    def want(number: int) -> str:
        try:
            add_category(backend, "One" if number % 2 else "ONE")
        except NotUnique as error:
            return error.field
        return "got"

    outcomes = in_threads(12, want)
    assert (outcomes.count("got"), outcomes.count("name")) == (1, 11)


# References


def test_a_product_is_in_a_category_that_there_is(backend: Backend) -> None:
    id = add_product(backend)
    for missing in (id, ADMIN.id):
        with pytest.raises(InvalidField) as adding:
            add_product(backend, category_id=missing)
        with pytest.raises(InvalidField) as editing:
            perform_as_service(backend, catalogue.edit_product, id, {"category_id": missing})
        assert adding.value.field == editing.value.field == "category_id"


def test_a_category_with_products_stays_archived_ones_among_them(backend: Backend) -> None:
    category_id = add_category(backend)
    id = add_product(backend, category_id=category_id)
    perform_as_service(backend, catalogue.archive_product, id)
    with pytest.raises(StillReferenced):
        perform_as_service(backend, catalogue.delete_category, category_id)
    perform_as_service(backend, catalogue.edit_product, id, {"category_id": None})
    with pytest.raises(VersionMismatch):
        perform_as_service(backend, catalogue.delete_category, category_id, expected={2})
    perform_as_service(backend, catalogue.delete_category, category_id)

    with pytest.raises(NotFound):
        perform_as_service(backend, catalogue.delete_category, category_id)
    assert backend.ask(backend.categories.get(category_id, NOON)) is None


def test_a_category_does_not_go_while_a_product_comes_into_it(backend: Backend) -> None:
    for _ in range(5):
        category_id = add_category(backend)
        ids = [add_product(backend, f"p{number}") for number in range(3)]

        def work(
            number: int, category_id: UUID = category_id, ids: list[UUID] = ids
        ) -> type[Exception] | None:
            try:
                if number < 3:
                    change = {"category_id": category_id}
                    perform_as_service(backend, catalogue.edit_product, ids[number], change)
                else:
                    perform_as_service(backend, catalogue.delete_category, category_id)
            except (InvalidField, StillReferenced) as error:
                return type(error)
            return None

        *assigned, removed = in_threads(4, work)

        there = backend.ask(backend.categories.get(category_id, NOON)) is not None
        assert there == (removed is StillReferenced)
        assert set(assigned) <= {None, InvalidField}
        for id, outcome in zip(ids, assigned, strict=True):
            assert get_product(backend, id).category_id == (
                category_id if outcome is None else None
            )
        if there:
            for id in ids:
                perform_as_service(backend, catalogue.edit_product, id, {"category_id": None})
            perform_as_service(backend, catalogue.delete_category, category_id)


def test_a_product_that_never_moved_can_go_and_another_stays(backend: Backend) -> None:
    never, moved = add_product(backend), add_product(backend)
    record_movement(backend, moved, 1)
    record_movement(backend, moved, -1)
    perform_as_service(backend, catalogue.delete_product, never)
    with pytest.raises(StillReferenced):
        perform_as_service(backend, catalogue.delete_product, moved)
    assert backend.ask(backend.products.get(never, NOON)) is None
    assert stock_by_ledger(backend, moved) == 0
