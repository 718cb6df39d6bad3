"""Use cases of users: registration, profiles, passwords, images and deletion."""

from dataclasses import dataclass
from datetime import datetime
from typing import Unpack
from uuid import UUID

from domain.actors import Actor, Role, require_self_or_admin
from domain.base import Expected
from domain.errors import InvalidField
from domain.login_throttle import Counters
from domain.users import User, UserChanges, UserDetails, require_may_edit, require_may_set_password
from service_layer.access import (
    end_setup,
    require_unchanged_actor,
    revoke_tokens,
    use_setup_secret,
)
from service_layer.login_throttle import require_allowed
from service_layer.prefetch import prefetches
from service_layer.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Confirmation:
    """A confirmation of the current password.

    `verified_hash` is the hash that matched it; `counters` are those of the login throttle.
    """

    verified_hash: str
    counters: Counters


def create_user(
    uow: UnitOfWork,
    *,
    password_hash: str,
    role: Role = Role.MEMBER,
    now: datetime,
    actor: Actor | None = None,
    **profile: Unpack[UserDetails],
) -> User:
    """Create a user; without an actor this is a registration."""
    if actor is not None:
        require_unchanged_actor(uow, actor)
    user = User.create(
        uow.new_id(),
        now,
        password_hash=password_hash,
        role=role,
        by=actor,
        users=uow.users,
        **profile,
    )
    uow.users.add(user)
    return user


def check_new_user(uow: UnitOfWork, *, now: datetime, **profile: Unpack[UserDetails]) -> None:
    """Check that a user with this profile could be created.

    Raises:
        InvalidField: when a value breaks the rule for its field.
        NotUnique: when another user has the username or the e-mail address, compared without case.
    """
    User.create(uow.new_id(), now, password_hash="", users=uow.users, **profile)


def create_admin(
    uow: UnitOfWork, *, password_hash: str, now: datetime, **profile: Unpack[UserDetails]
) -> User:
    """Create an admin from the command line, and end first-time setup."""
    end_setup(uow, now)
    return create_user(uow, password_hash=password_hash, role=Role.ADMIN, now=now, **profile)


def set_up(
    uow: UnitOfWork,
    secret: str,
    *,
    password_hash: str,
    now: datetime,
    **profile: Unpack[UserDetails],
) -> User:
    """Create the first admin, authorized by the one-time secret that the server printed.

    Raises:
        AlreadySetUp: when an admin exists.
        AuthenticationFailed: when the secret is wrong.
    """
    use_setup_secret(uow, secret, now)
    return create_admin(uow, password_hash=password_hash, now=now, **profile)


@prefetches(User)
def edit_user(
    uow: UnitOfWork,
    user_id: UUID,
    changes: UserChanges,
    *,
    password_hash: str | None = None,
    actor: Actor,
    now: datetime,
    expected: Expected = None,
) -> User:
    """Set the given fields of a user; an admin may also set another user's password."""
    # Permission checks come first, so that their errors reveal nothing about the user.
    require_may_edit(actor, user_id, changes)
    if password_hash is not None:
        require_may_set_password(actor, user_id)
    require_unchanged_actor(uow, actor)
    uow.users.get_for_update(user_id)
    user = uow.users.get(user_id, expected)
    user.edit(changes, now, by=actor, users=uow.users)
    if password_hash is not None:
        user.change_password(password_hash, now, by=actor)
    return user


def change_password(
    uow: UnitOfWork,
    *,
    actor: Actor,
    confirmation: Confirmation,
    password_hash: str,
    now: datetime,
) -> None:
    """Change the actor's own password, after confirmation of the current one.

    Raises:
        InvalidField: when the password has changed since the confirmation.
        TooManyAttempts: when concurrent attempts have reached the rate limit.
    """
    require_unchanged_actor(uow, actor)
    user = uow.users.get(actor.id)
    if user.password_hash != confirmation.verified_hash:
        raise InvalidField("current", "This is not the current password.")
    require_allowed(uow, confirmation.counters, now)
    user.change_password(password_hash, now, by=actor)


@prefetches(User)
def set_image(
    uow: UnitOfWork,
    user_id: UUID,
    image_file: str | None,
    *,
    actor: Actor,
    now: datetime,
    expected: Expected = None,
) -> tuple[User, str | None]:
    """Set or clear a user's image; return the user and the previous file name."""
    require_self_or_admin(actor, user_id)
    user = uow.users.get(user_id, expected)
    before = user.image_file
    user.set_image(image_file, now, by=actor)
    return user, before


@prefetches(User)
def delete_user(
    uow: UnitOfWork,
    user_id: UUID,
    *,
    actor: Actor,
    now: datetime,
    expected: Expected = None,
) -> str | None:
    """Delete the user unless other records reference it; return the file name of the image."""
    require_unchanged_actor(uow, actor)
    user = uow.users.get(user_id, expected)
    traces = any(kept.references_user(user_id) for kept in (uow.tasks, uow.posts, uow.movements))
    user.delete(now, by=actor, users=uow.users, is_referenced=traces)
    # Tokens reference the user, so they are deleted first.
    revoke_tokens(uow, user_id, now=now, by=actor)
    uow.users.remove(user)
    return user.image_file
