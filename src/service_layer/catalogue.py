"""Use cases of the catalogue: categories and products."""

from datetime import datetime
from typing import Unpack
from uuid import UUID

from domain.actors import Actor
from domain.base import Expected
from domain.catalogue import (
    PricesTooFine,
    Product,
    ProductChanges,
    ProductDetails,
)
from domain.categories import Category
from domain.currencies import DEFAULT, Currency
from domain.errors import InvalidField
from service_layer.access import require_actor_exists
from service_layer.prefetch import prefetches
from service_layer.unit_of_work import UnitOfWork


def create_category(
    uow: UnitOfWork, *, name: str, now: datetime, actor: Actor | None = None
) -> Category:
    """Create a category."""
    category = Category.create(uow.new_id(), now, name=name, by=actor, categories=uow.categories)
    uow.categories.add(category)
    return category


@prefetches(Category)
def edit_category(
    uow: UnitOfWork,
    category_id: UUID,
    *,
    name: str | None = None,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> Category:
    """Rename a category; without a name it stays unchanged."""
    category = uow.categories.get(category_id, expected)
    if name is not None:
        category.edit(name, now, by=actor, categories=uow.categories)
    return category


@prefetches(Category)
def delete_category(
    uow: UnitOfWork,
    category_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> None:
    """Delete a category without products.

    Raises:
        StillReferenced: when it has products.
    """
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
    """Create a product; an opening stock becomes its first movement."""
    require_actor_exists(uow, actor)
    _require_category(uow, details.get("category_id"))
    product = Product.create(
        uow.new_id(), now, by=actor, products=uow.products, currency=currency, **details
    )
    uow.products.add(product)
    product.set_opening_stock(uow.new_id(), stock, now, by=actor, movements=uow.movements)
    return product


@prefetches(Product)
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
    """Set the given fields of a product; `stock` is a stock count and becomes a movement."""
    require_actor_exists(uow, actor)
    product = uow.products.get(product_id, expected)
    if changes.get("category_id") != product.category_id:
        _require_category(uow, changes.get("category_id"))
    product.edit(changes, now, by=actor, products=uow.products, currency=currency)
    if stock is not None:
        product.count(uow.new_id(), stock, now, by=actor, movements=uow.movements)
    return product


def require_prices_fit(uow: UnitOfWork, *, currency: Currency) -> None:
    """Require that the currency has enough decimals for all prices.

    Raises:
        PricesTooFine: when a price has more decimals.
    """
    if uow.products.exists_finer_than(currency.digits):
        raise PricesTooFine(currency)


@prefetches(Product)
def archive_product(
    uow: UnitOfWork,
    product_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> Product:
    """Archive a product."""
    product = uow.products.get(product_id, expected)
    product.archive(now, actor)
    return product


@prefetches(Product)
def restore_product(
    uow: UnitOfWork,
    product_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> Product:
    """Restore an archived product."""
    product = uow.products.get(product_id, expected)
    product.restore(now, actor)
    return product


@prefetches(Product)
def delete_product(
    uow: UnitOfWork,
    product_id: UUID,
    *,
    now: datetime,
    actor: Actor | None = None,
    expected: Expected = None,
) -> None:
    """Delete a product without movements.

    Raises:
        StillReferenced: when it has movements.
    """
    product = uow.products.get(product_id, expected)
    product.delete(now, by=actor, has_movements=uow.movements.exists_for_product(product_id))
    uow.products.remove(product)


def _require_category(uow: UnitOfWork, category_id: UUID | None) -> None:
    """Require that the category exists.

    Raises:
        InvalidField: when it does not.
    """
    if category_id is not None and uow.categories.find(category_id) is None:
        raise InvalidField("category_id", "Give the id of a category.")
