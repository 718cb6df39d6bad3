"""Reads of devices."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from adapters.memory.queries.base import MemoryQueries
from domain import devices
from domain.devices import Device, DeviceFilter, Presence, Status
from service_layer.queries.devices import DeviceQueries, DeviceView


class MemoryDeviceQueries(MemoryQueries[Device, DeviceView, DeviceFilter], DeviceQueries):
    """Read devices in a dictionary."""

    type = Device
    sorts = devices.SORTS

    def _view(self, entity: Device, at: datetime) -> DeviceView:
        return DeviceView.of(entity, at)

    def _at(self, now: datetime) -> datetime:
        return now

    def _at_of(self, filter: DeviceFilter) -> datetime:
        return filter.now

    async def has_key(self, id: UUID, key_digest: str) -> bool:
        found = (device for device in self._store.all(Device) if device.id == id)
        return any(device.key_digest == key_digest for device in found)

    async def presences(self, now: datetime) -> Mapping[Presence, int]:
        active = [one for one in self._store.all(Device) if one.status is Status.ACTIVE]
        each = [device.presence(now) for device in active]
        return {presence: each.count(presence) for presence in Presence}
