"""Pages for stock: the list of products, stock movements, and adjustments by count."""

from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from domain.base import Page as PageOf
from domain.base import PageRequest
from domain.catalogue import ProductFilter
from domain.errors import InvalidField, VersionMismatch
from domain.stock import MAX_STOCK, InsufficientStock, MovementFilter, Reason
from domain.tasks import TaskFilter
from domain.values import IntegerRule
from entrypoints.api.movements import MovementParameters, Note
from entrypoints.api.products import ProductParameters, Stock
from entrypoints.pages.addresses import back_of, with_back
from entrypoints.pages.charts import step_chart
from entrypoints.pages.choices import CATEGORIES
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.rendering import number, page, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute, parse_query
from entrypoints.pages.translation import translate
from entrypoints.web.dependencies import CurrentContext, Now, Products, UseCases, ports
from entrypoints.web.problems import ApiProblem, to_problem
from entrypoints.web.schema_types import whole
from service_layer import catalogue, idempotency
from service_layer import stock as stock_use_cases
from service_layer.queries.catalogue import ProductView
from service_layer.queries.tasks import TaskView

router = APIRouter(prefix="/office/stock", include_in_schema=False, route_class=PageRoute)

HERE = "/office/stock"

PLOTTED = 200
"""The maximum number of movements in the chart."""

Pieces = Annotated[int, whole(IntegerRule(1, MAX_STOCK))]


class ProductListQuery(ProductParameters):
    """The query parameters of the list of products."""

    sort: Literal["name", "-created_at", "price", "-price", "stock", "-stock"] = "name"


class MovementListQuery(MovementParameters):
    """The query parameters of a product's ledger; `what` preselects a value in the form."""

    sort: Literal["-created_at"] = "-created_at"
    what: str | None = None


class MovementForm(BaseModel):
    """The form that records a stock movement.

    The sign of the quantity follows from `what`. A value with `not-` corrects a wrong entry of the
    same name by the opposite quantity.
    """

    model_config = ConfigDict(extra="forbid")

    what: Literal[
        "received", "returned", "sold", "used", "lost",
        "not-received", "not-returned", "not-sold", "not-used", "not-lost",
    ]  # fmt: skip
    pieces: Pieces
    note: Note | None = None

    @property
    def reason(self) -> Reason:
        """The reason without the mark of a correction."""
        return Reason(self.what.removeprefix("not-"))

    @property
    def quantity(self) -> int:
        """The change of the stock; negative when it decreases."""
        comes = self.reason in (Reason.RECEIVED, Reason.RETURNED)
        return self.pieces if comes != self.what.startswith("not-") else -self.pieces


class CountForm(BaseModel):
    """The form that adjusts the stock by count."""

    model_config = ConfigDict(extra="forbid")

    stock: Stock


@router.get("")
async def show_stock(request: CurrentRequest, product_queries: Products) -> Response:
    """List products, with a filter by category name."""
    form = Form({"category_id": request.query_params.get("category_id", "").strip()})
    try:
        category = (await CATEGORIES.resolve(request, form, "category_id"))["category_id"]
    except ApiProblem as error:
        # An unknown or ambiguous category yields an empty list.
        form, category = form.refused(error), ""
    wanted = parse_query(request, ProductListQuery, category_id=category)
    offered, one = ProductFilter(archived=False), PageRequest(sort="name", limit=1, count=True)
    low = ProductFilter(archived=False, low_stock=True)
    found: PageOf[ProductView] = PageOf(items=[])
    if not form.errors:
        found = await product_queries.list_page(wanted.filter(), wanted.page_request())
    return page(
        request,
        "stock/list.html",
        status=422 if form.errors else 200,
        wanted=wanted,
        form=form,
        listing=wanted.to_response(found),
        offered=(await product_queries.list_page(offered, one)).total,
        low=(await product_queries.list_page(low, one)).total,
        categories=await CATEGORIES.suggest(request, form["category_id"]),
    )


@router.get("/{product_id:id}")
async def show_product(
    product_id: UUID, request: CurrentRequest, product_queries: Products, now: Now
) -> Response:
    """Show a product: its stock, ledger and chart, and forms for movements and counts."""
    return await _product(request, await product_queries.one(product_id, now), now)


