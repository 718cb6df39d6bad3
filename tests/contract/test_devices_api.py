"""The API of devices: state, keys, filters, pages."""

from typing import Any

import pytest

from support.api import (
    DEVICES,
    assert_device_unauthenticated,
    create_device,
    device_with_key,
    error_locations,
    problem,
)
from support.backends import Clock
from support.clients import Client
from support.people import MEMBER

# Representations


def test_a_new_device_is_answered_with_all_there_is_to_know(client: Client) -> None:
    new = {"name": " Lathe ", "kind": "CNC", "serial": "SN-1", "heartbeat_every": 30}
    answer = client.as_(MEMBER).post(DEVICES, json=new)

    assert answer.status_code == 201
    device = answer.json()
    assert device == {
        "id": device["id"],
        "version": 1,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
        "name": "Lathe",
        "kind": "CNC",
        "serial": "SN-1",
        "location": None,
        "status": "active",
        "heartbeat_every": 30,
        "presence": "never",
        "last_seen_at": None,
        "agent_version": None,
        "metrics": None,
    }
    assert answer.headers["location"] == f"{DEVICES}/{device['id']}"
    read = client.get(answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (device, answer.headers["etag"])
    assert create_device(client, "Press")["heartbeat_every"] == 60


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"name": ""}, {"#/name"}),
        ({"name": "x" * 101}, {"#/name"}),
        ({"name": None}, {"#/name"}),
        ({"kind": "x" * 51}, {"#/kind"}),
        ({"kind": 7}, {"#/kind"}),
        ({"serial": "x" * 101}, {"#/serial"}),
        ({"serial": " "}, {"#/serial"}),
        ({"location": "x" * 101}, {"#/location"}),
        ({"status": "broken"}, {"#/status"}),
        ({"status": None}, {"#/status"}),
        ({"heartbeat_every": 9}, {"#/heartbeat_every"}),
        ({"heartbeat_every": 86_401}, {"#/heartbeat_every"}),
        ({"heartbeat_every": 10.5}, {"#/heartbeat_every"}),
        ({"heartbeat_every": "60"}, {"#/heartbeat_every"}),
        ({"heartbeat_every": True}, {"#/heartbeat_every"}),
        ({"presence": "online"}, {"#/presence"}),
        ({"last_seen_at": None, "key": "atl_x"}, {"#/last_seen_at", "#/key"}),
        ({"agent_version": "1", "metrics": {}}, {"#/agent_version", "#/metrics"}),
    ],
)
def test_an_unacceptable_member_of_a_device_is_pointed_at(
    client: Client, members: dict[str, Any], where: set[str]
) -> None:
    assert error_locations(client.post(DEVICES, json={"name": "x", **members})) == where
    path = f"{DEVICES}/{create_device(client)['id']}"
    assert error_locations(client.patch(path, json=members)) == where


def test_the_members_of_a_device_may_be_as_long_and_no_longer(client: Client) -> None:
    device = create_device(
        client, "x" * 100, kind="k" * 50, serial="s" * 100, location="l" * 100,
        heartbeat_every=86_400, status="retired",
    )  # fmt: skip
    patch = {
        "kind": None,
        "serial": None,
        "location": "",
        "heartbeat_every": 10,
        "status": "active",
    }
    answer = client.patch(f"{DEVICES}/{device['id']}", json=patch)
    assert answer.json() == {**device, **patch, "version": 2}


def test_a_patch_of_a_device_that_changes_nothing_leaves_the_version_alone(
    client: Client, clock: Clock
) -> None:
    device = create_device(client, serial="A")
    clock.advance(hours=1)
    answer = client.patch(f"{DEVICES}/{device['id']}", json={"name": "Lathe ", "serial": "A"})
    assert (answer.status_code, answer.json()) == (200, device)


def test_a_serial_number_that_another_device_has_is_pointed_at(client: Client) -> None:
    create_device(client, serial="SN-1")
    path = f"{DEVICES}/{create_device(client)['id']}"
    for answer in (
        client.post(DEVICES, json={"name": "x", "serial": " sn-1 "}),
        client.patch(path, json={"serial": "Sn-1"}),
    ):
        told = problem(answer, 409, "already-taken")
        assert [error["pointer"] for error in told["errors"]] == ["#/serial"]


def test_a_deleted_device_is_gone(client: Client) -> None:
    path, device = device_with_key(client)
    assert client.delete(path).status_code == 204
    problem(client.get(path), 404, "not-found")
    problem(client.delete(path), 404, "not-found")
    problem(client.post(f"{path}/key"), 404, "not-found")
    assert_device_unauthenticated(device.post(f"{path}/heartbeat"))


