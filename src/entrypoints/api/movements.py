"""`/products/{id}/movements`: the stock movements of a product."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from domain.stock import NOTE, QUANTITY, MovementFilter, Reason
from entrypoints.api.products import ProductId
from entrypoints.web.dependencies import (
    CurrentActor,
    CurrentContext,
    Movements,
    Now,
    Products,
    UseCases,
    UsersByReference,
)
from entrypoints.web.pagination import ListParameters, ListResponse
from entrypoints.web.route import ApiRoute, problems
from entrypoints.web.schema_types import text, whole
from service_layer import stock
from service_layer.queries.stock import MovementView

router = APIRouter(prefix="/api/v1/products", tags=["products"], route_class=ApiRoute)

Quantity = Annotated[int, whole(QUANTITY)]
Note = Annotated[str, text(NOTE)]


class NewMovement(BaseModel):
    """A movement to record; a negative `quantity` takes stock out."""

    model_config = ConfigDict(extra="forbid")

    quantity: Quantity
    # Not `counted`: a count is a patch of the product, with the number counted as its stock.
    reason: Literal["received", "sold", "used", "returned", "lost"]
    note: Note | None = None


class MovementParameters(ListParameters):
    """Pagination and sort of a list of movements."""

    sorts = {"created_at": datetime}

    sort: Literal["created_at", "-created_at"] = "created_at"


@router.post(
    "/{product_id:id}/movements",
    status_code=201,
    openapi_extra=problems("insufficient-stock", "conflict"),
)
async def create_movement(
    product_id: ProductId,
    new: NewMovement,
    run: UseCases,
    people: UsersByReference,
    by: CurrentActor,
    ctx: CurrentContext,
) -> MovementView:
    """Record a stock movement. `Location` is the path of the list of movements."""
    movement = await run(
        stock.record_movement,
        product_id,
        ctx,
        quantity=new.quantity,
        reason=Reason(new.reason),
        note=new.note,
    )
    return MovementView.of(movement, await people(by.id))


@router.get("/{product_id:id}/movements")
async def list_movements(
    product_id: ProductId,
    asked: Annotated[MovementParameters, Query()],
    product_queries: Products,
    movement_queries: Movements,
    now: Now,
) -> ListResponse[MovementView]:
    """List the movements of a product, with pagination, by default the newest last."""
    page = await movement_queries.list_page(
        MovementFilter(product_id=product_id), asked.page_request()
    )
    if not page.items:
        # Without movements in the page, check that the product exists (404).
        await product_queries.one(product_id, now)
    return asked.to_response(page)
