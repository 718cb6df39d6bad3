"""`atelier demo`: a workshop with a past, all of it or nothing, in an empty database alone."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, func, make_url, select

from adapters.sql.schema.tables import metadata
from support.backends import database_at
from support.clients import Client
from support.databases import execute, migrate_postgres, new_postgres, text
from support.service import Service, atelier, environment

API = "/api/v1"
DONE = "The database holds a small workshop now.\n"
# Without a terminal it says now and then how far it is.
PROGRESS = "".join(f"Filling the database: {tenth}0 %\n" for tenth in range(1, 10))
NOT_EMPTY = "atelier: The database is not empty; the demo is for one that is.\n"


@contextmanager
def empty_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[dict[str, str]]:
    """Make a database with tables and without rows; yield the setting that names it."""
    if request.param == "sqlite":
        yield {"DATABASE_URL": f"sqlite:///{folder / 'atelier.db'}"}
        return
    server: URL = request.getfixturevalue("postgres")
    url = new_postgres(server)
    migrate_postgres(url)
    yield {"DATABASE_URL": text(url)}
    execute(server, f"DROP DATABASE {url.database} WITH (FORCE)")


@dataclass(frozen=True)
class Filled:
    """A database that the demo has filled while a service ran on it, and that service.

    Before, the demo was killed in the middle.
    """

    settings: dict[str, str]
    killed: tuple[int, bytes]
    rows_after_kill: int
    demo: subprocess.CompletedProcess[str]
    setup_path: str
    service: Service


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Filled]:
    """A filled database for several tests, none of which changes anything in it."""
    folder = tmp_path_factory.mktemp("filled")
    with empty_database(request, folder) as settings:
        killed = kill_in_the_middle(folder, settings)
        rows = number_of_rows(make_url(settings["DATABASE_URL"]))
        with Service(folder, **settings) as service:
            found = re.search(r"/setup\?secret=\S+", service.log.read_text())
            assert found is not None
            demo = atelier("demo", folder=folder, **settings)
            yield Filled(settings, killed, rows, demo, found[0], service)


def kill_in_the_middle(folder: Path, settings: dict[str, str]) -> tuple[int, bytes]:
    """Kill the demo when it is at 30 % or more; return its exit code and its output."""
    # Somebody who watches at a terminal sees how far it is.
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "atelier", "demo"],
        cwd=folder,
        env=environment(**settings) | {"TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    while not re.search(rb"\b[3-8]\d%", seen):
        seen += os.read(ours, 1_000)
    process.kill()
    said, _ = process.communicate()
    os.close(ours)
    return process.returncode, said


def number_of_rows(url: URL) -> int:
    """Return the number of rows in all tables of the schema."""
    engine = database_at(url if url.host or url.query else Path(url.database or "")).engine
    with engine.connect() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        ]
    engine.dispose()
    return sum(counts)


BEGUN: dict[str, dict[str, str]] = {
    "/tasks": {"title": "Sharpen the chisels"},
    "/posts": {"title": "News", "content": "Hello"},
    "/categories": {"name": "Screws"},
    "/products": {"name": "Screw", "price": "0.05"},
    "/devices": {"name": "Lathe"},
    "/users": {
        "username": "bob",
        "email": "bob@example.org",
        "name": "Bob",
        "password": "long enough",
    },
}
"""One object of each type, by the path of its list."""


@dataclass(frozen=True)
class Shared:
    """A database of an admin, who changed their own city again and again while the demo ran.

    Before, the demo was refused because of one object of each type, which was deleted again.
    """

    refused: dict[str, subprocess.CompletedProcess[str]]
    totals: list[int]
    before: dict[str, Any]
    demo: subprocess.CompletedProcess[str]
    seconds: float
    statuses: Counter[int]
    service: Service


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shared]:
    """A filled database of an admin for several tests."""
    folder = tmp_path_factory.mktemp("shared")
    with empty_database(request, folder) as settings:
        create_admin(folder, settings)
        with Service(folder, **settings) as service, service.client() as http:
            client = sign_in(http, "eve", "long enough")
            refused = {}
            for path, new in BEGUN.items():
                made = client.post(f"{API}{path}", json=new)
                assert made.status_code == 201
                refused[path] = atelier("demo", folder=folder, **settings)
                assert client.delete(made.headers["location"]).status_code == 204
            totals = [total(client, path) for path in BEGUN]
            before = client.get(f"{API}/users/me").json()
            demo, seconds, statuses = fill_amid_changes(client, before["id"], folder, settings)
            yield Shared(refused, totals, before, demo, seconds, statuses, service)


def fill_amid_changes(
    client: Client, id: str, folder: Path, settings: dict[str, str]
) -> tuple[subprocess.CompletedProcess[str], float, Counter[int]]:
    """Run the demo while a user's city is changed; return the run, its seconds, and statuses."""
    done = threading.Event()
    statuses: Counter[int] = Counter()

    def work() -> None:
        while not done.is_set():
            city = {"city": f"City {statuses.total()}"}
            statuses[client.patch(f"{API}/users/{id}", json=city).status_code] += 1

    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(work)
        began = time.monotonic()
        demo = atelier("demo", folder=folder, **settings)
        took = time.monotonic() - began
        done.set()
        working.result()
    return demo, took, statuses


