"""Coming in, and being kept out, where it takes a real process to show it."""

import io
import json
import re
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from PIL import Image
from sqlalchemy import URL

from domain.login_throttle import ADDRESS_LIMIT, address_counters
from service_layer.login_throttle import register_failure
from support.backends import database_at, sql_backend
from support.clients import Answer, Client
from support.databases import execute, settings_for, text
from support.pages import Browser
from support.people import ADMIN, MEMBER, OTHER, PASSWORD
from support.service import Service, atelier
from support.threads import at_once

TASKS, USERS, TOKENS = "/api/v1/tasks", "/api/v1/users", "/api/v1/tokens"
SIGN_IN, SETUP = "/api/v1/auth/token", "/api/v1/setup"


@pytest.fixture
def service(place: Path | URL, tmp_path: Path) -> Service:
    return Service(tmp_path, **settings_for(place))


def sign_in(client: Client, username: str, password: str = PASSWORD) -> Answer:
    return client.as_(None).post(SIGN_IN, data={"username": username, "password": password})


def kept(place: Path | URL) -> str:
    """Return everything that a database holds, as text."""
    if isinstance(place, Path):
        # What an index of texts is made of is in tables beside it, which are among these.
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'"
        connection = sqlite3.connect(place)
        names = [name for (name,) in connection.execute(tables)]
        lines = [str(row) for name in names for row in connection.execute(f"SELECT * FROM {name}")]
        connection.close()
        return "\n".join(lines)
    with psycopg.connect(text(place)) as session:
        found = session.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = [name for (name,) in found.fetchall()]
        rows = [session.execute(f"SELECT t::text FROM {n} t".encode()).fetchall() for n in names]
    return "\n".join(str(row) for table in rows for row in table)


