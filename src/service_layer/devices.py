"""Use cases of devices, their keys and their heartbeats."""

from dataclasses import dataclass
from datetime import datetime
from typing import Unpack
from uuid import UUID

from domain.access import new_secret
from domain.base import Context, Expected
from domain.devices import (
    Device,
    DeviceChanges,
    DeviceDeleted,
    DeviceDetails,
    DeviceRetired,
    Report,
    Status,
    checked_report,
)
from domain.errors import AuthenticationFailed
from service_layer.prefetch import prefetches
from service_layer.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class IssuedKey:
    """A device with its new key, which cannot be retrieved later."""

    device: Device
    key: str


def create_device(uow: UnitOfWork, ctx: Context, **profile: Unpack[DeviceDetails]) -> Device:
    """Create a device without a key."""
    device = Device.create(uow.new_id(), ctx, devices=uow.devices, **profile)
    uow.devices.add(device)
    return device


@prefetches(Device)
def edit_device(
    uow: UnitOfWork,
    device_id: UUID,
    changes: DeviceChanges,
    ctx: Context,
    expected: Expected = None,
) -> Device:
    """Set the given fields of a device."""
    device = uow.devices.get(device_id, expected)
    device.edit(changes, ctx, devices=uow.devices)
    return device


@prefetches(Device)
def issue_key(
    uow: UnitOfWork, device_id: UUID, ctx: Context, expected: Expected = None
) -> IssuedKey:
    """Issue a new key for a device; the previous one becomes invalid."""
    device = uow.devices.get(device_id, expected)
    key = new_secret()
    device.rotate_key(key, ctx)
    return IssuedKey(device, key)


@prefetches(Device)
def delete_device(
    uow: UnitOfWork, device_id: UUID, ctx: Context, expected: Expected = None
) -> None:
    """Delete a device."""
    device = uow.devices.get(device_id, expected)
    device.record(DeviceDeleted(aggregate_id=device.id, at=ctx.now, by=ctx.by))
    uow.devices.remove(device)


@prefetches(Device)
def record_heartbeat(
    uow: UnitOfWork, device_id: UUID, key_digest: str, report: Report, *, now: datetime
) -> None:
    """Store a device's heartbeat and report.

    Raises:
        InvalidField: when a value of the report breaks the rule for its field.
        AuthenticationFailed: when the key is not this device's, or the device does not exist.
        DeviceRetired: when the device is retired.
    """
    status = uow.devices.record_heartbeat(device_id, key_digest, now, checked_report(report))
    if status is None:
        raise AuthenticationFailed("This is not the key of this device.")
    if status is Status.RETIRED:
        raise DeviceRetired
