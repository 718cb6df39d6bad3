"""Actors: the authenticated users on whose behalf operations run, and their roles."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.errors import PermissionDenied


class Role(StrEnum):
    """A user's role, which decides the permissions."""

    ADMIN = "admin"
    MEMBER = "member"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """An authenticated user, with the role at the time of the request.

    `by_personal_token` distinguishes a program with a personal token from a user in a session.
    """

    id: UUID
    role: Role
    by_personal_token: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether the role is admin."""
        return self.role is Role.ADMIN


def require_session(actor: Actor) -> None:
    """Require a session, not a personal token.

    A leaked personal token must not serve to issue further tokens or to take over the account.

    Raises:
        PermissionDenied: when the actor uses a personal token.
    """
    if actor.by_personal_token:
        raise PermissionDenied("A personal token may not do this. Sign in with a password first.")


def require_self_or_admin(actor: Actor | None, user_id: UUID) -> None:
    """Require that the actor is the user or an admin.

    Raises:
        PermissionDenied: otherwise, whether or not the user exists.
    """
    if actor is None or (actor.id != user_id and not actor.is_admin):
        raise PermissionDenied("Only this user themselves or an admin may do this.")
