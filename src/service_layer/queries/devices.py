"""The views of devices, and the port that answers with them."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from domain.devices import Device, DeviceFilter, Presence, Status
from service_layer.queries.base import Queries, View


@dataclass(frozen=True, kw_only=True)
class DeviceView(View):
    """A device as it is seen at a moment; its key is not to be seen."""

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
        """The view of an aggregate in hand."""
        return cls.from_entity(device, presence=device.presence(now))


class DeviceQueries(Queries[DeviceView, DeviceFilter]):
    """The reads of devices."""

    entity_name = Device.entity_name

    @abstractmethod
    async def has_key(self, id: UUID, key_digest: str) -> bool:
        """Whether there is such a device, and this is the digest of its key."""

    @abstractmethod
    async def presences(self, now: datetime) -> Mapping[Presence, int]:
        """Count the active devices of each presence at a moment; of those without any there are 0.

        What is in maintenance or retired is not expected to be heard of.
        """