def create_admin(folder: Path, settings: dict[str, str]) -> None:
    done = atelier(
        "create-admin", "eve", "eve@example.org", "--password-stdin",
        folder=folder, input="long enough\n", **settings,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def sign_in(client: Client, username: str, password: str) -> Client:
    form = {"username": username, "password": password}
    answer = client.as_(None).post(f"{API}/auth/token", data=form)
    assert answer.status_code == 200, answer.text
    return client.as_(answer.json()["access_token"])


def everything(client: Client, path: str) -> list[dict[str, Any]]:
    """Return a whole list, page by page."""
    answer = client.get(f"{API}{path}", params={"limit": 100})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    while "link" in answer.headers:
        answer = client.get(answer.headers["link"].split(">")[0][1:])
        items += answer.json()["items"]
    return items


def total(client: Client, path: str, **filter: str) -> int:
    answer = client.get(f"{API}{path}", params={"count": "true", "limit": 1, **filter})
    number: int = answer.json()["total"]
    return number


def test_it_fills_an_empty_database_with_a_workshop(filled: Filled) -> None:
    done = filled.demo
    assert (done.returncode, done.stderr) == (0, PROGRESS)
    said = re.fullmatch(re.escape(DONE) + r"Sign in as (\S+) with (\S{16,})\n", done.stdout)
    assert said is not None
    with filled.service.client() as http:
        client = sign_in(http, said[1], said[2])
        _has_people(client)
        _has_news(client)
        _has_a_catalogue(client)
        _has_tasks(client)
        _has_machines(client)


def _has_people(client: Client) -> None:
    users = everything(client, "/users")
    assert len(users) == 12
    assert Counter(user["role"] for user in users) == {"admin": 2, "member": 10}
    assert Counter(user["is_active"] for user in users) == {True: 10, False: 2}
    assert any(user["name"] == "张伟" for user in users)
    assert len({user["city"] for user in users}) == 12


def _has_news(client: Client) -> None:
    posts = everything(client, "/posts")
    published = [post for post in posts if post["published"]]
    assert (len(posts), len(published)) == (13, 11)
    assert len({post["author"]["username"] for post in posts}) >= 6
    assert len({post["published_at"][:10] for post in published}) == 11
    everybodys = everything(client.as_(None), "/posts")
    assert [post["id"] for post in everybodys] == [post["id"] for post in published]
    texts = "\n".join(post["content"] for post in posts)
    for mark in ("\n## ", "\n- ", "\n1. ", "\n> ", "```", "](http", "**", "\n|---|"):
        assert mark in texts


def _has_a_catalogue(client: Client) -> None:
    assert total(client, "/categories") == 12
    products = everything(client, "/products")
    assert total(client, "/products", archived="true") == 7
    assert len(products) == 204 - 7
    assert len({product["category"]["id"] for product in products}) == 12
    assert len({product["sku"] for product in products}) == len(products)
    assert 10 <= sum(product["low_stock"] for product in products) <= 50
    assert 5 <= sum(product["stock"] == 0 for product in products) <= 25
    reasons: Counter[str] = Counter()
    weeks: Counter[int] = Counter()
    for product in products:
        reasons += _adds_up(client, product, weeks)
    assert reasons.keys() == {"received", "sold", "used", "returned", "lost", "counted"}
    assert min(weeks[week] for week in range(1, 11)) >= 10


def _adds_up(client: Client, product: dict[str, Any], weeks: Counter[int]) -> Counter[str]:
    """Make sure that the ledger of a product tells its stock; return how often each reason is."""
    movements = everything(client, f"/products/{product['id']}/movements")
    stock, last = 0, product["created_at"]
    for movement in movements:
        stock += movement["quantity"]
        assert movement["stock_after"] == stock >= 0
        assert movement["created_at"] >= last
        last = movement["created_at"]
        weeks[age(last) // timedelta(weeks=1)] += 1
    assert product["stock"] == stock
    return Counter(movement["reason"] for movement in movements)


def age(time: str) -> timedelta:
    """Return how long ago something was, which is in the past."""
    passed = datetime.now(UTC) - datetime.fromisoformat(time)
    assert timedelta(0) < passed < timedelta(weeks=13)
    return passed


def _has_tasks(client: Client) -> None:
    tasks = everything(client, "/tasks")
    reorders = [task for task in tasks if task["title"].startswith("Reorder ")]
    assert len(tasks) - len(reorders) == 66
    assert Counter(task["created_by"] is None for task in reorders).keys() == {True}
    assert 10 <= sum(task["completed"] for task in reorders) < len(reorders)
    counts = client.get(f"{API}/tasks/count").json()
    assert counts["completed"] >= 50
    assert 5 <= counts["overdue"] < counts["pending"] < 50
    done = Counter(age(task["completed_at"]) // timedelta(weeks=1) for task in tasks
                   if task["completed"])  # fmt: skip
    assert min(done[week] for week in range(1, 11)) >= 1
    assert len({task["priority"] for task in tasks}) == 10
    assert len({task["assignee"]["username"] for task in tasks if task["assignee"]}) >= 9
    gone = {user["id"] for user in everything(client, "/users") if not user["is_active"]}
    assert not [task for task in tasks if not task["completed"] and task["assignee_id"] in gone]


def _has_machines(client: Client) -> None:
    devices = everything(client, "/devices")
    assert len(devices) == 30
    assert Counter(device["status"] for device in devices) == {
        "active": 25, "maintenance": 3, "retired": 2,
    }  # fmt: skip
    assert Counter(device["presence"] for device in devices) == {
        "online": 14, "late": 5, "offline": 6, "never": 5,
    }  # fmt: skip
    assert len({device["kind"] for device in devices}) >= 12
    # A day later there still are some of each.
    tomorrow = timedelta(days=1)
    lasting = [
        device["presence"]
        for device in devices
        if device["last_seen_at"]
        and (age(device["last_seen_at"]) + tomorrow).total_seconds()
        <= 3 * device["heartbeat_every"]
    ]
    assert len(lasting) >= 8


def test_a_second_run_is_refused_and_changes_nothing(filled: Filled) -> None:
    with filled.service.client() as client:
        before = everything(client.as_(None), "/posts")

        again = atelier("demo", folder=filled.service.folder, **filled.settings)

        assert (again.returncode, again.stdout, again.stderr) == (1, "", NOT_EMPTY)
        assert everything(client.as_(None), "/posts") == before


def test_an_admin_who_was_there_before_stays_as_they_were(shared: Shared) -> None:
    assert (shared.demo.returncode, shared.demo.stdout, shared.demo.stderr) == (0, DONE, PROGRESS)
    with shared.service.client() as http:
        client = sign_in(http, "eve", "long enough")
        after = client.get(f"{API}/users/me").json()
        # Each change is their own.
        own = {"city", "version", "updated_at"}
        assert {name: value for name, value in after.items() if name not in own} == {
            name: value for name, value in shared.before.items() if name not in own
        }
        assert after["version"] == shared.before["version"] + shared.statuses[200]
        assert total(client, "/users") == 13
        assert total(client, "/devices") == 30


def test_whoever_works_meanwhile_waits_and_is_not_turned_away(shared: Shared) -> None:
    assert (shared.demo.returncode, shared.demo.stdout) == (0, DONE)
    # Where a machine needs longer for all of it than a change waits, that is to come again.
    assert shared.statuses.keys() <= ({200} if shared.seconds < 9 else {200, 503})
    assert shared.statuses[200] > 0


def test_where_somebody_has_begun_to_work_it_is_refused(shared: Shared) -> None:
    assert shared.refused.keys() == BEGUN.keys()
    for path, done in shared.refused.items():
        assert (done.returncode, done.stdout, done.stderr) == (1, "", NOT_EMPTY), path
    assert shared.totals == [0, 0, 0, 0, 0, 1]
    assert shared.demo.returncode == 0


def test_after_it_nobody_can_set_the_workshop_up_any_more(filled: Filled) -> None:
    with filled.service.client() as client:
        new = {"username": "mallory", "email": "m@example.org", "name": "Mallory",
               "password": "long enough"}  # fmt: skip
        answer = client.as_(None).post(f"{API}{filled.setup_path}", json=new)
        assert answer.status_code == 404
    filled.service.stop()
    filled.service.log.write_text("")
    filled.service.start()
    assert "setup" not in filled.service.log.read_text()


def test_killed_in_the_middle_it_leaves_nothing_and_can_be_run_again(filled: Filled) -> None:
    assert filled.killed == (-signal.SIGKILL, b"")
    assert filled.rows_after_kill == 0
    assert (filled.demo.returncode, filled.demo.stdout.startswith(DONE)) == (0, True)


def test_a_postgresql_database_without_tables_is_not_filled(postgres: URL, tmp_path: Path) -> None:
    url = new_postgres(postgres)
    done = atelier("demo", folder=tmp_path, DATABASE_URL=text(url))
    execute(postgres, f"DROP DATABASE {url.database} WITH (FORCE)")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "atelier: The database's schema is empty: run `atelier migrate` first.\n"
