"""Pages that create, edit, archive and delete products; `stock` lists and shows them."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import StillReferenced, VersionMismatch
from entrypoints.api.products import NewProduct, ProductPatch
from entrypoints.pages.addresses import back_of, list_address, with_back
from entrypoints.pages.choices import CATEGORIES
from entrypoints.pages.edit_conflicts import merge_page
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.rendering import page, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute
from entrypoints.pages.stock import HERE
from entrypoints.web.dependencies import CurrentContext, InCurrency, Now, Products, UseCases
from entrypoints.web.problems import to_problem
from service_layer import catalogue, idempotency
from service_layer.queries.catalogue import ProductView

router = APIRouter(prefix=HERE, include_in_schema=False, route_class=PageRoute)

FIELDS = ("name", "sku", "description", "price", "reorder_level", "category_id")


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
    return await _edit(request, product, Form.of(product, *FIELDS))


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
    try:
        sent = await CATEGORIES.resolve(request, sent, "category_id")
        patch = sent.read(ProductPatch)
        changes: Any = {name: value for name, value in patch.items() if name in FIELDS}
        expected = sent.expected
        await run(catalogue.edit_product, product_id, changes, ctx, expected, currency=currency)
    except VersionMismatch:
        return await _merge(request, await product_queries.one(product_id, ctx.now), sent)
    except FORM_ERRORS as error:
        product = await product_queries.one(product_id, ctx.now)
        return await _edit(request, product, sent.refused(error), to_problem(error).status)
    return see_other(with_back(f"{HERE}/{product_id}", back_of(request)), "saved")


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
    expected = sent.expected
    try:
        await run(catalogue.delete_product, product_id, ctx, expected)
    except StillReferenced as error:
        product = await product_queries.one(product_id, ctx.now)
        form = Form.of(product, *FIELDS).refused(error)
        return await _edit(request, product, form, to_problem(error).status)
    return see_other(list_address(back_of(request), HERE), "product-deleted")


async def _new(request: Request, form: Form, status: int = 200) -> Response:
    categories = await CATEGORIES.suggest(request, form["category_id"])
    return page(request, "stock/new.html", status=status, form=form, categories=categories)


async def _edit(request: Request, product: ProductView, form: Form, status: int = 200) -> Response:
    return page(
        request,
        "stock/edit.html",
        status=status,
        product=product,
        form=form,
        categories=await CATEGORIES.suggest(request, form["category_id"]),
    )


async def _merge(request: Request, product: ProductView, sent: Form) -> Response:
    now_is = Form.of(product, *FIELDS)
    categories = await CATEGORIES.suggest(request, sent["category_id"])
    categories = categories.knowing(await CATEGORIES.suggest(request, now_is["category_id"]))
    return merge_page(
        request,
        sent,
        now_is,
        FIELDS,
        labels="stock",
        back=with_back(f"{HERE}/{product.id}/edit", back_of(request)),
        suggested={"category_id": categories},
    )
