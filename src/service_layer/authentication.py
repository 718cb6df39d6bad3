"""Authentication by tokens and passwords."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.access import TokenRevoked, digest_of
from domain.base import Context, Event
from domain.errors import AuthenticationFailed, DomainError, InvalidField
from domain.known_browser import KnownBrowser
from domain.login_throttle import (
    confirmation_counters,
    known_browser_counters,
    sign_in_counters,
)
from domain.passwords import PASSWORD
from domain.users import RoleChanged, UserDeactivated, UserDeleted, UserReactivated
from service_layer import access
from service_layer.access import IssuedToken
from service_layer.errors import DatabaseUnavailable
from service_layer.ports import Clock, PasswordHasher
from service_layer.queries.access import AccessQueries, Grant
from service_layer.runner import Runner
from service_layer.throttle import Throttle
from service_layer.users import Confirmation

log = logging.getLogger("atelier.access")

GRANT_CACHE_TTL = 0.9
"""TTL of the grant cache in seconds, so that no grant is older than a second when used."""

GRANT_CACHE_SIZE = 10_000
"""Maximum number of cached grants; a full cache is cleared."""

LAST_USED_RESOLUTION = timedelta(minutes=1)
"""Resolution of a personal token's `last_used_at`; more frequent uses are not written."""

_INVALIDATING_EVENTS = (TokenRevoked, RoleChanged, UserDeactivated, UserReactivated, UserDeleted)


class Authenticator:
    """Authenticates users by tokens and passwords.

    Reads use a cache of grants and mostly need no query. Changes by this process invalidate the
    cache at once. Changes by other processes take effect when the TTL ends. Requests that change
    data bypass the cache, so a revoked grant permits no further change.
    """

    def __init__(
        self,
        queries: AccessQueries,
        passwords: PasswordHasher,
        runner: Runner,
        clock: Clock,
        throttle: Throttle,
    ) -> None:
        self._queries = queries
        self._passwords = passwords
        self._run = runner
        self._clock = clock
        self._grant_cache: dict[str, tuple[float, Grant]] = {}
        self._throttle = throttle
        self._pending_writes: set[asyncio.Task[None]] = set()
        runner.after_commit(self._invalidate)

    async def grant(self, secret: str, now: datetime, *, fresh: bool = False) -> Grant | None:
        """Return the grant of a token, or `None` if it is invalid or expired.

        `fresh` bypasses the cache.

        Raises:
            DatabaseUnavailable: when the grant is not cached and the database cannot be reached.
        """
        # An invalidation during the query replaces the cache; a stale grant then goes into the old
        # one.
        known = self._grant_cache
        digest = digest_of(secret)
        at = time.monotonic()
        until, grant = known.get(digest, (0.0, None))
        if fresh or grant is None or until < at:
            grant = await self._queries.grant(digest)
            if grant is None:
                known.pop(digest, None)
                return None
            if len(known) >= GRANT_CACHE_SIZE:
                known.clear()
            known[digest] = (at + GRANT_CACHE_TTL, grant)
            self._record_use(grant, now)
        if grant.expires_at is not None and grant.expires_at <= now:
            return None
        return grant

    async def sign_in(
        self, login: str, password: str, address: str, browser: KnownBrowser | None = None
    ) -> IssuedToken:
        """Issue a session token for a login and its password.

        Neither the error nor the time reveals whether the login or the password is wrong, or the
        account inactive. Failures count against login and address. Those from a known browser count
        against that browser only.

        Raises:
            AuthenticationFailed: when login or password is wrong, or the account is inactive.
            TooManyAttempts: when a rate limit is reached, or the queue of password hashes is full.
        """
        login = login.strip()
        # Usernames and addresses are ASCII. Some other letters become ASCII in lower case.
        found = await self._queries.credentials(login.lower()) if login.isascii() else None
        login = login.lower()
        known_hash = found.password_hash if found else None
        is_known = bool(found and browser and browser.knows(found.user_id, found.password_hash))
        if found and browser and is_known:
            turn = browser.id
            counters = known_browser_counters(login, browser.id, found.password_hash)
        else:
            turn = address
            counters = sign_in_counters(login, address, known_hash)
        async with self._throttle.attempt(turn, counters):
            right = await self._passwords.verify(
                known_hash, PASSWORD.normalised(password), stranger=not is_known
            )
            if not right or found is None or not found.is_active:
                # The login is not logged, because users sometimes type their password into it.
                user_id = str(found.user_id) if found else None
                log.warning("sign-in failed", extra={"address": address, "user_id": user_id})
                await self._throttle.register_failure(counters)
                raise AuthenticationFailed("Wrong username or password.")
            issued = await self._run(
                access.open_session,
                found.user_id,
                found.password_hash,
                counters,
                Context(None, self._clock()),
            )
        remembered = (browser or KnownBrowser.new()).remember(found.user_id, found.password_hash)
        return replace(issued, browser=remembered)

    async def confirm(self, user_id: UUID, password: str) -> Confirmation:
        """Verify the current password of a user in a session.

        Failures count against the user only, apart from sign-ins. Otherwise failed sign-ins by
        others could keep a user from changing the password.

        Raises:
            InvalidField: when the password is wrong.
            TooManyAttempts: when the rate limit is reached, or the queue of password hashes is
                full.
        """
        found = await self._queries.credentials_by_id(user_id)
        known_hash = found.password_hash if found else None
        counters = confirmation_counters(user_id, known_hash or "")
        async with self._throttle.attempt(str(user_id), counters):
            right = await self._passwords.verify(known_hash, PASSWORD.normalised(password))
            if not right or found is None or not found.is_active:
                log.warning("password confirmation failed", extra={"user_id": str(user_id)})
                await self._throttle.register_failure(counters)
                raise InvalidField("current", "This is not the current password.")
        return Confirmation(found.password_hash, counters)

    def _invalidate(self, events: Sequence[Event]) -> None:
        if any(isinstance(event, _INVALIDATING_EVENTS) for event in events):
            self._grant_cache = {}

    def _record_use(self, grant: Grant, now: datetime) -> None:
        """Write the last use of a personal token in the background."""
        last = grant.last_used_at
        if grant.is_personal and (last is None or last <= now - LAST_USED_RESOLUTION):
            noting = asyncio.ensure_future(self._write_last_used(grant.token_id, now))
            self._pending_writes.add(noting)
            noting.add_done_callback(self._pending_writes.discard)

    async def _write_last_used(self, token_id: UUID, now: datetime) -> None:
        try:
            await self._run(access.record_use, token_id, now)
        except (DatabaseUnavailable, DomainError) as error:
            log.warning("token use not recorded", extra={"reason": str(error)})