def refuse_users(place: Path | URL) -> None:
    """Have a database refuse every further user, in a way that nobody foresaw."""
    if isinstance(place, Path):
        connection = sqlite3.connect(place)
        connection.execute(
            "CREATE TRIGGER refused BEFORE INSERT ON users"
            " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        connection.commit()
        connection.close()
    else:
        # PostgreSQL tells the whole row that breaks a constraint.
        execute(place, "ALTER TABLE users ADD CONSTRAINT refused CHECK (username <> 'eve2')")


# Coming in


def test_of_twenty_who_register_one_address_in_different_case_one_is_taken_in(
    service: Service,
) -> None:
    with service:

        def register(number: int) -> Answer:
            address = "".join(
                letter.upper() if number >> place & 1 else letter
                for place, letter in enumerate("dora")
            )
            new = {
                "username": f"dora{number}",
                "email": f"{address}@example.org",
                "name": "Dora",
                "password": "long enough",
            }
            with service.client() as own:
                return own.post(USERS, json=new)

        answers = at_once(20, register)

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
        for answer in answers:
            if answer.status_code == 409:
                told = answer.json()
                assert told["code"] == "already-taken"
                assert [error["pointer"] for error in told["errors"]] == ["#/email"]


def test_of_four_hundred_guesses_five_are_judged_and_a_restart_changes_nothing(
    service: Service,
) -> None:
    assert_guesses_are_counted(service, 400)


def assert_guesses_are_counted(service: Service, guesses: int) -> None:
    """Have 16 connections guess a password; assert that five guesses are judged."""
    service.settings["ATELIER_LOG_LEVEL"] = "warning"
    with service:
        statuses: list[int] = []
        waits: list[tuple[float, int]] = []

        def guess(number: int) -> None:
            with service.client() as own:
                for n in range(guesses // 16):
                    answer = sign_in(own, ("bob", "BOB")[n % 2], f"guess {number} {n}")
                    statuses.append(answer.status_code)
                    if answer.status_code == 429:
                        waits.append((time.monotonic(), int(answer.headers["retry-after"])))

        started = time.monotonic()
        at_once(16, guess)

        assert statuses.count(401) == 5
        assert statuses.count(429) == len(statuses) - 5 == guesses - 5
        # Each answer names the same end: fifteen minutes after the first guess.
        ends = [when + wait for when, wait in waits]
        assert all(abs(end - (started + 900)) < 10 for end in ends)
        with service.client() as client:
            assert sign_in(client, "bob").status_code == 429
            assert sign_in(client, "cleo").status_code == 200

        service.kill()
        service.start()
        with service.client() as client:
            refused = sign_in(client, "bob")
            assert refused.status_code == 429
            left = started + 900 - time.monotonic()
            assert abs(int(refused.headers["retry-after"]) - left) < 10
            assert client.as_(MEMBER).get(TASKS).status_code == 200


def test_many_who_sign_in_at_once_with_the_right_password_all_come_in(service: Service) -> None:
    with service:

        def come_in(number: int) -> int:
            with service.client() as own:
                return sign_in(own, ["bob", "cleo"][number % 2]).status_code

        assert at_once(20, come_in) == [200] * 20


# The first admin


def test_the_first_start_prints_an_address_that_works_once(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with service:
        first = printed(service)
        service.kill()
        service.start()
        second = printed(service)
        assert first != second
        assert second.startswith(f"{service.url}/setup?secret=atl_")
        new = {
            "username": "eve",
            "email": "eve@example.org",
            "name": "Eve",
            "password": "long enough",
        }
        with service.client() as client:
            stranger = client.as_(None)
            first, second = over_the_api(first), over_the_api(second)
            assert stranger.post(first, json=new).status_code == 401
            assert stranger.post(second, json=new).status_code == 201
            assert stranger.post(second, json={**new, "username": "x"}).status_code == 404
            token = sign_in(client, "eve", "long enough").json()["access_token"]
            assert client.as_(token).get(f"{USERS}/me").json()["role"] == "admin"
        service.stop()
        before = service.log.read_text()
        service.start()
        assert "setup" not in service.log.read_text()[len(before) :]
        with service.client() as client:
            assert client.as_(None).post(second, json=new).status_code == 404


def printed(service: Service) -> str:
    """Return the last address that the service has printed to set it up."""
    found: list[str] = re.findall(r"http://\S+/setup\S+", service.log.read_text())
    return found[-1]


def over_the_api(address: str) -> str:
    """Return where a program sends what a browser sends from the printed address."""
    return address.replace("/setup?", f"{SETUP}?")


def test_whoever_opens_the_printed_address_makes_the_first_admin_there(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with service, service.client() as client:
        browser = Browser(client, service.url)
        browser.get("/")
        assert browser.page.url.path == "/setup"
        browser.get(printed(service).removeprefix(service.url))
        browser.send("/setup", username="eve", email="eve@example.org", name="Eve",
                     password="long enough")  # fmt: skip
        assert '<h1>Hi <bdi dir="auto">Eve</bdi></h1>' in browser.page.text
        assert browser.get("/").url.path == "/"


def test_an_admin_made_from_the_shell_ends_the_address(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with service:
        address = over_the_api(printed(service))
        done = atelier(
            *("create-admin", "Eve", "Eve@example.org", "--name", "Eve E", "--password-stdin"),
            folder=tmp_path,
            input="long enough\n",
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "Eve is an admin now.\n"
        with service.client() as client:
            assert client.as_(None).post(address, json={}).status_code == 404
            token = sign_in(client, "eve@example.org", "long enough").json()["access_token"]
            me = client.as_(token).get(f"{USERS}/me").json()
            assert (me["username"], me["name"], me["role"]) == ("Eve", "Eve E", "admin")


# What is told, kept and written down


def test_no_address_no_password_and_no_token_is_in_anything_the_service_writes(
    service: Service, place: Path | URL
) -> None:
    service.settings |= {"ATELIER_LOG": "json", "ATELIER_LOG_LEVEL": "debug"}
    canary = "pass-canary-word"
    everything: list[str] = []
    secrets: list[str] = [ADMIN.token, MEMBER.token, OTHER.token]
    with service, service.client() as client:

        def ask(who: Any, method: str, path: str, **options: Any) -> Answer:
            answer = client.as_(who).request(method, path, **options)
            if who is not ADMIN:
                everything.append(answer.text + json.dumps(dict(answer.headers)))
            return answer

        new = {
            "username": "eve",
            "email": "eve.canary@example.org",
            "name": "Eve",
            "password": canary,
        }
        ask(ADMIN, "POST", USERS, json=new)
        eve = sign_in(client, "eve.canary@example.org", canary).json()["access_token"]
        made = client.as_(eve).post(TOKENS, json={"name": "x", "scope": "write"}).json()
        secrets += [eve, made["token"]]
        task = client.as_(eve).post(TASKS, json={"title": "x"}).json()
        id = client.as_(eve).get(f"{USERS}/me").json()["id"]
        for who in (None, MEMBER):
            for path in (
                *(USERS, f"{USERS}/{id}", f"{USERS}?q=canary", f"{USERS}/me", f"{USERS}?x=1"),
                *(TASKS, f"{TASKS}/{task['id']}", f"{TASKS}?assignee_id={id}", TOKENS),
                *(f"/{new['email']}", f"{TOKENS}/{made['id']}", f"{USERS}?email={new['email']}"),
                *(f"/api/v1/users/{made['token']}", f"{USERS}?sort={eve}"),
            ):
                ask(who, "GET", path)
            ask(who, "POST", USERS, json=new)
            ask(who, "POST", USERS, json={**new, "username": canary, "x": canary})
            ask(who, "PATCH", f"{USERS}/{id}", json={"password": canary})
            ask(who, "POST", SIGN_IN, data={"username": new["email"], "password": canary + "x"})
            ask(who, "POST", SIGN_IN, json={"username": new["email"], "password": canary})
            ask(who, "POST", SETUP, json={**new, "secret": eve})
            ask(who, "PUT", f"{USERS}/me/password", json={"current": canary, "new": canary})
            ask(who, "GET", TASKS, headers={"Authorization": f"Bearer {eve}x"})
            ask(who, "PATCH", f"{USERS}/{MEMBER.id}", json={"email": new["email"]})
            ask(who, "PATCH", f"{USERS}/{MEMBER.id}", content=f'{{"email": {canary}'.encode(),
                headers={"Content-Type": "application/json"})  # fmt: skip
        wrong = {"current": "wrong", "new": canary}
        client.as_(eve).put(f"{USERS}/me/password", json=wrong)
        # A defect is logged with its traceback, and the database's own words in it.
        refuse_users(place)
        broken = {**new, "username": "eve2", "email": "eve.canary2@example.org"}
        assert client.post(USERS, json=broken).status_code == 500
        client.as_(eve).delete(SIGN_IN)
        service.stop()
    told, log = "\n".join(everything), service.log.read_text()
    assert len(everything) > 40
    assert log.count('"request"') > 40
    assert "Traceback" in log
    assert "argon2" not in told + log
    # What Bob is told of himself is his.
    for text_, name in ((told.replace(MEMBER.email, ""), "answers"), (log, "log")):
        assert "canary" not in text_.lower(), name
        for secret in secrets:
            assert secret not in text_, name
    held = kept(place)
    assert "eve.canary@example.org" in held
    assert canary not in held
    for secret in secrets:
        assert secret not in held
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in held


# Uploads


def resident(service: Service) -> int:
    """Return how much memory a process has had at most, in KiB; its own, not its children's."""
    status = Path(f"/proc/{service.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1])


def test_a_hundred_megabytes_and_bombs_leave_memory_and_the_old_picture_as_they_are(
    service: Service, tmp_path: Path
) -> None:
    def png(size: tuple[int, int], color: str = "red") -> bytes:
        made = io.BytesIO()
        Image.new("RGB", size, color).save(made, "PNG")
        return made.getvalue()

    service.settings["ATELIER_MEDIA"] = str(tmp_path / "uploads")
    path, headers = f"{USERS}/{MEMBER.id}/image", {"Content-Type": "image/png"}
    with service, service.client() as client:
        own = client.as_(MEMBER)
        first = own.put(path, content=png((50, 50)), headers=headers)
        assert first.status_code == 200
        before = resident(service)

        def endless() -> Any:
            for _ in range(1_600):
                yield bytes(65_536)

        for content in (endless(), bytes(100 * 1024 * 1024)):
            assert own.put(path, content=content, headers=headers).status_code == 413
        largest, bomb = png((4096, 4096)), png((4097, 4096))
        others = (bomb, bomb[:5000], bomb, b"<html>")

        def upload(number: int) -> int:
            with service.client() as other:
                sent = [largest, bomb, largest[:5000], b"<svg/>", *others][number % 8]
                return (
                    other.as_(OTHER)
                    .put(f"{USERS}/{OTHER.id}/image", content=sent, headers=headers)
                    .status_code
                )

        assert at_once(16, upload) == [200, *[422] * 7] * 2
        assert resident(service) - before < 50 * 1024
        user = own.get(f"{USERS}/me").json()
        assert user == first.json()
        assert own.get(user["image_url"]).status_code == 200
        names = {file.name for file in (tmp_path / "uploads").iterdir()}
        other = client.as_(OTHER).get(f"{USERS}/me").json()["image_file"]
        assert names == {user["image_file"], other}


def test_a_folder_of_uploads_that_cannot_be_used_is_503_and_the_picture_stays(
    service: Service, tmp_path: Path
) -> None:
    folder = tmp_path / "uploads"
    service.settings["ATELIER_MEDIA"] = str(folder)
    made = io.BytesIO()
    Image.new("RGB", (5, 5)).save(made, "PNG")
    path, headers = f"{USERS}/{MEMBER.id}/image", {"Content-Type": "image/png"}
    with service, service.client() as client:
        own = client.as_(MEMBER)
        folder.rmdir()
        folder.write_text("in the way")
        answer = own.put(path, content=made.getvalue(), headers=headers)
        assert answer.status_code == 503
        assert answer.json()["code"] == "storage-unavailable"
        assert int(answer.headers["retry-after"]) > 0
        assert own.get(f"{USERS}/me").json()["version"] == 1
        folder.unlink()
        assert own.put(path, content=made.getvalue(), headers=headers).status_code == 200


# Where a request comes from


def test_only_a_trusted_proxy_says_where_a_request_comes_from(
    sqlite_place: Path, tmp_path: Path
) -> None:
    with sql_backend(database_at(sqlite_place)) as backend:
        now = datetime.now(UTC)
        for _ in range(ADDRESS_LIMIT.max_failures):
            counters = address_counters("127.0.0.1")
            backend.default_runner.perform(register_failure, counters, now=now)

    def ask(**settings: str) -> int:
        with (
            Service(tmp_path, **settings_for(sqlite_place), **settings) as service,
            service.client() as client,
        ):
            form = {"username": "bob", "password": "wrong"}
            headers = {"X-Forwarded-For": "198.51.100.7"}
            return client.as_(None).post(SIGN_IN, data=form, headers=headers).status_code

    assert ask() == 429
    assert ask(ATELIER_TRUSTED_PROXIES="198.51.100.1") == 429
    assert ask(ATELIER_TRUSTED_PROXIES="10.0.0.0/8, 127.0.0.1") == 401
