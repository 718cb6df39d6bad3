"""Use cases of stock: movements, and the reorder tasks that follow from them."""

from uuid import UUID

from domain.base import Context
from domain.catalogue import (
    Product,
    ProductArchived,
    ProductDeleted,
)
from domain.stock import Movement, Reason, StockRanLow, StockRecovered
from domain.tasks import TITLE
from service_layer.access import require_actor_exists
from service_layer.prefetch import prefetches
from service_layer.tasks import create_task
from service_layer.unit_of_work import UnitOfWork


@prefetches(Product)
def record_movement(
    uow: UnitOfWork,
    product_id: UUID,
    ctx: Context,
    *,
    quantity: int,
    reason: Reason,
    note: str | None = None,
) -> Movement:
    """Add pieces to a product's stock, or remove them if the quantity is negative."""
    require_actor_exists(uow, ctx.actor)
    product = uow.products.get(product_id)
    # Generated under the product's lock, so ids sort in the order of the movements.
    id = uow.new_id()
    return product.move(id, quantity, reason, ctx, note=note, movements=uow.movements)


def plan_reorder(uow: UnitOfWork, event: StockRanLow) -> None:
    """Create a reorder task for a product without an open one, on behalf of the service."""
    product = uow.products.get(event.aggregate_id)
    if uow.tasks.open_reorder(product.id) is None:
        title = reorder_title(product.name)
        create_task(uow, Context(None, event.at), title=title, product_id=product.id)


def complete_reorder(uow: UnitOfWork, event: StockRecovered | ProductArchived) -> None:
    """Complete the open reorder task of a product, on behalf of the service."""
    task = uow.tasks.open_reorder(event.aggregate_id)
    if task is not None:
        task.complete(Context(None, event.at))


def release_reorders(uow: UnitOfWork, event: ProductDeleted) -> None:
    """Complete the open reorder task of a deleted product, and detach all of its reorder tasks."""
    ctx = Context(None, event.at)
    for task in uow.tasks.list_reorders(event.aggregate_id):
        task.complete(ctx)
        task.release_product(ctx)


def reorder_title(name: str) -> str:
    """Return the title of a reorder task, truncated to the maximum length of titles."""
    title = f"Reorder {name}"
    return title if len(title) <= TITLE.max else f"{title[: TITLE.max - 1]}…"
