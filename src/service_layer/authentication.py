"""Authentication: who bears a token, and whether somebody knows their password."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.access import TokenRevoked, digest_of
from domain.base import Event
from domain.errors import AuthenticationFailed, DomainError, InvalidField
from domain.known_browser import KnownBrowser
from domain.login_throttle import (
    confirmation_counters,
    known_browser_counters,
    sign_in_counters,
)
from domain.users import PASSWORD, RoleChanged, UserDeactivated, UserDeleted, UserReactivated
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
"""Seconds for which a grant is taken as read, so that none is older than a second when used."""

GRANT_CACHE_SIZE = 10_000
"""How many grants are remembered at most."""

LAST_USED_RESOLUTION = timedelta(minutes=1)
"""How exactly it is kept when a personal token was used last."""

_INVALIDATING_EVENTS = (TokenRevoked, RoleChanged, UserDeactivated, UserReactivated, UserDeleted)


class Authenticator:
    """Recognises people, by their tokens and by their passwords.

    A read costs no query: grants are remembered for less than a second. What this process itself
    changes it forgets at once; what another one changes is noticed when that time is over. For a
    change of anything it is asked each time, so that nobody can use that time to keep what they
    have just lost.
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
        """Return what a token grants at the moment, `None` if nothing.

        With `fresh` nothing is taken as read, which is what a change asks for.

        Raises:
            DatabaseUnavailable: when it has to be asked and cannot be.
        """
        # If it is forgotten while the database is asked, the answer goes where nobody looks.
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
        """Issue a session token to a user who knows the password of an account.

        Neither the error nor the time it takes shows whether the name or the password was wrong, or
        the account not active. Failures count for the login and for the address, those of a
        browser that has signed in to the account before only for that browser.

        Raises:
            AuthenticationFailed: when something is wrong.
            TooManyAttempts: when a limit is reached, or too many passwords wait to be judged.
        """
        login = login.strip()
        # No name and no address has other letters; some of those would become these in lower case.
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
                # Somebody may have typed the password in the place of the name, so that this is not
                # logged.
                user_id = str(found.user_id) if found else None
                log.warning("sign-in failed", extra={"address": address, "user_id": user_id})
                await self._throttle.register_failure(counters)
                raise AuthenticationFailed("Wrong username or password.")
            issued = await self._run(
                access.open_session,
                found.user_id,
                found.password_hash,
                counters,
                now=self._clock(),
            )
        remembered = (browser or KnownBrowser.new()).remember(found.user_id, found.password_hash)
        return replace(issued, browser=remembered)

    async def confirm(self, user_id: UUID, password: str) -> Confirmation:
        """Verify the current password of a user who is signed in.

        Failures count for the user alone, apart from sign-ins: strangers who guess at the account
        do not keep its owner from changing the password.

        Raises:
            InvalidField: when it is not the current password.
            TooManyAttempts: when the limit is reached, or too many passwords wait to be judged.
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
        """Have it written when a personal token is used, without anybody waiting for it."""
        last = grant.last_used_at
        if grant.is_personal and (last is None or last <= now - LAST_USED_RESOLUTION):
            noting = asyncio.ensure_future(self._write_last_used(grant.token_id, now))
            self._pending_writes.add(noting)
            noting.add_done_callback(self._pending_writes.discard)

    async def _write_last_used(self, token_id: UUID, now: datetime) -> None:
        try:
            await self._run(access.record_use, token_id, now)
        except (DatabaseUnavailable, DomainError) as error:
            log.warning("the use of a token could not be noted", extra={"reason": str(error)})