@router.post("/{product_id:id}/move")
async def record_movement(
    product_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    product_queries: Products,
    run: UseCases,
    ctx: CurrentContext,
) -> Response:
    """Record a stock movement."""
    try:
        moved = sent.read(MovementForm)
        await run(
            idempotency.idempotently,
            sent.key,
            stock_use_cases.record_movement,
            product_id,
            quantity=moved.quantity,
            reason=moved.reason,
            note=moved.note,
            locate=lambda movement: f"{HERE}/{product_id}",
            ctx=ctx,
        )
    except FORM_ERRORS as error:
        form = sent.refused(error)
        about_quantity = isinstance(error, InvalidField) and error.field == "quantity"
        if about_quantity or isinstance(error, InsufficientStock):
            form = Form(sent.values, {"pieces": str(error)})
        product = await product_queries.one(product_id, ctx.now)
        return await _product(request, product, ctx.now, move=form, status=to_problem(error).status)
    return see_other(_address(request, product_id, moved.reason), "stock-moved")


@router.post("/{product_id:id}/count")
async def count_stock(
    product_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    product_queries: Products,
    run: UseCases,
    ctx: CurrentContext,
) -> Response:
    """Adjust the stock by count; show an error if the product has changed meanwhile."""
    try:
        await run(
            idempotency.idempotently,
            sent.key,
            catalogue.edit_product,
            product_id,
            {},
            stock=sent.read(CountForm).stock,
            expected=sent.expected,
            locate=lambda product: f"{HERE}/{product_id}",
            ctx=ctx,
        )
    except FORM_ERRORS as error:
        product = await product_queries.one(product_id, ctx.now)
        form = sent.refused(error)
        if isinstance(error, VersionMismatch):
            # The count may predate the change. With the new version the user can confirm it.
            values = {**sent.values, "version": str(product.version)}
            form = Form(values, wrong=translate("stock.count_stale", stock=number(product.stock)))
        return await _product(
            request, product, ctx.now, count=form, status=to_problem(error).status
        )
    return see_other(_address(request, product_id, sent["what"]), "stock-counted")


def _address(request: Request, product_id: UUID, what: str) -> str:
    """Return the address of a product's page with a reason preselected in the movement form.

    Several movements with one reason are usually recorded in a row. A correction is not repeated,
    so the reason that it corrected is preselected after it.
    """
    query = f"?{urlencode({'what': what})}" if what else ""
    return with_back(f"{HERE}/{product_id}{query}", back_of(request))


async def _product(
    request: Request,
    product: ProductView,
    now: datetime,
    *,
    move: Form | None = None,
    count: Form | None = None,
    status: int = 200,
) -> Response:
    wanted = parse_query(request, MovementListQuery)
    what = (count["what"] if count else wanted.what) or ""
    of_it = MovementFilter(product_id=product.id)
    ledger = await ports(request).movement_queries.list_page(of_it, wanted.page_request())
    return page(
        request,
        "stock/product.html",
        status=status,
        product=product,
        plot=await _plot(request, product, now),
        wanted=wanted,
        listing=wanted.to_response(ledger),
        reorder=await _reorder(request, product, now),
        move=move or Form.new(what=what),
        count=count or Form.new(version=str(product.version), what=what),
    )


async def _plot(request: Request, product: ProductView, now: datetime) -> Markup:
    """Return the chart of a product's stock over its latest movements."""
    course = await ports(request).movement_queries.stock_history(product.id, PLOTTED)
    # The full history starts with the creation of the product.
    begin = course[0].at if len(course) == PLOTTED else product.created_at
    before = course[0].before if course else product.stock
    return step_chart(
        translate("stock.plot", name=product.name),
        [(begin, before), *((each.at, each.stock) for each in course)],
        until=now,
        reorder_level=product.reorder_level or None,
    )


async def _reorder(request: Request, product: ProductView, now: datetime) -> TaskView | None:
    """Return the oldest open task about a product, which is the one to reorder it."""
    open_one = TaskFilter(today=now.date(), completed=False, product_id=product.id)
    found = await ports(request).task_queries.list_page(
        open_one, PageRequest(sort="created_at", limit=1)
    )
    return next(iter(found.items), None)
