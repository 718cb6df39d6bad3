"""The API of users."""

from typing import Any

import pytest

from support.api import NEW_USER, TASKS, USERS, create_task, error_locations, problem, user_path
from support.backends import Clock
from support.clients import Client
from support.people import ADMIN, EXPIRED, MEMBER, OTHER, PASSWORD, PEOPLE, READ_ONLY, REVOKED

# Creation


def test_a_new_user_is_answered_with_everything_but_the_password(client: Client) -> None:
    answer = client.post(USERS, json=NEW_USER)

    assert answer.status_code == 201, answer.text
    user = answer.json()
    assert user == {
        "id": user["id"],
        "version": 1,
        "created_at": "2026-03-01T12:00:00Z",
        "updated_at": "2026-03-01T12:00:00Z",
        "username": "Dora.1",
        "email": "dora@example.org",
        "name": "Dora D",
        "age": None,
        "city": "Unknown",
        "role": "member",
        "is_active": True,
        "image_file": None,
        "image_url": "/media/default.png",
    }
    assert answer.headers["location"] == f"{USERS}/{user['id']}"
    read = client.get(answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (user, answer.headers["etag"])


def test_only_admins_create_users_unless_registration_is_open(
    client: Client, open_client: Client
) -> None:
    problem(client.as_(None).post(USERS, json=NEW_USER), 401, "unauthenticated")
    problem(client.as_(MEMBER).post(USERS, json=NEW_USER), 403, "forbidden")

    answer = open_client.as_(None).post(USERS, json=NEW_USER)
    assert answer.status_code == 201
    assert answer.json()["role"] == "member"
    problem(open_client.as_(None).post(USERS, json={**NEW_USER, "role": "admin"}), 422, "invalid")


def test_read_only_token_creates_no_user_even_with_open_registration(
    open_client: Client,
) -> None:
    problem(open_client.as_(READ_ONLY).post(USERS, json=NEW_USER), 403, "forbidden")
    assert open_client.as_(MEMBER).post(USERS, json=NEW_USER).status_code == 201
    # Whose token is worth nothing any more is a stranger, who may.
    for number, token in enumerate((EXPIRED, REVOKED, "atl_made-up")):
        another = {**NEW_USER, "username": f"u{number}", "email": f"u{number}@example.org"}
        assert open_client.as_(token).post(USERS, json=another).status_code == 201


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"username": ""}, {"#/username"}),
        ({"username": "x" * 51}, {"#/username"}),
        ({"username": "ann bee"}, {"#/username"}),
        ({"username": "änn"}, {"#/username"}),
        ({"username": "ann@home"}, {"#/username"}),
        ({"username": "."}, {"#/username"}),
        ({"username": ".."}, {"#/username"}),
        ({"username": "._-"}, {"#/username"}),
        ({"username": " .. "}, {"#/username"}),
        ({"username": "ann\n."}, {"#/username"}),
        ({"email": "ann"}, {"#/email"}),
        ({"email": "ann@localhost"}, {"#/email"}),
        ({"email": "ann@@example.org"}, {"#/email"}),
        ({"email": "a nn@example.org"}, {"#/email"}),
        ({"email": "ann@example..org"}, {"#/email"}),
        ({"email": "ann@-example.org"}, {"#/email"}),
        ({"email": ".ann@example.org"}, {"#/email"}),
        ({"email": "ann@127.0.0.1"}, {"#/email"}),
        ({"email": f"{'a' * 109}@example.org"}, {"#/email"}),
        ({"email": "Ann <ann@example.org>"}, {"#/email"}),
        ({"name": "x"}, {"#/name"}),
        ({"name": " x "}, {"#/name"}),
        ({"name": "x" * 51}, {"#/name"}),
        ({"age": -1}, {"#/age"}),
        ({"age": 151}, {"#/age"}),
        ({"age": "7"}, {"#/age"}),
        ({"age": True}, {"#/age"}),
        ({"city": "x" * 51}, {"#/city"}),
        ({"city": None}, {"#/city"}),
        ({"password": "x" * 7}, {"#/password"}),
        ({"password": "x" * 129}, {"#/password"}),
        ({"password": "e\u0301" * 4}, {"#/password"}),
        ({"password": None}, {"#/password"}),
        ({"password": "password"}, {"#/password"}),
        ({"password": "PassW0rd123"}, {"#/password"}),
        ({"password": "12345678"}, {"#/password"}),
        ({"username": "dora.workshop", "password": "Dora.Workshop"}, {"#/password"}),
        ({"email": "dora@example.org", "password": "DORA@example.org"}, {"#/password"}),
        ({"role": "admin"}, {"#/role"}),
        ({"is_active": False, "image_file": "x.png"}, {"#/is_active", "#/image_file"}),
        ({"username": " ", "email": "x", "name": "", "password": ""},
         {"#/username", "#/email", "#/name", "#/password"}),
    ],
)  # fmt: skip
def test_an_unacceptable_member_of_a_user_is_pointed_at(
    client: Client, members: dict[str, Any], where: set[str]
) -> None:
    assert error_locations(client.post(USERS, json={**NEW_USER, **members})) == where
    assert len(client.get(USERS).json()["items"]) == len(PEOPLE)


