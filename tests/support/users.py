"""Users in a backend: created and read through its ports."""

from typing import Any
from uuid import UUID

from domain.access import digest_of
from domain.login_throttle import Counters, sign_in_counters
from service_layer import users as user_use_cases
from service_layer.queries.users import UserView
from support.backends import NOON, Backend
from support.people import CTX, PASSWORD_HASH


def add_user(backend: Backend, username: str = "dora", **members: Any) -> UUID:
    members.setdefault("email", f"{username}@example.org")
    members.setdefault("name", username.title() + "!")
    members.setdefault("ctx", CTX)
    user = backend.default_runner.perform(
        user_use_cases.create_user, username=username, password_hash=PASSWORD_HASH, **members
    )
    return user.id


def get_user(backend: Backend, id: UUID) -> UserView:
    found = backend.ask(backend.users.get(id, NOON))
    assert found is not None
    return found


def granted(backend: Backend, secret: str) -> bool:
    return backend.ask(backend.access.grant(digest_of(secret))) is not None


def counters(
    login: str = "bob", address: str = "here", password_hash: str | None = None
) -> Counters:
    return sign_in_counters(login, address, password_hash)
