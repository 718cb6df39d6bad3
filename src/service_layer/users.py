"""People: taking them in, changing who they are, and seeing them off."""

from dataclasses import dataclass
from datetime import datetime
from typing import Unpack
from uuid import UUID

from domain.actors import Actor, Role, require_self_or_admin
from domain.base import Expected
from domain.errors import InvalidField
from domain.login_throttle import Counters
from domain.users import Profile, User, UserChanges, require_may_edit, require_may_set_password
from service_layer.access import (
    end_setup,
    require_unchanged_actor,
    revoke_tokens,
    use_setup_secret,
)
from service_layer.login_throttle import require_allowed
from service_layer.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Confirmation:
    """A current password, verified against `verified_hash`, and the count that a failure raises."""

    verified_hash: str
    counters: Counters


def create_user(
    uow: UnitOfWork,
    *,
    password_hash: str,
    role: Role = Role.MEMBER,
    now: datetime,
    actor: Actor | None = None,
    **profile: Unpack[Profile],
) -> User:
    """Take somebody in; without an actor they come of their own accord."""
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


def check_new_user(uow: UnitOfWork, *, now: datetime, **profile: Unpack[Profile]) -> None:
    """Check whether a user with this profile could be registered, without doing it.

    Raises:
        InvalidField: when a value breaks the rule for its member.
        NotUnique: when another user has the name or the address, in whatever case.
    """
    User.create(uow.new_id(), now, password_hash="", users=uow.users, **profile)


def create_admin(
    uow: UnitOfWork, *, password_hash: str, now: datetime, **profile: Unpack[Profile]
) -> User:
    """Take an admin in, by somebody who has the run of the machine."""
    end_setup(uow, now)
    return create_user(uow, password_hash=password_hash, role=Role.ADMIN, now=now, **profile)


def set_up(
    uow: UnitOfWork,
    secret: str,
    *,
    password_hash: str,
    now: datetime,
    **profile: Unpack[Profile],
) -> User:
    """Take the first admin in, by the one-time secret that the server printed.

    Raises:
        AlreadySetUp: when there is an admin.
        AuthenticationFailed: when it is not the secret.
    """
    use_setup_secret(uow, secret, now)
    return create_admin(uow, password_hash=password_hash, now=now, **profile)


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
    """Give members of a profile other values; an admin may set somebody else's password, too."""
    # Who may not is told before anything is said of the user.
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
    """Change the actor's own password, after the current one has been confirmed.

    Raises:
        InvalidField: when the password has changed since.
        TooManyAttempts: when others have reached the limit meanwhile.
    """
    require_unchanged_actor(uow, actor)
    user = uow.users.get(actor.id)
    if user.password_hash != confirmation.verified_hash:
        raise InvalidField("current", "This is not the current password.")
    require_allowed(uow, confirmation.counters, now)
    user.change_password(password_hash, now, by=actor)


def set_image(
    uow: UnitOfWork,
    user_id: UUID,
    image_file: str | None,
    *,
    actor: Actor,
    now: datetime,
    expected: Expected = None,
) -> tuple[User, str | None]:
    """Show another picture of somebody, or none; return the user, and what was shown before."""
    require_self_or_admin(actor, user_id)
    user = uow.users.get(user_id, expected)
    before = user.image_file
    user.set_image(image_file, now, by=actor)
    return user, before


def delete_user(
    uow: UnitOfWork,
    user_id: UUID,
    *,
    actor: Actor,
    now: datetime,
    expected: Expected = None,
) -> str | None:
    """Strike somebody off the list; return the picture that was shown of them."""
    require_unchanged_actor(uow, actor)
    user = uow.users.get(user_id, expected)
    traces = any(kept.references_user(user_id) for kept in (uow.tasks, uow.posts, uow.movements))
    user.delete(now, by=actor, users=uow.users, is_referenced=traces)
    # Their tokens refer to them, so those go first.
    revoke_tokens(uow, user_id, now=now, by=actor)
    uow.users.remove(user)
    return user.image_file
