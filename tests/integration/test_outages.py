"""When things break: what clients are told, that nothing is lost, and that service comes back."""

import itertools
import resource
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import URL

from adapters.sql.sqlite.engine import connect
from service_layer import tasks
from service_layer.errors import DatabaseUnavailable
from support.backends import database_at, sql_backend
from support.clients import Answer, Client
from support.databases import execute, migrated_sqlite, text
from support.people import CTX
from support.proxy import Proxy
from support.service import Service, eventually

TASKS = "/api/v1/tasks"


def create(client: Client, title: str = "x") -> Answer:
    return client.post(TASKS, json={"title": title})


def titles(client: Client) -> list[str]:
    return [task["title"] for task in client.get(TASKS, params={"limit": 100}).json()["items"]]


def unavailable(answer: Answer, saying: str = "") -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    problem = answer.json()
    assert problem["code"] == "database-unavailable"
    assert saying in problem["detail"]
    assert "psycopg" not in answer.text
    assert "sqlite" not in answer.text.lower()


def within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """Return the answer, which must not take longer."""
    started = time.monotonic()
    answer = ask()
    assert time.monotonic() - started < seconds
    return answer


# PostgreSQL


@pytest.fixture
def proxy(postgres_place: URL) -> Iterator[Proxy]:
    made = Proxy(postgres_place)
    yield made
    made.close()


@pytest.fixture
def served(proxy: Proxy, tmp_path: Path) -> Iterator[Client]:
    """A client of a service whose way to PostgreSQL leads over the proxy."""
    with Service(tmp_path, DATABASE_URL=text(proxy.url)) as service, service.client() as client:
        yield client


def test_while_postgresql_is_away_everything_that_needs_it_is_503(
    proxy: Proxy, served: Client, tmp_path: Path
) -> None:
    made = create(served, "before")
    proxy.cut()
    for answer in (
        create(served, "during"),
        served.get(TASKS),
        served.get(made.headers["location"]),
        served.get(f"{TASKS}/count"),
        served.patch(made.headers["location"], json={"title": "during"}),
        served.delete(made.headers["location"]),
        served.get("/health/ready"),
    ):
        unavailable(answer, "cannot be reached")
    assert served.get("/health/live").status_code == 200
    assert served.get("/nowhere").status_code == 404

    proxy.mend()
    eventually(lambda: served.get("/health/ready").status_code == 200, seconds=10)
    assert create(served, "after").status_code == 201
    assert titles(served) == ["before", "after"]

    def told(event: str) -> int:
        return (tmp_path / "serve.log").read_text().count(event)

    eventually(lambda: told("database available again") == 1)
    assert told("database unavailable") == 1


def test_a_service_that_lost_its_connections_while_idle_does_not_show_it(
    postgres_place: URL, served: Client
) -> None:
    path = create(served).headers["location"]
    for _ in range(3):
        execute(
            postgres_place,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'atelier'",
        )
        time.sleep(0.05)
        assert served.get(path).status_code == 200
        assert served.patch(path, json={"priority": 1}).status_code == 200
        assert create(served).status_code == 201


def test_a_postgresql_that_says_nothing_is_given_up_in_time(proxy: Proxy, served: Client) -> None:
    create(served, "before")
    proxy.freeze()
    # Readiness is asked by machines that do not wait long; a reader and a writer wait longer.
    unavailable(within(6, lambda: served.get("/health/ready")), "does not answer")
    unavailable(within(13, lambda: served.get(TASKS)))
    unavailable(within(18, lambda: create(served, "during")))
    assert served.get("/health/live").status_code == 200

    proxy.thaw()
    eventually(lambda: create(served, "after").status_code == 201, seconds=10)
    assert titles(served)[0] == "before"


