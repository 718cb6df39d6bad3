"""Use cases of the catalogue: categories and products."""

from typing import Unpack
from uuid import UUID

from domain.base import Context, Expected
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


def create_category(uow: UnitOfWork, ctx: Context, *, name: str) -> Category:
    """Create a category."""
    category = Category.create(uow.new_id(), ctx, name=name, categories=uow.categories)
    uow.categories.add(category)
    return category


@prefetches(Category)
def edit_category(
    uow: UnitOfWork,
    category_id: UUID,
    ctx: Context,
    expected: Expected = None,
    *,
    name: str | None = None,
) -> Category:
    """Rename a category; without a name it stays unchanged."""
    category = uow.categories.get(category_id, expected)
    if name is not None:
        category.edit(name, ctx, categories=uow.categories)
    return category


@prefetches(Category)
def delete_category(
    uow: UnitOfWork, category_id: UUID, ctx: Context, expected: Expected = None
) -> None:
    """Delete a category without products.

    Raises:
        StillReferenced: when it has products.
    """
    category = uow.categories.get(category_id, expected)
    category.delete(ctx, has_products=uow.products.exists_in_category(category_id))
    uow.categories.remove(category)


def create_product(
    uow: UnitOfWork,
    ctx: Context,
    *,
    stock: int = 0,
    currency: Currency = DEFAULT,
    **details: Unpack[ProductDetails],
) -> Product:
    """Create a product; an opening stock becomes its first movement."""
    require_actor_exists(uow, ctx.actor)
    _require_category(uow, details.get("category_id"))
    product = Product.create(uow.new_id(), ctx, products=uow.products, currency=currency, **details)
    uow.products.add(product)
    product.set_opening_stock(uow.new_id(), stock, ctx, movements=uow.movements)
    return product


@prefetches(Product)
def edit_product(
    uow: UnitOfWork,
    product_id: UUID,
    changes: ProductChanges,
    ctx: Context,
    expected: Expected = None,
    *,
    stock: int | None = None,
    currency: Currency = DEFAULT,
) -> Product:
    """Set the given fields of a product; `stock` is a stock count and becomes a movement."""
    require_actor_exists(uow, ctx.actor)
    product = uow.products.get(product_id, expected)
    if changes.get("category_id", product.category_id) != product.category_id:
        _require_category(uow, changes["category_id"])
    product.edit(changes, ctx, products=uow.products, currency=currency)
    if stock is not None:
        product.count(uow.new_id(), stock, ctx, movements=uow.movements)
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
    uow: UnitOfWork, product_id: UUID, ctx: Context, expected: Expected = None
) -> Product:
    """Archive a product."""
    product = uow.products.get(product_id, expected)
    product.archive(ctx)
    return product


@prefetches(Product)
def restore_product(
    uow: UnitOfWork, product_id: UUID, ctx: Context, expected: Expected = None
) -> Product:
    """Restore an archived product."""
    product = uow.products.get(product_id, expected)
    product.restore(ctx)
    return product


@prefetches(Product)
def delete_product(
    uow: UnitOfWork, product_id: UUID, ctx: Context, expected: Expected = None
) -> None:
    """Delete a product without movements.

    Raises:
        StillReferenced: when it has movements.
    """
    product = uow.products.get(product_id, expected)
    product.delete(ctx, has_movements=uow.movements.exists_for_product(product_id))
    uow.products.remove(product)


def _require_category(uow: UnitOfWork, category_id: UUID | None) -> None:
    """Require that the category exists.

    Raises:
        InvalidField: when it does not.
    """
    if category_id is not None and uow.categories.find(category_id) is None:
        raise InvalidField("category_id", "Give the id of a category.")
