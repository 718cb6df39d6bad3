"""Pages for categories of products."""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import StillReferenced
from entrypoints.api.categories import CategoryParameters, CategoryPatch, NewCategory
from entrypoints.pages.addresses import back_of, list_address, with_back
from entrypoints.pages.edit_page import EditPage
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.rendering import page, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute, parse_query
from entrypoints.web.dependencies import Categories, CurrentContext, Now, UseCases, ports
from entrypoints.web.problems import to_problem
from service_layer import catalogue, idempotency
from service_layer.queries.catalogue import CategoryView

router = APIRouter(
    prefix="/office/stock/categories", include_in_schema=False, route_class=PageRoute
)

HERE = "/office/stock/categories"


class CategoryListQuery(CategoryParameters):
    """The query parameters of the list of categories."""

    sort: Literal["name"] = "name"


EDIT: EditPage[CategoryView] = EditPage(
    name="category", template="stock/category.html", labels="stock", fields=("name",)
)


@router.get("")
async def show_categories(request: CurrentRequest) -> Response:
    """List categories, with a form that creates one."""
    return await _list(request, Form.new())


@router.post("")
async def create_category(
    request: CurrentRequest, sent: SubmittedForm, run: UseCases, ctx: CurrentContext
) -> Response:
    """Create a category."""
    try:
        new = sent.read(NewCategory)
        await run(
            idempotency.idempotently,
            sent.key,
            catalogue.create_category,
            locate=_place,
            ctx=ctx,
            **vars(new),
        )
    except FORM_ERRORS as error:
        return await _list(request, sent.refused(error), to_problem(error).status)
    return see_other(HERE, "category-added")


@router.get("/{category_id:id}")
async def show_category(
    category_id: UUID, request: CurrentRequest, category_queries: Categories, now: Now
) -> Response:
    """Show the form that renames a category."""
    category = await category_queries.one(category_id, now)
    return await EDIT.show(request, category)


@router.post("/{category_id:id}")
async def save_category(
    category_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    category_queries: Categories,
    run: UseCases,
    ctx: CurrentContext,
) -> Response:
    """Rename a category; show the merge page on an edit conflict."""

    async def save(form: Form) -> None:
        name = form.read(CategoryPatch).get("name")
        await run(catalogue.edit_category, category_id, ctx, form.expected, name=name)

    back = back_of(request)
    return await EDIT.save_edit(
        request,
        sent,
        save,
        lambda: category_queries.one(category_id, ctx.now),
        address=with_back(f"{HERE}/{category_id}", back),
        then=list_address(back, HERE),
    )


@router.post("/{category_id:id}/delete")
async def delete_category(
    category_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    category_queries: Categories,
    run: UseCases,
    ctx: CurrentContext,
) -> Response:
    """Delete a category; show an error if products reference it."""
    try:
        await run(catalogue.delete_category, category_id, ctx, sent.expected)
    except StillReferenced as error:
        return await EDIT.refuse(request, await category_queries.one(category_id, ctx.now), error)
    return see_other(list_address(back_of(request), HERE), "category-deleted")


def _place(category: object) -> str:
    return HERE


async def _list(request: Request, form: Form, status: int = 200) -> Response:
    wanted = parse_query(request, CategoryListQuery)
    found = await ports(request).category_queries.list_page(wanted.filter(), wanted.page_request())
    return page(
        request,
        "stock/categories.html",
        status=status,
        wanted=wanted,
        listing=wanted.to_response(found),
        form=form,
    )
