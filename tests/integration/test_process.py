"""The service as a process: started, stopped, killed, and asked by many at once."""

import contextlib
import http.client
import itertools
import json
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import URL

from entrypoints.cli import version
from support.clients import Client
from support.databases import settings_for
from support.people import ADMIN
from support.service import ROOT, Service, atelier, eventually, free_port
from support.threads import at_once

TASKS = "/api/v1/tasks"


@pytest.fixture
def service(place: Path | URL, tmp_path: Path) -> Service:
    return Service(tmp_path, **settings_for(place))


def test_what_was_done_is_still_there_after_a_restart(service: Service) -> None:
    with service:
        with service.client() as client:
            made = [client.post(TASKS, json={"title": f"t{n}"}).json() for n in range(3)]
            client.post(f"{TASKS}/{made[0]['id']}/complete")
            client.delete(f"{TASKS}/{made[1]['id']}")
            before = client.get(TASKS).json()
        assert service.stop() == 0
        service.start()
        with service.client() as client:
            assert client.get(TASKS).json() == before
            assert len(before["items"]) == 2


def test_of_twenty_clients_with_one_tag_exactly_one_changes_the_task(service: Service) -> None:
    with service, service.client() as client:
        made = client.post(TASKS, json={"title": "Contested"})
        path, tag = made.headers["location"], made.headers["etag"]

        def change(number: int) -> int:
            with service.client() as own:
                answer = own.patch(path, json={"priority": number % 10, "description": str(number)},
                                   headers={"If-Match": tag})  # fmt: skip
                return answer.status_code

        statuses = at_once(20, change)

        assert sorted(statuses) == [200] + [412] * 19
        assert client.get(path).json()["version"] == 2
        assert client.get(path).json()["description"] == str(statuses.index(200))


def test_changes_without_a_tag_are_all_kept_member_by_member(service: Service) -> None:
    with service, service.client() as client:
        path = client.post(TASKS, json={"title": "Shared"}).headers["location"]
        changes: list[dict[str, Any]] = [
            {"title": "New"}, {"description": "d"}, {"priority": 9}, {"due_on": "2030-01-01"},
        ]  # fmt: skip

        def change(number: int) -> int:
            with service.client() as own:
                return own.patch(path, json=changes[number]).status_code

        assert at_once(4, change) == [200] * 4
        task = client.get(path).json()
        assert task["version"] == 5
        assert {**task, **{k: v for change in changes for k, v in change.items()}} == task


def test_thirty_two_clients_create_thirty_tasks_each_and_none_fails(service: Service) -> None:
    assert_all_are_created(service, 30)


def assert_all_are_created(service: Service, each: int) -> None:
    """Have 32 clients create so many tasks each; assert that none fails."""
    with service:

        def create(number: int) -> list[int]:
            with service.client() as own:
                return [
                    own.post(TASKS, json={"title": f"{number}-{n}"}).status_code
                    for n in range(each)
                ]

        statuses = [status for some in at_once(32, create) for status in some]

        assert statuses == [201] * 32 * each
        with service.client() as client:
            assert client.get(f"{TASKS}/count").json()["total"] == 32 * each


def test_a_walk_during_inserts_and_deletes_sees_every_lasting_row_once(service: Service) -> None:
    with service, service.client() as client:
        lasting: list[str] = []
        passing: list[str] = []
        for n in range(120):
            made = client.post(TASKS, json={"title": f"t{n}", "priority": n % 3}).json()["id"]
            (passing if n % 4 == 0 else lasting).append(made)
        done = threading.Event()

        def disturb(number: int) -> None:
            with service.client() as own:
                while not done.is_set():
                    own.post(TASKS, json={"title": "new", "priority": number % 3})
                    if number == 0 and passing:
                        own.delete(f"{TASKS}/{passing.pop()}")

        with ThreadPoolExecutor(3) as others:
            working = [others.submit(disturb, number) for number in range(3)]
            try:
                for sort in ("priority", "-title", "due_on", "-created_at"):
                    seen = [task["id"] for task in walk(client, sort)]
                    assert len(seen) == len(set(seen)), sort
                    assert set(lasting) <= set(seen), sort
            finally:
                done.set()
            for work in working:
                work.result()


