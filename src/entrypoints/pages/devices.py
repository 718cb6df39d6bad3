"""Pages for devices: presence, attributes, and device keys."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from domain.devices import Presence, Status
from domain.errors import VersionMismatch
from entrypoints.api.devices import DeviceParameters, DevicePatch, NewDevice
from entrypoints.pages.addresses import back_of, list_address, with_back
from entrypoints.pages.charts import Segment, Tone, stacked_bar
from entrypoints.pages.edit_page import EditPage
from entrypoints.pages.forms import FORM_ERRORS, Form, SubmittedForm
from entrypoints.pages.one_time_secrets import forget_secret, redirect_with_secret, take_secret
from entrypoints.pages.rendering import page, see_other
from entrypoints.pages.routes import CurrentRequest, PageRoute, parse_query
from entrypoints.pages.translation import translate
from entrypoints.web.dependencies import CurrentContext, Devices, Now, UseCases, ports
from entrypoints.web.problems import to_problem
from service_layer import devices, idempotency
from service_layer.queries.devices import DeviceView

router = APIRouter(prefix="/office/machines", include_in_schema=False, route_class=PageRoute)

HERE = "/office/machines"
PRESENCE_TONES: Mapping[Presence, Tone] = {
    Presence.ONLINE: "good",
    Presence.LATE: "warn",
    Presence.OFFLINE: "bad",
    Presence.NEVER: "calm",
}
"""The tone of each presence in charts, in the order of display."""


class DeviceListQuery(DeviceParameters):
    """The query parameters of the list: those of the API, but ordered by name by default."""

    sort: Literal["name", "-last_seen_at", "last_seen_at", "-created_at"] = "name"


class DevicePage(EditPage[DeviceView]):
    """The page of a device, with a form that edits it."""

    async def context(self, request: Request, device: DeviceView, form: Form) -> Mapping[str, Any]:
        return {"metrics": as_text(device.metrics or {}), "statuses": statuses()}

    def options(self) -> Mapping[str, Mapping[str, str]]:
        return {"status": dict(statuses())}


EDIT = DevicePage(
    name="device",
    template="devices/device.html",
    labels="devices",
    fields=("name", "kind", "serial", "location", "status", "heartbeat_every"),
)


@router.get("")
async def show_devices(request: CurrentRequest, now: Now) -> Response:
    """List devices, with a chart of their presence and a form that creates one."""
    return await _list(request, now, Form.new(heartbeat_every="60"))


@router.post("")
async def create_device(
    request: CurrentRequest, sent: SubmittedForm, run: UseCases, ctx: CurrentContext
) -> Response:
    """Create a device."""
    try:
        new = dict(sent.read(NewDevice))
        place = await run(
            idempotency.idempotently, sent.key, devices.create_device, locate=_place, ctx=ctx, **new
        )
    except FORM_ERRORS as error:
        return await _list(request, ctx.now, sent.refused(error), to_problem(error).status)
    return see_other(place, "machine-added")


@router.get("/{device_id:id}")
async def show_device(
    device_id: UUID, request: CurrentRequest, device_queries: Devices, now: Now
) -> Response:
    """Show a device, with a form that edits it."""
    device = await device_queries.one(device_id, now)
    return await EDIT.show(request, device)


@router.post("/{device_id:id}")
async def save_device(
    device_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    device_queries: Devices,
    run: UseCases,
    ctx: CurrentContext,
) -> Response:
    """Edit a device; show the merge page on an edit conflict."""
    return await EDIT.save_edit(
        request,
        sent,
        lambda form: run(
            devices.edit_device, device_id, form.read(DevicePatch), ctx, form.expected
        ),
        lambda: device_queries.one(device_id, ctx.now),
        address=with_back(f"{HERE}/{device_id}", back_of(request)),
    )


@router.post("/{device_id:id}/key")
async def issue_device_key(
    device_id: UUID, request: CurrentRequest, run: UseCases, ctx: CurrentContext
) -> Response:
    """Issue a device key, and redirect to the page that shows it once."""
    keyed = await run(devices.issue_key, device_id, ctx)
    return redirect_with_secret(request, f"{HERE}/{device_id}/key", keyed.key)


@router.get("/{device_id:id}/key")
async def show_device_key(
    device_id: UUID, request: CurrentRequest, device_queries: Devices, now: Now
) -> Response:
    """Show the new key, or a notice if it has been shown already."""
    device = await device_queries.one(device_id, now)
    key = take_secret(request)
    response = page(request, "devices/key.html", device=device, key=key)
    forget_secret(request, response)
    return response


@router.post("/{device_id:id}/delete")
async def delete_device(
    device_id: UUID,
    request: CurrentRequest,
    sent: SubmittedForm,
    device_queries: Devices,
    run: UseCases,
    ctx: CurrentContext,
) -> Response:
    """Delete a device; show an error if it has changed since the form was rendered."""
    try:
        await run(devices.delete_device, device_id, ctx, sent.expected)
    except VersionMismatch as error:
        return await EDIT.refuse(request, await device_queries.one(device_id, ctx.now), error)
    return see_other(list_address(back_of(request), HERE), "machine-deleted")


def _place(device: Any) -> str:
    return f"{HERE}/{device.id}"


async def _list(request: Request, now: datetime, form: Form, status: int = 200) -> Response:
    wanted = parse_query(request, DeviceListQuery)
    queries = ports(request).device_queries
    counted = await queries.presences(now)
    return page(
        request,
        "devices/list.html",
        status=status,
        wanted=wanted,
        listing=wanted.to_response(
            await queries.list_page(wanted.filter(now), wanted.page_request())
        ),
        presences=[(presence, counted[presence]) for presence in PRESENCE_TONES],
        plot=presence_chart(counted) if any(counted.values()) else None,
        statuses=statuses(),
        form=form,
    )


def presence_chart(counted: Mapping[Presence, int]) -> Markup:
    """Return the chart of active devices by presence."""
    whole = [
        Segment(translate(f"devices.presence_{presence}"), counted[presence], tone)
        for presence, tone in PRESENCE_TONES.items()
    ]
    return stacked_bar(translate("devices.plot"), whole)


def statuses() -> list[tuple[str, str]]:
    """Return the statuses of a device as pairs of value and label."""
    return [(str(status), translate(f"devices.status_{status}")) for status in Status]


def as_text(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return metrics as pairs of name and text.

    A device chooses its own metrics; values that are not strings are shown as JSON.
    """
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))
        for name, value in metrics.items()
    ]
