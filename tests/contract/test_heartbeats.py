"""Heartbeats of devices: recorded by the device key, beside concurrent edits."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.access import digest_of
from domain.devices import DeviceRetired, Presence, Report, Status
from domain.errors import AuthenticationFailed, InvalidField
from service_layer import devices
from support.backends import NOON, Backend
from support.concurrency import in_threads
from support.devices import (
    MICROSECOND,
    UNKNOWN_ID,
    add_device,
    get_device,
    issue_key,
    list_devices,
    presence_of,
    send_heartbeat,
)
from support.people import CTX
from support.use_cases import perform_as_service


def test_a_heartbeat_is_no_change_of_the_device(backend: Backend) -> None:
    id = add_device(backend)
    digest = issue_key(backend, id)
    before = get_device(backend, id)
    at = NOON + timedelta(minutes=1)
    metrics = {"t": 21.5, "on": True, "of": [1, None, "ö"]}
    send_heartbeat(backend, id, digest, at, {"agent_version": " 1.2 ", "metrics": metrics})

    seen: dict[str, Any] = {"last_seen_at": at, "agent_version": "1.2", "metrics": metrics}
    assert get_device(backend, id, at) == replace(before, presence=Presence.ONLINE, **seen)
    edited = perform_as_service(
        backend, devices.edit_device, id, {"name": "Mill"}, expected={before.version}
    )
    assert (edited.version, edited.last_seen_at) == (before.version + 1, at)


def test_heartbeat_keeps_members_that_it_omits_and_null_clears_them(backend: Backend) -> None:
    id = add_device(backend)
    digest = issue_key(backend, id)
    send_heartbeat(backend, id, digest, report={"agent_version": "1", "metrics": {"a": 1}})
    send_heartbeat(backend, id, digest)
    assert (get_device(backend, id).agent_version, get_device(backend, id).metrics) == (
        "1",
        {"a": 1},
    )
    send_heartbeat(backend, id, digest, report={"metrics": {}, "agent_version": None})
    assert (get_device(backend, id).agent_version, get_device(backend, id).metrics) == (None, {})
    send_heartbeat(backend, id, digest, report={"metrics": None})
    assert get_device(backend, id).metrics is None


def test_a_heartbeat_that_breaks_a_rule_is_not_noted(backend: Backend) -> None:
    id = add_device(backend)
    digest = issue_key(backend, id)
    reports: list[Report] = [
        {"agent_version": "x" * 51},
        {"metrics": {"x": "y" * 2_048}},
        {"metrics": {"x": float("inf")}},
        {"metrics": {"x": 2**63}},
    ]
    for report in reports:
        with pytest.raises(InvalidField):
            send_heartbeat(backend, id, digest, report=report)
    assert get_device(backend, id).presence is Presence.NEVER


def test_a_heartbeat_is_noted_by_the_devices_own_key_alone(backend: Backend) -> None:
    id, other = add_device(backend), add_device(backend)
    with pytest.raises(AuthenticationFailed):
        send_heartbeat(backend, id, digest_of(""))
    old, others = issue_key(backend, id), issue_key(backend, other)
    new = issue_key(backend, id)
    for device, digest in ((id, old), (id, others), (other, new), (UNKNOWN_ID, new)):
        with pytest.raises(AuthenticationFailed):
            send_heartbeat(backend, device, digest)
        assert not backend.ask(backend.devices.has_key(device, digest))
    assert {device.last_seen_at for device in list_devices(backend)} == {None}

    assert backend.ask(backend.devices.has_key(id, new))
    send_heartbeat(backend, id, new)
    assert get_device(backend, id).presence is Presence.ONLINE
    assert get_device(backend, other).presence is Presence.NEVER


def test_heartbeat_of_a_retired_device_is_refused_only_with_its_own_key(backend: Backend) -> None:
    id = add_device(backend)
    digest = issue_key(backend, id)
    perform_as_service(backend, devices.edit_device, id, {"status": Status.RETIRED})

    with pytest.raises(DeviceRetired):
        send_heartbeat(backend, id, digest, report={"agent_version": "1"})
    with pytest.raises(AuthenticationFailed):
        send_heartbeat(backend, id, digest_of("x"))
    assert (get_device(backend, id).last_seen_at, get_device(backend, id).agent_version) == (
        None,
        None,
    )
    perform_as_service(backend, devices.edit_device, id, {"status": Status.MAINTENANCE})
    send_heartbeat(backend, id, digest)
    assert get_device(backend, id).presence is Presence.ONLINE


def test_twenty_heartbeats_and_twenty_edits_at_once_are_all_kept(backend: Backend) -> None:
    id = add_device(backend)
    digest = issue_key(backend, id)
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

    found = get_device(backend, id)
    assert seen == set(range(3, 23))
    assert found.version == 22
    assert found.location == places[(found.heartbeat_every - 100) // 2]
    assert found.last_seen_at is not None
    assert found.metrics == {"n": (found.last_seen_at - NOON).seconds}
    # The bounds derive from the last heartbeat and the current interval.
    online = found.last_seen_at + timedelta(seconds=found.heartbeat_every) * 1.5
    assert presence_of(backend, id, online) is Presence.ONLINE
    assert presence_of(backend, id, online + MICROSECOND) is Presence.LATE


def test_while_keys_are_made_a_heartbeat_by_an_ended_one_is_never_noted(backend: Backend) -> None:
    id = add_device(backend)
    first = issue_key(backend, id)
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
        send_heartbeat(backend, id, first)