@pytest.mark.parametrize(
    "members",
    [
        {"username": "x"}, {"username": "._-1"}, {"username": " X "}, {"username": "x" * 50},
        {"username": "..x"}, {"username": ".x."},
        {"email": f"{'a' * 108}@example.org"}, {"email": "o'hara+tag@sub.example.co"},
        {"name": "xy"}, {"name": "e\u0301" * 50}, {"age": 0}, {"age": 150}, {"age": 3.0},
        {"city": ""}, {"city": "x" * 50}, {"password": "x" * 8}, {"password": "🛠" * 128},
        {"password": " " * 8},
    ],
)  # fmt: skip
def test_what_is_just_within_the_rules_is_taken(client: Client, members: dict[str, Any]) -> None:
    assert client.post(USERS, json={**NEW_USER, **members}).status_code == 201


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"username": "BOB"}, "#/username"),
        ({"email": "BOB@canary.EXAMPLE"}, "#/email"),
    ],
)
def test_username_or_address_in_use_is_pointed_at_and_not_repeated(
    client: Client, members: dict[str, str], where: str
) -> None:
    dora = client.post(USERS, json=NEW_USER).headers["location"]
    for answer in (
        client.post(USERS, json={**NEW_USER, "username": "x", "email": "x@example.org", **members}),
        client.patch(dora, json=members),
    ):
        told = problem(answer, 409, "already-taken")
        assert [error["pointer"] for error in told["errors"]] == [where]
        assert "canary" not in answer.text.lower()
    assert client.get(dora).json()["version"] == 1


@pytest.mark.parametrize("query", ["email=x", "name=", "city=%00", "sort=email", "is_active=1",
                                   "sort=city", "role=admin", "age=3"])  # fmt: skip
def test_what_users_cannot_be_asked_for_is_refused(client: Client, query: str) -> None:
    assert error_locations(client.get(f"{USERS}?{query}"))


# Changes


def test_a_patch_of_a_profile_sets_clears_and_keeps(client: Client, clock: Clock) -> None:
    own = client.as_(MEMBER)
    before = own.get(user_path(MEMBER)).json()
    clock.advance(minutes=1)
    changed = own.patch(
        user_path(MEMBER), json={"username": "BOB", "age": 30, "email": "New@canary.example"}
    )
    cleared = own.patch(user_path(MEMBER), json={"age": None})
    same = own.patch(user_path(MEMBER), json={"age": None, "username": " BOB "})

    assert changed.json() == {
        **before, "version": 2, "updated_at": "2026-03-01T12:01:00Z", "username": "BOB",
        "age": 30, "email": "new@canary.example",
    }  # fmt: skip
    assert (cleared.json()["age"], cleared.json()["version"]) == (None, 3)
    assert same.json() == cleared.json()
    for name in ("username", "email", "name", "city", "role", "is_active", "password"):
        assert error_locations(client.patch(user_path(MEMBER), json={name: None})) == {f"#/{name}"}
    for read_only in ("id", "version", "image_file", "image_url", "password_hash", "created_at"):
        assert error_locations(client.patch(user_path(MEMBER), json={read_only: "x"})) == {
            f"#/{read_only}"
        }