def test_a_full_disk_of_postgresql_is_503_and_writes_nothing(
    postgres_place: URL, served: Client
) -> None:
    # The database's own answer to a full disk, given by it at will.
    execute(
        postgres_place,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$",
    )
    execute(
        postgres_place,
        "CREATE TRIGGER full_disk AFTER INSERT ON tasks EXECUTE FUNCTION full_disk()",
    )
    unavailable(create(served), "full")
    assert titles(served) == []

    execute(postgres_place, "DROP TRIGGER full_disk ON tasks")
    assert create(served).status_code == 201


def test_a_schema_that_changes_under_the_service_is_not_ready(
    postgres_place: URL, served: Client
) -> None:
    execute(postgres_place, "UPDATE alembic_version SET version_num = '9999'")
    answer = served.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["code"] == "schema-not-current"
    assert "ahead" in answer.json()["detail"]

    execute(postgres_place, "DROP TABLE alembic_version, tasks CASCADE")
    assert "empty" in served.get("/health/ready").json()["detail"]
    unavailable(served.get(TASKS), "migrated")
    unavailable(create(served), "migrated")


# SQLite


@pytest.fixture
def service(sqlite_place: Path, tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path, DATABASE_URL=f"sqlite:///{sqlite_place}")
    with made:
        yield made


def rows(path: Path) -> list[str]:
    """Return the titles in a file that no service has open, after a look at its health."""
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [title for (title,) in connection.execute("SELECT title FROM tasks ORDER BY id")]
    finally:
        connection.close()


def test_a_deleted_file_takes_no_change_until_it_is_back(
    service: Service, sqlite_place: Path
) -> None:
    aside = sqlite_place.with_name("aside.db")
    with service.client() as client:
        path = create(client, "before").headers["location"]
        sqlite_place.rename(aside)
        for answer in (
            create(client, "during"),
            client.patch(path, json={"title": "during"}),
            client.get(path),
            client.get(TASKS),
            client.get(f"{TASKS}?q=before"),
            client.get("/health/ready"),
        ):
            unavailable(answer, "gone")
        assert not sqlite_place.exists()

        aside.rename(sqlite_place)
        assert create(client, "after").status_code == 201
        assert titles(client) == ["before", "after"]
    service.stop()
    assert rows(sqlite_place) == ["before", "after"]


def test_of_a_file_replaced_by_another_the_service_says_so_and_turns_to_it(
    service: Service, sqlite_place: Path, tmp_path: Path
) -> None:
    aside, other = tmp_path / "aside.db", tmp_path / "other.db"
    migrated_sqlite(other)
    with service.client() as client:
        created = [create(client, f"old {n}").status_code for n in range(20)]
        assert created == [201] * 20
        client.get(f"{TASKS}?q=old")
        sqlite_place.rename(aside)
        other.rename(sqlite_place)

        unavailable(create(client, "lost"), "replaced")
        assert create(client, "new").status_code == 201
        assert titles(client) == ["new"]
        assert client.get(f"{TASKS}?q=old").json()["items"] == []
    service.stop()
    assert rows(sqlite_place) == ["new"]
    assert rows(aside) == [f"old {n}" for n in range(20)]


@pytest.mark.parametrize("content", [b"", b"this is no database" * 500])
def test_a_file_replaced_by_no_database_takes_no_change(
    service: Service, sqlite_place: Path, tmp_path: Path, content: bytes
) -> None:
    aside, other = tmp_path / "aside.db", tmp_path / "other.db"
    other.write_bytes(content)
    with service.client() as client:
        assert create(client, "before").status_code == 201
        shutil.copy(sqlite_place, aside)
        other.replace(sqlite_place)
        for _ in range(3):
            unavailable(create(client, "during"))
            unavailable(client.get(TASKS))
            assert client.get("/health/ready").status_code == 503
        assert sqlite_place.read_bytes() == content


