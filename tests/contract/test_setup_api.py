"""The API of first set-up."""

from datetime import timedelta
from typing import Any

import pytest

from domain.base import Context
from service_layer import access
from support.api import (
    NEW_USER,
    TASKS,
    USERS,
    assert_unauthenticated,
    error_locations,
    problem,
    signed_in,
)
from support.clients import Client
from support.people import ADMIN, MEMBER, NOON

SETUP = "/api/v1/setup"


def unset(client: Client) -> str:
    """Deactivate the admin, and return the secret of first set-up."""
    app: Any = client.http
    runner = app.app.state.ports.runner

    def without_admin(uow: Any) -> None:
        uow.users.get(ADMIN.id).is_active = False

    runner.perform(without_admin)
    return str(runner.perform(access.prepare_setup, ctx=Context(None, NOON - timedelta(hours=1))))


@pytest.mark.parametrize("way", ["body", "address"])
def test_the_first_admin_is_made_with_the_secret_and_then_it_is_dead(
    client: Client, way: str
) -> None:
    secret, stranger = unset(client), client.as_(None)
    body = {**NEW_USER, "secret": secret} if way == "body" else NEW_USER
    address = SETUP if way == "body" else f"{SETUP}?secret={secret}"
    assert_unauthenticated(stranger.get(TASKS, headers={"Authorization": f"Bearer {secret}"}))
    answer = stranger.post(address, json=body)

    assert answer.status_code == 201, answer.text
    admin = answer.json()
    assert (admin["role"], admin["email"]) == ("admin", "dora@example.org")
    assert answer.headers["location"] == f"{USERS}/{admin['id']}"
    assert secret not in answer.text
    own = signed_in(client, "dora.1", NEW_USER["password"])
    assert own.get(USERS).json()["items"][0]["email"]
    again = {**body, "username": "eve", "email": "eve@example.org"}
    for sent in (again, {**again, "secret": "atl_x"}, {}, {"x": 1}):
        problem(stranger.post(address, json=sent), 404, "not-found")


def test_set_up_without_the_secret_is_refused(client: Client) -> None:
    secret, stranger = unset(client), client.as_(None)
    for sent in (NEW_USER, {**NEW_USER, "secret": "atl_x"}, {**NEW_USER, "secret": secret[:-1]}):
        assert_unauthenticated(stranger.post(SETUP, json=sent))
    assert_unauthenticated(client.post(SETUP, json=NEW_USER))
    assert error_locations(stranger.post(SETUP, json={"secret": secret, "role": "member"})) >= {
        "#/role"
    }
    taken = {**NEW_USER, "secret": secret, "username": "bob"}
    problem(stranger.post(SETUP, json=taken), 409, "already-taken")
    # What failed has not used the secret up.
    assert stranger.post(SETUP, json={**NEW_USER, "secret": secret}).status_code == 201


def test_a_workshop_with_an_admin_is_not_set_up_again(client: Client) -> None:
    for sent in ({**NEW_USER, "secret": "atl_x"}, {}, {"secret": MEMBER.token}):
        problem(client.as_(None).post(SETUP, json=sent), 404, "not-found")