def test_only_an_admin_changes_roles_and_who_is_active(client: Client) -> None:
    for change in ({"role": "admin"}, {"is_active": False}, {"role": "member"}):
        problem(client.as_(MEMBER).patch(user_path(MEMBER), json=change), 403, "forbidden")
    promoted = client.patch(user_path(MEMBER), json={"role": "admin"}).json()
    assert (promoted["role"], promoted["version"]) == ("admin", 2)
    assert client.as_(MEMBER).get(user_path(OTHER)).json()["email"] == OTHER.email
    assert client.as_(MEMBER).patch(user_path(ADMIN), json={"role": "member"}).status_code == 200
    # The next request knows.
    problem(client.post(USERS, json=NEW_USER), 403, "forbidden")
    for role in ("owner", "Admin", 1, True):
        answer = client.as_(MEMBER).patch(user_path(OTHER), json={"role": role})
        assert error_locations(answer) == {"#/role"}


def test_the_last_admin_stays(client: Client) -> None:
    for answer in (
        client.patch(user_path(ADMIN), json={"role": "member"}),
        client.patch(user_path(ADMIN), json={"is_active": False}),
        client.delete(user_path(ADMIN)),
    ):
        problem(answer, 409, "last-admin")
    assert client.get(f"{USERS}/me").json()["version"] == 1


def test_a_user_with_tasks_is_deactivated_instead_of_deleted(client: Client) -> None:
    task = create_task(client.as_(MEMBER), assignee_id=str(OTHER.id))
    for person in (MEMBER, OTHER):
        problem(client.delete(user_path(person)), 409, "in-use")
    answer = client.patch(user_path(MEMBER), json={"is_active": False})

    assert answer.json()["is_active"] is False
    problem(client.as_(MEMBER).get(TASKS), 401, "unauthenticated")
    assert client.as_(None).get(user_path(MEMBER)).json() == MEMBER.public
    assert client.get(f"{TASKS}/{task['id']}").json()["created_by"] == MEMBER.public
    client.delete(f"{TASKS}/{task['id']}")
    assert client.delete(user_path(MEMBER)).status_code == 204
    problem(client.get(user_path(MEMBER)), 404, "not-found")
    problem(client.as_(MEMBER).delete(user_path(OTHER)), 401, "unauthenticated")


def test_reactivated_user_must_sign_in_again(client: Client) -> None:
    client.patch(user_path(MEMBER), json={"is_active": False})
    client.patch(user_path(MEMBER), json={"is_active": True})
    problem(client.as_(MEMBER).get(TASKS), 401, "unauthenticated")


def test_admin_sets_the_password_of_others_but_not_their_own(client: Client) -> None:
    new = {"password": "another password"}
    problem(client.patch(user_path(ADMIN), json=new), 403, "forbidden")
    problem(client.as_(MEMBER).patch(user_path(MEMBER), json=new), 403, "forbidden")
    assert client.patch(user_path(MEMBER), json=new).json()["version"] == 2

    problem(client.as_(MEMBER).get(TASKS), 401, "unauthenticated")
    form = {"username": "bob", "password": "another password"}
    assert client.as_(None).post("/api/v1/auth/token", data=form).status_code == 200
    form = {"username": "bob", "password": PASSWORD}
    assert client.as_(None).post("/api/v1/auth/token", data=form).status_code == 401


def test_a_change_of_a_user_that_was_not_seen_is_refused(
    client: Client, strict_client: Client
) -> None:
    stale = {"If-Match": '"7-0123456789abcdef"'}
    path = user_path(MEMBER)
    for answer in (
        client.patch(path, json={"age": 1}, headers=stale),
        client.delete(path, headers=stale),
        client.delete(f"{path}/image", headers=stale),
        client.put(f"{path}/image", content=b"x", headers={**stale, "Content-Type": "image/png"}),
    ):
        problem(answer, 412, "precondition-failed")
    for answer in (strict_client.patch(path, json={}), strict_client.delete(f"{path}/image")):
        problem(answer, 428, "precondition-required")
