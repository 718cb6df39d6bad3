"""What a REST client is promised of devices, their keys and their heartbeats."""

import json
from typing import Any

import pytest

from contract.adapters import in_threads
from contract.http import places, problem
from support.backends import Clock
from support.clients import Answer, Client
from support.people import MEMBER

DEVICES = "/api/v1/devices"
NO_DEVICE = f"{DEVICES}/01900000-0000-7000-8000-00000000ffff"
JSON = {"Content-Type": "application/json"}


def add_device(client: Client, name: str = "Lathe", **members: Any) -> dict[str, Any]:
    answer = client.post(DEVICES, json={"name": name, **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def key_of(client: Client, device: dict[str, Any]) -> str:
    """Make a key for a device."""
    answer = client.post(f"{DEVICES}/{device['id']}/key")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


def beating(client: Client, **members: Any) -> tuple[str, Client]:
    """Return the path of a new device, and the device itself."""
    device = add_device(client, **members)
    return f"{DEVICES}/{device['id']}", client.as_(key_of(client, device))


def unknown_device(answer: Answer) -> None:
    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "atl_" not in answer.text


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
    assert add_device(client, "Press")["heartbeat_every"] == 60


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
    assert places(client.post(DEVICES, json={"name": "x", **members})) == where
    path = f"{DEVICES}/{add_device(client)['id']}"
    assert places(client.patch(path, json=members)) == where


def test_the_members_of_a_device_may_be_as_long_and_no_longer(client: Client) -> None:
    device = add_device(
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
    device = add_device(client, serial="A")
    clock.advance(hours=1)
    answer = client.patch(f"{DEVICES}/{device['id']}", json={"name": "Lathe ", "serial": "A"})
    assert (answer.status_code, answer.json()) == (200, device)


def test_a_serial_number_that_another_device_has_is_pointed_at(client: Client) -> None:
    add_device(client, serial="SN-1")
    path = f"{DEVICES}/{add_device(client)['id']}"
    for answer in (
        client.post(DEVICES, json={"name": "x", "serial": " sn-1 "}),
        client.patch(path, json={"serial": "Sn-1"}),
    ):
        told = problem(answer, 409, "already-taken")
        assert [error["pointer"] for error in told["errors"]] == ["#/serial"]


def test_a_deleted_device_is_gone(client: Client) -> None:
    path, device = beating(client)
    assert client.delete(path).status_code == 204
    problem(client.get(path), 404, "not-found")
    problem(client.delete(path), 404, "not-found")
    problem(client.post(f"{path}/key"), 404, "not-found")
    unknown_device(device.post(f"{path}/heartbeat"))


@pytest.mark.parametrize("tag", ['"7-0123456789abcdef"', 'W/"2-0"', '"x"'])
def test_a_change_of_a_device_that_has_changed_is_refused(client: Client, tag: str) -> None:
    path, device = beating(client)
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
    device = add_device(client)
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


def test_after_a_new_key_the_old_one_is_worth_nothing_with_the_next_request(
    client: Client,
) -> None:
    path, old = beating(client)
    assert old.post(f"{path}/heartbeat").status_code == 204
    new = client.as_(client.post(f"{path}/key").json()["key"])
    unknown_device(old.post(f"{path}/heartbeat"))
    assert new.post(f"{path}/heartbeat").status_code == 204


def test_a_heartbeat_takes_the_devices_own_key_and_no_other(client: Client) -> None:
    (path, device), (other_path, other) = beating(client), beating(client)
    keyless = f"{DEVICES}/{add_device(client)['id']}"
    for bearer in (client, client.as_(MEMBER), client.as_(None), other, client.as_("")):
        unknown_device(bearer.post(f"{path}/heartbeat"))
    for address in (other_path, keyless, NO_DEVICE):
        unknown_device(device.post(f"{address}/heartbeat"))
    for header in ("Bearer", f"Basic {device.token}", f"Bearer {device.token}x", f"{device.token}"):
        answer = client.post(f"{path}/heartbeat", headers={"Authorization": header})
        unknown_device(answer)
        assert "invalid_token" in answer.headers["www-authenticate"]
    assert client.get(path).json()["presence"] == "never"
    assert "error" not in client.as_(None).post(f"{path}/heartbeat").headers["www-authenticate"]


def test_who_has_no_key_is_told_before_anything_is_said_of_the_heartbeat(client: Client) -> None:
    path, device = beating(client)
    client.patch(path, json={"status": "retired"})
    html = {"Content-Type": "text/html"}
    sent: list[tuple[dict[str, str], bytes]] = [
        (html, b"{"), (JSON, b"{"), (JSON, b'{"x": 1}'), (JSON, b"x" * (1024 * 1024 + 1)),
    ]  # fmt: skip
    for headers, body in sent:
        for address in (path, NO_DEVICE):
            answer = client.post(f"{address}/heartbeat?x=1", content=body, headers=headers)
            unknown_device(answer)
    # To the device itself: what it sends at all, then that it is retired, then what it says.
    statuses = [
        device.post(f"{path}/heartbeat", content=body, headers=headers).status_code
        for headers, body in sent
    ]
    assert statuses == [415, 410, 410, 413]
    assert device.post(f"{path}/heartbeat?x=1").status_code == 410
    assert device.get(f"{path}/heartbeat").status_code == 405


# Heartbeats


def test_a_heartbeat_shows_in_the_device_and_is_no_change_of_it(
    client: Client, clock: Clock
) -> None:
    path, device = beating(client)
    before = client.get(path)
    clock.advance(seconds=30)
    sent = {"agent_version": "1.2.3", "metrics": {"temperature": 21.5, "jobs": [1, None, "ö"]}}
    answer = device.post(f"{path}/heartbeat", json=sent)

    assert (answer.status_code, answer.content) == (204, b"")
    seen = {"presence": "online", "last_seen_at": "2026-03-01T12:00:30Z", **sent}
    after = client.get(path, headers={"If-None-Match": before.headers["etag"]})
    assert (after.status_code, after.json()) == (200, {**before.json(), **seen})
    assert after.headers["etag"] != before.headers["etag"]
    assert client.get(DEVICES).json()["items"] == [after.json()]
    tag = {"If-Match": before.headers["etag"]}
    edited = client.patch(path, json={"location": "Hall"}, headers=tag)
    assert edited.status_code == 200
    assert edited.json() == {
        **after.json(),
        "location": "Hall",
        "version": after.json()["version"] + 1,
        "updated_at": "2026-03-01T12:00:30Z",
    }


def test_presence_is_told_by_the_servers_clock_to_the_microsecond(
    client: Client, clock: Clock
) -> None:
    path, device = beating(client, heartbeat_every=11)
    device.post(f"{path}/heartbeat")

    def presence() -> str:
        told = str(client.get(path).json()["presence"])
        for asked in ("never", "online", "late", "offline"):
            found = client.get(DEVICES, params={"presence": asked}).json()["items"]
            assert [one["presence"] for one in found] == [told] * (asked == told)
        return told

    tags = [client.get(path).headers["etag"]]
    for step, wanted in (
        ({"seconds": 16.5}, "online"),
        ({"microseconds": 1}, "late"),
        ({"seconds": 16.499999}, "late"),
        ({"microseconds": 1}, "offline"),
    ):
        clock.advance(**step)
        assert presence() == wanted
        tags.append(client.get(path, headers={"If-None-Match": tags[-1]}).headers["etag"])
    assert len(set(tags)) == 3
    changed = client.patch(path, json={"heartbeat_every": 23}, headers={"If-Match": tags[0]})
    assert (changed.status_code, changed.json()["presence"]) == (200, "online")
    assert presence() == "online"
    device.post(f"{path}/heartbeat")
    assert client.get(path).json()["last_seen_at"] == "2026-03-01T12:00:33.000001Z"


def test_a_heartbeat_needs_no_body(client: Client) -> None:
    path, device = beating(client)
    address = f"{path}/heartbeat"
    first = {"agent_version": "1", "metrics": {"a": 1}}
    sent: list[Any] = [{"json": first}, {}, {"json": {}}, {"content": b"", "headers": JSON}]
    for options in sent:
        assert device.post(address, **options).status_code == 204
        told = client.get(path).json()
        assert {name: told[name] for name in first} == first
    assert device.post(address, json={"agent_version": None}).status_code == 204
    told = client.get(path).json()
    assert (told["agent_version"], told["metrics"]) == (None, {"a": 1})


def nested(levels: int) -> Any:
    return {"x": nested(levels - 1)} if levels > 1 else {}


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("sent", "where"),
    [
        ({"agent_version": "x" * 51}, {"#/agent_version"}),
        ({"agent_version": 1.2}, {"#/agent_version"}),
        ({"metrics": []}, {"#/metrics"}),
        ({"metrics": "x"}, {"#/metrics"}),
        ({"metrics": {"x": "y" * 2_041}}, {"#/metrics"}),
        ({"metrics": {"x": "ö" * 1_021}}, {"#/metrics"}),
        ({"metrics": {"x": 2**63}}, {"#/metrics"}),
        ({"metrics": nested(11)}, {"#/metrics"}),
        ({"metrics": nested(63)}, {"#/metrics"}),
        ({"last_seen_at": "2026-03-01T12:00:00Z"}, {"#/last_seen_at"}),
        ([], {"#"}),
        (None, {"#"}),
    ],
)
def test_what_a_heartbeat_may_not_tell_is_pointed_at_and_nothing_is_noted(
    client: Client, sent: Any, where: set[str]
) -> None:
    path, device = beating(client)
    content = json.dumps(sent).encode()
    assert places(device.post(f"{path}/heartbeat", content=content, headers=JSON)) == where
    assert client.get(path).json()["presence"] == "never"


@pytest.mark.parametrize(
    "metrics",
    [
        {"x": "y" * 2_040}, {"x": "ö" * 1_020}, {"x": 2**63 - 1, "y": -(2**63)}, nested(10),
        {"x": 1e308, "y": 5e-324, "z": -0.5}, {"": {"": [[], {}, "", 0]}},
    ],
)  # fmt: skip
def test_metrics_come_back_as_they_were_told(client: Client, metrics: dict[str, Any]) -> None:
    path, device = beating(client)
    assert device.post(f"{path}/heartbeat", json={"metrics": metrics}).status_code == 204
    assert client.get(path).json()["metrics"] == metrics


@pytest.mark.parametrize("number", ["1e400", "-1e999999", "1e308000000"])
def test_a_number_that_is_none_to_others_is_not_taken(client: Client, number: str) -> None:
    path, device = beating(client)
    content = f'{{"metrics": {{"x": {number}}}}}'.encode()
    answer = device.post(f"{path}/heartbeat", content=content, headers=JSON)
    assert answer.status_code in (400, 422)


def test_a_retired_device_is_told_that_it_is_not_waited_for(client: Client) -> None:
    path, device = beating(client)
    device.post(f"{path}/heartbeat")
    client.patch(path, json={"status": "retired"})
    before = client.get(path).json()

    sent: list[Any] = [{}, {"json": {"metrics": {"a": 1}}}, {"json": {"x": 1}}]
    for options in sent:
        problem(device.post(f"{path}/heartbeat", **options), 410, "gone")
    assert client.get("/problems/gone").status_code == 200
    unknown_device(client.as_(MEMBER).post(f"{path}/heartbeat"))
    assert client.get(path).json() == before
    for status in ("maintenance", "active"):
        client.patch(path, json={"status": status})
        assert device.post(f"{path}/heartbeat").status_code == 204


def test_twenty_heartbeats_and_twenty_edits_over_http_are_all_kept(client: Client) -> None:
    path, device = beating(client)
    answers: list[Answer] = in_threads(
        40,
        lambda n: (
            client.patch(path, json={"location": f"Room {n}"})
            if n % 2
            else device.post(f"{path}/heartbeat", json={"metrics": {"n": n}})
        ),
    )
    assert [answer.status_code for answer in answers] == [204, 200] * 20
    versions = {answer.json()["version"] for answer in answers[1::2]}
    assert versions == set(range(3, 23))
    told = client.get(path).json()
    assert (told["version"], told["presence"]) == (22, "online")


# Lists


def test_filters_and_sorts_choose_devices(client: Client, clock: Clock) -> None:
    add_device(client, "Saw", kind="CNC mill", location="Hall 1")
    path, lathe = beating(client, name="lathe", kind="CNC", serial="SN-42")
    add_device(client, "Äpress", kind="cnc", status="maintenance")
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
        path, device = beating(client, name=f"d{number % 3}")
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
    assert places(client.get(f"{DEVICES}?{query}")) == {where}


# What is imported where the tests are run; it stands last, so that none is left out.
__all__ = [name for name in globals() if name.startswith("test_")]
