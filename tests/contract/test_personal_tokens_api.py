"""The API of personal tokens."""

from typing import Any

import pytest

from domain.access import MAX_TOKENS
from support.api import (
    SIGN_IN,
    TASKS,
    USERS,
    assert_unauthenticated,
    create_task,
    error_locations,
    problem,
)
from support.backends import Clock
from support.clients import Client
from support.people import ADMIN, MEMBER, OTHER, READ_ONLY

TOKENS = "/api/v1/tokens"


def test_a_personal_token_shows_its_secret_once(client: Client) -> None:
    own = client.as_(OTHER)
    answer = own.post(TOKENS, json={"name": " CI ", "scope": "read"})

    assert answer.status_code == 201
    made = answer.json()
    secret = made.pop("token")
    assert secret.startswith("atl_")
    assert made == {
        "id": made["id"],
        "version": 1,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
        "name": "CI",
        "scope": "read",
        "expires_at": None,
        "last_used_at": None,
    }
    assert answer.headers["cache-control"] == "no-store"
    path = answer.headers["location"]
    assert path == f"{TOKENS}/{made['id']}"
    listed = own.get(TOKENS)
    assert made in listed.json()["items"]
    assert own.get(path).json() == made
    assert secret not in listed.text
    assert client.as_(secret).get(f"{USERS}/me").json()["username"] == "cleo"


def test_a_token_for_reading_reads_and_no_more(client: Client) -> None:
    reader = client.as_(READ_ONLY)
    path = f"{TASKS}/{create_task(client)['id']}"
    assert reader.get(path).status_code == reader.head(TASKS).status_code == 200
    for answer in (
        reader.post(TASKS, json={"title": "x"}),
        reader.patch(path, json={}),
        reader.delete(path),
        reader.post(f"{path}/complete"),
        reader.post(TOKENS, json={"name": "x", "scope": "write"}),
        reader.put(f"{USERS}/me/password", json={}),
        reader.delete(SIGN_IN),
    ):
        problem(answer, 403, "forbidden")


def test_a_personal_token_expires_when_it_was_to(client: Client, clock: Clock) -> None:
    new = {"name": "x", "scope": "write", "expires_at": "2026-03-01T14:00:00.5+01:30"}
    answer = client.post(TOKENS, json=new)
    assert answer.json()["expires_at"] == "2026-03-01T12:30:00.500000Z"
    bearer = client.as_(answer.json()["token"])
    clock.advance(minutes=30)
    assert bearer.get(TASKS).status_code == 200
    clock.advance(seconds=0.5)
    assert_unauthenticated(bearer.get(TASKS))


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("new", "where"),
    [
        ({}, {"#/name", "#/scope"}),
        ({"name": "", "scope": "read"}, {"#/name"}),
        ({"name": "x" * 101, "scope": "read"}, {"#/name"}),
        ({"name": "x", "scope": "admin"}, {"#/scope"}),
        ({"name": "x", "scope": "read", "expires_at": "2026-03-01T12:00:00Z"}, {"#/expires_at"}),
        ({"name": "x", "scope": "read", "expires_at": "2030-01-01"}, {"#/expires_at"}),
        ({"name": "x", "scope": "read", "expires_at": "2030-01-01T00:00:00"}, {"#/expires_at"}),
        ({"name": "x", "scope": "read", "expires_at": "2030-02-30T00:00:00Z"}, {"#/expires_at"}),
        ({"name": "x", "scope": "read", "expires_at": "9999-12-31T23:59:59-23:00"},
         {"#/expires_at"}),
        ({"name": "x", "scope": "read", "expires_at": 1900000000}, {"#/expires_at"}),
        ({"name": "x", "scope": "read", "token": "atl_mine"}, {"#/token"}),
    ],
)  # fmt: skip
def test_an_unacceptable_member_of_a_token_is_pointed_at(
    client: Client, new: dict[str, Any], where: set[str]
) -> None:
    assert error_locations(client.post(TOKENS, json=new)) == where


def test_tokens_are_ones_own(client: Client) -> None:
    made = client.as_(MEMBER).post(TOKENS, json={"name": "x", "scope": "read"}).json()
    path = f"{TOKENS}/{made['id']}"
    for other in (OTHER, ADMIN):
        problem(client.as_(other).get(path), 404, "not-found")
        problem(client.as_(other).delete(path), 404, "not-found")
        stale = {"If-Match": '"9-0"'}
        problem(client.as_(other).delete(path, headers=stale), 404, "not-found")
        ids = [token["id"] for token in client.as_(other).get(TOKENS).json()["items"]]
        assert made["id"] not in ids
    assert client.as_(made["token"]).get(TASKS).status_code == 200


def test_a_deleted_token_is_worth_nothing_with_the_next_request(client: Client) -> None:
    own = client.as_(MEMBER)
    answer = own.post(TOKENS, json={"name": "x", "scope": "write"})
    bearer, path = client.as_(answer.json()["token"]), answer.headers["location"]
    assert bearer.get(TASKS).status_code == 200
    stale = {"If-Match": '"9-0"'}
    problem(own.delete(path, headers=stale), 412, "precondition-failed")
    assert own.delete(path, headers={"If-Match": answer.headers["etag"]}).status_code == 204
    assert_unauthenticated(bearer.get(TASKS))
    problem(own.delete(path), 404, "not-found")


def test_tokens_are_listed_by_pages(client: Client) -> None:
    own = client.as_(OTHER)
    names = [str(number) for number in range(5)]
    for name in names:
        own.post(TOKENS, json={"name": name, "scope": "read"})
    page = own.get(TOKENS, params={"limit": 4, "sort": "-created_at", "count": "true"}).json()
    rest = own.get(TOKENS, params={"cursor": page["next"], "sort": "-created_at"}).json()
    listed = [token["name"] for token in [*page["items"], *rest["items"]]]
    assert listed == [*names[::-1], "for tests"]
    assert (page["total"], rest["next"]) == (6, None)
    for query in ("user_id=x", "q=x", "sort=name"):
        assert error_locations(own.get(f"{TOKENS}?{query}"))


def test_when_a_token_was_used_last_is_kept_to_the_minute(client: Client, clock: Clock) -> None:
    made = client.post(TOKENS, json={"name": "x", "scope": "read"}).json()
    bearer, path = client.as_(made["token"]), f"{TOKENS}/{made['id']}"

    def used_at() -> Any:
        bearer.get(TASKS)
        # It is written in the writer's turn, before what comes after it.
        create_task(client)
        return client.get(path).json()["last_used_at"]

    assert used_at() == "2026-03-01T12:00:00Z"
    read = client.get(path)
    assert (read.json()["version"], read.json()["updated_at"]) == (1, "2026-03-01T12:00:00Z")


def test_one_has_a_hundred_personal_tokens_at_most(client: Client) -> None:
    own = client.as_(OTHER)
    for number in range(MAX_TOKENS - 1):
        assert own.post(TOKENS, json={"name": str(number), "scope": "read"}).status_code == 201
    answer = own.post(TOKENS, json={"name": "x", "scope": "read"})
    problem(answer, 409, "too-many-tokens")
    assert client.post(TOKENS, json={"name": "x", "scope": "read"}).status_code == 201
