"""`/categories`: the categories of products."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from domain.categories import NAME, CategoryFilter
from entrypoints.web.dependencies import Categories, CurrentContext, IfMatch, Now, UseCases, ports
from entrypoints.web.pagination import ListParameters, ListResponse
from entrypoints.web.route import ApiRoute, PathEntity, problems
from entrypoints.web.schema_types import Search, text
from service_layer import catalogue
from service_layer.queries.catalogue import CategoryView

router = APIRouter(prefix="/api/v1/categories", tags=["categories"], route_class=ApiRoute)


async def _look(request: Request, category_id: UUID) -> CategoryView | None:
    return await ports(request).category_queries.get(category_id, ports(request).clock())


CategoryId = Annotated[UUID, Path(description="The category's id."), PathEntity("category", _look)]
Name = Annotated[str, text(NAME)]


class NewCategory(BaseModel):
    """A category to create."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class CategoryPatch(TypedDict, total=False):
    """JSON merge patch (RFC 7396): absent members keep their values."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    name: Name


class CategoryParameters(ListParameters):
    """Filters, sort and pagination of a list of categories."""

    sorts = {"created_at": datetime, "name": str}

    q: Search | None = Field(None, description="Search in the name.")
    sort: Literal["created_at", "-created_at", "name", "-name"] = "created_at"

    def filter(self) -> CategoryFilter:
        """Return the domain filter."""
        return CategoryFilter(q=self.q)


@router.post("", status_code=201, openapi_extra=problems("already-taken", "conflict"))
async def create_category(new: NewCategory, run: UseCases, ctx: CurrentContext) -> CategoryView:
    """Create a category."""
    return CategoryView.of(await run(catalogue.create_category, ctx, **vars(new)))


@router.get("")
async def list_categories(
    asked: Annotated[CategoryParameters, Query()], category_queries: Categories
) -> ListResponse[CategoryView]:
    """List categories, with pagination."""
    return asked.to_response(await category_queries.list_page(asked.filter(), asked.page_request()))


@router.get("/{category_id:id}")
async def read_category(
    category_id: CategoryId, category_queries: Categories, now: Now
) -> CategoryView:
    """Read a category."""
    return await category_queries.one(category_id, now)


@router.patch("/{category_id:id}", openapi_extra=problems("already-taken"))
async def edit_category(
    category_id: CategoryId,
    patch: Annotated[CategoryPatch, Body()],
    expected: IfMatch,
    run: UseCases,
    ctx: CurrentContext,
) -> CategoryView:
    """Edit members of a category."""
    category = await run(
        catalogue.edit_category, category_id, ctx, expected, name=patch.get("name")
    )
    return CategoryView.of(category)


@router.delete("/{category_id:id}", status_code=204, openapi_extra=problems("in-use"))
async def delete_category(
    category_id: CategoryId, expected: IfMatch, run: UseCases, ctx: CurrentContext
) -> None:
    """Delete a category without products."""
    await run(catalogue.delete_category, category_id, ctx, expected)
