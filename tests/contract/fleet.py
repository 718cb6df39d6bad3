"""What every unit of work and every read port promises of devices and their heartbeats."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.adapters import Together, in_order, in_threads
from domain.access import digest_of
from domain.base import Context, Event, PageRequest
from domain.devices import (
    SORTS,
    Device,
    DeviceCreated,
    DeviceDeleted,
    DeviceEdited,
    DeviceFilter,
    DeviceKeyIssued,
    DeviceRetired,
    Presence,
    Report,
    Status,
)
from domain.errors import AuthenticationFailed, InvalidField, NotFound, NotUnique, VersionMismatch
from service_layer import devices
from service_layer.queries.devices import DeviceView
from support.backends import NOON, Backend
from support.people import ADMIN, CTX

ALL = DeviceFilter(now=NOON)
FIRST = PageRequest(sort="created_at", limit=100)
MICROSECOND = timedelta(microseconds=1)
NEVER_WAS = UUID("01900000-0000-7000-8000-00000000ffff")


def perform(backend: Backend, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    kwargs.setdefault("ctx", CTX)
    return backend.usual.perform(use_case, *args, **kwargs)


def add_one(backend: Backend, name: str = "Lathe", **members: Any) -> UUID:
    id: UUID = perform(backend, devices.create_device, name=name, **members).id
    return id


def new_key(backend: Backend, id: UUID) -> str:
    return digest_of(perform(backend, devices.issue_key, id).key)


def beat(
    backend: Backend, id: UUID, digest: str, at: datetime = NOON, report: Report | None = None
) -> None:
    backend.usual.perform(devices.record_heartbeat, id, digest, report or {}, now=at)


def look(backend: Backend, id: UUID, now: datetime = NOON) -> DeviceView:
    found = backend.ask(backend.devices.get(id, now))
    assert found is not None
    return found


def listed(
    backend: Backend, filter: DeviceFilter = ALL, page_request: PageRequest = FIRST
) -> list[DeviceView]:
    return backend.ask(backend.devices.list_page(filter, page_request)).items


def told(backend: Backend, id: UUID, now: datetime) -> Presence:
    """Return the presence that a read tells, and make sure that lists by presence agree."""
    presence = look(backend, id, now).presence
    for asked in Presence:
        ids = [device.id for device in listed(backend, DeviceFilter(now=now, presence=asked))]
        assert (id in ids) == (asked is presence), (asked, presence)
    with backend.open() as uow:
        assert uow.devices.get(id).presence(now) is presence
    return presence


def test_a_device_is_read_as_it_was_put_on_the_list(backend: Backend) -> None:
    id = add_one(
        backend, " Fräse ", kind="CNC", serial="ab-1", location="Öst", status=Status.MAINTENANCE,
        heartbeat_every=86_400,
    )  # fmt: skip

    assert look(backend, id) == DeviceView(
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


def test_what_happens_to_a_device_is_told_and_a_heartbeat_is_nothing_that_happens(
    backend: Backend,
) -> None:
    happened: list[Event] = []
    backend.usual.after_commit(happened.extend)
    id = add_one(backend, ctx=ADMIN.ctx)
    digest = new_key(backend, id)
    beat(backend, id, digest)
    changes: Any = {"name": "Mill", "heartbeat_every": 60}
    for _ in range(2):
        perform(backend, devices.edit_device, id, changes, ctx=ADMIN.ctx)
    perform(backend, devices.delete_device, id, ctx=ADMIN.ctx)

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
    id = add_one(backend, heartbeat_every=every)
    digest = new_key(backend, id)
    assert told(backend, id, NOON) is Presence.NEVER
    seen = NOON + timedelta(microseconds=123_457)
    beat(backend, id, digest, seen)
    late, offline = seen + timedelta(seconds=every) * 1.5, seen + timedelta(seconds=every) * 3

    assert look(backend, id).last_seen_at == seen
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
        assert told(backend, id, now) is presence, now


def test_what_is_expected_of_a_device_moves_the_bounds_of_its_presence(backend: Backend) -> None:
    id = add_one(backend, heartbeat_every=60)
    beat(backend, id, new_key(backend, id))
    now = NOON + timedelta(seconds=100)
    assert told(backend, id, now) is Presence.LATE

    for every, presence in ((100, Presence.ONLINE), (10, Presence.OFFLINE), (34, Presence.LATE)):
        perform(backend, devices.edit_device, id, {"heartbeat_every": every})
        assert told(backend, id, now) is presence


def test_the_devices_in_service_are_counted_by_their_presence(backend: Backend) -> None:
    nothing = dict.fromkeys(Presence, 0)
    assert backend.ask(backend.devices.presences(NOON)) == nothing

    def add_seen(status: Status, *seconds_ago: float | None) -> None:
        for ago in seconds_ago:
            id = add_one(backend, heartbeat_every=60)
            if ago is not None:
                beat(backend, id, new_key(backend, id), NOON - timedelta(seconds=ago))
            perform(backend, devices.edit_device, id, {"status": status})

    add_seen(Status.ACTIVE, None, None, 0, 60, 90, 91, 180, 181, 9_000, 99_000)
    for out_of_service in (Status.MAINTENANCE, Status.RETIRED):
        add_seen(out_of_service, None, 0, 91, 9_000)

    counted = backend.ask(backend.devices.presences(NOON))
    listed_ = {
        presence: len(
            listed(backend, DeviceFilter(now=NOON, presence=presence, status=Status.ACTIVE))
        )
        for presence in Presence
    }
    assert counted == listed_
    assert [counted[presence] for presence in Presence] == [2, 3, 2, 3]
    later = backend.ask(backend.devices.presences(NOON + timedelta(microseconds=1)))
    assert [later[presence] for presence in Presence] == [2, 2, 2, 4]


# Heartbeats


def test_a_heartbeat_is_no_change_of_the_device(backend: Backend) -> None:
    id = add_one(backend)
    digest = new_key(backend, id)
    before = look(backend, id)
    at = NOON + timedelta(minutes=1)
    metrics = {"t": 21.5, "on": True, "of": [1, None, "ö"]}
    beat(backend, id, digest, at, {"agent_version": " 1.2 ", "metrics": metrics})

    seen: dict[str, Any] = {"last_seen_at": at, "agent_version": "1.2", "metrics": metrics}
    assert look(backend, id, at) == replace(before, presence=Presence.ONLINE, **seen)
    edited = perform(backend, devices.edit_device, id, {"name": "Mill"}, expected={before.version})
    assert (edited.version, edited.last_seen_at) == (before.version + 1, at)


def test_what_a_heartbeat_does_not_tell_is_kept_and_null_clears(backend: Backend) -> None:
    id = add_one(backend)
    digest = new_key(backend, id)
    beat(backend, id, digest, report={"agent_version": "1", "metrics": {"a": 1}})
    beat(backend, id, digest)
    assert (look(backend, id).agent_version, look(backend, id).metrics) == ("1", {"a": 1})
    beat(backend, id, digest, report={"metrics": {}, "agent_version": None})
    assert (look(backend, id).agent_version, look(backend, id).metrics) == (None, {})
    beat(backend, id, digest, report={"metrics": None})
    assert look(backend, id).metrics is None


def test_a_heartbeat_that_breaks_a_rule_is_not_noted(backend: Backend) -> None:
    id = add_one(backend)
    digest = new_key(backend, id)
    reports: list[Report] = [
        {"agent_version": "x" * 51},
        {"metrics": {"x": "y" * 2_048}},
        {"metrics": {"x": float("inf")}},
        {"metrics": {"x": 2**63}},
    ]
    for report in reports:
        with pytest.raises(InvalidField):
            beat(backend, id, digest, report=report)
    assert look(backend, id).presence is Presence.NEVER


def test_a_heartbeat_is_noted_by_the_devices_own_key_alone(backend: Backend) -> None:
    id, other = add_one(backend), add_one(backend)
    with pytest.raises(AuthenticationFailed):
        beat(backend, id, digest_of(""))
    old, others = new_key(backend, id), new_key(backend, other)
    new = new_key(backend, id)
    for device, digest in ((id, old), (id, others), (other, new), (NEVER_WAS, new)):
        with pytest.raises(AuthenticationFailed):
            beat(backend, device, digest)
        assert not backend.ask(backend.devices.has_key(device, digest))
    assert {device.last_seen_at for device in listed(backend)} == {None}

    assert backend.ask(backend.devices.has_key(id, new))
    beat(backend, id, new)
    assert look(backend, id).presence is Presence.ONLINE
    assert look(backend, other).presence is Presence.NEVER


def test_a_retired_device_is_told_so_by_its_own_key_and_nothing_is_noted(backend: Backend) -> None:
    id = add_one(backend)
    digest = new_key(backend, id)
    perform(backend, devices.edit_device, id, {"status": Status.RETIRED})

    with pytest.raises(DeviceRetired):
        beat(backend, id, digest, report={"agent_version": "1"})
    with pytest.raises(AuthenticationFailed):
        beat(backend, id, digest_of("x"))
    assert (look(backend, id).last_seen_at, look(backend, id).agent_version) == (None, None)
    perform(backend, devices.edit_device, id, {"status": Status.MAINTENANCE})
    beat(backend, id, digest)
    assert look(backend, id).presence is Presence.ONLINE


def test_twenty_heartbeats_and_twenty_edits_at_once_are_all_kept(backend: Backend) -> None:
    id = add_one(backend)
    digest = new_key(backend, id)
    runner = backend.runner()
    places = [f"Room {number}" for number in range(20)]
    seen = set()

    def work(number: int) -> None:
        if number % 2:
            at = NOON + timedelta(seconds=number)
            runner.perform(devices.record_heartbeat, id, digest, {"metrics": {"n": number}}, now=at)
        else:
            changes: Any = {"location": places[number // 2], "heartbeat_every": 100 + number}
            seen.add(runner.perform(devices.edit_device, id, changes, ctx=CTX).version)

    in_threads(40, work)

    found = look(backend, id)
    assert seen == set(range(3, 23))
    assert found.version == 22
    assert found.location == places[(found.heartbeat_every - 100) // 2]
    assert found.last_seen_at is not None
    assert found.metrics == {"n": (found.last_seen_at - NOON).seconds}
    # The bounds are those of the last heartbeat and of what is expected now.
    online = found.last_seen_at + timedelta(seconds=found.heartbeat_every) * 1.5
    assert told(backend, id, online) is Presence.ONLINE
    assert told(backend, id, online + MICROSECOND) is Presence.LATE


def test_a_heartbeat_between_an_edits_look_and_its_commit_does_not_disturb_it(
    backend: Backend,
) -> None:
    id = add_one(backend)
    digest = new_key(backend, id)
    at = NOON + timedelta(seconds=5)
    together = Together(backend)
    edit = partial(devices.edit_device, device_id=id, ctx=CTX)
    one, two, three, four, five = together.run(
        partial(edit, changes={"name": "a"}, expected={2}),
        partial(devices.record_heartbeat, device_id=id, key_digest=digest, report={}, now=at),
        partial(edit, changes={"heartbeat_every": 10}, expected={3}),
        partial(devices.record_heartbeat, device_id=id, key_digest="x", report={}, now=NOON),
        partial(edit, changes={"name": "b"}, expected={3}),
    )

    assert together.transactions == 2
    assert (one.version, two, three.version, three.last_seen_at) == (3, None, 4, at)
    assert (type(four), type(five)) == (AuthenticationFailed, VersionMismatch)
    assert told(backend, id, at + timedelta(seconds=15)) is Presence.ONLINE
    assert told(backend, id, at + timedelta(seconds=15) + MICROSECOND) is Presence.LATE


def test_while_keys_are_made_a_heartbeat_by_an_ended_one_is_never_noted(backend: Backend) -> None:
    id = add_one(backend)
    first = new_key(backend, id)
    runner = backend.runner()
    outcomes: dict[str, list[str]] = {}

    def work(number: int) -> None:
        if number % 4 == 0:
            digest = digest_of(runner.perform(devices.issue_key, id, ctx=CTX).key)
        else:
            digest = first
        try:
            runner.perform(devices.record_heartbeat, id, digest, {}, now=NOON)
        except AuthenticationFailed:
            outcomes.setdefault(digest, []).append("refused")
        else:
            outcomes.setdefault(digest, []).append("noted")

    in_threads(20, work)

    with backend.open() as uow:
        kept = uow.devices.get(id)
        assert kept.version == 7
        assert outcomes[str(kept.key_digest)] == ["noted"]
    with pytest.raises(AuthenticationFailed):
        beat(backend, id, first)


# Serial numbers


def test_a_serial_number_is_one_devices_whatever_the_case(backend: Backend) -> None:
    one = add_one(backend, serial="Ab-1")
    add_one(backend, serial=None)
    other = add_one(backend, serial=None)

    with pytest.raises(NotUnique) as adding:
        add_one(backend, serial="aB-1")
    with pytest.raises(NotUnique) as editing:
        perform(backend, devices.edit_device, other, {"serial": "AB-1"})
    assert adding.value.field == editing.value.field == "serial"
    # One's own, in another case, is not another's.
    perform(backend, devices.edit_device, one, {"serial": "AB-1"})
    perform(backend, devices.edit_device, one, {"serial": None})
    perform(backend, devices.edit_device, other, {"serial": "ab-1"})
    assert (look(backend, one).serial, look(backend, other).serial) == (None, "ab-1")
    add_one(backend, serial="Ö-1")
    add_one(backend, serial="O-1")
    with pytest.raises(NotUnique):
        add_one(backend, serial="ö-1")


def test_of_twenty_devices_with_one_serial_number_at_once_one_gets_it(backend: Backend) -> None:
    def try_it(number: int) -> str:
        serial = "".join(c.upper() if number >> place & 1 else c for place, c in enumerate("abcde"))
        try:
            add_one(backend, serial=serial)
        except NotUnique as error:
            return error.field
        return "added"

    assert sorted(in_threads(20, try_it)) == ["added"] + ["serial"] * 19
    assert len(listed(backend)) == 1


# Lists


@pytest.mark.parametrize("descending", [False, True])
def test_devices_that_were_never_seen_come_last_whichever_way_times_run(
    backend: Backend, descending: bool
) -> None:
    for second in (None, 3, 1, None, 2):
        id = add_one(backend, str(second))
        if second is not None:
            beat(backend, id, new_key(backend, id), NOON + timedelta(seconds=second))

    names = []
    page_request = PageRequest(sort="last_seen_at", descending=descending, limit=2)
    while True:
        page = backend.ask(backend.devices.list_page(ALL, page_request))
        names += [device.name for device in page.items]
        if page.next_key is None:
            break
        page_request = replace(page_request, after=page.next_key)
    seen = ["3", "2", "1"] if descending else ["1", "2", "3"]
    assert names == [*seen, "None", "None"]


EVERY = (10, 60, 86_400)
some_devices = st.lists(
    st.tuples(
        st.sampled_from(["a", "B", "á", "b c", "%"]),
        st.none() | st.sampled_from(["CNC", "cnc", "Öfen", ""]),
        st.none() | st.sampled_from(["x", "Y z"]),
        st.sampled_from(Status),
        st.sampled_from(EVERY),
        st.none()
        | st.builds(
            lambda every, times, more: every * times * timedelta(seconds=0.5) + more * MICROSECOND,
            st.sampled_from(EVERY),
            st.sampled_from([0, 1, 2, 3, 4, 6, 7]),
            st.integers(-1, 1),
        ),
    ),
    max_size=12,
)


def make_devices(backend: Backend, made: list[Any]) -> list[UUID]:
    """Make devices, of which some are heard of, and return their ids."""
    ids: list[UUID] = []
    with backend.open() as uow:
        for number, (name, kind, location, status, every, _) in enumerate(made):
            device = devices.create_device(
                uow, name=name, kind=kind, location=location, status=status, heartbeat_every=every,
                serial=f"77-{number}" if number % 2 else None,
                ctx=Context(None, NOON + timedelta(number // 2)),
            )  # fmt: skip
            ids.append(device.id)
        uow.commit()
    for id, (*_, status, _, ago) in zip(ids, made, strict=True):
        if ago is not None and status is not Status.RETIRED:
            beat(backend, id, new_key(backend, id), NOON - ago)
    return ids


some_filter = st.builds(
    DeviceFilter,
    now=st.just(NOON),
    status=st.none() | st.sampled_from(Status),
    presence=st.none() | st.sampled_from(Presence),
    kind=st.none() | st.sampled_from(["Cnc", "ofen", "cn", "%"]),
    q=st.none() | st.sampled_from(["a", "B", "%", "z", "b c", "cnc", "77-"]),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=some_devices, filter=some_filter, sort=st.sampled_from(list(SORTS)), data=st.data())
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
    id = add_one(backend)
    digest = new_key(backend, id)
    perform(backend, devices.delete_device, id, expected={2})

    assert backend.ask(backend.devices.get(id, NOON)) is None
    with pytest.raises(AuthenticationFailed):
        beat(backend, id, digest)
    with pytest.raises(NotFound):
        perform(backend, devices.issue_key, id)


def test_a_device_has_the_bounds_that_a_read_tells(backend: Backend) -> None:
    device = Device(
        id=NEVER_WAS, created_at=NOON, updated_at=NOON, name="x", heartbeat_every=11,
        last_seen_at=NOON,
    )  # fmt: skip
    assert device.online_until == NOON + timedelta(seconds=16.5)
    assert device.late_until == NOON + timedelta(seconds=33)


# What is imported where the tests are run; it stands last, so that none is left out.
__all__ = [name for name in globals() if name.startswith("test_")]
