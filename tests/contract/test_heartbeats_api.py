"""The API of heartbeats: device key, presence, metrics."""

import json
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
from support.clients import Answer, Client
from support.concurrency import in_threads
from support.people import MEMBER

NO_DEVICE = f"{DEVICES}/01900000-0000-7000-8000-00000000ffff"
JSON = {"Content-Type": "application/json"}


def test_after_a_new_key_the_old_one_is_worth_nothing_with_the_next_request(
    client: Client,
) -> None:
    path, old = device_with_key(client)
    assert old.post(f"{path}/heartbeat").status_code == 204
    new = client.as_(client.post(f"{path}/key").json()["key"])
    assert_device_unauthenticated(old.post(f"{path}/heartbeat"))
    assert new.post(f"{path}/heartbeat").status_code == 204


def test_a_heartbeat_takes_the_devices_own_key_and_no_other(client: Client) -> None:
    (path, device), (other_path, other) = device_with_key(client), device_with_key(client)
    keyless = f"{DEVICES}/{create_device(client)['id']}"
    for bearer in (client, client.as_(MEMBER), client.as_(None), other, client.as_("")):
        assert_device_unauthenticated(bearer.post(f"{path}/heartbeat"))
    for address in (other_path, keyless, NO_DEVICE):
        assert_device_unauthenticated(device.post(f"{address}/heartbeat"))
    for header in ("Bearer", f"Basic {device.token}", f"Bearer {device.token}x", f"{device.token}"):
        answer = client.post(f"{path}/heartbeat", headers={"Authorization": header})
        assert_device_unauthenticated(answer)
        assert "invalid_token" in answer.headers["www-authenticate"]
    assert client.get(path).json()["presence"] == "never"
    assert "error" not in client.as_(None).post(f"{path}/heartbeat").headers["www-authenticate"]


def test_missing_key_is_reported_before_errors_of_the_heartbeat(client: Client) -> None:
    path, device = device_with_key(client)
    client.patch(path, json={"status": "retired"})
    html = {"Content-Type": "text/html"}
    sent: list[tuple[dict[str, str], bytes]] = [
        (html, b"{"), (JSON, b"{"), (JSON, b'{"x": 1}'), (JSON, b"x" * (1024 * 1024 + 1)),
    ]  # fmt: skip
    for headers, body in sent:
        for address in (path, NO_DEVICE):
            answer = client.post(f"{address}/heartbeat?x=1", content=body, headers=headers)
            assert_device_unauthenticated(answer)
    # To the device itself: what it sends at all, then that it is retired, then what it says.
    statuses = [
        device.post(f"{path}/heartbeat", content=body, headers=headers).status_code
        for headers, body in sent
    ]
    assert statuses == [415, 410, 410, 413]
    assert device.post(f"{path}/heartbeat?x=1").status_code == 410
    assert device.get(f"{path}/heartbeat").status_code == 405


def test_a_heartbeat_shows_in_the_device_and_is_no_change_of_it(
    client: Client, clock: Clock
) -> None:
    path, device = device_with_key(client)
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


def test_presence_changes_by_the_servers_clock_to_the_microsecond(
    client: Client, clock: Clock
) -> None:
    path, device = device_with_key(client, heartbeat_every=11)
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
    path, device = device_with_key(client)
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
def test_invalid_member_of_a_heartbeat_is_pointed_at_and_nothing_is_recorded(
    client: Client, sent: Any, where: set[str]
) -> None:
    path, device = device_with_key(client)
    content = json.dumps(sent).encode()
    assert error_locations(device.post(f"{path}/heartbeat", content=content, headers=JSON)) == where
    assert client.get(path).json()["presence"] == "never"


@pytest.mark.parametrize(
    "metrics",
    [
        {"x": "y" * 2_040}, {"x": "ö" * 1_020}, {"x": 2**63 - 1, "y": -(2**63)}, nested(10),
        {"x": 1e308, "y": 5e-324, "z": -0.5}, {"": {"": [[], {}, "", 0]}},
    ],
)  # fmt: skip
def test_metrics_are_returned_as_they_were_sent(client: Client, metrics: dict[str, Any]) -> None:
    path, device = device_with_key(client)
    assert device.post(f"{path}/heartbeat", json={"metrics": metrics}).status_code == 204
    assert client.get(path).json()["metrics"] == metrics


@pytest.mark.parametrize("number", ["1e400", "-1e999999", "1e308000000"])
def test_a_number_that_is_none_to_others_is_not_taken(client: Client, number: str) -> None:
    path, device = device_with_key(client)
    content = f'{{"metrics": {{"x": {number}}}}}'.encode()
    answer = device.post(f"{path}/heartbeat", content=content, headers=JSON)
    assert answer.status_code in (400, 422)


def test_heartbeat_of_a_retired_device_is_refused_with_the_reason(client: Client) -> None:
    path, device = device_with_key(client)
    device.post(f"{path}/heartbeat")
    client.patch(path, json={"status": "retired"})
    before = client.get(path).json()

    sent: list[Any] = [{}, {"json": {"metrics": {"a": 1}}}, {"json": {"x": 1}}]
    for options in sent:
        problem(device.post(f"{path}/heartbeat", **options), 410, "gone")
    assert client.get("/problems/gone").status_code == 200
    assert_device_unauthenticated(client.as_(MEMBER).post(f"{path}/heartbeat"))
    assert client.get(path).json() == before
    for status in ("maintenance", "active"):
        client.patch(path, json={"status": status})
        assert device.post(f"{path}/heartbeat").status_code == 204


def test_twenty_heartbeats_and_twenty_edits_over_http_are_all_kept(client: Client) -> None:
    path, device = device_with_key(client)
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
