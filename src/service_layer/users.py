"""People: taking them in, changing who they are, and seeing them off."""

from dataclasses import dataclass
from datetime import datetime
from typing import Unpack
from uuid import UUID

from domain.actors import Actor, Role, require_self_or_admin
from domain.base import Expected
from domain.errors import Invalid
from domain.login_throttle import Counters
from domain.users import Profile, User, UserChanges, require_may_edit, require_may_set_password
from service_layer.access import (
    end_access_of,
    end_setup,
    require_current,
    use_setup_secret,
)
from service_layer.login_throttle import require_allowed
from service_layer.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Confirmation:
    """A current password that was verified against `known_hash`, and what a failure would count."""

    known_hash: str
    counters: Counters


def register_user(
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
        require_current(uow, actor)
    user = User.register(
        uow.new_id(),
        now,
        password_hash=password_hash,
        role=role,
        by=actor,
        among=uow.users,
        **profile,
    )
    uow.users.add(user)
    return user


def check_new_user(uow: UnitOfWork, *, now: datetime, **profile: Unpack[Profile]) -> None:
    """Check whether a user with this profile could be registered, without doing it.

    Raises:
        Invalid: when a value breaks the rule for its member.
        Taken: when another user has the name or the address, in whatever case.
    """
    User.register(uow.new_id(), now, password_hash="", among=uow.users, **profile)


def create_admin(
    uow: UnitOfWork, *, password_hash: str, now: datetime, **profile: Unpack[Profile]
) -> User:
    """Take an admin in, by somebody who has the run of the machine."""
    end_setup(uow, now)
    return register_user(uow, password_hash=password_hash, role=Role.ADMIN, now=now, **profile)


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
        Unidentified: when it is not the secret.
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
    require_current(uow, actor)
    uow.users.hold(user_id)
    user = uow.users.get(user_id, expected)
    user.edit(changes, now, by=actor, among=uow.users)
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
        Invalid: when the password has changed since.
        TooManyAttempts: when others have reached the limit meanwhile.
    """
    require_current(uow, actor)
    user = uow.users.get(actor.id)
    if user.password_hash != confirmation.known_hash:
        raise Invalid("current", "This is not the current password.")
    require_allowed(uow, confirmation.counters, now)
    user.change_password(password_hash, now, by=actor)


def show_picture(
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
    user.show(image_file, now, by=actor)
    return user, before


def remove_user(
    uow: UnitOfWork,
    user_id: UUID,
    *,
    actor: Actor,
    now: datetime,
    expected: Expected = None,
) -> str | None:
    """Strike somebody off the list; return the picture that was shown of them."""
    require_current(uow, actor)
    user = uow.users.get(user_id, expected)
    traces = any(kept.concern(user_id) for kept in (uow.tasks, uow.posts, uow.movements))
    user.leave(now, by=actor, among=uow.users, has_left_traces=traces)
    # Their tokens refer to them, so those go first.
    end_access_of(uow, user_id, now=now, by=actor)
    uow.users.remove(user)
    return user.image_file
