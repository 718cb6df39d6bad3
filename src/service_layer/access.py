"""Access: issue and revoke tokens, and set up the first admin."""

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from uuid import UUID

from domain.access import (
    MOST_SESSIONS,
    MOST_TOKENS,
    SESSION,
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
from domain.errors import Forbidden, NotFound, Unidentified
from domain.known_browser import KnownBrowser
from domain.login_throttle import Counters
from service_layer.login_throttle import require_allowed
from service_layer.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Issued:
    """A new token, and its secret, which nobody can tell later.

    `browser` is for the browser to keep that has signed in by a page.
    """

    token: Token
    secret: str
    browser: KnownBrowser | None = None


def open_session(
    uow: UnitOfWork, user_id: UUID, known_hash: str, counters: Counters, *, now: datetime
) -> Issued:
    """Issue a session token to a user whose password was verified against `known_hash`.

    Raises:
        Unidentified: when the password has changed since, or the user is not active any more.
        TooManyAttempts: when others have reached a limit meanwhile.
    """
    user = uow.users.hold(user_id)
    if user is None or not user.is_active or user.password_hash != known_hash:
        raise Unidentified("The name or the password is wrong.")
    require_allowed(uow, counters, now)
    sessions = uow.tokens.of(Purpose.SESSION, user_id)
    for place, old in enumerate(reversed(sessions), start=1):
        if place >= MOST_SESSIONS or (old.expires_at and old.expires_at <= now):
            _end(uow, old, now)
    return _issue(uow, now, purpose=Purpose.SESSION, user_id=user_id, expires_at=now + SESSION)


def create_token(
    uow: UnitOfWork,
    *,
    name: str,
    scope: Scope,
    expires_at: datetime | None,
    actor: Actor,
    known_by: UUID,
    now: datetime,
) -> Issued:
    """Issue a personal token to a user who is signed in.

    Raises:
        Forbidden: to another personal token.
        Unidentified: when that has ended meanwhile.
        TooManyTokens: when the actor has as many as one can have.
    """
    require_session(actor)
    require_current(uow, actor)
    if uow.tokens.find(known_by) is None:
        raise Unidentified("Sign in again.")
    if len(uow.tokens.of(Purpose.PERSONAL, actor.id)) >= MOST_TOKENS:
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
        Forbidden: to another personal token.
        NotFound: when there is none, or it is somebody else's.
    """
    require_session(actor)
    token = uow.tokens.find(token_id)
    if token is None or token.user_id != actor.id or token.purpose is not Purpose.PERSONAL:
        raise NotFound(Token.kind, token_id)
    _end(uow, uow.tokens.get(token_id, expected), now, actor)


def end_token(uow: UnitOfWork, token_id: UUID, *, actor: Actor, now: datetime) -> None:
    """End the token that the actor is known by; if it has ended already, so much the better."""
    if token := uow.tokens.find(token_id):
        _end(uow, token, now, actor)


def require_somebody(uow: UnitOfWork, actor: Actor | None) -> None:
    """Make sure that what is going to name the actor names somebody who is there.

    Raises:
        Unidentified: when they are gone.
    """
    if actor is not None and not uow.users.has(actor.id):
        raise Unidentified("Sign in again.")


def require_current(uow: UnitOfWork, actor: Actor) -> None:
    """Make sure that somebody still is what they were when they asked, and stays so for now.

    Raises:
        Unidentified: when they may not come in any more.
        Forbidden: when they have another role.
    """
    user = uow.users.hold(actor.id)
    if user is None or not user.is_active:
        raise Unidentified("Sign in again.")
    if user.role is not actor.role:
        raise Forbidden


def end_access(uow: UnitOfWork, event: Event) -> None:
    """End every token of a user, because of what happened to them."""
    end_access_of(uow, event.subject, now=event.at)


def end_access_of(
    uow: UnitOfWork, user_id: UUID, *, now: datetime, by: Actor | None = None
) -> None:
    """End every token of a user."""
    for purpose in (Purpose.SESSION, Purpose.PERSONAL):
        for token in uow.tokens.of(purpose, user_id):
            _end(uow, token, now, by)


def note_use(uow: UnitOfWork, token_id: UUID, at: datetime) -> None:
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
        Unidentified: when it is not the secret.
    """
    waiting = uow.tokens.of(Purpose.SETUP, None)
    if not waiting:
        raise AlreadySetUp
    if not compare_digest(waiting[-1].digest, digest_of(secret)):
        raise Unidentified("This is not the secret that the server printed when it started.")
    for token in waiting:
        _end(uow, token, now)


def end_setup(uow: UnitOfWork, now: datetime) -> None:
    """Let nobody set the workshop up any more."""
    for token in uow.tokens.of(Purpose.SETUP, None):
        _end(uow, token, now)


def _issue(
    uow: UnitOfWork,
    now: datetime,
    *,
    purpose: Purpose,
    user_id: UUID | None,
    name: str | None = None,
    scope: Scope = Scope.WRITE,
    expires_at: datetime | None = None,
) -> Issued:
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
    return Issued(token, secret)


def _end(uow: UnitOfWork, token: Token, now: datetime, by: Actor | None = None) -> None:
    token.revoke(now, by)
    uow.tokens.remove(token)
