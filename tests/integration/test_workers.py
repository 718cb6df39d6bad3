"""What holds between several worker processes of one service.

All tests share one service, because several new interpreters take long to start.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from support.clients import Answer, Client
from support.databases import execute, new_postgres, settings_for
from support.heartbeats import beat, keyed
from support.people import ADMIN, MEMBER, PASSWORD
from support.service import Service
from support.stock_sales import add, fall_three_times, ledger, reorders, sell_at_once
from support.threads import at_once

TASKS, USERS, TOKENS = "/api/v1/tasks", "/api/v1/users", "/api/v1/tokens"
SIGN_IN = "/api/v1/auth/token"


@pytest.fixture(scope="module")
def workers(
    postgres: URL, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A running service of three processes. Each test has objects of its own in it."""
    url = new_postgres(postgres, template=postgres_template)
    folder = tmp_path_factory.mktemp("workers")
    with Service(folder, ATELIER_WORKERS="3", **settings_for(url)) as service:
        yield service
    execute(postgres, f"DROP DATABASE {url.database} WITH (FORCE)")


def sign_in(client: Client, username: str, password: str = PASSWORD) -> Answer:
    return client.as_(None).post(SIGN_IN, data={"username": username, "password": password})


def test_several_workers_serve_one_postgresql(workers: Service) -> None:
    with workers.client() as client:
        path = client.post(TASKS, json={"title": "Shared"}).headers["location"]

        def change(number: int) -> int:
            with workers.client() as own:
                return own.patch(path, json={"description": str(number)}).status_code

        assert at_once(30, change) == [200] * 30
        assert client.get(path).json()["version"] == 31
    children = Path(f"/proc/{workers.pid}/task/{workers.pid}/children").read_text().split()
    assert len(children) >= 3


# Access


@pytest.mark.parametrize(
    "way", ["revoked", "signed out", "deactivated", "another password", "another role"]
)
def test_what_ends_access_does_so_in_every_worker_within_a_second(
    workers: Service, way: str
) -> None:
    def ask(token: str, path: str = USERS) -> list[int]:
        """Ask on new connections, so that every worker is asked in the end."""
        statuses = []
        for _ in range(24):
            with workers.client() as fresh:
                statuses.append(fresh.as_(token).get(path).status_code)
        return statuses

    with workers.client() as admin:
        username = way.replace(" ", ".")
        eve = {"username": username, "email": f"{username}@example.org", "name": "Eve"}
        made = admin.post(USERS, json={**eve, "password": PASSWORD})
        path = f"{USERS}/{made.json()['id']}"
        if way == "another role":
            admin.patch(path, json={"role": "admin"})
        sessions = [str(sign_in(admin, username).json()["access_token"]) for _ in range(2)]
        own = admin.as_(sessions[0])
        tokens = [own.post(TOKENS, json={"name": n, "scope": "write"}).json() for n in "xy"]
        secrets = sessions if way == "signed out" else [token["token"] for token in tokens]
        # A change makes a worker look up the grant again. So one of two is used for reads only.
        for_changes, for_reads = secrets
        assert ask(for_changes) == ask(for_reads) == [200] * 24

        if way == "revoked":
            for token in tokens:
                assert own.delete(f"{TOKENS}/{token['id']}").status_code == 204
        elif way == "signed out":
            for session in sessions:
                assert admin.as_(session).delete(SIGN_IN).status_code == 204
        elif way == "deactivated":
            assert admin.patch(path, json={"is_active": False}).status_code == 200
        elif way == "another password":
            change = {"current": PASSWORD, "new": "another password"}
            assert own.put(f"{USERS}/me/password", json=change).status_code == 204
        else:
            assert admin.patch(path, json={"role": "member"}).status_code == 200
        # Nothing is changed by it any more, from the next request on.
        for _ in range(24):
            with workers.client() as fresh:
                theirs = fresh.as_(for_changes)
                if way == "another role":
                    assert theirs.patch(path, json={"role": "admin"}).status_code == 403
                else:
                    assert theirs.post(TASKS, json={"title": "x"}).status_code == 401
                    new = {"name": "x", "scope": "write"}
                    assert theirs.post(TOKENS, json=new).status_code == 401
        time.sleep(1)

        if way == "another role":
            for _ in range(24):
                with workers.client() as fresh:
                    others = fresh.as_(for_reads).get(USERS).json()["items"][0]
                assert "email" not in others
        else:
            assert ask(for_reads) == ask(for_changes) == [401] * 24


def test_of_two_admins_who_demote_each_other_in_two_workers_one_stays(workers: Service) -> None:
    with workers.client() as client:
        for _ in range(3):
            client.patch(f"{USERS}/{MEMBER.id}", json={"role": "admin"})
            time.sleep(1)
            pair = (ADMIN, MEMBER)

            def demote(place: int, pair: Any = pair) -> int:
                with workers.client() as own:
                    path = f"{USERS}/{pair[1 - place].id}"
                    return own.as_(pair[place]).patch(path, json={"role": "member"}).status_code

            outcomes = at_once(2, demote)

            # Whoever comes second is no admin any more, or is the last one.
            assert outcomes.count(200) == 1, outcomes
            assert set(outcomes) <= {200, 403, 409}
            stays = pair[outcomes.index(200)]
            goes = pair[1 - outcomes.index(200)]
            me = client.as_(stays).get(f"{USERS}/me").json()
            assert me["role"] == "admin"
            time.sleep(1)
            back = client.as_(stays).patch(f"{USERS}/{goes.id}", json={"role": "admin"})
            assert back.status_code == 200
            if stays is MEMBER:
                time.sleep(1)


# Devices


def test_edits_and_heartbeats_in_several_workers_are_all_kept(workers: Service) -> None:
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


# Stock


def test_of_a_hundred_clients_of_several_workers_fifty_get_the_fifty_pieces(
    workers: Service,
) -> None:
    with workers.client() as client:
        path = add(client, 50, name="Nails", reorder_level=10)

        outcomes = sell_at_once(workers, *[path] * 100)

        assert sorted(outcomes, key=str) == [(201, None)] * 50 + [(409, 0)] * 50
        assert len(ledger(client, path)) == 51
        assert reorders(client, "Nails") == ["Reorder Nails"]


def test_fifty_at_several_workers_plan_one_task_each_time_the_stock_falls(
    workers: Service,
) -> None:
    fall_three_times(workers, "Hinges")


def test_a_service_of_several_workers_that_is_told_to_stop_ends_well(workers: Service) -> None:
    assert workers.stop() == 0
