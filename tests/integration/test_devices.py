"""Devices and their heartbeats, where it takes a real process to show it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from support.databases import text
from support.service import Service

DEVICES = "/api/v1/devices"


def settings_for(place: Path | URL) -> dict[str, str]:
    """Return the one setting that names a database."""
    return {"DATABASE_URL": f"sqlite:///{place}" if isinstance(place, Path) else text(place)}


@pytest.fixture
def service(place: Path | URL, tmp_path: Path) -> Service:
    return Service(tmp_path, **settings_for(place))


@pytest.fixture
def workers(postgres_place: URL, tmp_path: Path) -> Service:
    """A service of several processes."""
    return Service(tmp_path, ATELIER_WORKERS="3", **settings_for(postgres_place))


def at_once(number: int, work: Any) -> list[Any]:
    """Do the work in real threads, started together."""
    barrier = threading.Barrier(number)

    def job(place: int) -> Any:
        barrier.wait()
        return work(place)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(job, range(number)))


def keyed(service: Service, **members: Any) -> tuple[str, str]:
    """Return the path of a new device, and its key."""
    with service.client() as client:
        path = client.post(DEVICES, json={"name": "Lathe", **members}).headers["location"]
        return path, client.post(f"{path}/key").json()["key"]


def beat(service: Service, path: str, key: str, **told: Any) -> int:
    """Send a heartbeat on a connection of its own; return the status of the answer."""
    with service.client() as client:
        return client.as_(key).post(f"{path}/heartbeat", json=told).status_code


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


def test_edits_and_heartbeats_in_several_workers_are_all_kept(workers: Service) -> None:
    with workers:
        path, key = keyed(workers)

        def work(number: int) -> int:
            if number % 2:
                return beat(workers, path, key, metrics={"n": number})
            with workers.client() as own:
                change = {"heartbeat_every": 100 + number}
                return own.patch(path, json=change).status_code

        outcomes = at_once(40, work)

        assert outcomes == [200, 204] * 20
        with workers.client() as client:
            told = client.get(path).json()
        assert told["version"] == 2 + 20
        assert told["presence"] == "online"


def test_a_new_key_ends_the_old_one_at_once_in_every_worker(workers: Service) -> None:
    with workers:
        path, key = keyed(workers)
        for _ in range(5):
            assert [beat(workers, path, key) for _ in range(12)] == [204] * 12
            with workers.client() as client:
                new = client.post(f"{path}/key").json()["key"]
            assert [beat(workers, path, key) for _ in range(12)] == [401] * 12
            key = new


def test_devices_that_beat_while_their_keys_are_made_end_with_the_last_one(
    workers: Service,
) -> None:
    with workers:
        path, first = keyed(workers)

        def work(number: int) -> tuple[str, int]:
            if number % 5:
                return first, beat(workers, path, first)
            with workers.client() as own:
                answer = own.post(f"{path}/key")
            return answer.json()["key"], answer.status_code

        outcomes = at_once(20, work)

        assert {status for key, status in outcomes if key == first} <= {204, 401}
        made = {key for key, status in outcomes if status == 201}
        assert beat(workers, path, first) == 401
        # However many were handed out, one is left.
        assert sorted(beat(workers, path, key) for key in made) == [204] + [401] * (len(made) - 1)


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
