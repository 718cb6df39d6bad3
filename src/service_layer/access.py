"""Access: issue and revoke tokens, and set up the first admin."""

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from uuid import UUID

from domain.access import (
    MAX_SESSIONS,
    MAX_TOKENS,
    SESSION_LIFETIME,
    AlreadySetUp,
    Purpose,
    Scope,
    Token,
    TooManyTokens,
    digest_of,
    new_secret,
)
from domain.actors import Actor, require_session
from domain.base import Event, Expected
from domain.errors import AuthenticationFailed, NotFound, PermissionDenied
from domain.known_browser import KnownBrowser
from domain.login_throttle import Counters
from service_layer.login_throttle import require_allowed
from service_layer.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class IssuedToken:
    """A new token, and its secret, which nobody can tell later.

    `browser` is for the browser to keep that has signed in by a page.
    """

    token: Token
    secret: str
    browser: KnownBrowser | None = None


def open_session(
    uow: UnitOfWork, user_id: UUID, verified_hash: str, counters: Counters, *, now: datetime
) -> IssuedToken:
    """Issue a session token to a user whose password was verified against `verified_hash`.

    Raises:
        AuthenticationFailed: when the password has changed since, or the user is inactive.
        TooManyAttempts: when others have reached a limit meanwhile.
    """
    user = uow.users.get_for_update(user_id)
    if user is None or not user.is_active or user.password_hash != verified_hash:
        raise AuthenticationFailed("Wrong username or password.")
    require_allowed(uow, counters, now)
    sessions = uow.tokens.list_for_user(Purpose.SESSION, user_id)
    for place, old in enumerate(reversed(sessions), start=1):
        if place >= MAX_SESSIONS or (old.expires_at and old.expires_at <= now):
            _revoke(uow, old, now)
    return _issue(
        uow, now, purpose=Purpose.SESSION, user_id=user_id, expires_at=now + SESSION_LIFETIME
    )


def create_token(
    uow: UnitOfWork,
    *,
    name: str,
    scope: Scope,
    expires_at: datetime | None,
    actor: Actor,
    session_token_id: UUID,
    now: datetime,
) -> IssuedToken:
    """Issue a personal token to a user who is signed in.

    Raises:
        PermissionDenied: to another personal token.
        AuthenticationFailed: when that has ended meanwhile.
        TooManyTokens: when the actor has as many as one can have.
    """
    require_session(actor)
    require_unchanged_actor(uow, actor)
    if uow.tokens.find(session_token_id) is None:
        raise AuthenticationFailed("Sign in again.")
    if len(uow.tokens.list_for_user(Purpose.PERSONAL, actor.id)) >= MAX_TOKENS:
        raise TooManyTokens
    return _issue(
        uow,
        now,
        purpose=Purpose.PERSONAL,
        user_id=actor.id,
        name=name,
        scope=scope,
        expires_at=expires_at,
    )


def revoke_token(
    uow: UnitOfWork, token_id: UUID, *, actor: Actor, now: datetime, expected: Expected = None
) -> None:
    """Revoke a personal token of the actor's.

    Raises:
        PermissionDenied: to another personal token.
        NotFound: when there is none, or it is somebody else's.
    """
    require_session(actor)
    token = uow.tokens.find(token_id)
    if token is None or token.user_id != actor.id or token.purpose is not Purpose.PERSONAL:
        raise NotFound(Token.entity_name, token_id)
    _revoke(uow, uow.tokens.get(token_id, expected), now, actor)


def revoke_current_token(uow: UnitOfWork, token_id: UUID, *, actor: Actor, now: datetime) -> None:
    """End the token that the actor is known by; if it has ended already, so much the better."""
    if token := uow.tokens.find(token_id):
        _revoke(uow, token, now, actor)


def require_actor_exists(uow: UnitOfWork, actor: Actor | None) -> None:
    """Make sure that what is going to name the actor names somebody who is there.

    Raises:
        AuthenticationFailed: when they are gone.
    """
    if actor is not None and not uow.users.has(actor.id):
        raise AuthenticationFailed("Sign in again.")


def require_unchanged_actor(uow: UnitOfWork, actor: Actor) -> None:
    """Make sure that somebody still is what they were when they asked, and stays so for now.

    Raises:
        AuthenticationFailed: when they may not come in any more.
        PermissionDenied: when they have another role.
    """
    user = uow.users.get_for_update(actor.id)
    if user is None or not user.is_active:
        raise AuthenticationFailed("Sign in again.")
    if user.role is not actor.role:
        raise PermissionDenied


def revoke_tokens_on(uow: UnitOfWork, event: Event) -> None:
    """End every token of a user, because of what happened to them."""
    revoke_tokens(uow, event.aggregate_id, now=event.at)


def revoke_tokens(
    uow: UnitOfWork, user_id: UUID, *, now: datetime, by: Actor | None = None
) -> None:
    """End every token of a user."""
    for purpose in (Purpose.SESSION, Purpose.PERSONAL):
        for token in uow.tokens.list_for_user(purpose, user_id):
            _revoke(uow, token, now, by)


def record_use(uow: UnitOfWork, token_id: UUID, at: datetime) -> None:
    """Note when a token was used last."""
    uow.tokens.mark_used(token_id, at)


def prepare_setup(uow: UnitOfWork, *, now: datetime) -> str | None:
    """Return the secret with which the first admin can be made, if there is none yet.

    An earlier secret ends: it may have been lost, or seen.
    """
    if uow.users.active_admins():
        return None
    end_setup(uow, now)
    return _issue(uow, now, purpose=Purpose.SETUP, user_id=None).secret


def use_setup_secret(uow: UnitOfWork, secret: str, now: datetime) -> None:
    """Have the secret told with which the first admin is made; it works once.

    It ends as it was found here: of two who use it at once the later finds that it has changed.

    Raises:
        AlreadySetUp: when there is an admin.
        AuthenticationFailed: when it is not the secret.
    """
    waiting = uow.tokens.list_for_user(Purpose.SETUP, None)
    if not waiting:
        raise AlreadySetUp
    if not compare_digest(waiting[-1].digest, digest_of(secret)):
        raise AuthenticationFailed(
            "This is not the setup code shown in the server log at start-up."
        )
    for token in waiting:
        _revoke(uow, token, now)


def end_setup(uow: UnitOfWork, now: datetime) -> None:
    """Let nobody set the workshop up any more."""
    for token in uow.tokens.list_for_user(Purpose.SETUP, None):
        _revoke(uow, token, now)


def _issue(
    uow: UnitOfWork,
    now: datetime,
    *,
    purpose: Purpose,
    user_id: UUID | None,
    name: str | None = None,
    scope: Scope = Scope.WRITE,
    expires_at: datetime | None = None,
) -> IssuedToken:
    secret = new_secret()
    token = Token.issue(
        uow.new_id(),
        now,
        secret,
        purpose=purpose,
        user_id=user_id,
        name=name,
        scope=scope,
        expires_at=expires_at,
    )
    uow.tokens.add(token)
    return IssuedToken(token, secret)


def _revoke(uow: UnitOfWork, token: Token, now: datetime, by: Actor | None = None) -> None:
    token.revoke(now, by)
    uow.tokens.remove(token)
