"""Devices: machines that report by heartbeats, and their presence."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, NotRequired, TypedDict, Unpack
from uuid import UUID

from domain.access import digest_of
from domain.base import Context, Entity, Event, Repository, validate
from domain.errors import DomainError, NotUnique
from domain.text import casefold_nfc, search_fold, search_text
from domain.values import IntegerRule, JsonRule, TextRule

NAME = TextRule(1, 100, if_empty="Enter a name.")
KIND = TextRule(0, 50)
# At least one character: serial numbers are unique, so "" would fit only one device. An unknown
# serial number is None.
SERIAL = TextRule(1, 100)
LOCATION = TextRule(0, 100)
HEARTBEAT_EVERY = IntegerRule(10, 86_400)
AGENT_VERSION = TextRule(0, 50)
METRICS = JsonRule(max=2_048, depth=10)

RULES: Mapping[str, Callable[[Any], Any]] = {
    "name": NAME,
    "kind": KIND,
    "serial": SERIAL,
    "location": LOCATION,
    "heartbeat_every": HEARTBEAT_EVERY,
}
REPORT_RULES: Mapping[str, Callable[[Any], Any]] = {
    "agent_version": AGENT_VERSION,
    "metrics": METRICS,
}

ONLINE_FOR, LATE_FOR = 1.5, 3.0
"""Multiples of `heartbeat_every` for which a device is online, and then at most late.

Both count from the last heartbeat.
"""


class Status(StrEnum):
    """The operational status of a device, set by users."""

    ACTIVE = "active"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"


class Presence(StrEnum):
    """The reachability of a device, derived from the age of its last heartbeat."""

    NEVER = "never"
    ONLINE = "online"
    LATE = "late"
    OFFLINE = "offline"


class DeviceRetired(DomainError):
    """The device is retired, so its heartbeats are rejected."""

    def __init__(self) -> None:
        super().__init__("This device is retired; its heartbeats are not wanted any more.")


class DeviceCreated(Event):
    """A device was created."""


@dataclass(frozen=True, kw_only=True)
class DeviceEdited(Event):
    """Fields of a device were changed."""

    changed_fields: tuple[str, ...]


class DeviceKeyIssued(Event):
    """A new key was issued to a device; the previous one is invalid."""


class DeviceDeleted(Event):
    """A device was deleted."""


# A heartbeat is not an event. Events for devices that go offline or come back are planned: the
# first by the indexed bound `late_until`, the second by a heartbeat after that bound.


class DeviceDetails(TypedDict):
    """The fields of a new device."""

    name: str
    kind: NotRequired[str | None]
    serial: NotRequired[str | None]
    location: NotRequired[str | None]
    status: NotRequired[Status]
    heartbeat_every: NotRequired[int]


class DeviceChanges(TypedDict, total=False):
    """The fields that an edit may set; absent ones keep their values."""

    name: str
    kind: str | None
    serial: str | None
    location: str | None
    status: Status
    heartbeat_every: int


class Report(TypedDict, total=False):
    """The fields of a heartbeat; absent ones keep their values."""

    agent_version: str | None
    metrics: dict[str, Any] | None


def checked_report(report: Report) -> Report:
    """Return the report as normalized by its rules.

    Raises:
        InvalidField: when a value breaks the rule for its field.
    """
    kept: Any = {name: validate(REPORT_RULES[name], name, value) for name, value in report.items()}
    return kept  # type: ignore[no-any-return]


@dataclass(eq=False, kw_only=True)
class Device(Entity):
    """A machine that is expected to send a heartbeat every `heartbeat_every` seconds.

    The key is stored as a digest. Heartbeats set `last_seen_at`, `agent_version` and `metrics`
    without a change of `version` or `updated_at`; see `DeviceRepository.record_heartbeat`.
    """

    entity_name: ClassVar[str] = "device"

    name: str
    kind: str | None = None
    serial: str | None = None
    location: str | None = None
    status: Status = Status.ACTIVE
    heartbeat_every: int = 60
    key_digest: str | None = None
    last_seen_at: datetime | None = None
    agent_version: str | None = None
    metrics: dict[str, Any] | None = None

    @classmethod
    def create(
        cls,
        id: UUID,
        ctx: Context,
        *,
        devices: "DeviceRepository",
        **profile: Unpack[DeviceDetails],
    ) -> "Device":
        """Create a device.

        Raises:
            InvalidField: when a value breaks the rule for its field.
            NotUnique: when another device has the serial number, compared without case.
        """
        kept: Any = {
            name: validate(RULES.get(name), name, value) for name, value in profile.items()
        }
        device = cls(id=id, created_at=ctx.now, updated_at=ctx.now, **kept)
        device._require_own_serial(devices)
        device.record(DeviceCreated(aggregate_id=id, at=ctx.now, by=ctx.by))
        return device

    @property
    def online_until(self) -> datetime | None:
        """Time up to which the device is online without a further heartbeat, inclusive."""
        return self._seen_within(ONLINE_FOR)

    @property
    def late_until(self) -> datetime | None:
        """Time up to which the device is at most late without a further heartbeat, inclusive."""
        return self._seen_within(LATE_FOR)

    def _seen_within(self, times: float) -> datetime | None:
        if self.last_seen_at is None:
            return None
        return self.last_seen_at + timedelta(seconds=times * self.heartbeat_every)

    def presence(self, now: datetime) -> Presence:
        """Return the presence at a time of the server's clock."""
        if self.online_until is None or self.late_until is None:
            return Presence.NEVER
        if now <= self.online_until:
            return Presence.ONLINE
        return Presence.LATE if now <= self.late_until else Presence.OFFLINE

    @property
    def name_key(self) -> str:
        """Sort key of the name, truncated to bound the size of index entries."""
        return search_fold(self.name)[:200]

    @property
    def kind_key(self) -> str | None:
        """Search text of the kind."""
        return None if self.kind is None else search_fold(self.kind)

    @property
    def serial_key(self) -> str | None:
        """Unique key of the serial number, without case."""
        return None if self.serial is None else casefold_nfc(self.serial)

    @property
    def search_text(self) -> str:
        """Search text: folded name, kind, serial number and location, one line each."""
        return search_text(self.name, self.kind, self.serial, self.location)

    def edit(self, changes: DeviceChanges, ctx: Context, *, devices: "DeviceRepository") -> None:
        """Set the given fields; equal values leave the device unchanged.

        Raises:
            InvalidField: when a value breaks the rule for its field.
            NotUnique: when another device has the serial number, compared without case.
        """
        different = self.assign(changes, RULES)
        if not different:
            return
        if "serial" in different:
            self._require_own_serial(devices)
        self.updated_at = ctx.now
        members = tuple(different)
        self.record(
            DeviceEdited(aggregate_id=self.id, at=ctx.now, by=ctx.by, changed_fields=members)
        )

    def rotate_key(self, secret: str, ctx: Context) -> None:
        """Replace the key; the previous one becomes invalid."""
        self.key_digest = digest_of(secret)
        self.updated_at = ctx.now
        self.record(DeviceKeyIssued(aggregate_id=self.id, at=ctx.now, by=ctx.by))

    def _require_own_serial(self, devices: "DeviceRepository") -> None:
        key = self.serial_key
        if key is not None and devices.id_by_serial(key) not in (None, self.id):
            raise NotUnique("serial", "another device")


