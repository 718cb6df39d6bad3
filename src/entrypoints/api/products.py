"""`/products`: the products of the catalogue."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from domain.catalogue import (
    DESCRIPTION,
    NAME,
    REORDER_LEVEL,
    SKU,
    Product,
    ProductFilter,
)
from domain.currencies import Currency
from domain.stock import STOCK
from entrypoints.web import prices
from entrypoints.web.dependencies import (
    Categories,
    CurrentContext,
    IfMatch,
    InCurrency,
    Now,
    Products,
    UseCases,
    ports,
)
from entrypoints.web.pagination import ListParameters, ListResponse
from entrypoints.web.route import ApiRoute, PathEntity, problems
from entrypoints.web.schema_types import (
    Flag,
    Id,
    Search,
    text,
    whole,
)
from service_layer import catalogue
from service_layer.queries.catalogue import CategoryQueries, ProductCategory, ProductView

router = APIRouter(prefix="/api/v1/products", tags=["products"], route_class=ApiRoute)


async def _look(request: Request, product_id: UUID) -> ProductView | None:
    return await ports(request).product_queries.get(product_id, ports(request).clock())


ProductId = Annotated[UUID, Path(description="The product's id."), PathEntity("product", _look)]
Name = Annotated[str, text(NAME)]
Sku = Annotated[str, text(SKU)]
Description = Annotated[str, text(DESCRIPTION)]
Price = Annotated[Decimal, prices.IN_BODY]
PriceParameter = Annotated[Decimal, prices.IN_QUERY]
Stock = Annotated[int, whole(STOCK)]
ReorderLevel = Annotated[int, whole(REORDER_LEVEL)]


class NewProduct(BaseModel):
    """A product to create; its `stock` is recorded as a first movement `received`."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    sku: Sku | None = None
    description: Description | None = None
    price: Price
    stock: Stock = 0
    reorder_level: ReorderLevel = 0
    category_id: Id | None = None


class ProductPatch(TypedDict, total=False):
    """JSON merge patch (RFC 7396): absent members keep their values, `null` clears.

    `stock` is a count: the difference is recorded as a movement `counted`.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    name: Name
    sku: Sku | None
    description: Description | None
    price: Price
    stock: Stock
    reorder_level: ReorderLevel
    category_id: Id | None


class ProductParameters(ListParameters):
    """Filters, sort and pagination of a list of products."""

    sorts = {"created_at": datetime, "name": str, "price": Decimal, "stock": int}

    category_id: Id | None = Field(None, description="In this category.")
    min_price: PriceParameter | None = Field(None, description="At this price or above.")
    max_price: PriceParameter | None = Field(None, description="At this price or below.")
    in_stock: Flag | None = Field(None, description="Only products in stock, or only the others.")
    low_stock: Flag | None = Field(None, description="Only products low in stock, or the others.")
    archived: Flag = Field(False, description="Only archived products, or only the others.")
    q: Search | None = Field(None, description="Search in name, SKU and description.")
    sort: Literal[
        "created_at", "-created_at", "name", "-name", "price", "-price", "stock", "-stock"
    ] = "created_at"

    def filter(self) -> ProductFilter:
        """Return the domain filter."""
        return ProductFilter(
            archived=self.archived,
            category_id=self.category_id,
            min_price=self.min_price,
            max_price=self.max_price,
            in_stock=self.in_stock,
            low_stock=self.low_stock,
            q=self.q,
        )


async def _seen(
    product: Product, categories: CategoryQueries, now: datetime, currency: Currency
) -> ProductView:
    """Return the view of a product after a change, with its category."""
    id = product.category_id
    category = None if id is None else await categories.get(id, now)
    return prices.shown(ProductView.of(product, ProductCategory.of(category)), currency)


@router.post("", status_code=201, openapi_extra=problems("already-taken", "conflict"))
async def create_product(
    new: NewProduct,
    run: UseCases,
    category_queries: Categories,
    ctx: CurrentContext,
    currency: InCurrency,
) -> ProductView:
    """Create a product."""
    product = await run(catalogue.create_product, ctx, **vars(new), currency=currency)
    return await _seen(product, category_queries, ctx.now, currency)


@router.get("")
async def list_products(
    asked: Annotated[ProductParameters, Query()], product_queries: Products
) -> ListResponse[ProductView]:
    """List products, with pagination. Archived products have a list of their own (`archived`)."""
    return asked.to_response(await product_queries.list_page(asked.filter(), asked.page_request()))


@router.get("/{product_id:id}")
async def read_product(product_id: ProductId, product_queries: Products, now: Now) -> ProductView:
    """Read a product."""
    return await product_queries.one(product_id, now)


@router.patch("/{product_id:id}", openapi_extra=problems("already-taken"))
async def edit_product(
    product_id: ProductId,
    patch: Annotated[ProductPatch, Body()],
    expected: IfMatch,
    run: UseCases,
    category_queries: Categories,
    ctx: CurrentContext,
    currency: InCurrency,
) -> ProductView:
    """Edit members of a product, or set its stock to a count."""
    changes: Any = {name: value for name, value in patch.items() if name != "stock"}
    product = await run(
        catalogue.edit_product,
        product_id,
        changes,
        ctx,
        expected,
        stock=patch.get("stock"),
        currency=currency,
    )
    return await _seen(product, category_queries, ctx.now, currency)


@router.delete("/{product_id:id}", status_code=204, openapi_extra=problems("in-use"))
async def delete_product(
    product_id: ProductId, expected: IfMatch, run: UseCases, ctx: CurrentContext
) -> None:
    """Delete a product without movements."""
    await run(catalogue.delete_product, product_id, ctx, expected)


@router.post("/{product_id:id}/archive")
async def archive_product(
    product_id: ProductId,
    expected: IfMatch,
    run: UseCases,
    category_queries: Categories,
    ctx: CurrentContext,
    currency: InCurrency,
) -> ProductView:
    """Archive a product."""
    product = await run(catalogue.archive_product, product_id, ctx, expected)
    return await _seen(product, category_queries, ctx.now, currency)


@router.post("/{product_id:id}/restore")
async def restore_product(
    product_id: ProductId,
    expected: IfMatch,
    run: UseCases,
    category_queries: Categories,
    ctx: CurrentContext,
    currency: InCurrency,
) -> ProductView:
    """Restore an archived product."""
    product = await run(catalogue.restore_product, product_id, ctx, expected)
    return await _seen(product, category_queries, ctx.now, currency)