def walk(client: Client, sort: str, limit: int = 25) -> list[dict[str, Any]]:
    """Follow the links until they end or only ever lead to what is new."""
    seen: list[dict[str, Any]] = []
    answer = client.get(TASKS, params={"sort": sort, "limit": limit})
    for _ in range(500):
        seen += answer.json()["items"]
        if "link" not in answer.headers:
            break
        answer = client.get(answer.headers["link"].split(">")[0][1:])
    return seen


def test_every_acknowledged_task_survives_two_kills_amid_thirty_two_clients(
    service: Service,
) -> None:
    assert_survives_kills(service, 2)


def assert_survives_kills(service: Service, kills: int) -> None:
    """Kill a service amid 32 clients, and again; assert that every acknowledged task is there."""
    acknowledged: dict[str, str] = {}
    with service:
        for turn in range(kills):
            create_until_killed(service, f"{turn}", acknowledged, 100 * (turn + 1))
            service.start()
        with service.client() as client:
            kept = walk(client, "created_at", limit=100)
            found = {task["id"]: task["title"] for task in kept}
    assert len(acknowledged) >= 100 * kills
    assert {id: found.get(id) for id in acknowledged} == acknowledged


def create_until_killed(
    service: Service, name: str, acknowledged: dict[str, str], enough: int
) -> None:
    """Have 32 clients create tasks on and on, and kill the service in the middle of it."""
    stop = threading.Event()

    def burst(number: int) -> None:
        with service.client() as own:
            for n in itertools.count():
                title = f"{name}-{number}-{n}"
                try:
                    answer = own.post(TASKS, json={"title": title})
                except httpx2.TransportError:
                    return
                if answer.status_code == 201:
                    acknowledged[answer.json()["id"]] = title
                if stop.is_set():
                    return

    with ThreadPoolExecutor(32) as clients:
        bursts = [clients.submit(burst, number) for number in range(32)]
        # In the middle of it, however busy the machine is.
        end = time.monotonic() + 20
        while len(acknowledged) < enough and time.monotonic() < end:
            time.sleep(0.01)
        service.kill()
        stop.set()
        for each in bursts:
            each.result()


def test_told_to_stop_it_answers_what_is_under_way_and_ends_well(service: Service) -> None:
    with service:
        answers: list[int] = []

        def create(number: int) -> None:
            with service.client() as own:
                for n in range(2_000):
                    try:
                        answers.append(own.post(TASKS, json={"title": f"{n}"}).status_code)
                    except httpx2.TransportError:
                        return

        with ThreadPoolExecutor(8) as clients:
            for number in range(8):
                clients.submit(create, number)
            time.sleep(0.5)
            service.terminate()
            assert service.wait() == 0
        assert set(answers) == {201}
        kept = len(answers)
        service.start()
        with service.client() as client:
            total = client.get(f"{TASKS}/count").json()["total"]
        # A connection may be closed between two requests; but what was begun was answered.
        assert total == kept


SLOW_START = """
import os, sys, time
if "--multiprocessing-fork" in sys.argv:
    with open("workers", "a") as file:
        print(os.getpid(), file=file)
    time.sleep(6)
"""


def two_workers(place: URL, folder: Path, begins: str) -> dict[str, str]:
    """Return the settings of a service whose processes begin by running a script."""
    first = folder / "first"
    first.mkdir()
    (first / "sitecustomize.py").write_text(begins)
    python = os.pathsep.join(map(str, (first, ROOT / "src", ROOT)))
    return {"ATELIER_WORKERS": "2", "PYTHONPATH": python, **settings_for(place)}


def test_a_worker_that_takes_long_to_start_is_given_the_time(
    postgres_place: URL, tmp_path: Path
) -> None:
    with Service(tmp_path, **two_workers(postgres_place, tmp_path, SLOW_START)) as service:
        assert len((tmp_path / "workers").read_text().split()) == 2
        assert service.stop() == 0


