"""Views of devices, and their query port."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from domain.devices import Device, DeviceFilter, Presence, Status
from service_layer.queries.base import Queries, View


@dataclass(kw_only=True)
class DeviceView(View):
    """A device with its presence at a time, without its key."""

    collection: ClassVar[str] = "devices"

    name: str
    kind: str | None
    serial: str | None
    location: str | None
    status: Status
    heartbeat_every: int
    presence: Presence
    last_seen_at: datetime | None
    agent_version: str | None
    metrics: dict[str, Any] | None

    @classmethod
    def of(cls, device: Device, now: datetime) -> "DeviceView":
        """Return the view of a loaded aggregate, with its presence at `now`."""
        return cls._of(device, presence=device.presence(now))


class DeviceQueries(Queries[DeviceView, DeviceFilter]):
    """Query port of devices."""

    entity_name = Device.entity_name

    @abstractmethod
    async def has_key(self, id: UUID, key_digest: str) -> bool:
        """Return whether the device exists and its key has this digest."""

    @abstractmethod
    async def presences(self, now: datetime) -> Mapping[Presence, int]:
        """Count the active devices by presence at a time; each presence has an entry, possibly 0.

        Devices in maintenance and retired ones are left out, because they need not send heartbeats.
        """