@pytest.mark.parametrize("tag", ['"7-0123456789abcdef"', 'W/"2-0"', '"x"'])
def test_a_change_of_a_device_that_has_changed_is_refused(client: Client, tag: str) -> None:
    path, device = device_with_key(client)
    before, stale = client.get(path).json(), {"If-Match": tag}
    for answer in (
        client.patch(path, json={"name": "No"}, headers=stale),
        client.delete(path, headers=stale),
        client.post(f"{path}/key", headers=stale),
    ):
        problem(answer, 412, "precondition-failed")
    assert client.get(path).json() == before
    assert device.post(f"{path}/heartbeat").status_code == 204


def test_a_setting_makes_the_tag_of_a_device_mandatory_but_not_for_its_heartbeat(
    strict_client: Client,
) -> None:
    answer = strict_client.post(DEVICES, json={"name": "Lathe"})
    path, tag = answer.headers["location"], {"If-Match": answer.headers["etag"]}
    problem(strict_client.post(f"{path}/key"), 428, "precondition-required")
    key = strict_client.post(f"{path}/key", headers=tag).json()["key"]
    assert strict_client.as_(key).post(f"{path}/heartbeat").status_code == 204
    problem(strict_client.delete(path), 428, "precondition-required")


# Keys


def test_a_key_is_shown_once_and_is_a_change_of_the_device(client: Client, clock: Clock) -> None:
    device = create_device(client)
    path = f"{DEVICES}/{device['id']}"
    clock.advance(minutes=1)
    answer = client.post(f"{path}/key")

    assert answer.status_code == 201
    made = answer.json()
    key = made.pop("key")
    assert key.startswith("atl_")
    assert made == {**device, "version": 2, "updated_at": "2026-03-01T12:01:00Z"}
    assert answer.headers["cache-control"] == "no-store"
    # A key has no address of its own.
    assert answer.headers["location"] == path
    assert client.get(path).json() == made
    assert key not in client.get(path).text + client.get(DEVICES).text
    changed = client.patch(path, json={"name": "x"}, headers={"If-Match": answer.headers["etag"]})
    assert changed.status_code == 200


# Lists


def test_filters_and_sorts_choose_devices(client: Client, clock: Clock) -> None:
    create_device(client, "Saw", kind="CNC mill", location="Hall 1")
    path, lathe = device_with_key(client, name="lathe", kind="CNC", serial="SN-42")
    create_device(client, "Äpress", kind="cnc", status="maintenance")
    lathe.post(f"{path}/heartbeat")

    def names(**asked: Any) -> list[str]:
        return [one["name"] for one in client.get(DEVICES, params=asked).json()["items"]]

    assert names() == ["Saw", "lathe", "Äpress"]
    assert names(sort="name") == ["Äpress", "lathe", "Saw"]
    assert names(sort="last_seen_at") == ["lathe", "Saw", "Äpress"]
    assert names(sort="-last_seen_at") == ["lathe", "Äpress", "Saw"]
    assert names(kind="CnC") == ["Saw", "lathe", "Äpress"]
    assert names(kind="C MÍL") == ["Saw"]
    assert names(kind="%") == names(kind="cnc_mill") == []
    assert names(status="maintenance") == ["Äpress"]
    assert names(presence="never") == ["Saw", "Äpress"]
    assert names(presence="online", kind="cnc", status="active", q="sn-4") == ["lathe"]
    assert names(q="hall") == names(q="mill") == ["Saw"]
    assert names(q="APRESS") == ["Äpress"]
    clock.advance(seconds=181)
    assert names(presence="offline") == ["lathe"]


@pytest.mark.parametrize("sort", ["last_seen_at", "-last_seen_at", "name", "-created_at"])
def test_pages_of_devices_follow_each_other(client: Client, clock: Clock, sort: str) -> None:
    for number in range(7):
        path, device = device_with_key(client, name=f"d{number % 3}")
        if number % 3:
            clock.advance(microseconds=1)
            device.post(f"{path}/heartbeat")
    whole = client.get(DEVICES, params={"sort": sort}).json()["items"]
    seen: list[Any] = []
    answer = client.get(DEVICES, params={"sort": sort, "limit": 2})
    while True:
        seen += answer.json()["items"]
        if "link" not in answer.headers:
            break
        answer = client.get(answer.headers["link"].split(">")[0][1:])
    assert seen == whole
    assert len(seen) == 7


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("status=broken", "status"), ("presence=away", "presence"), ("presence=", "presence"),
        ("kind=", "kind"), (f"kind={'x' * 51}", "kind"), ("sort=serial", "sort"),
        ("serial=x", "serial"), ("status=active&status=retired", "status"), ("q=", "q"),
    ],
)  # fmt: skip
def test_an_unusable_parameter_of_the_devices_is_pointed_at(
    client: Client, query: str, where: str
) -> None:
    assert error_locations(client.get(f"{DEVICES}?{query}")) == {where}
