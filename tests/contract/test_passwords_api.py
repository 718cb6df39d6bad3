"""The API of changing the password."""

from typing import Any

import pytest
from argon2 import PasswordHasher

from support.api import (
    NEW_USER,
    TASKS,
    USERS,
    assert_unauthenticated,
    error_locations,
    problem,
    sign_in,
    signed_in,
    user_path,
)
from support.clients import Client
from support.people import MEMBER, OTHER, PASSWORD


def test_a_changed_password_ends_every_session_and_token(client: Client) -> None:
    session = signed_in(client)
    change = {"current": PASSWORD, "new": "another password"}
    answer = session.put(f"{USERS}/me/password", json=change)

    assert (answer.status_code, answer.content) == (204, b"")
    assert_unauthenticated(session.get(TASKS))
    assert_unauthenticated(client.as_(MEMBER).get(TASKS))
    assert_unauthenticated(sign_in(client, "bob"))
    assert signed_in(client, "bob", "another password").get(f"{USERS}/me").json()["version"] == 2
    assert client.as_(OTHER).get(TASKS).status_code == 200


def test_change_of_password_requires_the_current_one(client: Client) -> None:
    own, path = client.as_(MEMBER), f"{USERS}/me/password"
    wrong = {"current": "wrong password", "new": "another password"}
    for _ in range(5):
        assert error_locations(own.put(path, json=wrong)) == {"#/current"}
    problem(own.put(path, json={**wrong, "current": PASSWORD}), 429, "too-many-requests")
    assert sign_in(client, "bob").status_code == 200
    assert error_locations(client.put(path, json={"current": PASSWORD, "new": "short"})) == {
        "#/new"
    }
    assert error_locations(client.put(path, json={})) == {"#/current", "#/new"}
    assert signed_in(client, "ada")


@pytest.mark.parametrize("refused", ["Password123", "bob", "BOB@canary.example"])
def test_a_new_password_is_neither_a_common_one_nor_a_name_of_its_user(
    client: Client, refused: str
) -> None:
    # A username can be as long as a password.
    if refused == "bob":
        refused = "bob.the.joiner"
        client.patch(user_path(MEMBER), json={"username": refused})
    change = {"current": PASSWORD, "new": refused.swapcase()}
    assert error_locations(client.as_(MEMBER).put(f"{USERS}/me/password", json=change)) == {"#/new"}
    assert error_locations(client.patch(user_path(MEMBER), json={"password": refused})) == {
        "#/password"
    }
    both = {"username": "another.name", "password": "Another.Name"}
    assert error_locations(client.patch(user_path(MEMBER), json=both)) == {"#/password"}
    assert signed_in(client, MEMBER.email)


def test_user_with_a_common_password_or_a_name_of_dots_still_signs_in(client: Client) -> None:
    app: Any = client.http

    def as_it_was(uow: Any) -> None:
        user = uow.users.get(OTHER.id)
        user.username = ".."
        user.password_hash = PasswordHasher(1, 8, 1).hash("password")

    app.app.state.ports.runner.perform(as_it_was)
    for login in ("..", OTHER.email):
        own = signed_in(client, login, "password")
    assert own.patch(user_path(OTHER), json={"city": "Ghent"}).json()["username"] == ".."


def test_a_password_is_the_same_however_its_letters_are_composed(client: Client) -> None:
    client.post(USERS, json={**NEW_USER, "password": "cafe\u0301 cafe\u0301"})
    assert sign_in(client, "dora.1", "caf\u00e9 caf\u00e9").status_code == 200
    assert sign_in(client, "dora.1", " caf\u00e9 caf\u00e9").status_code == 401
