"""`/devices`: devices, their keys and their heartbeats."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from domain.devices import (
    AGENT_VERSION,
    HEARTBEAT_EVERY,
    KIND,
    LOCATION,
    METRICS,
    NAME,
    SERIAL,
    DeviceFilter,
    DeviceRetired,
    Presence,
    Status,
)
from domain.values import TextRule
from entrypoints.web.dependencies import (
    CurrentContext,
    Devices,
    IfMatch,
    KeyDigest,
    Now,
    UseCases,
    ports,
)
from entrypoints.web.pagination import ListParameters, ListResponse
from entrypoints.web.route import ApiRoute, PathEntity, problems
from entrypoints.web.schema_types import Search, document, text, whole
from service_layer import devices
from service_layer.queries.devices import DeviceView

router = APIRouter(prefix="/api/v1/devices", tags=["devices"], route_class=ApiRoute)


async def _look(request: Request, device_id: UUID) -> DeviceView | None:
    return await ports(request).device_queries.get(device_id, ports(request).clock())


async def _look_in_service(request: Request, device_id: UUID) -> DeviceView | None:
    """Return the view of a device that sends a heartbeat.

    Raises:
        DeviceRetired: when it is retired: the 410 precedes errors of the request.
    """
    device = await _look(request, device_id)
    if device is not None and device.status is Status.RETIRED:
        raise DeviceRetired
    return device


DeviceId = Annotated[UUID, Path(description="The device's id."), PathEntity("device", _look)]
BeatingId = Annotated[
    UUID, Path(description="The device's id."), PathEntity("device", _look_in_service)
]
Name = Annotated[str, text(NAME)]
Kind = Annotated[str, text(KIND)]
Serial = Annotated[str, text(SERIAL)]
Location = Annotated[str, text(LOCATION)]
HeartbeatEvery = Annotated[int, whole(HEARTBEAT_EVERY)]


class NewDevice(BaseModel):
    """A device to create. `heartbeat_every` is in seconds."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    kind: Kind | None = None
    serial: Serial | None = None
    location: Location | None = None
    status: Status = Status.ACTIVE
    heartbeat_every: HeartbeatEvery = 60


class DevicePatch(TypedDict, total=False):
    """JSON merge patch (RFC 7396): absent members keep their values, `null` clears."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    name: Name
    kind: Kind | None
    serial: Serial | None
    location: Location | None
    status: Status
    heartbeat_every: HeartbeatEvery


class Heartbeat(TypedDict, total=False):
    """The report of a device: absent members keep their values, `null` clears.

    `metrics` is an object of at most 2 KiB.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    agent_version: Annotated[str, text(AGENT_VERSION)] | None
    metrics: Annotated[dict[str, Any], document(METRICS)] | None


MAX_HEARTBEAT = 16 * 1024
"""The size limit of the body of a heartbeat, in bytes."""

EMPTY_HEARTBEAT: Heartbeat = {}


@dataclass(kw_only=True)
class KeyedDevice(DeviceView):
    """A device with its new key, which is shown only once."""

    key: str


class DeviceParameters(ListParameters):
    """Filters, sort and pagination of a list of devices."""

    sorts = {"created_at": datetime, "name": str, "last_seen_at": datetime | None}

    status: Status | None = Field(None, description="With this status.")
    presence: Presence | None = Field(
        None, description="With this presence at the time of the request."
    )
    kind: Annotated[str, text(TextRule(1, KIND.max))] | None = Field(
        None, description="Contained in the kind."
    )
    q: Search | None = Field(None, description="Search in name, kind, serial and location.")
    sort: Literal["created_at", "-created_at", "name", "-name", "last_seen_at", "-last_seen_at"] = (
        "created_at"
    )

    def filter(self, now: datetime) -> DeviceFilter:
        """Return the domain filter; the presence depends on the time."""
        return DeviceFilter(
            now=now, status=self.status, presence=self.presence, kind=self.kind, q=self.q
        )


@router.post("", status_code=201, openapi_extra=problems("already-taken", "conflict"))
async def create_device(new: NewDevice, run: UseCases, ctx: CurrentContext) -> DeviceView:
    """Create a device."""
    device = await run(devices.create_device, ctx, **vars(new))
    return DeviceView.of(device, ctx.now)


@router.get("")
async def list_devices(
    asked: Annotated[DeviceParameters, Query()], device_queries: Devices, now: Now
) -> ListResponse[DeviceView]:
    """List devices, with pagination."""
    return asked.to_response(
        await device_queries.list_page(asked.filter(now), asked.page_request())
    )


@router.get("/{device_id:id}")
async def read_device(device_id: DeviceId, device_queries: Devices, now: Now) -> DeviceView:
    """Read a device."""
    return await device_queries.one(device_id, now)


@router.patch("/{device_id:id}", openapi_extra=problems("already-taken"))
async def edit_device(
    device_id: DeviceId,
    patch: Annotated[DevicePatch, Body()],
    expected: IfMatch,
    run: UseCases,
    ctx: CurrentContext,
) -> DeviceView:
    """Edit members of a device."""
    device = await run(devices.edit_device, device_id, patch, ctx, expected)
    return DeviceView.of(device, ctx.now)


@router.delete("/{device_id:id}", status_code=204)
async def delete_device(
    device_id: DeviceId, expected: IfMatch, run: UseCases, ctx: CurrentContext
) -> None:
    """Delete a device."""
    await run(devices.delete_device, device_id, ctx, expected)


@router.post("/{device_id:id}/key", status_code=201)
async def create_device_key(
    device_id: DeviceId, expected: IfMatch, run: UseCases, ctx: CurrentContext
) -> KeyedDevice:
    """Issue a new key for a device; the previous key becomes invalid.

    The response is the only one that contains the key. `Location` is the path of the device.
    """
    keyed = await run(devices.issue_key, device_id, ctx, expected)
    return KeyedDevice(**asdict(DeviceView.of(keyed.device, ctx.now)), key=keyed.key)


@router.post(
    "/{device_id:id}/heartbeat",
    status_code=204,
    openapi_extra=problems("gone"),
    max_body_size=MAX_HEARTBEAT,
)
async def send_heartbeat(
    device_id: BeatingId,
    key_digest: KeyDigest,
    run: UseCases,
    now: Now,
    heartbeat: Annotated[Heartbeat, Body()] = EMPTY_HEARTBEAT,
) -> None:
    """Record a heartbeat of a device, authenticated by its own key. The body is optional."""
    await run(devices.record_heartbeat, device_id, key_digest, heartbeat, now=now)
