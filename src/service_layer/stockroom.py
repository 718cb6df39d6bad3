"""The stockroom: what the workshop has pieces of, in which categories, and how they come and go."""

from datetime import datetime
from typing import Unpack
from uuid import UUID

from domain.actors import Actor
from domain.base import Expected
from domain.catalogue import (
    Details,
    PricesTooFine,
    Product,
    ProductArchived,
    ProductChanges,
    ProductRemoved,
)
from domain.categories import Category
from domain.currencies import DEFAULT, Currency
from domain.errors import Invalid
from domain.stock import Movement, Reason, StockRanLow, StockRecovered
from domain.tasks import TITLE
from service_layer.access import require_somebody
from service_layer.tasks import add_task
from service_layer.unit_of_work import UnitOfWork


def add_category(
    uow: UnitOfWork, *, name: str, now: datetime, actor: Actor | None = None
) -> Category:
    """Add a category."""
    category = Category.add(uow.new_id(), now, name=name, by=actor, among=uow.categories)
    uow.categories.add(category)
    return category


def rename_category(
    uow: UnitOfWork,
    category_id: UUID,
    *,
    name: str | None = None,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> Category:
    """Give a category another name, if one is given."""
    category = uow.categories.get(category_id, expected)
    if name is not None:
        category.rename(name, now, by=actor, among=uow.categories)
    return category


def remove_category(
    uow: UnitOfWork,
    category_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> None:
    """Strike a category off the list, if there are no products in it."""
    category = uow.categories.get(category_id, expected)
    category.leave(now, by=actor, has_products=uow.products.any_in(category_id))
    uow.categories.remove(category)


def add_product(
    uow: UnitOfWork,
    *,
    stock: int = 0,
    now: datetime,
    actor: Actor | None = None,
    currency: Currency = DEFAULT,
    **details: Unpack[Details],
) -> Product:
    """Add a product; what there is of it already is received by a first movement."""
    require_somebody(uow, actor)
    _require_category(uow, details.get("category_id"))
    product = Product.add(
        uow.new_id(), now, by=actor, among=uow.products, currency=currency, **details
    )
    uow.products.add(product)
    product.receive_first(uow.new_id(), stock, now, by=actor, ledger=uow.movements)
    return product


def edit_product(
    uow: UnitOfWork,
    product_id: UUID,
    changes: ProductChanges,
    *,
    stock: int | None = None,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
    currency: Currency = DEFAULT,
) -> Product:
    """Give members of a product other values; a stock is taken for what was counted."""
    require_somebody(uow, actor)
    product = uow.products.get(product_id, expected)
    if changes.get("category_id") != product.category_id:
        _require_category(uow, changes.get("category_id"))
    product.edit(changes, now, by=actor, among=uow.products, currency=currency)
    if stock is not None:
        product.count(uow.new_id(), stock, now, by=actor, ledger=uow.movements)
    return product


def require_prices_fit(uow: UnitOfWork, *, currency: Currency) -> None:
    """Require that every price can be written in a currency.

    Raises:
        PricesTooFine: when one has more decimals.
    """
    if uow.products.any_finer_than(currency.digits):
        raise PricesTooFine(currency)


def move_stock(
    uow: UnitOfWork,
    product_id: UUID,
    *,
    quantity: int,
    reason: Reason,
    note: str | None = None,
    now: datetime,
    actor: Actor | None = None,
) -> Movement:
    """Take pieces of a product in, or give them out if the quantity is negative."""
    require_somebody(uow, actor)
    product = uow.products.get(product_id)
    # Made while nobody else can move the stock, ids are in the order of the movements.
    id = uow.new_id()
    return product.move(id, quantity, reason, now, note=note, by=actor, ledger=uow.movements)


def archive_product(
    uow: UnitOfWork,
    product_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> Product:
    """Offer a product no longer."""
    product = uow.products.get(product_id, expected)
    product.archive(now, actor)
    return product


def restore_product(
    uow: UnitOfWork,
    product_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> Product:
    """Offer a product again."""
    product = uow.products.get(product_id, expected)
    product.restore(now, actor)
    return product


def remove_product(
    uow: UnitOfWork,
    product_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> None:
    """Strike a product off the list, if nothing of it ever came or went."""
    product = uow.products.get(product_id, expected)
    product.leave(now, by=actor, has_movements=uow.movements.of_product(product_id))
    uow.products.remove(product)


def plan_reorder(uow: UnitOfWork, event: StockRanLow) -> None:
    """Create the task to reorder a product unless one is open; the workshop itself creates it."""
    product = uow.products.get(event.subject)
    if uow.tasks.open_reorder(product.id) is None:
        title = reorder_title(product.name)
        add_task(uow, title=title, product_id=product.id, now=event.at)


def complete_reorder(uow: UnitOfWork, event: StockRecovered | ProductArchived) -> None:
    """Complete the open task to reorder a product that needs no reorder; the workshop does it."""
    task = uow.tasks.open_reorder(event.subject)
    if task is not None:
        task.complete(event.at)


def release_reorders(uow: UnitOfWork, event: ProductRemoved) -> None:
    """Complete the open task to reorder a deleted product, and detach all of its tasks."""
    for task in uow.tasks.reorders(event.subject):
        task.complete(event.at)
        task.release_product(event.at)


def reorder_title(name: str) -> str:
    """Return what the task is called that has a product ordered."""
    title = f"Reorder {name}"
    return title if len(title) <= TITLE.max else f"{title[: TITLE.max - 1]}…"


def _require_category(uow: UnitOfWork, category_id: UUID | None) -> None:
    """Have products in categories that there are.

    Raises:
        Invalid: when there is no such category.
    """
    if category_id is not None and uow.categories.find(category_id) is None:
        raise Invalid("category_id", "Give the id of a category.")
