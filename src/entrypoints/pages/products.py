"""Pages that create, edit, archive and delete products; `stock` lists and shows them."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import StillReferenced
from entrypoints.api.products import NewProduct, ProductPatch
from entrypoints.pages.addresses import back_of, list_address, with_back
from entrypoints.pages.choices import CATEGORIES
from entrypoints.pages.edit_page import EditPage
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.rendering import page, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute
from entrypoints.pages.stock import HERE
from entrypoints.web.dependencies import CurrentContext, InCurrency, Now, Products, UseCases
from entrypoints.web.problems import to_problem
from service_layer import catalogue, idempotency
from service_layer.queries.catalogue import ProductView

router = APIRouter(prefix=HERE, include_in_schema=False, route_class=PageRoute)

EDIT: EditPage[ProductView] = EditPage(
    name="product",
    template="stock/edit.html",
    labels="stock",
    fields=("name", "sku", "description", "price", "reorder_level", "category_id"),
    searched={"category_id": CATEGORIES},
)


@router.get("/new")
async def show_new_product(request: CurrentRequest) -> Response:
    """Show the form that creates a product; the query can preselect a `category_id`."""
    chosen = request.query_params.get("category_id", "")
    return await _new(request, Form.new(category_id=chosen))


@router.post("/new")
async def create_product(
    request: CurrentRequest,
    sent: SubmittedForm,
    run: UseCases,
    ctx: CurrentContext,
    currency: InCurrency,
) -> Response:
    """Create a product; its opening stock is recorded as a receipt."""
    try:
        sent = await CATEGORIES.resolve(request, sent, "category_id")
        new = sent.read(NewProduct)
        place = await run(
            idempotency.idempotently,
            sent.key,
            catalogue.create_product,
            locate=lambda product: f"{HERE}/{product.id}",
            currency=currency,
            ctx=ctx,
            **vars(new),
        )
    except FORM_ERRORS as error:
        return await _new(request, sent.refused(error), to_problem(error).status)
    return see_other(place, "product-added")


@router.get("/{product_id:id}/edit")
async def show_product_form(
    product_id: UUID, request: CurrentRequest, product_queries: Products, now: Now
) -> Response:
    """Show the form that edits a product."""
    product = await product_queries.one(product_id, now)
    return await EDIT.show(request, product)


@router.post("/{product_id:id}/edit")
async def save_product(
    product_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    product_queries: Products,
    run: UseCases,
    ctx: CurrentContext,
    currency: InCurrency,
) -> Response:
    """Edit a product; show the merge page on an edit conflict."""

    async def save(form: Form) -> None:
        patch = form.read(ProductPatch)
        changes: Any = {name: value for name, value in patch.items() if name in EDIT.fields}
        expected = form.expected
        await run(catalogue.edit_product, product_id, changes, ctx, expected, currency=currency)

    back = back_of(request)
    return await EDIT.save_edit(
        request,
        sent,
        save,
        lambda: product_queries.one(product_id, ctx.now),
        address=with_back(f"{HERE}/{product_id}/edit", back),
        then=with_back(f"{HERE}/{product_id}", back),
    )


@router.post("/{product_id:id}/archive")
async def archive_product(
    product_id: UUID, request: CurrentRequest, run: UseCases, ctx: CurrentContext
) -> Response:
    """Archive a product."""
    await run(catalogue.archive_product, product_id, ctx)
    return see_other(with_back(f"{HERE}/{product_id}", back_of(request)), "product-archived")


@router.post("/{product_id:id}/restore")
async def restore_product(
    product_id: UUID, request: CurrentRequest, run: UseCases, ctx: CurrentContext
) -> Response:
    """Restore an archived product."""
    await run(catalogue.restore_product, product_id, ctx)
    return see_other(with_back(f"{HERE}/{product_id}", back_of(request)), "product-restored")


@router.post("/{product_id:id}/delete")
async def delete_product(
    product_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    product_queries: Products,
    run: UseCases,
    ctx: CurrentContext,
) -> Response:
    """Delete a product; show an error if it has stock movements."""
    try:
        await run(catalogue.delete_product, product_id, ctx, sent.expected)
    except StillReferenced as error:
        return await EDIT.refuse(request, await product_queries.one(product_id, ctx.now), error)
    return see_other(list_address(back_of(request), HERE), "product-deleted")


async def _new(request: Request, form: Form, status: int = 200) -> Response:
    categories = await CATEGORIES.suggest(request, form["category_id"])
    return page(request, "stock/new.html", status=status, form=form, categories=categories)