def test_ctrl_c_while_workers_start_reaches_the_service_alone(
    postgres_place: URL, tmp_path: Path
) -> None:
    settings = two_workers(postgres_place, tmp_path, SLOW_START)
    service = Service(tmp_path, **settings)

    def interrupt_once_started() -> None:
        eventually((tmp_path / "workers").exists)
        os.killpg(service.pid, signal.SIGINT)

    with ThreadPoolExecutor(1) as threads:
        interrupting = threads.submit(interrupt_once_started)
        with pytest.raises(AssertionError, match="serve ended"):
            service.start()
        interrupting.result()
    assert service.wait() == 0
    assert "Traceback" not in service.log.read_text()


NO_START = """
import sys
if "--multiprocessing-fork" in sys.argv:
    from uvicorn.lifespan.on import LifespanOn
    async def startup(self):
        self.should_exit = True
    LifespanOn.startup = startup
else:
    import serving
    serving.WORKER_SECONDS = 100_000
"""


def test_workers_that_cannot_start_end_the_service_which_does_not_wait_for_their_answer(
    postgres_place: URL, tmp_path: Path
) -> None:
    settings = two_workers(postgres_place, tmp_path, NO_START)
    ended = atelier("serve", folder=tmp_path, ATELIER_PORT=str(free_port()), **settings)
    assert ended.returncode == 1
    assert "could not start" in ended.stderr


def test_times_are_in_utc_whatever_zone_the_session_has(
    postgres_place: URL, tmp_path: Path
) -> None:
    settings = {**settings_for(postgres_place), "PGTZ": "Asia/Kolkata"}
    with Service(tmp_path, **settings) as service, service.client() as client:
        made = client.post(TASKS, json={"title": "x"})
        read = client.get(made.headers["location"])
        assert read.json()["created_at"].endswith("Z")
        assert read.headers["etag"] == made.headers["etag"]


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /api/v1/tasks HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /api/v1/tasks HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_with_a_problem(embedded: Service, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", embedded.port), timeout=10) as connection:
        connection.sendall(request_)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"content-type: application/problem+json" in head.lower()
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (400, "bad-request")
    assert problem["instance"].encode() in head


@pytest.mark.parametrize("line", [b"X: " + b"x" * 1000 + b"\r\n", b"x" * 1000])
def test_a_head_without_an_end_is_refused(embedded: Service, line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", embedded.port), timeout=10) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: ")
        answer = b""
        for _ in range(5_000):
            try:
                connection.sendall(line)
            except OSError:
                break
        with contextlib.suppress(OSError):
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    # Whoever goes on sending may lose the answer, but not the end of the connection.
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    with embedded.client() as client:
        big = {"X-Large": "x" * 30_000}
        assert client.get("/health/live", headers=big).status_code == 200
        # With its head, this is more than a head may have.
        body = b" " * (64 * 1024 - 2) + b"{}"
        headers = {"Content-Type": "application/json"}
        answered = client.as_(None).post("/api/v1/setup", content=body, headers=headers)
        assert answered.status_code in (401, 422)


def test_silent_connections_leave_room_for_others_on_a_small_limit_of_descriptors(
    tmp_path: Path,
) -> None:
    service = Service(tmp_path)
    service.before_exec = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256))
    with service, contextlib.ExitStack() as opened:

        def connect() -> socket.socket:
            made = socket.create_connection(("127.0.0.1", service.port), timeout=30)
            return opened.enter_context(made)

        silent = [connect() for _ in range(300)]
        for one in silent[::10]:
            one.sendall(b"GET /health/live HTTP/1.1\r\n")
        with service.client() as client:
            refused = client.get("/health/live")
            assert refused.status_code == 503
            assert refused.json()["code"] == "overloaded"
            assert int(refused.headers["retry-after"]) > 0
        log = service.log.read_text()
        assert log.count("too many connections") == 1
        assert "fewer connections than set" in log
        # The silent ones are told after ten seconds that their time is over.
        assert silent[0].recv(100).startswith(b"HTTP/1.1 408 ")
        with service.client() as client:
            eventually(lambda: client.get("/health/live").status_code == 200)


