"""Password hashing: judge what needs no hash before a new password is hashed."""

from uuid import UUID

from domain.access import AlreadySetUp, digest_of
from domain.actors import Actor
from domain.base import Expected
from domain.errors import AuthenticationFailed, NotFound, NotUnique, VersionMismatch
from domain.login_throttle import address_counters
from domain.users import User, UserChanges, require_may_set_password, require_unlike_logins
from service_layer.authentication import Authenticator
from service_layer.ports import Clock, PasswordHasher
from service_layer.queries.access import AccessQueries
from service_layer.queries.users import UserQueries
from service_layer.throttle import Throttle
from service_layer.users import Confirmation


class PasswordHashing:
    """Hashes new passwords.

    A hash takes memory and a processor, so that it is the last thing to be done for a request. The
    rules that are asked here are asked again by the use case that follows.
    """

    def __init__(
        self,
        access: AccessQueries,
        users: UserQueries,
        passwords: PasswordHasher,
        authenticator: Authenticator,
        throttle: Throttle,
        clock: Clock,
    ) -> None:
        self._access = access
        self._users = users
        self._passwords = passwords
        self._authenticator = authenticator
        self._throttle = throttle
        self._clock = clock

    async def for_new_user(
        self, *, username: str, email: str, password: str, actor: Actor | None, address: str
    ) -> str:
        """Hash the password of somebody who registers, or is registered by an admin.

        Each hash that is not an admin's wish counts against the address it is asked for from.

        Raises:
            InvalidField: when the password is the username or the e-mail address.
            NotUnique: when somebody else has the username or the address.
            TooManyAttempts: when there were too many from this address, or too many wait.
        """
        require_unlike_logins(password, "password", username=username, email=email)
        if actor is not None and actor.is_admin:
            return await self._passwords.hash(password)
        counters = address_counters(address)
        async with self._throttle.attempt(address, counters):
            await self._require_free(username, email)
            hash = await self._passwords.hash(password, stranger=True)
            await self._throttle.register_failure(counters)
            return hash

    async def for_first_admin(
        self, secret: str, *, username: str, email: str, password: str
    ) -> str:
        """Hash the password of the first admin.

        Raises:
            AlreadySetUp: when there is an admin.
            AuthenticationFailed: when the secret is wrong.
            InvalidField: when the password is the username or the e-mail address.
            NotUnique: when somebody else has the username or the address.
        """
        if not await self._access.awaits_setup():
            raise AlreadySetUp
        if not await self._access.is_setup_secret(digest_of(secret)):
            raise AuthenticationFailed(
                "This is not the setup code shown in the server log at start-up."
            )
        require_unlike_logins(password, "password", username=username, email=email)
        await self._require_free(username, email)
        return await self._passwords.hash(password)

    async def for_user(
        self,
        user_id: UUID,
        password: str,
        *,
        changes: UserChanges | None = None,
        actor: Actor,
        expected: Expected = None,
    ) -> str:
        """Hash a password that an admin gives to somebody else, beside other changes.

        Raises:
            PermissionDenied: when the actor may not.
            NotFound: when there is no such user.
            VersionMismatch: when `expected` does not hold the user's version.
            InvalidField: when the password is the username or the e-mail address.
        """
        require_may_set_password(actor, user_id)
        user = await self._users.get(user_id, self._clock())
        if user is None:
            raise NotFound(User.entity_name, user_id)
        if expected is not None and user.version not in expected:
            raise VersionMismatch(User.entity_name, user.version)
        after = {"username": user.username, "email": user.email, **(changes or {})}
        require_unlike_logins(
            password, "password", username=str(after["username"]), email=str(after["email"])
        )
        return await self._passwords.hash(password)

    async def for_oneself(
        self, actor: Actor, current: str, password: str
    ) -> tuple[str, Confirmation]:
        """Hash a user's new password, once the current one has been confirmed.

        Raises:
            InvalidField: when the current password is wrong, or the new one equals a login.
            TooManyAttempts: when it has been wrong too often, or too many wait.
        """
        user = await self._users.one(actor.id, self._clock())
        require_unlike_logins(password, "new", username=user.username, email=user.email)
        confirmation = await self._authenticator.confirm(actor.id, current)
        return await self._passwords.hash(password), confirmation

    async def _require_free(self, username: str, email: str) -> None:
        for field, login in (("username", username), ("email", email)):
            if await self._access.credentials(login.lower()) is not None:
                raise NotUnique(field)
