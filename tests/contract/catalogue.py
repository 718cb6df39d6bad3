"""What every unit of work and every read port promises of categories, products and movements."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.adapters import in_order, in_threads
from domain import categories
from domain.base import Context, PageRequest
from domain.catalogue import SORTS, PricesTooFine, Product, ProductFilter
from domain.categories import CategoryFilter
from domain.currencies import Currency
from domain.errors import InvalidField, NotFound, NotUnique, StillReferenced, VersionMismatch
from domain.stock import InsufficientStock, MovementFilter, Reason, StockRanLow
from domain.tasks import ReorderOpen, TaskFilter
from service_layer import catalogue, users
from service_layer import stock as stock_use_cases
from service_layer import tasks as task_use_cases
from service_layer.queries.catalogue import CategoryView, ProductCategory, ProductView
from service_layer.queries.stock import MovementView, StockLevel
from service_layer.queries.tasks import TaskView
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend
from support.people import ADMIN, CTX, MEMBER

FIRST = PageRequest(sort="created_at", limit=100)


def perform(backend: Backend, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    kwargs.setdefault("ctx", CTX)
    return backend.usual.perform(use_case, *args, **kwargs)


def perform_plain(backend: Backend, use_case: Callable[..., Any], **kwargs: Any) -> Any:
    """Perform a use case that does not depend on actor or time."""
    return backend.usual.perform(use_case, **kwargs)


def add(backend: Backend, name: str = "Sandpaper", **members: Any) -> UUID:
    members.setdefault("price", Decimal("12.50"))
    id: UUID = perform(backend, catalogue.create_product, name=name, **members).id
    return id


def add_category(backend: Backend, name: str = "Tools") -> UUID:
    id: UUID = perform(backend, catalogue.create_category, name=name).id
    return id


def move(backend: Backend, id: UUID, quantity: int, **members: Any) -> Any:
    members.setdefault("reason", Reason.RECEIVED if quantity > 0 else Reason.SOLD)
    return perform(backend, stock_use_cases.record_movement, id, quantity=quantity, **members)


def get(backend: Backend, id: UUID) -> ProductView:
    return backend.ask(backend.products.one(id, NOON))


def ledger(backend: Backend, id: UUID) -> list[MovementView]:
    return backend.ask(backend.movements.list_page(MovementFilter(product_id=id), FIRST)).items


def tasks(backend: Backend) -> list[str]:
    all_ = TaskFilter(today=NOON.date())
    return [task.title for task in backend.ask(backend.tasks.list_page(all_, FIRST)).items]


def reorders(backend: Backend, id: UUID) -> list[TaskView]:
    """Return the reorder tasks of a product, oldest first."""
    of_it = TaskFilter(today=NOON.date(), product_id=id)
    return backend.ask(backend.tasks.list_page(of_it, FIRST)).items


def agrees(backend: Backend, id: UUID) -> int:
    """Assert that a product and its ledger tell the same, and return the stock."""
    stock = 0
    for movement in ledger(backend, id):
        stock += movement.quantity
        assert movement.stock_after == stock >= 0
    assert get(backend, id).stock == stock
    return stock


# As it was written


def test_a_product_is_read_as_it_was_added(backend: Backend) -> None:
    category_id = add_category(backend, "Abrasives")
    id = add(
        backend, "Öl 油 'x\"; --", sku="A-1", description="a\nb", price=Decimal("9999999999.99"),
        stock=7, reorder_level=7, category_id=category_id, ctx=MEMBER.ctx,
    )  # fmt: skip

    assert get(backend, id) == ProductView(
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
    (first,) = ledger(backend, id)
    assert (first.quantity, first.stock_after, first.reason) == (7, 7, Reason.RECEIVED)
    assert first.created_by is not None
    assert first.created_by.id == MEMBER.id


@pytest.mark.parametrize("price", ["0.00", "0.01", "0.10", "1.00", "12.50", "9999999999.99"])
def test_a_price_is_kept_to_the_hundredth_and_has_two_decimals(
    backend: Backend, price: str
) -> None:
    assert str(get(backend, add(backend, price=Decimal(price))).price) == price


@pytest.mark.parametrize(
    ("code", "price"), [("JPY", "100"), ("KWD", "12.505"), ("CLF", "0.0001"), ("KWD", "0.010")]
)
def test_a_price_is_kept_exactly_whatever_decimals_its_currency_has(
    backend: Backend, code: str, price: str
) -> None:
    currency, exactly = Currency.of(code), Decimal(price)
    id = add(backend, price=exactly, currency=currency)
    assert get(backend, id).price == exactly
    changes = {"price": exactly + currency.step}
    perform(backend, catalogue.edit_product, id, changes, currency=currency)
    more = get(backend, id).price
    assert more == exactly + currency.step
    for filter, found in (
        (ProductFilter(min_price=more), 1),
        (ProductFilter(min_price=more + currency.step), 0),
        (ProductFilter(max_price=exactly), 0),
    ):
        assert len(backend.ask(backend.products.list_page(filter, FIRST)).items) == found


@pytest.mark.parametrize(
    ("price", "too_few"),
    [("100.00", []), ("12.50", ["JPY"]), ("12.505", ["JPY", "EUR"])],
)
def test_stored_prices_fit_a_currency_with_as_many_decimals(
    backend: Backend, price: str, too_few: list[str]
) -> None:
    add(backend, price=Decimal(price), currency=Currency.of("KWD"))
    refused = []
    for code in ("JPY", "EUR", "KWD", "CLF"):
        try:
            perform_plain(backend, catalogue.require_prices_fit, currency=Currency.of(code))
        except PricesTooFine:
            refused.append(code)
    assert refused == too_few


def test_a_category_is_read_as_it_was_added_and_renamed(backend: Backend) -> None:
    id = add_category(backend, " Werkzeüg ")
    perform(backend, catalogue.edit_category, id, name="Werkzeüg")
    view = CategoryView(id=id, version=1, created_at=NOON, updated_at=NOON, name="Werkzeüg")
    assert backend.ask(backend.categories.get(id, NOON)) == view
    later = NOON + timedelta(hours=1)
    product = add(backend, category_id=id)
    perform(
        backend, catalogue.edit_category, id, name="Tools", ctx=Context(None, later), expected={1}
    )

    renamed = replace(view, version=2, updated_at=later, name="Tools")
    assert backend.ask(backend.categories.get(id, NOON)) == renamed
    assert get(backend, product).category == ProductCategory(id=id, name="Tools")


# One of each


def test_a_sku_is_one_products_whatever_the_case(backend: Backend) -> None:
    first, other = add(backend, sku="Ab-1"), add(backend, sku=None)
    with pytest.raises(NotUnique) as adding:
        add(backend, sku="aB-1")
    with pytest.raises(NotUnique) as editing:
        perform(backend, catalogue.edit_product, other, {"sku": "AB-1"})
    assert adding.value.field == editing.value.field == "sku"
    assert get(backend, other).sku is None
    # One's own, in another case, is not another's; and any number have none.
    perform(backend, catalogue.edit_product, first, {"sku": "AB-1"})
    add(backend, sku=None)
    assert get(backend, first).sku == "AB-1"
    add(backend, sku="Ö-1")
    add(backend, sku="O-1")
    with pytest.raises(NotUnique):
        add(backend, sku="ö-1")


def test_a_name_is_one_categorys_whatever_the_case(backend: Backend) -> None:
    first, other = add_category(backend, "Tools"), add_category(backend, "Glue")
    with pytest.raises(NotUnique):
        add_category(backend, "TOOLS")
    with pytest.raises(NotUnique):
        perform(backend, catalogue.edit_category, other, name="tools")
    perform(backend, catalogue.edit_category, first, name="tools")
    found = backend.ask(backend.categories.list_page(CategoryFilter(), FIRST)).items
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
            add(backend, f"p{number}", sku="One" if number % 2 else "ONE")
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


# What refers to what


def test_a_product_is_in_a_category_that_there_is(backend: Backend) -> None:
    id = add(backend)
    for missing in (id, ADMIN.id):
        with pytest.raises(InvalidField) as adding:
            add(backend, category_id=missing)
        with pytest.raises(InvalidField) as editing:
            perform(backend, catalogue.edit_product, id, {"category_id": missing})
        assert adding.value.field == editing.value.field == "category_id"


def test_a_category_with_products_stays_archived_ones_among_them(backend: Backend) -> None:
    category_id = add_category(backend)
    id = add(backend, category_id=category_id)
    perform(backend, catalogue.archive_product, id)
    with pytest.raises(StillReferenced):
        perform(backend, catalogue.delete_category, category_id)
    perform(backend, catalogue.edit_product, id, {"category_id": None})
    with pytest.raises(VersionMismatch):
        perform(backend, catalogue.delete_category, category_id, expected={2})
    perform(backend, catalogue.delete_category, category_id)

    with pytest.raises(NotFound):
        perform(backend, catalogue.delete_category, category_id)
    assert backend.ask(backend.categories.get(category_id, NOON)) is None


def test_a_category_does_not_go_while_a_product_comes_into_it(backend: Backend) -> None:
    for _ in range(5):
        category_id = add_category(backend)
        ids = [add(backend, f"p{number}") for number in range(3)]

        def work(
            number: int, category_id: UUID = category_id, ids: list[UUID] = ids
        ) -> type[Exception] | None:
            try:
                if number < 3:
                    change = {"category_id": category_id}
                    perform(backend, catalogue.edit_product, ids[number], change)
                else:
                    perform(backend, catalogue.delete_category, category_id)
            except (InvalidField, StillReferenced) as error:
                return type(error)
            return None

        *assigned, removed = in_threads(4, work)

        there = backend.ask(backend.categories.get(category_id, NOON)) is not None
        assert there == (removed is StillReferenced)
        assert set(assigned) <= {None, InvalidField}
        for id, outcome in zip(ids, assigned, strict=True):
            assert get(backend, id).category_id == (category_id if outcome is None else None)
        if there:
            for id in ids:
                perform(backend, catalogue.edit_product, id, {"category_id": None})
            perform(backend, catalogue.delete_category, category_id)


def test_a_product_that_never_moved_can_go_and_another_stays(backend: Backend) -> None:
    never, moved = add(backend), add(backend)
    move(backend, moved, 1)
    move(backend, moved, -1)
    perform(backend, catalogue.delete_product, never)
    with pytest.raises(StillReferenced):
        perform(backend, catalogue.delete_product, moved)
    assert backend.ask(backend.products.get(never, NOON)) is None
    assert agrees(backend, moved) == 0


def test_a_product_does_not_go_while_its_stock_moves(backend: Backend) -> None:
    for _ in range(5):
        id = add(backend)

        def work(number: int, id: UUID = id) -> type[Exception] | None:
            try:
                if number:
                    move(backend, id, 1)
                else:
                    perform(backend, catalogue.delete_product, id)
            except (NotFound, StillReferenced) as error:
                return type(error)
            return None

        removed, *moved = in_threads(4, work)
        gone = backend.ask(backend.products.get(id, NOON)) is None
        assert gone == (removed is None)
        assert moved == [NotFound if gone else None] * 3
        assert len(ledger(backend, id)) == (0 if gone else 3)


def test_whoever_entered_a_movement_stays(backend: Backend) -> None:
    id = add(backend)
    move(backend, id, 3, ctx=MEMBER.ctx)
    with pytest.raises(StillReferenced):
        perform(backend, users.delete_user, MEMBER.id, ctx=ADMIN.ctx)


# Stock cannot lie


def test_a_movement_changes_the_stock_and_is_a_change_of_the_product(backend: Backend) -> None:
    id = add(backend, stock=10)
    later = NOON + timedelta(minutes=1)
    movement = move(
        backend, id, -4, reason=Reason.USED, note="jig", ctx=Context(MEMBER.actor, later)
    )

    assert (movement.stock_after, movement.version) == (6, 1)
    product = get(backend, id)
    assert (product.stock, product.version, product.updated_at) == (6, 2, later)
    view = ledger(backend, id)[1]
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
    id = add(backend, stock=3)
    with pytest.raises(InsufficientStock) as refused:
        move(backend, id, -4)
    assert refused.value.available == 3
    assert (get(backend, id).version, agrees(backend, id)) == (1, 3)
    move(backend, id, -3)
    assert agrees(backend, id) == 0


def test_a_count_is_a_movement_of_the_difference(backend: Backend) -> None:
    id = add(backend, stock=5)
    perform(backend, catalogue.edit_product, id, {"name": "Counted"}, stock=5)
    assert (get(backend, id).version, len(ledger(backend, id))) == (2, 1)
    perform(backend, catalogue.edit_product, id, {}, stock=2, expected={2})
    perform(backend, catalogue.edit_product, id, {}, stock=9)

    counts = [(one.quantity, one.reason, one.stock_after) for one in ledger(backend, id)[1:]]
    assert counts == [(-3, Reason.COUNTED, 2), (7, Reason.COUNTED, 9)]
    assert agrees(backend, id) == 9


def test_what_was_archived_still_moves(backend: Backend) -> None:
    id = add(backend, stock=5)
    for _ in range(2):
        perform(backend, catalogue.archive_product, id)
    assert (get(backend, id).archived, get(backend, id).version) == (True, 2)
    move(backend, id, -5)
    for _ in range(2):
        perform(backend, catalogue.restore_product, id)
    assert (get(backend, id).archived, get(backend, id).version) == (False, 4)
    assert agrees(backend, id) == 0


def test_forty_want_one_of_twenty_pieces_and_twenty_get_it(backend: Backend) -> None:
    id = add(backend, "Chisel", stock=20, reorder_level=5)

    def buy(number: int) -> int | None:
        try:
            move(backend, id, -1, ctx=Context(None, NOON + timedelta(seconds=40 - number)))
        except InsufficientStock as error:
            return error.available
        return None

    outcomes = in_threads(40, buy)

    assert (outcomes.count(None), outcomes.count(0)) == (20, 20)
    assert agrees(backend, id) == 0
    assert get(backend, id).version == 21
    assert tasks(backend) == ["Reorder Chisel"]


def test_counts_among_sales_and_deliveries_leave_a_ledger_that_adds_up(backend: Backend) -> None:
    id = add(backend, stock=10)

    def work(number: int) -> None:
        if number % 3:
            move(backend, id, 2 if number % 2 else -1)
        else:
            perform(backend, catalogue.edit_product, id, {}, stock=30 + number)

    in_threads(12, work)
    agrees(backend, id)


# Reordering


def test_each_time_the_stock_falls_to_its_level_one_task_appears(backend: Backend) -> None:
    id = add(backend, "Glue", stock=10, reorder_level=4)
    for quantity, planned in ((-5, 0), (-1, 1), (-1, 1), (3, 1), (-1, 1), (-2, 2), (-3, 2)):
        move(backend, id, quantity)
        assert len(tasks(backend)) == planned, quantity
    assert agrees(backend, id) == 0
    assert set(tasks(backend)) == {"Reorder Glue"}


def test_a_count_can_let_the_stock_fall_to_its_level_too(backend: Backend) -> None:
    id = add(backend, "x" * 100, stock=10, ctx=MEMBER.ctx)
    perform(backend, catalogue.edit_product, id, {"reorder_level": 6}, stock=6, ctx=MEMBER.ctx)
    perform(backend, catalogue.edit_product, id, {"reorder_level": 9}, stock=5)

    filter = TaskFilter(today=NOON.date())
    (task,) = backend.ask(backend.tasks.list_page(filter, FIRST)).items
    assert (task.title, task.created_by) == (f"Reorder {'x' * 91}…", None)


def test_a_product_created_low_has_a_task_if_it_has_a_reorder_level(backend: Backend) -> None:
    add(backend, stock=0)
    add(backend, "Plenty", stock=6, reorder_level=5)
    assert tasks(backend) == []
    add(backend, "Few", stock=3, reorder_level=5)
    add(backend, "None", stock=0, reorder_level=1)
    assert tasks(backend) == ["Reorder Few", "Reorder None"]


def test_a_product_has_one_open_task_which_the_workshop_completes_when_there_is_enough(
    backend: Backend,
) -> None:
    id = add(backend, "Glue", stock=5, reorder_level=4)
    edit = partial(perform, backend, catalogue.edit_product, id)
    archive = partial(perform, backend, catalogue.archive_product, id)
    restore = partial(perform, backend, catalogue.restore_product, id)
    steps: list[tuple[Callable[[], Any], int, int]] = [
        (partial(move, backend, id, -1), 1, 0),
        (partial(move, backend, id, -1), 1, 0),
        (partial(move, backend, id, 1), 1, 0),
        (partial(move, backend, id, 2), 0, 1),
        (partial(edit, {"reorder_level": 6}), 1, 1),
        (partial(edit, {"reorder_level": 5}), 0, 2),
        (partial(edit, {}, stock=5), 1, 2),
        (archive, 0, 3),
        (partial(move, backend, id, -2), 0, 3),
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
    id = add(backend, "Glue", stock=3, reorder_level=5)
    (task,) = reorders(backend, id)
    perform(backend, task_use_cases.complete_task, task.id, ctx=MEMBER.ctx)
    perform(backend, catalogue.edit_product, id, {"reorder_level": 1}, stock=1)
    move(backend, id, -1)
    assert [one.completed for one in reorders(backend, id)] == [True]


def test_a_task_is_found_by_its_product_whatever_its_title_or_the_products_name(
    backend: Backend,
) -> None:
    id = add(backend, "Glue", stock=3, reorder_level=5)
    (task,) = reorders(backend, id)
    perform(backend, task_use_cases.edit_task, task.id, {"title": "Ask Eve for glue"})
    perform(backend, catalogue.edit_product, id, {"name": "Wood glue"})
    perform(backend, task_use_cases.create_task, title="Reorder Wood glue")
    move(backend, id, 10)
    assert [(one.id, one.completed) for one in reorders(backend, id)] == [(task.id, True)]


def test_a_second_reorder_task_is_not_reopened_while_another_is_open(backend: Backend) -> None:
    id = add(backend, "Glue", stock=3, reorder_level=5)
    (first,) = reorders(backend, id)
    move(backend, id, 5)
    perform(backend, task_use_cases.reopen_task, first.id)
    perform(backend, task_use_cases.complete_task, first.id)
    move(backend, id, -5)
    with pytest.raises(ReorderOpen):
        perform(backend, task_use_cases.reopen_task, first.id)
    assert [one.completed for one in reorders(backend, id)] == [True, False]


def test_of_many_who_reopen_or_cause_a_reorder_at_once_one_task_is_open(backend: Backend) -> None:
    id = add(backend, "Glue", stock=3, reorder_level=5)
    for _ in range(2):
        move(backend, id, 9)
        move(backend, id, -9)
    move(backend, id, 9)
    closed = [task.id for task in reorders(backend, id)]
    assert len(closed) == 3

    def work(number: int) -> bool:
        if number < len(closed):
            try:
                perform(backend, task_use_cases.reopen_task, closed[number])
            except ReorderOpen:
                return False
        else:
            move(backend, id, -9)
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
    id = add(backend, "Glue", reorder_level=5)
    perform(backend, catalogue.edit_product, id, {"reorder_level": 0})
    perform(backend, catalogue.archive_product, id)
    perform(backend, catalogue.restore_product, id)
    perform(backend, catalogue.delete_product, id)

    filter = TaskFilter(today=NOON.date())
    left = backend.ask(backend.tasks.list_page(filter, FIRST)).items
    assert [(one.title, one.completed, one.product_id) for one in left] == [
        ("Reorder Glue", True, None)
    ] * len(left)
    assert len(left) >= 1


def test_a_sale_whose_task_cannot_be_written_is_not_made(backend: Backend) -> None:
    id = add(backend, stock=1)

    def fail(uow: Any, event: Any) -> None:
        stock_use_cases.plan_reorder(uow, event)
        raise RuntimeError

    runner = backend.runner({StockRanLow: (fail,)})
    with pytest.raises(RuntimeError):
        runner.perform(
            stock_use_cases.record_movement, id, quantity=-1, reason=Reason.SOLD, ctx=CTX
        )
    assert (agrees(backend, id), tasks(backend)) == (1, [])


# Lists

PRICES = [Decimal(price) for price in ("0.00", "0.99", "9.50", "10.00", "100.00")]
some_products = st.lists(
    st.tuples(
        st.sampled_from(["a", "B", "á", "b c", "%"]),
        st.booleans(),
        st.none() | st.sampled_from(["x", "Y\nz"]),
        st.sampled_from(PRICES),
        st.integers(0, 2),
        st.integers(0, 2),
        st.booleans(),
        st.booleans(),
    ),
    max_size=10,
)


def make_products(uow: UnitOfWork, some: list[Any], category_id: UUID) -> list[Product]:
    """Make products, some in the category, and return them."""
    kept: list[Product] = []
    for number, (name, has_sku, description, price, stock, level, within, archived) in enumerate(
        some
    ):
        product = Product.create(
            uow.new_id(),
            Context(None, NOON + timedelta(seconds=number // 2)),
            name=name,
            sku=f"SKU-{number}" if has_sku else None,
            description=description,
            price=price,
            reorder_level=level,
            category_id=category_id if within else None,
            products=uow.products,
        )
        # Without movements, so that they can go again.
        product.stock, product.archived = stock, archived
        uow.products.add(product)
        kept.append(product)
    return kept


def some_filter(category_id: UUID) -> st.SearchStrategy[ProductFilter]:
    return st.builds(
        ProductFilter,
        archived=st.none() | st.booleans(),
        category_id=st.none() | st.just(category_id),
        min_price=st.none() | st.sampled_from(PRICES),
        max_price=st.none() | st.sampled_from(PRICES),
        in_stock=st.none() | st.booleans(),
        low_stock=st.none() | st.booleans(),
        q=st.none() | st.sampled_from(["a", "B", "%", "z", "b c", "sku-1"]),
    )


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(some=some_products, sort=st.sampled_from(list(SORTS)), data=st.data())
def test_filters_orders_and_pages_of_products_agree_with_the_domain(
    backend: Backend, some: list[Any], sort: str, data: st.DataObject
) -> None:
    # Each example works in products of its own and leaves none behind.
    with backend.open() as uow:
        category = catalogue.create_category(uow, name="Tools", ctx=CTX)
        uow.commit()
    with backend.open() as uow:
        kept = make_products(uow, some, category.id)
        uow.commit()
    try:
        filter = data.draw(some_filter(category.id))
        descending = data.draw(st.booleans())
        order = PageRequest(sort=sort, descending=descending, limit=data.draw(st.integers(1, 5)))
        meant = in_order([one for one in kept if filter.matches(one)], SORTS[sort], descending)
        within_ = ProductCategory.of(category)
        expected = [ProductView.of(one, within_ if one.category_id else None) for one in meant]
        assert walk(backend.products, backend, filter, order) == expected

        skip = data.draw(st.integers(0, 6))
        page = backend.ask(
            backend.products.list_page(filter, replace(order, skip=skip, count=True))
        )
        assert page.items == expected[skip : skip + order.limit]
        assert page.total == len(expected)
    finally:
        with backend.open() as uow:
            for product in kept:
                uow.products.remove(uow.products.get(product.id))
            uow.categories.remove(uow.categories.get(category.id))
            uow.commit()


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


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", list(categories.SORTS))
def test_categories_are_found_sorted_and_walked(
    backend: Backend, sort: str, descending: bool
) -> None:
    for name in ("zinc", "Äpfel", "Brass", "20%", "_", "apple"):
        add_category(backend, name)
    order = PageRequest(sort=sort, descending=descending, limit=2)
    found = walk(backend.categories, backend, CategoryFilter(), order)
    names = {
        "created_at": ["zinc", "Äpfel", "Brass", "20%", "_", "apple"],
        "name": ["20%", "_", "Äpfel", "apple", "Brass", "zinc"],
    }[sort]
    assert [one.name for one in found] == (names[::-1] if descending else names)
    for q, meant in (("A", {"Äpfel", "Brass", "apple"}), ("%", {"20%"}), ("_", {"_"})):
        assert {
            one.name for one in walk(backend.categories, backend, CategoryFilter(q=q), order)
        } == meant


@pytest.mark.parametrize("descending", [False, True])
def test_a_ledger_is_walked_in_the_order_in_which_the_stock_moved(
    backend: Backend, descending: bool
) -> None:
    id, other = add(backend), add(backend)
    for number in range(1, 8):
        # Whoever entered it late, or by another clock, does not come before the last.
        move(backend, id, number, ctx=Context(None, NOON - timedelta(seconds=number)))
        move(backend, other, 1)
    order = PageRequest(sort="created_at", descending=descending, limit=3)
    filter = MovementFilter(product_id=id)
    walked = walk(backend.movements, backend, filter, order)
    numbers = list(range(1, 8))
    assert [one.quantity for one in walked] == (numbers[::-1] if descending else numbers)
    assert agrees(backend, id) == 28


def test_the_course_of_a_stock_is_told_by_its_latest_movements(backend: Backend) -> None:
    id, other = add(backend, stock=5), add(backend, stock=1)
    for number in range(1, 5):
        # At the same moment, too, they are in the order in which they happened.
        move(backend, id, number, ctx=Context(None, NOON + timedelta(seconds=number // 2)))
    assert backend.ask(backend.movements.stock_history(id, 3)) == (
        StockLevel(NOON + timedelta(seconds=1), stock=8, before=6),
        StockLevel(NOON + timedelta(seconds=1), stock=11, before=8),
        StockLevel(NOON + timedelta(seconds=2), stock=15, before=11),
    )
    assert backend.ask(backend.movements.stock_history(other, 3)) == (
        StockLevel(NOON, stock=1, before=0),
    )
    assert backend.ask(backend.movements.stock_history(add(backend), 3)) == ()


# What is imported where the tests are run; it stands last, so that none is left out.
__all__ = [name for name in globals() if name.startswith("test_")]
