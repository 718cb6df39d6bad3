"""Devices: state, keys, serial numbers, presence, queries."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.base import Event, PageRequest
from domain.devices import (
    SORTS,
    Device,
    DeviceCreated,
    DeviceDeleted,
    DeviceEdited,
    DeviceFilter,
    DeviceKeyIssued,
    Presence,
    Status,
)
from domain.errors import AuthenticationFailed, NotFound, NotUnique
from service_layer import devices
from service_layer.queries.devices import DeviceView
from support.backends import NOON, Backend
from support.concurrency import in_threads
from support.devices import (
    ALL_DEVICES,
    MICROSECOND,
    UNKNOWN_ID,
    add_device,
    get_device,
    issue_key,
    list_devices,
    presence_of,
    send_heartbeat,
)
from support.filters import device_filters, make_devices, some_devices
from support.pagination import in_order
from support.people import ADMIN
from support.use_cases import perform_as_service


def test_a_device_is_read_as_it_was_put_on_the_list(backend: Backend) -> None:
    id = add_device(
        backend, " Fräse ", kind="CNC", serial="ab-1", location="Öst", status=Status.MAINTENANCE,
        heartbeat_every=86_400,
    )  # fmt: skip

    assert get_device(backend, id) == DeviceView(
        id=id,
        version=1,
        created_at=NOON,
        updated_at=NOON,
        name="Fräse",
        kind="CNC",
        serial="ab-1",
        location="Öst",
        status=Status.MAINTENANCE,
        heartbeat_every=86_400,
        presence=Presence.NEVER,
        last_seen_at=None,
        agent_version=None,
        metrics=None,
    )


def test_changes_of_a_device_are_events_and_a_heartbeat_is_none(
    backend: Backend,
) -> None:
    happened: list[Event] = []
    backend.default_runner.after_commit(happened.extend)
    id = add_device(backend, ctx=ADMIN.ctx)
    digest = issue_key(backend, id)
    send_heartbeat(backend, id, digest)
    changes: Any = {"name": "Mill", "heartbeat_every": 60}
    for _ in range(2):
        perform_as_service(backend, devices.edit_device, id, changes, ctx=ADMIN.ctx)
    perform_as_service(backend, devices.delete_device, id, ctx=ADMIN.ctx)

    by_admin: dict[str, Any] = {"aggregate_id": id, "at": NOON, "by": ADMIN.id}
    assert happened == [
        DeviceCreated(**by_admin),
        DeviceKeyIssued(aggregate_id=id, at=NOON),
        DeviceEdited(**by_admin, changed_fields=("name",)),
        DeviceDeleted(**by_admin),
    ]


# Presence


@pytest.mark.parametrize("every", [10, 11, 60, 86_399, 86_400])
def test_a_device_is_online_late_and_offline_by_the_microsecond(
    backend: Backend, every: int
) -> None:
    id = add_device(backend, heartbeat_every=every)
    digest = issue_key(backend, id)
    assert presence_of(backend, id, NOON) is Presence.NEVER
    seen = NOON + timedelta(microseconds=123_457)
    send_heartbeat(backend, id, digest, seen)
    late, offline = seen + timedelta(seconds=every) * 1.5, seen + timedelta(seconds=every) * 3

    assert get_device(backend, id).last_seen_at == seen
    for now, presence in (
        (seen - timedelta(hours=1), Presence.ONLINE),  # the clock was set back
        (seen, Presence.ONLINE),
        (late - MICROSECOND, Presence.ONLINE),
        (late, Presence.ONLINE),
        (late + MICROSECOND, Presence.LATE),
        (offline, Presence.LATE),
        (offline + MICROSECOND, Presence.OFFLINE),
        (offline + timedelta(days=4_000), Presence.OFFLINE),
    ):
        assert presence_of(backend, id, now) is presence, now


def test_what_is_expected_of_a_device_moves_the_bounds_of_its_presence(backend: Backend) -> None:
    id = add_device(backend, heartbeat_every=60)
    send_heartbeat(backend, id, issue_key(backend, id))
    now = NOON + timedelta(seconds=100)
    assert presence_of(backend, id, now) is Presence.LATE

    for every, presence in ((100, Presence.ONLINE), (10, Presence.OFFLINE), (34, Presence.LATE)):
        perform_as_service(backend, devices.edit_device, id, {"heartbeat_every": every})
        assert presence_of(backend, id, now) is presence


def test_the_devices_in_service_are_counted_by_their_presence(backend: Backend) -> None:
    nothing = dict.fromkeys(Presence, 0)
    assert backend.ask(backend.devices.presences(NOON)) == nothing

    def add_seen(status: Status, *seconds_ago: float | None) -> None:
        for ago in seconds_ago:
            id = add_device(backend, heartbeat_every=60)
            if ago is not None:
                send_heartbeat(backend, id, issue_key(backend, id), NOON - timedelta(seconds=ago))
            perform_as_service(backend, devices.edit_device, id, {"status": status})

    add_seen(Status.ACTIVE, None, None, 0, 60, 90, 91, 180, 181, 9_000, 99_000)
    for out_of_service in (Status.MAINTENANCE, Status.RETIRED):
        add_seen(out_of_service, None, 0, 91, 9_000)

    counted = backend.ask(backend.devices.presences(NOON))
    listed_ = {
        presence: len(
            list_devices(backend, DeviceFilter(now=NOON, presence=presence, status=Status.ACTIVE))
        )
        for presence in Presence
    }
    assert counted == listed_
    assert [counted[presence] for presence in Presence] == [2, 3, 2, 3]
    later = backend.ask(backend.devices.presences(NOON + timedelta(microseconds=1)))
    assert [later[presence] for presence in Presence] == [2, 2, 2, 4]


# Serial numbers


def test_a_serial_number_is_one_devices_whatever_the_case(backend: Backend) -> None:
    one = add_device(backend, serial="Ab-1")
    add_device(backend, serial=None)
    other = add_device(backend, serial=None)

    with pytest.raises(NotUnique) as adding:
        add_device(backend, serial="aB-1")
    with pytest.raises(NotUnique) as editing:
        perform_as_service(backend, devices.edit_device, other, {"serial": "AB-1"})
    assert adding.value.field == editing.value.field == "serial"
    # One's own, in another case, is not another's.
    perform_as_service(backend, devices.edit_device, one, {"serial": "AB-1"})
    perform_as_service(backend, devices.edit_device, one, {"serial": None})
    perform_as_service(backend, devices.edit_device, other, {"serial": "ab-1"})
    assert (get_device(backend, one).serial, get_device(backend, other).serial) == (None, "ab-1")
    add_device(backend, serial="Ö-1")
    add_device(backend, serial="O-1")
    with pytest.raises(NotUnique):
        add_device(backend, serial="ö-1")


def test_of_twenty_devices_with_one_serial_number_at_once_one_gets_it(backend: Backend) -> None:
    def try_it(number: int) -> str:
        serial = "".join(c.upper() if number >> place & 1 else c for place, c in enumerate("abcde"))
        try:
            add_device(backend, serial=serial)
        except NotUnique as error:
            return error.field
        return "added"

    assert sorted(in_threads(20, try_it)) == ["added"] + ["serial"] * 19
    assert len(list_devices(backend)) == 1


# Lists


@pytest.mark.parametrize("descending", [False, True])
def test_devices_that_were_never_seen_come_last_whichever_way_times_run(
    backend: Backend, descending: bool
) -> None:
    for second in (None, 3, 1, None, 2):
        id = add_device(backend, str(second))
        if second is not None:
            send_heartbeat(backend, id, issue_key(backend, id), NOON + timedelta(seconds=second))

    names = []
    page_request = PageRequest(sort="last_seen_at", descending=descending, limit=2)
    while True:
        page = backend.ask(backend.devices.list_page(ALL_DEVICES, page_request))
        names += [device.name for device in page.items]
        if page.next_key is None:
            break
        page_request = replace(page_request, after=page.next_key)
    seen = ["3", "2", "1"] if descending else ["1", "2", "3"]
    assert names == [*seen, "None", "None"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=some_devices, filter=device_filters, sort=st.sampled_from(list(SORTS)), data=st.data())
def test_filters_orders_and_pages_of_devices_agree_with_the_domain(
    backend: Backend, made: list[Any], filter: DeviceFilter, sort: str, data: st.DataObject
) -> None:
    # Each example works with devices of its own and leaves none behind.
    ids = make_devices(backend, made)
    try:
        with backend.open() as uow:
            entities = [uow.devices.get(id) for id in ids]
        descending = data.draw(st.booleans())
        meant = [device for device in entities if filter.matches(device)]
        order = PageRequest(sort=sort, descending=descending, limit=data.draw(st.integers(1, 5)))
        expected = in_order(meant, SORTS[sort], descending)
        walked: list[DeviceView] = []
        page_request = order
        while True:
            page = backend.ask(backend.devices.list_page(filter, page_request))
            walked += page.items
            if page.next_key is None:
                break
            page_request = replace(page_request, after=page.next_key)
        assert walked == [DeviceView.of(device, NOON) for device in expected]

        skip = data.draw(st.integers(0, 6))
        page = backend.ask(backend.devices.list_page(filter, replace(order, skip=skip, count=True)))
        assert [view.id for view in page.items] == [
            device.id for device in expected[skip : skip + order.limit]
        ]
        assert page.total == len(expected)
    finally:
        with backend.open() as uow:
            for id in ids:
                uow.devices.remove(uow.devices.get(id))
            uow.commit()


def test_a_removed_device_is_gone_and_its_key_with_it(backend: Backend) -> None:
    id = add_device(backend)
    digest = issue_key(backend, id)
    perform_as_service(backend, devices.delete_device, id, expected={2})

    assert backend.ask(backend.devices.get(id, NOON)) is None
    with pytest.raises(AuthenticationFailed):
        send_heartbeat(backend, id, digest)
    with pytest.raises(NotFound):
        perform_as_service(backend, devices.issue_key, id)


def test_bounds_of_presence_in_a_read_are_those_of_the_device(backend: Backend) -> None:
    device = Device(
        id=UNKNOWN_ID, created_at=NOON, updated_at=NOON, name="x", heartbeat_every=11,
        last_seen_at=NOON,
    )  # fmt: skip
    assert device.online_until == NOON + timedelta(seconds=16.5)
    assert device.late_until == NOON + timedelta(seconds=33)
