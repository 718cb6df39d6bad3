"""Devices: the machines of the workshop, and whether they have been heard of lately."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, NotRequired, TypedDict, Unpack
from uuid import UUID

from domain.access import digest_of
from domain.actors import Actor, id_of
from domain.base import Entity, Event, Repository, validate
from domain.errors import DomainError, NotUnique
from domain.values import IntegerRule, JsonRule, TextRule, casefold_nfc, search_fold, search_text

NAME = TextRule(1, 100, if_empty="Enter a name.")
KIND = TextRule(0, 50)
# An empty serial number would be one that only one device can have: who knows none gives none.
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
"""For how many times `heartbeat_every` a device is online, and then late, after a heartbeat."""


class Status(StrEnum):
    """What the workshop does with a device."""

    ACTIVE = "active"
    MAINTENANCE = "maintenance"
    RETIRED = "retired"


class Presence(StrEnum):
    """How long ago a device was heard of, by what is expected of it."""

    NEVER = "never"
    ONLINE = "online"
    LATE = "late"
    OFFLINE = "offline"


class DeviceRetired(DomainError):
    """The device is out of service, so nobody waits for its heartbeats any more."""

    def __init__(self) -> None:
        super().__init__("This device is retired; its heartbeats are not wanted any more.")


class DeviceCreated(Event):
    """A device was put on the list."""


@dataclass(frozen=True, kw_only=True)
class DeviceEdited(Event):
    """Members of a device were given other values."""

    changed_fields: tuple[str, ...]


class DeviceKeyIssued(Event):
    """A device has a new key; the one before is worth nothing any more."""


class DeviceDeleted(Event):
    """A device was struck off the list."""


# A heartbeat is no event. That a device has gone offline, or has come back, is to be one: the
# first is found by the bound that `late_until` tells, which has an index; the second shows when a
# heartbeat comes after that bound.


class Profile(TypedDict):
    """What a device is, as it is put on the list."""

    name: str
    kind: NotRequired[str | None]
    serial: NotRequired[str | None]
    location: NotRequired[str | None]
    status: NotRequired[Status]
    heartbeat_every: NotRequired[int]


class DeviceChanges(TypedDict, total=False):
    """The members that an edit may set; absent ones are kept."""

    name: str
    kind: str | None
    serial: str | None
    location: str | None
    status: Status
    heartbeat_every: int


class Report(TypedDict, total=False):
    """What a device tells of itself with a heartbeat; what it does not tell stays as it was."""

    agent_version: str | None
    metrics: dict[str, Any] | None


def checked_report(report: Report) -> Report:
    """Return a report as it is kept.

    Raises:
        InvalidField: when a value breaks the rule for its member.
    """
    kept: Any = {name: validate(REPORT_RULES[name], name, told) for name, told in report.items()}
    return kept  # type: ignore[no-any-return]


@dataclass(eq=False, kw_only=True)
class Device(Entity):
    """A machine. It is expected to be heard of every `heartbeat_every` seconds.

    Of its key only a digest is kept. `last_seen_at`, `agent_version` and `metrics` come with
    heartbeats, which change neither `version` nor `updated_at`; see
    `DeviceRepository.record_heartbeat`.
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
        now: datetime,
        *,
        by: Actor | None = None,
        devices: "DeviceRepository",
        **profile: Unpack[Profile],
    ) -> "Device":
        """Put a device on the list; without `by` the workshop itself does.

        Raises:
            InvalidField: when a value breaks the rule for its member.
            NotUnique: when another device has the serial number, in whatever case.
        """
        kept: Any = {
            name: validate(RULES.get(name), name, value) for name, value in profile.items()
        }
        device = cls(id=id, created_at=now, updated_at=now, **kept)
        device._require_own_serial(devices)
        device.record(DeviceCreated(aggregate_id=id, at=now, by=id_of(by)))
        return device

    @property
    def online_until(self) -> datetime | None:
        """Until when it is online, that moment included, if it is not heard of again."""
        return self._seen_within(ONLINE_FOR)

    @property
    def late_until(self) -> datetime | None:
        """Until when it is late at most, that moment included, if it is not heard of again."""
        return self._seen_within(LATE_FOR)

    def _seen_within(self, times: float) -> datetime | None:
        if self.last_seen_at is None:
            return None
        return self.last_seen_at + timedelta(seconds=times * self.heartbeat_every)

    def presence(self, now: datetime) -> Presence:
        """Tell how it stands with the device at a moment of the server's clock."""
        if self.online_until is None or self.late_until is None:
            return Presence.NEVER
        if now <= self.online_until:
            return Presence.ONLINE
        return Presence.LATE if now <= self.late_until else Presence.OFFLINE

    @property
    def name_key(self) -> str:
        """What sorting by name compares: enough of it to keep an index entry small."""
        return search_fold(self.name)[:200]

    @property
    def kind_key(self) -> str | None:
        """What looking for a kind looks into."""
        return None if self.kind is None else search_fold(self.kind)

    @property
    def serial_key(self) -> str | None:
        """What makes a serial number another's: it is no other device's, whatever the case."""
        return None if self.serial is None else casefold_nfc(self.serial)

    @property
    def search_text(self) -> str:
        """What a search looks into: name, kind, serial number and location, a line each."""
        return search_text(self.name, self.kind, self.serial, self.location)

    def edit(
        self,
        changes: DeviceChanges,
        now: datetime,
        *,
        by: Actor | None = None,
        devices: "DeviceRepository",
    ) -> None:
        """Give members other values; a change to what they are already changes nothing.

        Raises:
            InvalidField: when a value breaks the rule for its member.
            NotUnique: when another device has the serial number, in whatever case.
        """
        different = self.assign(changes, RULES)
        if not different:
            return
        if "serial" in different:
            self._require_own_serial(devices)
        self.updated_at = now
        members = tuple(different)
        self.record(
            DeviceEdited(aggregate_id=self.id, at=now, by=id_of(by), changed_fields=members)
        )

    def rotate_key(self, secret: str, now: datetime, by: Actor | None = None) -> None:
        """Have a new key; the one before, if there was one, is worth nothing any more."""
        self.key_digest = digest_of(secret)
        self.updated_at = now
        self.record(DeviceKeyIssued(aggregate_id=self.id, at=now, by=id_of(by)))

    def _require_own_serial(self, devices: "DeviceRepository") -> None:
        if self.serial_key is not None:
            other = devices.id_by_serial(self.serial_key)
            if other is not None and other != self.id:
                raise NotUnique("serial", "another device")


@dataclass(frozen=True, kw_only=True)
class DeviceFilter:
    """Which devices are meant; every member that is not `None` must hold.

    `now` is the moment in UTC at which `presence` is told.
    """

    now: datetime
    status: Status | None = None
    presence: Presence | None = None
    kind: str | None = None
    q: str | None = None

    def matches(self, device: Device) -> bool:
        """Whether the device is among those meant."""
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
"""The orders a list of devices can have, each with the value it compares."""


class DeviceRepository(Repository[Device]):
    """Where devices are kept."""

    entity_name = Device.entity_name

    @abstractmethod
    def id_by_serial(self, serial_key: str) -> UUID | None:
        """Return which device has a serial number, by its key."""

    @abstractmethod
    def record_heartbeat(
        self, id: UUID, key_digest: str, at: datetime, report: Report
    ) -> Status | None:
        """Note that a device lives and what it tells of itself, unless it is retired.

        That is no change of it: its version stays the same, and whoever changes it meanwhile is not
        disturbed.

        Returns:
            its status; `None`, and nothing is noted, if this is not its key.
        """
