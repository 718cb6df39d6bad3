"""What a read costs the database: one statement, however much it answers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from dependency_injector import providers
from fastapi import FastAPI
from sqlalchemy import URL

from adapters.passwords import Argon2PasswordHasher
from adapters.sql.database import SqlDatabase
from bootstrap import Container, make_ports
from entrypoints.app import make_app
from service_layer import posts
from support.backends import NOON, Clock, client_of, sql_backend
from support.clients import Client
from support.people import MEMBER, OTHER
from support.statements import recording_database

COUNTED: list[str] = []
"""The statements of the reads since this was emptied last."""


def counted(place: Path | URL) -> SqlDatabase:
    """Return the database, which adds its reads to `COUNTED`."""
    return recording_database(place, lambda statement, _: COUNTED.append(str(statement.select)))


@pytest.fixture
def app(place: Path | URL, clock: Clock) -> FastAPI:
    container = Container()
    container.database.override(providers.Singleton(counted, place))
    container.clock.override(providers.Object(clock))
    container.passwords.override(providers.Singleton(Argon2PasswordHasher, memory_kib=8, passes=1))
    return make_app(make_ports(container))


@pytest.fixture
def client(app: FastAPI) -> Iterator[Client]:
    with client_of(app) as made:
        yield made


def fill(client: Client, number: int) -> list[str]:
    """Make some of everything, and return the ids."""
    ids = []
    own = client.as_(MEMBER)
    for n in range(number):
        new = {"title": f"t{n}", "assignee_id": str(OTHER.id)}
        ids.append(own.post("/api/v1/tasks", json=new).json()["id"])
        post = own.post("/api/v1/posts", json={"title": f"p{n}", "content": "x"}).json()
        own.post(f"/api/v1/posts/{post['id']}/publish")
        token = own.post("/api/v1/tokens", json={"name": f"n{n}", "scope": "read"}).json()
        category = client.post("/api/v1/categories", json={"name": f"c{number} {n}"}).json()
        product = own.post(
            "/api/v1/products",
            json={"name": f"x{n}", "price": "1.50", "stock": 3, "category_id": category["id"]},
        ).json()
        device = own.post("/api/v1/devices", json={"name": f"d{n}"}).json()
        ids += [category["id"], product["id"], device["id"]]
        user = {"username": f"u{n}", "email": f"u{n}@example.org", "name": "Name"}
        client.post("/api/v1/users", json={**user, "password": "long enough"})
        ids += [post["id"], token["id"]]
    return [*ids, str(MEMBER.id)]


def test_each_read_is_one_statement_however_long_the_list(client: Client) -> None:
    document = client.get("/openapi.json").json()
    reads = [path for path, methods in document["paths"].items() if "get" in methods]
    own = client.as_(MEMBER)
    answered = set()
    for number in (1, 5):
        ids = fill(client, number)
        for path in reads:
            for id in ids if "{" in path else [""]:
                own.get("/api/v1/users/me")  # so that the token is known
                COUNTED.clear()
                asked = re.sub(r"{\w+}", id, path)
                for query in ("", "?limit=100&count=true") if "{" not in path else ("",):
                    answer = own.get(asked + query)
                    if answer.status_code == 200:
                        answered.add(path)
                        # The token is asked about again when it has been known for a second.
                        of_it = [sql for sql in COUNTED if "tokens.digest" not in sql]
                        assert len(of_it) <= 1, (asked, of_it)
                    COUNTED.clear()
    assert answered == set(reads)


def test_each_read_that_no_address_answers_is_one_statement_as_well(place: Path | URL) -> None:
    with sql_backend(counted(place)) as backend:
        with backend.open() as uow:
            posts.create_post(uow, title="News", content="x", ctx=MEMBER.ctx)
            uow.commit()
        COUNTED.clear()
        for read in (
            backend.posts.by_slug("news"),
            backend.users.by_username("BOB"),
            backend.tasks.completed_per_week(NOON, 12),
            backend.devices.presences(NOON),
        ):
            assert backend.ask(read) is not None
            assert len(COUNTED) == 1, COUNTED
            COUNTED.clear()


def test_a_read_that_follows_another_asks_nothing_about_who_asks(client: Client) -> None:
    fill(client, 1)
    client.as_(MEMBER).get("/api/v1/tasks")
    COUNTED.clear()
    for _ in range(20):
        assert client.as_(MEMBER).get("/api/v1/tasks").status_code == 200
    assert len(set(COUNTED)) <= 2  # the list, and the token if a second has passed meanwhile
    assert 20 <= len(COUNTED) <= 22


def test_who_changes_something_is_asked_for_once(client: Client) -> None:
    own = client.as_(MEMBER)
    path = own.post("/api/v1/posts", json={"title": "x", "content": "x"}).headers["location"]
    COUNTED.clear()
    assert own.patch(path, json={"title": "y"}).status_code == 200
    assert sum("tokens" in statement for statement in COUNTED) == 1
    COUNTED.clear()
    assert own.post("/api/v1/users", json={}).status_code == 403
    assert sum("tokens" in statement for statement in COUNTED) == 1
