"""Tokens and sessions: grants, ownership, revocation."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.access import MAX_SESSIONS, Purpose, Scope, TokenFilter, TokenRevoked, digest_of
from domain.actors import Role
from domain.base import Context
from domain.errors import (
    AuthenticationFailed,
    InvalidField,
    NotFound,
    PermissionDenied,
    VersionMismatch,
)
from service_layer import access
from service_layer import users as user_use_cases
from support.backends import NOON, Backend
from support.concurrency import in_threads
from support.pagination import FIRST_PAGE
from support.people import ADMIN, CTX, MEMBER, OTHER, PASSWORD_HASH
from support.use_cases import perform
from support.users import add_user, counters, get_user, granted


def _token_of(backend: Backend, user_id: UUID) -> UUID:
    """Open a session of the user, and return the id of its token."""
    issued = perform(backend, access.open_session, user_id, PASSWORD_HASH, {}, ctx=CTX)
    id: UUID = issued.token.id
    return id


def personal(backend: Backend, name: str = "script", **members: Any) -> access.IssuedToken:
    members = {"scope": Scope.WRITE, "expires_at": None, "ctx": MEMBER.ctx, **members}
    members["session_token_id"] = _token_of(backend, members["ctx"].by)
    issued: access.IssuedToken = perform(backend, access.create_token, name=name, **members)
    return issued


def test_a_token_grants_what_its_user_may_do(backend: Backend) -> None:
    issued = personal(backend, scope=Scope.READ, expires_at=NOON + timedelta(days=1))
    grant = backend.ask(backend.access.grant(digest_of(issued.secret)))

    assert grant is not None
    program = replace(MEMBER.actor, by_personal_token=True)
    assert (grant.token_id, grant.actor) == (issued.token.id, program)
    assert (grant.scope, grant.is_personal) == (Scope.READ, True)
    assert (grant.expires_at, grant.last_used_at) == (NOON + timedelta(days=1), None)
    assert not granted(backend, issued.secret + "x")
    assert not granted(backend, digest_of(issued.secret))


def test_a_use_of_a_token_is_noted_without_changing_it(backend: Backend) -> None:
    issued = personal(backend)
    perform(backend, access.record_use, issued.token.id, NOON + timedelta(hours=1))

    view = backend.ask(backend.tokens.get(issued.token.id, NOON))
    assert view is not None
    assert (view.version, view.updated_at) == (1, NOON)
    assert view.last_used_at == NOON + timedelta(hours=1)
    perform(backend, access.revoke_token, issued.token.id, ctx=MEMBER.ctx, expected={1})
    perform(backend, access.record_use, issued.token.id, NOON)


def test_a_token_is_its_owners_alone(backend: Backend) -> None:
    issued = personal(backend)
    for actor in (OTHER.actor, ADMIN.actor):
        with pytest.raises(NotFound):
            perform(backend, access.revoke_token, issued.token.id, ctx=Context(actor, NOON))
    with pytest.raises(VersionMismatch):
        perform(
            backend,
            access.revoke_token,
            issued.token.id,
            ctx=MEMBER.ctx,
            expected={2},
        )
    for person, there in ((MEMBER, True), (OTHER, False), (ADMIN, False)):
        found = backend.ask(backend.tokens.owned(issued.token.id, person.id))
        assert (found is not None) == there
    perform(backend, access.revoke_token, issued.token.id, ctx=MEMBER.ctx)
    assert not granted(backend, issued.secret)
    listed = backend.ask(backend.tokens.list_page(TokenFilter(user_id=MEMBER.id), FIRST_PAGE)).items
    assert issued.token.id not in {token.id for token in listed}


@pytest.mark.parametrize("way", ["deactivated", "given a password", "deleted"])
def test_change_that_ends_a_users_access_revokes_all_their_tokens_in_the_same_transaction(
    backend: Backend, way: str
) -> None:
    id = add_user(backend)
    actor = replace(MEMBER.actor, id=id)
    secrets = [
        personal(backend, ctx=Context(actor, NOON)).secret,
        perform(backend, access.open_session, id, PASSWORD_HASH, {}, ctx=CTX).secret,
    ]
    assert all(granted(backend, secret) for secret in secrets)
    happened: list[Any] = []
    runner = backend.runner()
    runner.after_commit(happened.extend)
    if way == "deactivated":
        runner.perform(user_use_cases.edit_user, id, {"is_active": False}, ctx=ADMIN.ctx)
        back: dict[str, Any] = {"is_active": True}
        perform(backend, user_use_cases.edit_user, id, back, ctx=ADMIN.ctx)
    elif way == "deleted":
        runner.perform(user_use_cases.delete_user, id, ctx=ADMIN.ctx)
    else:
        runner.perform(user_use_cases.edit_user, id, {}, password_hash="new", ctx=ADMIN.ctx)
    assert not any(granted(backend, secret) for secret in secrets)
    assert sum(isinstance(event, TokenRevoked) for event in happened) == 3
    assert granted(backend, MEMBER.token)


def test_of_a_deactivation_and_what_happens_at_the_same_moment_no_token_is_left(
    backend: Backend,
) -> None:
    for turn in range(10):
        id = add_user(backend, f"passing{turn}")
        actor = replace(MEMBER.actor, id=id)
        known_by = _token_of(backend, id)

        def meet(place: int, id: UUID = id, actor: Any = actor, by: UUID = known_by) -> str | None:
            try:
                if place == 0:
                    change = {"is_active": False}
                    perform(backend, user_use_cases.edit_user, id, change, ctx=ADMIN.ctx)
                    return None
                if place == 1:
                    issued = perform(backend, access.open_session, id, PASSWORD_HASH, {}, ctx=CTX)
                else:
                    issued = perform(
                        backend,
                        access.create_token,
                        name="x",
                        scope=Scope.WRITE,
                        expires_at=None,
                        ctx=Context(actor, NOON),
                        session_token_id=by,
                    )
                return str(issued.secret)
            except AuthenticationFailed:
                return None

        secrets = [secret for secret in in_threads(3, meet) if secret]

        back: dict[str, Any] = {"is_active": True}
        perform(backend, user_use_cases.edit_user, id, back, ctx=ADMIN.ctx)
        assert not any(granted(backend, secret) for secret in secrets)


def test_role_or_token_lost_meanwhile_permits_nothing(backend: Backend) -> None:
    other = add_user(backend, "boss", role=Role.ADMIN)
    boss = replace(ADMIN.actor, id=other)
    known_by = _token_of(backend, other)
    demoted: dict[str, Any] = {"role": Role.MEMBER}
    perform(backend, user_use_cases.edit_user, other, demoted, ctx=ADMIN.ctx)
    new = {"username": "x", "email": "x@example.org", "name": "xx", "password_hash": "-"}
    for use_case, arguments in (
        (user_use_cases.edit_user, (other, {"role": Role.ADMIN})),
        (user_use_cases.edit_user, (MEMBER.id, {"is_active": False})),
        (user_use_cases.delete_user, (MEMBER.id,)),
    ):
        with pytest.raises(PermissionDenied):
            perform(backend, use_case, *arguments, ctx=Context(boss, NOON))
    with pytest.raises(PermissionDenied):
        perform(backend, user_use_cases.create_user, **new, ctx=Context(boss, NOON))
    perform(backend, access.revoke_current_token, known_by, ctx=Context(boss, NOON))
    with pytest.raises(AuthenticationFailed):
        personal_by = replace(boss, role=Role.MEMBER)
        perform(
            backend,
            access.create_token,
            name="x",
            scope=Scope.READ,
            expires_at=None,
            ctx=Context(personal_by, NOON),
            session_token_id=known_by,
        )
    assert get_user(backend, other).role is Role.MEMBER


def test_an_inactive_user_is_granted_nothing(backend: Backend) -> None:
    with backend.open() as uow:
        uow.users.get(MEMBER.id).is_active = False
        uow.commit()
    assert not granted(backend, MEMBER.token)


@pytest.mark.parametrize("meanwhile", ["another password", "inactive", "gone"])
def test_sign_in_fails_if_the_user_changes_meanwhile(backend: Backend, meanwhile: str) -> None:
    counted = counters(password_hash=PASSWORD_HASH)
    with backend.open() as uow:
        if meanwhile == "gone":
            user_use_cases.delete_user(uow, MEMBER.id, ctx=ADMIN.ctx)
        elif meanwhile == "inactive":
            uow.users.get(MEMBER.id).is_active = False
        else:
            uow.users.get(MEMBER.id).password_hash = "another"
        uow.commit()
    with pytest.raises(AuthenticationFailed):
        perform(backend, access.open_session, MEMBER.id, PASSWORD_HASH, counted, ctx=CTX)
    with pytest.raises(InvalidField if meanwhile == "another password" else AuthenticationFailed):
        perform(
            backend,
            user_use_cases.change_password,
            ctx=MEMBER.ctx,
            confirmation=user_use_cases.Confirmation("not this one", counted),
            password_hash="new",
        )


def test_number_of_sessions_is_limited_and_the_oldest_ends(backend: Backend) -> None:
    def open_session(minutes: int) -> str:
        now = NOON + timedelta(minutes=minutes)
        issued = perform(
            backend, access.open_session, MEMBER.id, PASSWORD_HASH, {}, ctx=Context(None, now)
        )
        return str(issued.secret)

    secrets = [open_session(minute) for minute in range(MAX_SESSIONS + 2)]

    assert [granted(backend, secret) for secret in secrets] == [False] * 2 + [True] * MAX_SESSIONS
    # What has expired is cleared away.
    open_session(60 * 24)
    with backend.open() as uow:
        assert len(uow.tokens.list_for_user(Purpose.SESSION, MEMBER.id)) == 1
