"""Use cases of users: registration, profiles, passwords, images and deletion."""

from dataclasses import dataclass
from typing import Unpack
from uuid import UUID

from domain.actors import Role, require_self_or_admin
from domain.base import Context, Expected
from domain.errors import InvalidField
from domain.login_throttle import Counters
from domain.passwords import require_may_set_password
from domain.profile import UserChanges, UserDetails
from domain.users import User, require_may_edit
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
    ctx: Context,
    *,
    password_hash: str,
    role: Role = Role.MEMBER,
    **profile: Unpack[UserDetails],
) -> User:
    """Create a user; without an actor this is a registration."""
    if ctx.actor is not None:
        require_unchanged_actor(uow, ctx.actor)
    user = User.create(
        uow.new_id(), ctx, password_hash=password_hash, role=role, users=uow.users, **profile
    )
    uow.users.add(user)
    return user


def check_new_user(uow: UnitOfWork, ctx: Context, **profile: Unpack[UserDetails]) -> None:
    """Check that a user with this profile could be created.

    Raises:
        InvalidField: when a value breaks the rule for its field.
        NotUnique: when another user has the username or the e-mail address, compared without case.
    """
    User.create(uow.new_id(), ctx, password_hash="", users=uow.users, **profile)


def create_admin(
    uow: UnitOfWork, ctx: Context, *, password_hash: str, **profile: Unpack[UserDetails]
) -> User:
    """Create an admin from the command line, and end first-time setup."""
    end_setup(uow, ctx)
    return create_user(uow, ctx, password_hash=password_hash, role=Role.ADMIN, **profile)


def set_up(
    uow: UnitOfWork,
    secret: str,
    ctx: Context,
    *,
    password_hash: str,
    **profile: Unpack[UserDetails],
) -> User:
    """Create the first admin, authorized by the one-time secret that the server printed.

    Raises:
        AlreadySetUp: when an admin exists.
        AuthenticationFailed: when the secret is wrong.
    """
    use_setup_secret(uow, secret, ctx)
    return create_admin(uow, ctx, password_hash=password_hash, **profile)


@prefetches(User)
def edit_user(
    uow: UnitOfWork,
    user_id: UUID,
    changes: UserChanges,
    ctx: Context,
    expected: Expected = None,
    *,
    password_hash: str | None = None,
) -> User:
    """Set the given fields of a user; an admin may also set another user's password."""
    actor = ctx.require_actor()
    # Permission checks come first, so that their errors reveal nothing about the user.
    require_may_edit(actor, user_id, changes)
    if password_hash is not None:
        require_may_set_password(actor, user_id)
    require_unchanged_actor(uow, actor)
    uow.users.get_for_update(user_id)
    user = uow.users.get(user_id, expected)
    user.edit(changes, ctx, users=uow.users)
    if password_hash is not None:
        user.change_password(password_hash, ctx)
    return user


def change_password(
    uow: UnitOfWork, ctx: Context, *, confirmation: Confirmation, password_hash: str
) -> None:
    """Change the actor's own password, after confirmation of the current one.

    Raises:
        InvalidField: when the password has changed since the confirmation.
        TooManyAttempts: when concurrent attempts have reached the rate limit.
    """
    actor = ctx.require_actor()
    require_unchanged_actor(uow, actor)
    user = uow.users.get(actor.id)
    if user.password_hash != confirmation.verified_hash:
        raise InvalidField("current", "This is not the current password.")
    require_allowed(uow, confirmation.counters, ctx.now)
    user.change_password(password_hash, ctx)


@prefetches(User)
def set_image(
    uow: UnitOfWork, user_id: UUID, image_file: str | None, ctx: Context, expected: Expected = None
) -> tuple[User, str | None]:
    """Set or clear a user's image; return the user and the previous file name."""
    require_self_or_admin(ctx.actor, user_id)
    user = uow.users.get(user_id, expected)
    before = user.image_file
    user.set_image(image_file, ctx)
    return user, before


@prefetches(User)
def delete_user(
    uow: UnitOfWork, user_id: UUID, ctx: Context, expected: Expected = None
) -> str | None:
    """Delete the user unless other records reference it; return the file name of the image."""
    require_unchanged_actor(uow, ctx.require_actor())
    user = uow.users.get(user_id, expected)
    traces = any(kept.references_user(user_id) for kept in (uow.tasks, uow.posts, uow.movements))
    user.delete(ctx, users=uow.users, is_referenced=traces)
    # Tokens reference the user, so they are deleted first.
    revoke_tokens(uow, user_id, ctx)
    uow.users.remove(user)
    return user.image_file