def test_a_body_that_is_far_too_large_is_refused_and_the_connection_goes_on(
    embedded: Service,
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", embedded.port, timeout=10)
    with contextlib.closing(connection):
        for _ in range(3):
            json_ = {"Content-Type": "application/json"}
            connection.request("POST", "/api/v1/setup", bytes(6 * 1024 * 1024), json_)
            refused = connection.getresponse()
            assert refused.status == 413
            assert json.loads(refused.read())["code"] == "too-large"
            assert not refused.will_close


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on an embedded database, for tests that leave nothing behind."""
    with Service(tmp_path_factory.mktemp("embedded")) as service:
        yield service


def test_a_second_serve_on_one_file_is_refused(sqlite_place: Path, tmp_path: Path) -> None:
    settings = settings_for(sqlite_place)
    with Service(tmp_path, **settings) as first:
        second = atelier("serve", folder=tmp_path, ATELIER_PORT=str(free_port()), **settings)
        assert second.returncode == 1
        assert one_line(second.stderr) == (
            f"atelier: Another `atelier serve` is using {sqlite_place} already."
        )
        link = tmp_path / "link.db"
        link.symlink_to(sqlite_place)
        third = atelier(
            "serve", folder=tmp_path, ATELIER_PORT=str(free_port()), **settings_for(link)
        )
        assert "already" in one_line(third.stderr)
        with first.client() as client:
            assert client.post(TASKS, json={"title": "x"}).status_code == 201
        first.kill()
        first.start()  # the lock of a process that was killed is gone with it


def test_a_port_that_is_taken_is_told_in_one_line(sqlite_place: Path, tmp_path: Path) -> None:
    settings = settings_for(sqlite_place)
    with Service(tmp_path, **settings) as first:
        other = settings_for(tmp_path / "other.db")
        second = atelier("serve", folder=tmp_path, ATELIER_PORT=str(first.port), **other)
        assert second.returncode == 1
        assert f"Cannot listen on 127.0.0.1:{first.port}: address already in use." in one_line(
            second.stderr
        )


def test_log_lines_carry_the_request_id_and_no_secret(postgres_place: URL, tmp_path: Path) -> None:
    service = Service(tmp_path, ATELIER_LOG="json", **settings_for(postgres_place))
    service.interpreter = True
    (tmp_path / "media").mkdir()
    (tmp_path / "media").chmod(0o755)
    with service:
        with service.client() as client:
            client.get(f"{TASKS}?q=secret-query", headers={"X-Request-ID": "find-me"})
        service.stop()
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    warned, serving, *_, stopped = lines
    assert (warned["event"], warned["paths"]) == ("files open to other accounts", ["media"])
    assert (tmp_path / "media").stat().st_mode & 0o777 == 0o755
    assert (serving["event"], stopped["event"]) == ("serving", "stopped")
    assert serving["version"] == version()
    assert postgres_place.database in serving["database"]
    (found,) = (line for line in lines if line.get("request_id") == "find-me")
    assert (found["event"], found["method"], found["path"]) == ("request", "GET", TASKS)
    assert (found["status"], found["level"]) == (200, "info")
    assert (found["client"], found["user_id"]) == ("127.0.0.1", str(ADMIN.id))
    assert found["timestamp"].endswith("Z")
    assert "secret-query" not in service.log.read_text()
    assert postgres_place.password is None or (
        f":{postgres_place.password}@" not in service.log.read_text()
    )


def test_an_interrupt_ends_it_well_too(sqlite_place: Path, tmp_path: Path) -> None:
    service = Service(tmp_path, **settings_for(sqlite_place))
    service.interpreter = True
    with service:
        os.kill(service.pid, signal.SIGINT)
        assert service.wait() == 0
        assert "Traceback" not in service.log.read_text()


def one_line(text: str) -> str:
    """Assert that there is one line, and return it."""
    (line,) = text.strip().splitlines()
    return line