@dataclass(frozen=True, kw_only=True)
class DeviceFilter:
    """Conditions on devices, combined with AND; `None` is no condition.

    `now` is the time in UTC at which `presence` is evaluated.
    """

    now: datetime
    status: Status | None = None
    presence: Presence | None = None
    kind: str | None = None
    q: str | None = None

    def matches(self, device: Device) -> bool:
        """Return whether the device satisfies the filter."""
        return (
            (self.status is None or device.status is self.status)
            and (self.presence is None or device.presence(self.now) is self.presence)
            and (self.kind is None or search_fold(self.kind) in (device.kind_key or ""))
            and (self.q is None or search_fold(self.q) in device.search_text)
        )


SORTS: Mapping[str, Callable[[Device], Any]] = {
    "created_at": lambda device: device.created_at,
    "name": lambda device: device.name_key,
    "last_seen_at": lambda device: device.last_seen_at,
}
"""Sort names of a list of devices, each with its sort key."""


class DeviceRepository(Repository[Device]):
    """Repository of devices."""

    entity_name = Device.entity_name

    @abstractmethod
    def id_by_serial(self, serial_key: str) -> UUID | None:
        """Return the id of the device with this `serial_key`."""

    @abstractmethod
    def record_heartbeat(
        self, id: UUID, key_digest: str, at: datetime, report: Report
    ) -> Status | None:
        """Store the time and the report of a heartbeat, unless the device is retired.

        The device's version stays the same, so heartbeats cause no concurrency conflicts with
        edits.

        Returns:
            the device's status; `None` if the key is not this device's, and nothing is stored then.
        """
