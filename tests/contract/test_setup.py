"""First set-up: the secret creates one admin."""

from typing import Any
from uuid import UUID

import pytest

from domain.access import AlreadySetUp, digest_of
from domain.actors import Role
from domain.errors import AuthenticationFailed, NotUnique
from service_layer import access
from service_layer import users as user_use_cases
from support.backends import Backend
from support.concurrency import in_threads
from support.people import ADMIN, CTX, MEMBER
from support.use_cases import perform
from support.users import granted


def test_check_of_the_setup_secret_does_not_use_it(backend: Backend) -> None:
    with backend.open() as uow:
        uow.users.get(ADMIN.id).is_active = False
        uow.commit()
    secret = perform(backend, access.prepare_setup, ctx=CTX)
    for told, is_one in ((secret, True), (secret, True), (MEMBER.token, False), ("", False)):
        assert backend.ask(backend.access.is_setup_secret(digest_of(told))) is is_one


ROUNDS = 30


def test_the_setup_secret_works_once_and_only_while_there_is_no_admin(backend: Backend) -> None:
    assert perform(backend, access.prepare_setup, ctx=CTX) is None
    with backend.open() as uow:
        uow.users.get(ADMIN.id).is_active = False
        uow.commit()
    first = perform(backend, access.prepare_setup, ctx=CTX)
    second = perform(backend, access.prepare_setup, ctx=CTX)
    assert backend.ask(backend.access.awaits_setup())
    assert not granted(backend, second)

    def set_up(secret: str, name: str = "eve") -> Any:
        return perform(
            backend,
            user_use_cases.set_up,
            secret,
            username=name,
            email=f"{name}@example.org",
            name=name,
            password_hash="-",
            ctx=CTX,
        )

    with pytest.raises(AuthenticationFailed):
        set_up(first)
    with pytest.raises(NotUnique):
        set_up(second, MEMBER.username)
    assert set_up(second).role is Role.ADMIN
    for secret in (first, second):
        with pytest.raises(AlreadySetUp):
            set_up(secret, "fay")
    assert not backend.ask(backend.access.awaits_setup())


def test_of_many_who_set_up_at_once_one_does(backend: Backend) -> None:
    first = ADMIN.id
    # That one comes between the looks of another is left to chance, so there are many rounds.
    for turn in range(ROUNDS):
        with backend.open() as uow:
            uow.users.get(first).is_active = False
            uow.commit()
        secret = perform(backend, access.prepare_setup, ctx=CTX)

        def set_up(number: int, turn: int = turn, secret: str = secret) -> UUID | None:
            name = f"eve{turn}.{number}"
            try:
                user = perform(
                    backend,
                    user_use_cases.set_up,
                    secret,
                    username=name,
                    email=f"{name}@example.org",
                    name="Eve",
                    password_hash="-",
                    ctx=CTX,
                )
            except AlreadySetUp:
                return None
            id: UUID = user.id
            return id

        (first,) = (id for id in in_threads(10, set_up) if id is not None)