def test_whenever_the_file_is_replaced_no_acknowledged_change_is_lost_and_no_file_harmed(
    service: Service, sqlite_template: Path, sqlite_place: Path, tmp_path: Path
) -> None:
    acknowledged: list[str] = []
    done = threading.Event()

    def write(number: int) -> None:
        with service.client() as client:
            for n in itertools.count():
                if done.is_set():
                    return
                title = f"{number}-{n}"
                if create(client, title).status_code == 201:
                    acknowledged.append(title)

    def read(query: str) -> None:
        with service.client() as client:
            while not done.is_set():
                assert client.get(f"{TASKS}?{query}").status_code in (200, 503)

    with ThreadPoolExecutor(6) as threads:
        working = [threads.submit(write, number) for number in range(4)]
        working += [threads.submit(read, query) for query in ("limit=5", "q=1")]
        for turn in range(15):
            other = Path(shutil.copy(sqlite_template, tmp_path / "other.db"))
            time.sleep(0.3)
            sqlite_place.rename(tmp_path / f"aside{turn}.db")
            other.rename(sqlite_place)
        before = len(acknowledged)
        try:
            # No more than one each were still meant for the file before.
            eventually(lambda: len(acknowledged) > before + 4)
        finally:
            done.set()
        for work in working:
            work.result()
    service.stop()
    kept = [title for path in [sqlite_place, *tmp_path.glob("aside*.db")] for title in rows(path)]
    assert len(kept) == len(set(kept))
    assert set(acknowledged) <= set(kept)
    assert len(rows(sqlite_place)) > 0
    assert len(acknowledged) > 100


def test_a_full_disk_is_503_and_what_was_acknowledged_stays(
    sqlite_place: Path, tmp_path: Path
) -> None:
    service = Service(tmp_path, DATABASE_URL=f"sqlite:///{sqlite_place}")
    service.settings["ATELIER_LOG_LEVEL"] = "error"
    no_limit = resource.RLIM_INFINITY
    service.before_exec = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, no_limit))
    acknowledged = []
    with service, service.client() as client:
        for n in range(3_000):
            answer = client.post(TASKS, json={"title": f"t{n}", "description": "x" * 500})
            if answer.status_code != 201:
                break
            acknowledged.append(f"t{n}")
        unavailable(answer)
        unavailable(create(client, "another"))
        assert len(titles(client)) == min(100, len(acknowledged))
        assert client.get(f"{TASKS}/count").json()["total"] == len(acknowledged)

        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (no_limit, no_limit))
        assert create(client, "after").status_code == 201
        service.stop()
    assert len(acknowledged) > 50
    assert rows(sqlite_place) == [*acknowledged, "after"]


def test_a_writer_from_outside_is_waited_for(service: Service, sqlite_place: Path) -> None:
    other = sqlite3.connect(sqlite_place, isolation_level=None, check_same_thread=False)
    with service.client() as client, ThreadPoolExecutor(1) as threads:
        path = create(client).headers["location"]
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE tasks SET priority = 9, version = 2")
        waiting = threads.submit(client.patch, path, json={"title": "y"})
        time.sleep(0.5)
        with service.client() as reader:
            assert reader.get(path).json()["priority"] == 0
        assert not waiting.done()
        other.execute("COMMIT")
        changed = waiting.result().json()
        assert (changed["title"], changed["priority"], changed["version"]) == ("y", 9, 3)
    other.close()


def test_a_commit_into_a_file_that_was_taken_away_meanwhile_is_not_acknowledged(
    sqlite_place: Path, tmp_path: Path
) -> None:
    with sql_backend(database_at(sqlite_place)) as backend:
        with backend.open() as uow:
            tasks.create_task(uow, title="lost", ctx=CTX)
            sqlite_place.rename(tmp_path / "aside.db")
            with pytest.raises(DatabaseUnavailable, match="gone"):
                uow.commit()
        with pytest.raises(DatabaseUnavailable, match="gone"), backend.open():
            pass


def test_sqlite_writes_each_commit_through_to_the_disk(sqlite_place: Path) -> None:
    # What a power cut would show, no test can: it asks SQLite whether it was told so.
    connection = connect(sqlite_place, "rw")
    asked = ("synchronous", "journal_mode", "foreign_keys")
    told = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked]
    connection.close()
    assert told == [2, "wal", 1]
