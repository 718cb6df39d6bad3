"""Devices and their heartbeats, where it takes a real process to show it."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL

from support.databases import settings_for
from support.heartbeats import DEVICES, beat, keyed
from support.service import Service
from support.threads import at_once


@pytest.fixture
def service(place: Path | URL, tmp_path: Path) -> Service:
    return Service(tmp_path, **settings_for(place))


def test_what_was_answered_before_a_kill_is_there_after_it(service: Service) -> None:
    with service:
        path, old = keyed(service)
        with service.client() as client:
            new = client.post(f"{path}/key").json()["key"]
            assert beat(service, path, new, metrics={"n": 1}) == 204
            before = client.get(path).json()
        service.kill()
        service.start()
        with service.client() as client:
            assert client.get(path).json() == before
        assert before["metrics"] == {"n": 1}
        assert beat(service, path, old) == 401
        assert beat(service, path, new) == 204


def test_fifty_devices_beat_at_once_and_each_is_heard(service: Service) -> None:
    with service:
        devices = [keyed(service, serial=str(number)) for number in range(50)]

        def live(number: int) -> list[int]:
            path, key = devices[number]
            with service.client() as own:
                device = own.as_(key)
                sent = ({"json": {"metrics": {"n": number, "beat": n}}} for n in range(10))
                return [device.post(f"{path}/heartbeat", **one).status_code for one in sent]

        assert at_once(50, live) == [[204] * 10] * 50
        with service.client() as client:
            page = client.get(DEVICES, params={"limit": 100, "presence": "online"}).json()
        assert [device["metrics"] for device in page["items"]] == [
            {"n": number, "beat": 9} for number in range(50)
        ]
        assert {device["version"] for device in page["items"]} == {2}


def test_the_time_of_a_heartbeat_is_the_servers(service: Service) -> None:
    with service:
        path, key = keyed(service)
        with service.client() as client:
            made = datetime.fromisoformat(client.get(path).json()["updated_at"])
            headers = {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}
            client.as_(key).post(f"{path}/heartbeat", headers=headers)
            seen = datetime.fromisoformat(client.get(path).json()["last_seen_at"])
        assert timedelta(0) <= seen - made < timedelta(seconds=30)


# A key is a secret like any other.


def test_no_key_is_in_what_the_service_writes(service: Service) -> None:
    service.settings |= {"ATELIER_LOG": "json", "ATELIER_LOG_LEVEL": "debug"}
    with service:
        path, key = keyed(service)
        other, _ = keyed(service)
        for address in (path, other, f"{DEVICES}/{key}", f"{path}/x"):
            beat(service, address, key)
            beat(service, address, key, x=key)
        service.stop()
    log = service.log.read_text()
    assert log.count('"request"') > 10
    assert key not in log
