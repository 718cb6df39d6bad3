"""Rules of passwords: which ones are accepted, and who may set another user's."""

from uuid import UUID

from domain.actors import Actor, require_self_or_admin, require_session
from domain.common_passwords import COMMON_PASSWORDS
from domain.errors import InvalidField, PermissionDenied
from domain.values import PasswordRule

PASSWORD = PasswordRule(8, 128, common=COMMON_PASSWORDS)


def require_unlike_logins(password: str, field: str, *, username: str, email: str) -> None:
    """Require that a new password differs from username and e-mail address, compared without case.

    Raises:
        InvalidField: for `field`, the form field of the password.
    """
    if password.casefold() in (username.casefold(), email.casefold()):
        raise InvalidField(
            field, "Choose a password other than the username and the e-mail address."
        )


def require_may_set_password(actor: Actor, user_id: UUID) -> None:
    """Require that the actor is an admin who sets the password of another user.

    A user's own password can be changed only with the current one; see `change_password`.

    Raises:
        PermissionDenied: otherwise, whether or not the user exists.
    """
    require_self_or_admin(actor, user_id)
    require_session(actor)
    if actor.id == user_id:
        raise PermissionDenied("Enter your current password to change your own password.")
