"""Devices in a backend: created, read and reported through its ports."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.access import digest_of
from domain.base import PageRequest
from domain.devices import DeviceFilter, Presence, Report
from service_layer import devices
from service_layer.queries.devices import DeviceView
from support.backends import NOON, Backend
from support.pagination import FIRST_PAGE
from support.use_cases import perform_as_service

ALL_DEVICES = DeviceFilter(now=NOON)
MICROSECOND = timedelta(microseconds=1)
UNKNOWN_ID = UUID("01900000-0000-7000-8000-00000000ffff")


def add_device(backend: Backend, name: str = "Lathe", **members: Any) -> UUID:
    id: UUID = perform_as_service(backend, devices.create_device, name=name, **members).id
    return id


def issue_key(backend: Backend, id: UUID) -> str:
    return digest_of(perform_as_service(backend, devices.issue_key, id).key)


def send_heartbeat(
    backend: Backend, id: UUID, digest: str, at: datetime = NOON, report: Report | None = None
) -> None:
    backend.default_runner.perform(devices.record_heartbeat, id, digest, report or {}, now=at)


def get_device(backend: Backend, id: UUID, now: datetime = NOON) -> DeviceView:
    found = backend.ask(backend.devices.get(id, now))
    assert found is not None
    return found


def list_devices(
    backend: Backend, filter: DeviceFilter = ALL_DEVICES, page_request: PageRequest = FIRST_PAGE
) -> list[DeviceView]:
    return backend.ask(backend.devices.list_page(filter, page_request)).items


def presence_of(backend: Backend, id: UUID, now: datetime) -> Presence:
    """Return the presence in a read, and assert that lists by presence agree."""
    presence = get_device(backend, id, now).presence
    for asked in Presence:
        ids = [device.id for device in list_devices(backend, DeviceFilter(now=now, presence=asked))]
        assert (id in ids) == (asked is presence), (asked, presence)
    with backend.open() as uow:
        assert uow.devices.get(id).presence(now) is presence
    return presence
