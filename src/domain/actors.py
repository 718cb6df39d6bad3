"""Actors: who does something, in which role, and what that lets them do to people."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.errors import PermissionDenied


class Role(StrEnum):
    """What somebody is to the workshop."""

    ADMIN = "admin"
    MEMBER = "member"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Somebody who does something: a user, in the role they have at the moment.

    With `by_personal_token` it is a program that acts for the user, not the user in a session.
    """

    id: UUID
    role: Role
    by_personal_token: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether they run the workshop."""
        return self.role is Role.ADMIN


def id_of(actor: Actor | None) -> UUID | None:
    """Return whose doing it is, as events tell it."""
    return None if actor is None else actor.id


def require_session(actor: Actor) -> None:
    """Require that the user acts in a session: a personal token must not outlive its end.

    With one that has leaked nobody may make further tokens, or take over an account.

    Raises:
        PermissionDenied: to a personal token.
    """
    if actor.by_personal_token:
        raise PermissionDenied("A personal token may not do this. Sign in with a password first.")


def require_self_or_admin(actor: Actor | None, user_id: UUID) -> None:
    """Let people change their own profile, and admins everybody's.

    Raises:
        PermissionDenied: to anybody else, whether or not there is such a user.
    """
    if actor is None or (actor.id != user_id and not actor.is_admin):
        raise PermissionDenied("Only this user themselves or an admin may do this.")
