"""Use cases of access: issue and revoke tokens, and set up the first admin."""

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
from domain.base import Context, Event, Expected
from domain.errors import AuthenticationFailed, NotFound, PermissionDenied
from domain.known_browser import KnownBrowser
from domain.login_throttle import Counters
from domain.users import User
from service_layer.login_throttle import require_allowed
from service_layer.prefetch import prefetches
from service_layer.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class IssuedToken:
    """A new token with its secret, which cannot be retrieved later.

    `browser` is the new content of the known-browser cookie, after a sign-in.
    """

    token: Token
    secret: str
    browser: KnownBrowser | None = None


@prefetches(User)
def open_session(
    uow: UnitOfWork, user_id: UUID, verified_hash: str, counters: Counters, ctx: Context
) -> IssuedToken:
    """Issue a session token to a user whose password was verified against `verified_hash`.

    Raises:
        AuthenticationFailed: when the password has changed since, or the user is inactive.
        TooManyAttempts: when concurrent attempts have reached a rate limit.
    """
    user = uow.users.get_for_update(user_id)
    if user is None or not user.is_active or user.password_hash != verified_hash:
        raise AuthenticationFailed("Wrong username or password.")
    require_allowed(uow, counters, ctx.now)
    sessions = uow.tokens.list_for_user(Purpose.SESSION, user_id)
    for place, old in enumerate(reversed(sessions), start=1):
        if place >= MAX_SESSIONS or (old.expires_at and old.expires_at <= ctx.now):
            _revoke(uow, old, ctx)
    expires_at = ctx.now + SESSION_LIFETIME
    return _issue(uow, ctx.now, purpose=Purpose.SESSION, user_id=user_id, expires_at=expires_at)


def create_token(
    uow: UnitOfWork,
    ctx: Context,
    *,
    name: str,
    scope: Scope,
    expires_at: datetime | None,
    session_token_id: UUID,
) -> IssuedToken:
    """Issue a personal token to a user in a session.

    Raises:
        PermissionDenied: when the actor uses a personal token.
        AuthenticationFailed: when the session has ended.
        TooManyTokens: when the actor has `MAX_TOKENS` already.
        InvalidField: when the name breaks its rule, or `expires_at` is not in the future.
    """
    actor = ctx.require_actor()
    require_session(actor)
    require_unchanged_actor(uow, actor)
    if uow.tokens.find(session_token_id) is None:
        raise AuthenticationFailed("Sign in again.")
    if len(uow.tokens.list_for_user(Purpose.PERSONAL, actor.id)) >= MAX_TOKENS:
        raise TooManyTokens
    return _issue(
        uow,
        ctx.now,
        purpose=Purpose.PERSONAL,
        user_id=actor.id,
        name=name,
        scope=scope,
        expires_at=expires_at,
    )


@prefetches(Token)
def revoke_token(uow: UnitOfWork, token_id: UUID, ctx: Context, expected: Expected = None) -> None:
    """Revoke a personal token of the actor.

    Raises:
        PermissionDenied: when the actor uses a personal token.
        NotFound: when the actor has no such token.
    """
    actor = ctx.require_actor()
    require_session(actor)
    token = uow.tokens.find(token_id)
    if token is None or token.user_id != actor.id or token.purpose is not Purpose.PERSONAL:
        raise NotFound(Token.entity_name, token_id)
    _revoke(uow, uow.tokens.get(token_id, expected), ctx)


@prefetches(Token)
def revoke_current_token(uow: UnitOfWork, token_id: UUID, ctx: Context) -> None:
    """Revoke the token of the current request; an absent token is no error."""
    if token := uow.tokens.find(token_id):
        _revoke(uow, token, ctx)


def require_actor_exists(uow: UnitOfWork, actor: Actor | None) -> None:
    """Require that the actor still exists, because the new row will reference it.

    Raises:
        AuthenticationFailed: when the actor was deleted.
    """
    if actor is not None:
        try:
            uow.users.require_exists(actor.id)
        except NotFound:
            raise AuthenticationFailed("Sign in again.") from None


def require_unchanged_actor(uow: UnitOfWork, actor: Actor) -> None:
    """Require that the actor is active and has the same role, and lock the user row.

    The lock keeps it so until the unit of work ends.

    Raises:
        AuthenticationFailed: when the actor is inactive or was deleted.
        PermissionDenied: when the actor's role has changed.
    """
    user = uow.users.get_for_update(actor.id)
    if user is None or not user.is_active:
        raise AuthenticationFailed("Sign in again.")
    if user.role is not actor.role:
        raise PermissionDenied


def revoke_tokens_on(uow: UnitOfWork, event: Event) -> None:
    """Revoke all tokens of the user that an event is about."""
    revoke_tokens(uow, event.aggregate_id, Context(None, event.at))


@prefetches(User)
def revoke_tokens(uow: UnitOfWork, user_id: UUID, ctx: Context) -> None:
    """Revoke all session tokens and personal tokens of a user."""
    for purpose in (Purpose.SESSION, Purpose.PERSONAL):
        for token in uow.tokens.list_for_user(purpose, user_id):
            _revoke(uow, token, ctx)


@prefetches(Token)
def record_use(uow: UnitOfWork, token_id: UUID, at: datetime) -> None:
    """Set the time of a token's last use."""
    uow.tokens.mark_used(token_id, at)


def prepare_setup(uow: UnitOfWork, ctx: Context) -> str | None:
    """Return a new secret for the creation of the first admin, or `None` if an admin exists.

    An earlier secret is revoked, because it may be lost or leaked.
    """
    if uow.users.active_admins():
        return None
    end_setup(uow, ctx)
    return _issue(uow, ctx.now, purpose=Purpose.SETUP, user_id=None).secret


def use_setup_secret(uow: UnitOfWork, secret: str, ctx: Context) -> None:
    """Verify and revoke the setup secret, which is valid once.

    Concurrent uses conflict on the optimistic lock of the token, so only one of them succeeds.

    Raises:
        AlreadySetUp: when there is no setup token, because an admin exists.
        AuthenticationFailed: when the secret is wrong.
    """
    waiting = uow.tokens.list_for_user(Purpose.SETUP, None)
    if not waiting:
        raise AlreadySetUp
    if not compare_digest(waiting[-1].digest, digest_of(secret)):
        raise AuthenticationFailed(
            "This is not the setup code shown in the server log at start-up."
        )
    for token in waiting:
        _revoke(uow, token, ctx)


def end_setup(uow: UnitOfWork, ctx: Context) -> None:
    """Revoke the setup token, if there is one."""
    for token in uow.tokens.list_for_user(Purpose.SETUP, None):
        _revoke(uow, token, ctx)


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


def _revoke(uow: UnitOfWork, token: Token, ctx: Context) -> None:
    token.revoke(ctx)
    uow.tokens.remove(token)
