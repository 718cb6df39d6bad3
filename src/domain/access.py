"""Access: the tokens that authenticate users, and their scopes."""

import secrets
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar
from uuid import UUID

from domain.base import Context, Entity, Event, Repository, validate
from domain.errors import DomainError, InvalidField
from domain.values import TextRule

TOKEN_NAME = TextRule(1, 100, if_empty="Enter a name.")

SESSION_LIFETIME = timedelta(hours=12)
"""Time from sign-in until a session token expires."""

MAX_SESSIONS = 50
"""Concurrent sessions per user. A further sign-in ends the oldest one."""

MAX_TOKENS = 100
"""Personal tokens per user."""


class Scope(StrEnum):
    """The operations that a token permits: `write` includes reads."""

    READ = "read"
    WRITE = "write"


class Purpose(StrEnum):
    """The use that a token is issued for."""

    SESSION = "session"
    PERSONAL = "personal"
    SETUP = "setup"


class TokenIssued(Event):
    """A token was issued."""


class TokenRevoked(Event):
    """A token was revoked."""


class AlreadySetUp(DomainError):
    """The service has an admin already, so first-time setup is closed."""

    def __init__(self) -> None:
        super().__init__("There is nothing to set up.")


class TooManyTokens(DomainError):
    """The user has reached the limit of personal tokens."""

    def __init__(self) -> None:
        super().__init__(f"You have {MAX_TOKENS} tokens. Revoke one that you do not need.")


MAX_SECRET = 100
"""Maximum length of a secret in characters. A longer text cannot be valid."""


def new_secret() -> str:
    """Return a secret of 256 random bits; the log masks secrets by the prefix `atl_`."""
    return f"atl_{secrets.token_urlsafe(32)}"


def digest_of(secret: str) -> str:
    """Return the SHA-256 digest of a secret, which is stored in place of the secret.

    A fast hash is enough: unlike a password, a random secret of 256 bits cannot be guessed.
    """
    return sha256(secret.encode()).hexdigest()


@dataclass(eq=False, kw_only=True)
class Token(Entity):
    """A bearer token, stored as the digest of its secret.

    `user_id` is `None` for the setup token, which authorizes creation of the first admin.
    """

    entity_name: ClassVar[str] = "token"

    purpose: Purpose
    user_id: UUID | None
    name: str | None = None
    scope: Scope = Scope.WRITE
    digest: str
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    @classmethod
    def issue(
        cls,
        id: UUID,
        now: datetime,
        secret: str,
        *,
        purpose: Purpose,
        user_id: UUID | None,
        name: str | None = None,
        scope: Scope = Scope.WRITE,
        expires_at: datetime | None = None,
    ) -> "Token":
        """Create a token for a secret.

        Raises:
            InvalidField: when the name breaks its rule, or `expires_at` is not in the future.
        """
        if expires_at is not None and expires_at <= now:
            raise InvalidField("expires_at", "Enter a time in the future.")
        token = cls(
            id=id,
            created_at=now,
            updated_at=now,
            purpose=purpose,
            user_id=user_id,
            name=validate(TOKEN_NAME, "name", name),
            scope=scope,
            digest=digest_of(secret),
            expires_at=expires_at,
        )
        token.record(TokenIssued(aggregate_id=id, at=now, by=user_id))
        return token

    def revoke(self, ctx: Context) -> None:
        """Record the revocation. The caller removes the token from its repository."""
        self.record(TokenRevoked(aggregate_id=self.id, at=ctx.now, by=ctx.by))


@dataclass(frozen=True, kw_only=True)
class TokenFilter:
    """The personal tokens of one user."""

    user_id: UUID

    def matches(self, token: Token) -> bool:
        """Return whether the token satisfies the filter."""
        return token.purpose is Purpose.PERSONAL and token.user_id == self.user_id


SORTS: Mapping[str, Any] = {"created_at": lambda token: token.created_at}
"""Sort names of a list of tokens, each with its sort key."""


class TokenRepository(Repository[Token]):
    """Repository of tokens."""

    entity_name = Token.entity_name

    @abstractmethod
    def list_for_user(self, purpose: Purpose, user_id: UUID | None) -> list[Token]:
        """Return the user's tokens for a purpose, oldest first."""

    @abstractmethod
    def mark_used(self, id: UUID, at: datetime) -> None:
        """Set `last_used_at` without a change of the token's version."""
