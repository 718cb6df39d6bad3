"""Use cases of accounts that change password hashes or image files besides a transaction."""

from collections.abc import Callable
from typing import Any, Unpack
from uuid import UUID

from domain.access import AlreadySetUp, digest_of
from domain.base import Context, Expected
from domain.errors import (
    AuthenticationFailed,
    DomainError,
    InvalidField,
    InvalidValue,
    NotUnique,
    VersionMismatch,
)
from domain.login_throttle import address_counters
from domain.passwords import PASSWORD, require_may_set_password, require_unlike_logins
from domain.profile import UserChanges, UserDetails
from domain.users import User
from service_layer import users
from service_layer.authentication import Authenticator
from service_layer.idempotency import idempotently
from service_layer.ports import Clock, ImageStore, PasswordHasher
from service_layer.queries.access import AccessQueries
from service_layer.queries.users import UserQueries, UserView
from service_layer.runner import Runner
from service_layer.throttle import Throttle


class AccountService:
    """Runs the use cases of `users` that store a password hash or change an image file.

    A hash costs memory and CPU time, and so does an image, so all cheap checks precede them. The
    use case repeats these checks in its transaction. All methods that hash a password raise
    `TooManyAttempts` when the queue of hashes is full.
    """

    def __init__(
        self,
        access_queries: AccessQueries,
        user_queries: UserQueries,
        passwords: PasswordHasher,
        images: ImageStore,
        authenticator: Authenticator,
        throttle: Throttle,
        runner: Runner,
        clock: Clock,
    ) -> None:
        self._access = access_queries
        self._users = user_queries
        self._passwords = passwords
        self._images = images
        self._authenticator = authenticator
        self._throttle = throttle
        self._run = runner
        self._clock = clock

    async def create_user(
        self, ctx: Context, *, address: str, password: str, **profile: Unpack[UserDetails]
    ) -> User:
        """Create a user, registered by themselves or by an admin.

        Each hash counts against the rate limit of the client address, except for admins.

        Raises:
            InvalidField: when the password equals the username or the e-mail address.
            NotUnique: when the username or the e-mail address is in use.
            TooManyAttempts: when the address reaches its rate limit.
        """
        password_hash = await self._hash_for_new_user(ctx, address, password, **profile)
        return await self._run(users.create_user, ctx, password_hash=password_hash, **profile)

    async def create_user_idempotently(
        self,
        key: str,
        ctx: Context,
        *,
        locate: Callable[[User], str],
        address: str,
        password: str,
        **profile: Any,
    ) -> str:
        """Create a user as `create_user` does, once per idempotency key; return the location."""
        password_hash = await self._hash_for_new_user(ctx, address, password, **profile)
        return await self._run(
            idempotently,
            key,
            users.create_user,
            locate=locate,
            ctx=ctx,
            password_hash=password_hash,
            **profile,
        )

    async def set_up(
        self, secret: str, ctx: Context, *, password: str, **profile: Unpack[UserDetails]
    ) -> User:
        """Create the first admin, authorized by the one-time secret that the server printed.

        Raises:
            AlreadySetUp: when an admin exists.
            AuthenticationFailed: when the secret is wrong.
            InvalidField: when the password equals the username or the e-mail address.
            NotUnique: when the username or the e-mail address is in use.
        """
        if not await self._access.awaits_setup():
            raise AlreadySetUp
        if not await self._access.is_setup_secret(digest_of(secret)):
            raise AuthenticationFailed(
                "This is not the setup code shown in the server log at start-up."
            )
        username, email = profile["username"], profile["email"]
        require_unlike_logins(password, "password", username=username, email=email)
        await self._require_free(username, email)
        password_hash = await self._passwords.hash_password(password)
        return await self._run(users.set_up, secret, ctx, password_hash=password_hash, **profile)

    async def edit_user(
        self,
        user_id: UUID,
        changes: UserChanges,
        ctx: Context,
        expected: Expected = None,
        *,
        password: str | None = None,
    ) -> User:
        """Edit a user; an admin may also set another user's password.

        Raises:
            PermissionDenied: when the actor may not change this user or set the password.
            NotFound: when the user does not exist.
            VersionMismatch: when `expected` does not contain the user's version.
            InvalidField: when the password equals the username or the e-mail address.
        """
        password_hash = None
        if password is not None:
            require_may_set_password(ctx.require_actor(), user_id)
            user = await self._expected_user(user_id, expected)
            after = {"username": user.username, "email": user.email, **changes}
            require_unlike_logins(
                password, "password", username=str(after["username"]), email=str(after["email"])
            )
            password_hash = await self._passwords.hash_password(password)
        return await self._run(
            users.edit_user, user_id, changes, ctx, expected, password_hash=password_hash
        )

    async def change_password(self, ctx: Context, current: str, new: str) -> None:
        """Change the actor's own password, after confirmation of the current one.

        Raises:
            InvalidField: when the current password is wrong, or the new one equals a login.
            TooManyAttempts: when the rate limit is reached.
        """
        actor = ctx.require_actor()
        user = await self._users.one(actor.id, self._clock())
        require_unlike_logins(new, "new", username=user.username, email=user.email)
        confirmation = await self._authenticator.confirm(actor.id, current)
        password_hash = await self._passwords.hash_password(new)
        await self._run(
            users.change_password, ctx, confirmation=confirmation, password_hash=password_hash
        )

    async def replace_image(
        self, user_id: UUID, content: bytes, ctx: Context, expected: Expected = None
    ) -> User:
        """Store an uploaded image, set it as the user's, and delete the previous one.

        Raises:
            NotFound: when the user does not exist.
            VersionMismatch: when `expected` does not contain the user's version.
            InvalidField: when the content is not an acceptable image.
            StorageUnavailable: when the storage of images is unavailable.
            DomainError: as by `users.set_image`, after deleting the new file.
        """
        await self._expected_user(user_id, expected)
        try:
            name = await self._images.save(content)
        except InvalidValue as error:
            raise InvalidField("", str(error)) from None
        try:
            user, before = await self._run(users.set_image, user_id, name, ctx, expected)
        except DomainError:
            await self._images.delete(name)
            raise
        await self._delete_image_file(before)
        return user

    async def delete_image(self, user_id: UUID, ctx: Context, expected: Expected = None) -> None:
        """Delete a user's image; the default image is shown instead."""
        _, before = await self._run(users.set_image, user_id, None, ctx, expected)
        await self._delete_image_file(before)

    async def delete_user(self, user_id: UUID, ctx: Context, expected: Expected = None) -> None:
        """Delete a user, unless other records reference it, and then the user's image."""
        await self._delete_image_file(await self._run(users.delete_user, user_id, ctx, expected))

    async def _hash_for_new_user(
        self, ctx: Context, address: str, password: str, **profile: Unpack[UserDetails]
    ) -> str:
        username, email = profile["username"], profile["email"]
        require_unlike_logins(password, "password", username=username, email=email)
        if ctx.actor is not None and ctx.actor.is_admin:
            return await self._passwords.hash_password(password)
        counters = address_counters(address)
        async with self._throttle.attempt(address, counters):
            await self._require_free(username, email)
            password_hash = await self._passwords.hash_password(password, stranger=True)
            await self._throttle.register_failure(counters)
            return password_hash

    async def _require_free(self, username: str, email: str) -> None:
        for field, login in (("username", username), ("email", email)):
            if await self._access.credentials(login.lower()) is not None:
                raise NotUnique(field)

    async def _expected_user(self, user_id: UUID, expected: Expected) -> UserView:
        user = await self._users.one(user_id, self._clock())
        if expected is not None and user.version not in expected:
            raise VersionMismatch(User.entity_name, user.version)
        return user

    async def _delete_image_file(self, name: str | None) -> None:
        if name is not None:
            await self._images.delete(name)


async def hash_admin_password(
    passwords: PasswordHasher, password: str, *, username: str, email: str
) -> str:
    """Validate and hash the password of an admin created from the command line.

    Raises:
        InvalidValue: when it breaks the rule for passwords.
        InvalidField: when it equals the username or the e-mail address.
    """
    password = PASSWORD(password)
    require_unlike_logins(password, "password", username=username, email=email)
    return await passwords.hash_password(password)
