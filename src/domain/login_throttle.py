"""Login throttle: rate limits on failed sign-ins and password confirmations."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

from domain.base import Entity, Repository
from domain.errors import TooManyAttempts


@dataclass(frozen=True)
class RateLimit:
    """A rate limit on failures within a sliding window.

    From `max_failures` on, an attempt must wait until enough failures have left the window. With
    `longest_pause` it must instead wait for a pause after the last failure (exponential backoff).
    The pause is one second, doubled with each further failure up to `longest_pause`.
    """

    max_failures: int
    window: timedelta
    longest_pause: timedelta | None = None

    def wait(self, failures: Sequence[datetime], now: datetime) -> timedelta:
        """Return the time that an attempt must wait; zero or negative means none."""
        recent = self.recent(failures, now)
        excess = len(recent) - self.max_failures
        if excess < 0:
            return timedelta()
        if self.longest_pause is None:
            return recent[-self.max_failures] + self.window - now
        return recent[-1] + min(timedelta(seconds=2**excess), self.longest_pause) - now

    def recent(self, failures: Sequence[datetime], now: datetime) -> tuple[datetime, ...]:
        """Return the latest failures within the window, oldest first; older ones cannot matter."""
        kept = self.max_failures
        if self.longest_pause is not None:
            kept += int(self.longest_pause.total_seconds()).bit_length()
        return tuple(sorted(time for time in failures if time > now - self.window))[-kept:]


_QUARTER = timedelta(minutes=15)

LOGIN_AT_ADDRESS_LIMIT = RateLimit(5, _QUARTER)
"""Rate limit per login and client address (OWASP Authentication Cheat Sheet)."""

ADDRESS_LIMIT = RateLimit(300, _QUARTER)
"""Rate limit per client address, which a whole workshop may share."""

ACCOUNT_LIMIT = RateLimit(50, timedelta(days=1), longest_pause=_QUARTER)
"""Rate limit per login, over all client addresses."""

BROWSER_LIMIT = RateLimit(5, _QUARTER)
"""Rate limit per login and known browser."""

CONFIRMATION_LIMIT = RateLimit(5, _QUARTER)
"""Rate limit per user on confirmations of the current password."""


Counters = Mapping[UUID, RateLimit]
"""Counter ids with their rate limits. The order is fixed, so that row locks cannot deadlock."""


def sign_in_counters(login: str, address: str, password_hash: str | None) -> Counters:
    """Return the counters of a sign-in; `password_hash` is `None` without a user of that login.

    All counters are keyed by the login as typed, not by the account. Otherwise a response could
    reveal that a username and an e-mail address belong together. The counters of an account are
    also keyed by its password hash: a new password resets them.
    """
    return {
        _counter("login", login, address, _mark(password_hash)): LOGIN_AT_ADDRESS_LIMIT,
        **address_counters(address),
        _counter("account", login, _mark(password_hash)): ACCOUNT_LIMIT,
    }


def known_browser_counters(login: str, browser_id: str, password_hash: str) -> Counters:
    """Return the counters of a sign-in from a known browser."""
    return {_counter("browser", browser_id, login, _mark(password_hash)): BROWSER_LIMIT}


def confirmation_counters(user_id: UUID, password_hash: str) -> Counters:
    """Return the counters of a confirmation of the current password."""
    return {_counter("confirmation", str(user_id), _mark(password_hash)): CONFIRMATION_LIMIT}


def address_counters(address: str) -> Counters:
    """Return the counters of a client address, for every request that costs a password hash."""
    return {_counter("address", address): ADDRESS_LIMIT}


def _mark(password_hash: str | None) -> str:
    return sha256((password_hash or "").encode()).hexdigest()


def _counter(*parts: str) -> UUID:
    # No part can contain NUL, so different parts always give different texts.
    return uuid5(NAMESPACE_URL, "login-throttle:" + "\0".join(parts))


def require_allowed(
    counters: Counters, failures: Mapping[UUID, Sequence[datetime]], now: datetime
) -> None:
    """Require that no rate limit is reached.

    Raises:
        TooManyAttempts: with the seconds until the next attempt is allowed.
    """
    waits = (limit.wait(failures.get(id, ()), now) for id, limit in counters.items())
    longest = max(waits, default=timedelta())
    if longest > timedelta():
        raise TooManyAttempts(math.ceil(longest.total_seconds()))


@dataclass(eq=False, kw_only=True)
class LoginThrottle(Entity):
    """A counter of failed attempts, as the times of the recent ones."""

    entity_name: ClassVar[str] = "login_throttle"

    failed_at: tuple[datetime, ...] = ()
    expires_at: datetime

    def register_failure(self, now: datetime, limit: RateLimit) -> None:
        """Add a failure, and drop those that the limit no longer needs."""
        self.failed_at = limit.recent((*self.failed_at, now), now)
        self.expires_at = now + limit.window
        self.updated_at = now


class LoginThrottleRepository(Repository[LoginThrottle]):
    """Repository of the counters of the login throttle."""

    entity_name = LoginThrottle.entity_name

    @abstractmethod
    def list_expired(self, now: datetime, limit: int) -> list[LoginThrottle]:
        """Return up to `limit` expired counters, without those locked by other transactions."""
