"""Hashing of new passwords, after the checks that need no hash."""

from uuid import UUID

from domain.access import AlreadySetUp, digest_of
from domain.actors import Actor
from domain.base import Expected
from domain.errors import AuthenticationFailed, NotFound, NotUnique, VersionMismatch
from domain.login_throttle import address_counters
from domain.passwords import require_may_set_password, require_unlike_logins
from domain.profile import UserChanges
from domain.users import User
from service_layer.authentication import Authenticator
from service_layer.ports import Clock, PasswordHasher
from service_layer.queries.access import AccessQueries
from service_layer.queries.users import UserQueries
from service_layer.throttle import Throttle
from service_layer.users import Confirmation


class PasswordHashing:
    """Hashes new passwords.

    A hash costs memory and CPU time, so all cheap checks precede it. The use case that stores the
    hash repeats these checks in its transaction.
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
        """Hash the password of a new user, registered by themselves or by an admin.

        Each hash counts against the rate limit of the client address, except for admins.

        Raises:
            InvalidField: when the password equals the username or the e-mail address.
            NotUnique: when the username or the e-mail address is in use.
            TooManyAttempts: when the address reaches its rate limit, or the queue of hashes is
                full.
        """
        require_unlike_logins(password, "password", username=username, email=email)
        if actor is not None and actor.is_admin:
            return await self._passwords.hash_password(password)
        counters = address_counters(address)
        async with self._throttle.attempt(address, counters):
            await self._require_free(username, email)
            password_hash = await self._passwords.hash_password(password, stranger=True)
            await self._throttle.register_failure(counters)
            return password_hash

    async def for_first_admin(
        self, secret: str, *, username: str, email: str, password: str
    ) -> str:
        """Hash the password of the first admin.

        Raises:
            AlreadySetUp: when an admin exists.
            AuthenticationFailed: when the setup secret is wrong.
            InvalidField: when the password equals the username or the e-mail address.
            NotUnique: when the username or the e-mail address is in use.
            TooManyAttempts: when the queue of hashes is full.
        """
        if not await self._access.awaits_setup():
            raise AlreadySetUp
        if not await self._access.is_setup_secret(digest_of(secret)):
            raise AuthenticationFailed(
                "This is not the setup code shown in the server log at start-up."
            )
        require_unlike_logins(password, "password", username=username, email=email)
        await self._require_free(username, email)
        return await self._passwords.hash_password(password)

    async def for_user(
        self,
        user_id: UUID,
        password: str,
        *,
        changes: UserChanges | None = None,
        actor: Actor,
        expected: Expected = None,
    ) -> str:
        """Hash a password that an admin sets for another user, possibly with other changes.

        Raises:
            PermissionDenied: when the actor may not set this user's password.
            NotFound: when the user does not exist.
            VersionMismatch: when `expected` does not contain the user's version.
            InvalidField: when the password equals the username or the e-mail address.
            TooManyAttempts: when the queue of hashes is full.
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
        return await self._passwords.hash_password(password)

    async def for_oneself(
        self, actor: Actor, current: str, password: str
    ) -> tuple[str, Confirmation]:
        """Hash the actor's own new password, after confirmation of the current one.

        Raises:
            InvalidField: when the current password is wrong, or the new one equals a login.
            TooManyAttempts: when the rate limit is reached, or the queue of hashes is full.
        """
        user = await self._users.one(actor.id, self._clock())
        require_unlike_logins(password, "new", username=user.username, email=user.email)
        confirmation = await self._authenticator.confirm(actor.id, current)
        return await self._passwords.hash_password(password), confirmation

    async def _require_free(self, username: str, email: str) -> None:
        for field, login in (("username", username), ("email", email)):
            if await self._access.credentials(login.lower()) is not None:
                raise NotUnique(field)
