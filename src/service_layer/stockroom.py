"""The stockroom: what the workshop has pieces of, in which categories, and how they come and go."""

from datetime import datetime
from typing import Unpack
from uuid import UUID

from domain.actors import Actor
from domain.base import Expected
from domain.catalogue import (
    PricesTooFine,
    Product,
    ProductArchived,
    ProductChanges,
    ProductDeleted,
    ProductDetails,
)
from domain.categories import Category
from domain.currencies import DEFAULT, Currency
from domain.errors import InvalidField
from domain.stock import Movement, Reason, StockRanLow, StockRecovered
from domain.tasks import TITLE
from service_layer.access import require_actor_exists
from service_layer.tasks import create_task
from service_layer.unit_of_work import UnitOfWork


def create_category(
    uow: UnitOfWork, *, name: str, now: datetime, actor: Actor | None = None
) -> Category:
    """Add a category."""
    category = Category.create(uow.new_id(), now, name=name, by=actor, categories=uow.categories)
    uow.categories.add(category)
    return category


def edit_category(
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
        category.edit(name, now, by=actor, categories=uow.categories)
    return category


def delete_category(
    uow: UnitOfWork,
    category_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> None:
    """Strike a category off the list, if there are no products in it."""
    category = uow.categories.get(category_id, expected)
    category.delete(now, by=actor, has_products=uow.products.exists_in_category(category_id))
    uow.categories.remove(category)


def create_product(
    uow: UnitOfWork,
    *,
    stock: int = 0,
    now: datetime,
    actor: Actor | None = None,
    currency: Currency = DEFAULT,
    **details: Unpack[ProductDetails],
) -> Product:
    """Add a product; what there is of it already is received by a first movement."""
    require_actor_exists(uow, actor)
    _require_category(uow, details.get("category_id"))
    product = Product.create(
        uow.new_id(), now, by=actor, products=uow.products, currency=currency, **details
    )
    uow.products.add(product)
    product.set_opening_stock(uow.new_id(), stock, now, by=actor, movements=uow.movements)
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
    require_actor_exists(uow, actor)
    product = uow.products.get(product_id, expected)
    if changes.get("category_id") != product.category_id:
        _require_category(uow, changes.get("category_id"))
    product.edit(changes, now, by=actor, products=uow.products, currency=currency)
    if stock is not None:
        product.count(uow.new_id(), stock, now, by=actor, movements=uow.movements)
    return product


def require_prices_fit(uow: UnitOfWork, *, currency: Currency) -> None:
    """Require that every price can be written in a currency.

    Raises:
        PricesTooFine: when one has more decimals.
    """
    if uow.products.exists_finer_than(currency.digits):
        raise PricesTooFine(currency)


def record_movement(
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
    require_actor_exists(uow, actor)
    product = uow.products.get(product_id)
    # Made while nobody else can move the stock, ids are in the order of the movements.
    id = uow.new_id()
    return product.move(id, quantity, reason, now, note=note, by=actor, movements=uow.movements)


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


def delete_product(
    uow: UnitOfWork,
    product_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> None:
    """Strike a product off the list, if nothing of it ever came or went."""
    product = uow.products.get(product_id, expected)
    product.delete(now, by=actor, has_movements=uow.movements.exists_for_product(product_id))
    uow.products.remove(product)


def plan_reorder(uow: UnitOfWork, event: StockRanLow) -> None:
    """Create the task to reorder a product unless one is open; the workshop itself creates it."""
    product = uow.products.get(event.aggregate_id)
    if uow.tasks.open_reorder(product.id) is None:
        title = reorder_title(product.name)
        create_task(uow, title=title, product_id=product.id, now=event.at)


def complete_reorder(uow: UnitOfWork, event: StockRecovered | ProductArchived) -> None:
    """Complete the open task to reorder a product that needs no reorder; the workshop does it."""
    task = uow.tasks.open_reorder(event.aggregate_id)
    if task is not None:
        task.complete(event.at)


def release_reorders(uow: UnitOfWork, event: ProductDeleted) -> None:
    """Complete the open task to reorder a deleted product, and detach all of its tasks."""
    for task in uow.tasks.list_reorders(event.aggregate_id):
        task.complete(event.at)
        task.release_product(event.at)


def reorder_title(name: str) -> str:
    """Return what the task is called that has a product ordered."""
    title = f"Reorder {name}"
    return title if len(title) <= TITLE.max else f"{title[: TITLE.max - 1]}…"


def _require_category(uow: UnitOfWork, category_id: UUID | None) -> None:
    """Have products in categories that there are.

    Raises:
        InvalidField: when there is no such category.
    """
    if category_id is not None and uow.categories.find(category_id) is None:
        raise InvalidField("category_id", "Give the id of a category.")
