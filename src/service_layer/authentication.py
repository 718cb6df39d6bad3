"""Authentication: who bears a token, and whether somebody knows their password."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID
from weakref import WeakValueDictionary

from domain.access import TokenRevoked, digest_of
from domain.base import Event
from domain.errors import DomainError, Invalid, Unidentified
from domain.users import PASSWORD, RoleChanged, UserDeactivated, UserReactivated, UserRemoved
from service_layer import access
from service_layer.access import Attempt, Issued
from service_layer.errors import DatabaseUnavailable
from service_layer.ports import Clock, Passwords
from service_layer.queries.access import AccessQueries, Credentials, Grant
from service_layer.runner import Runner

log = logging.getLogger("atelier.access")

FRESH = 0.9
"""Seconds for which a grant is taken as read, so that none is older than a second when used."""

MOST_KNOWN = 10_000
"""How many grants are remembered at most."""

NOTED_EVERY = timedelta(minutes=1)
"""How exactly it is kept when a personal token was used last."""

_TOUCHES_ACCESS = (TokenRevoked, RoleChanged, UserDeactivated, UserReactivated, UserRemoved)


class Authenticator:
    """Recognises people, by their tokens and by their passwords.

    A read costs no query: grants are remembered for less than a second. What this process itself
    changes it forgets at once; what another one changes is noticed when that time is over. For a
    change of anything it is asked each time, so that nobody can use that time to keep what they
    have just lost.
    """

    def __init__(
        self, queries: AccessQueries, passwords: Passwords, runner: Runner, clock: Clock
    ) -> None:
        self._queries = queries
        self._passwords = passwords
        self._run = runner
        self._clock = clock
        self._known: dict[str, tuple[float, Grant]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._noting: set[asyncio.Task[None]] = set()
        runner.after_commit(self._forget)

    async def grant(self, secret: str, now: datetime, *, fresh: bool = False) -> Grant | None:
        """Return what a token grants at the moment, `None` if nothing.

        With `fresh` nothing is taken as read, which is what a change asks for.

        Raises:
            DatabaseUnavailable: when it has to be asked and cannot be.
        """
        # If it is forgotten while the database is asked, the answer goes where nobody looks.
        known = self._known
        digest = digest_of(secret)
        at = time.monotonic()
        until, grant = known.get(digest, (0.0, None))
        if fresh or grant is None or until < at:
            grant = await self._queries.grant(digest)
            if grant is None:
                known.pop(digest, None)
                return None
            if len(known) >= MOST_KNOWN:
                known.clear()
            known[digest] = (at + FRESH, grant)
            self._note_use(grant, now)
        if grant.expires_at is not None and grant.expires_at <= now:
            return None
        return grant

    async def sign_in(self, login: str, password: str, address: str) -> Issued:
        """Hand out a token to somebody who knows the password of an account.

        What is wrong, the name, the password, or that the account is not active, shows neither in
        the error nor in the time it takes.

        Raises:
            Unidentified: when something is wrong.
            TooManyAttempts: when there were too many attempts on the account, or from the address.
        """
        login = login.strip()
        # No name and no address has other letters; some of those would become these in lower case.
        found = await self._queries.credentials(login.lower()) if login.isascii() else None
        login = login.lower()
        account = str(found.user_id) if found else login
        async with self._turn(account):
            wrong = Unidentified("The name or the password is wrong.")
            attempt = await self._judge(found, password, account, address, wrong)
            assert found is not None
            return await self._run(
                access.open_session,
                found.user_id,
                found.password_hash,
                attempt,
                now=self._clock(),
            )

    async def confirm(self, user_id: UUID, password: str, address: str) -> tuple[str, Attempt]:
        """Make sure that somebody who is known already knows their password, too.

        Returns the hash of that password, and the attempt, to be taken back.

        Raises:
            Invalid: when they do not.
            TooManyAttempts: when there were too many attempts on the account, or from the address.
        """
        account = str(user_id)
        async with self._turn(account):
            found = await self._queries.credentials_of(user_id)
            wrong = Invalid("current", "This is not the current password.")
            attempt = await self._judge(found, password, account, address, wrong)
            assert found is not None
            return found.password_hash, attempt

    async def _judge(
        self,
        found: Credentials | None,
        password: str,
        account: str,
        address: str,
        wrong: DomainError,
    ) -> Attempt:
        attempt = Attempt(account, address, self._clock())
        await self._run(access.begin_attempt, attempt)
        known_hash = found.password_hash if found else None
        right = await self._passwords.verify(known_hash, PASSWORD.normalised(password))
        if not right or found is None or not found.is_active:
            raise wrong
        return attempt

    def _turn(self, account: str) -> asyncio.Lock:
        """Return the lock of an account: its attempts are judged one after the other.

        So many who sign in at once with the right password do not use up what is allowed.
        """
        lock = self._turns.get(account)
        if lock is None:
            lock = self._turns[account] = asyncio.Lock()
        return lock

    def _forget(self, events: Sequence[Event]) -> None:
        if any(isinstance(event, _TOUCHES_ACCESS) for event in events):
            self._known = {}

    def _note_use(self, grant: Grant, now: datetime) -> None:
        """Have it written when a personal token is used, without anybody waiting for it."""
        last = grant.last_used_at
        if grant.is_personal and (last is None or last <= now - NOTED_EVERY):
            noting = asyncio.ensure_future(self._write_use(grant.token_id, now))
            self._noting.add(noting)
            noting.add_done_callback(self._noting.discard)

    async def _write_use(self, token_id: UUID, now: datetime) -> None:
        try:
            await self._run(access.note_use, token_id, now)
        except (DatabaseUnavailable, DomainError) as error:
            log.warning("the use of a token could not be noted", extra={"reason": str(error)})
