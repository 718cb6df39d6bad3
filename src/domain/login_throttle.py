"""Login throttle: how many failed attempts are judged before further ones have to wait."""

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
    """A limit on the failures within a sliding window.

    At `number` failures an attempt waits until the oldest of them leaves the window. With
    `longest_pause` it waits for a pause after the last failure instead: one second, doubled with
    each further failure up to that pause.
    """

    max_failures: int
    window: timedelta
    longest_pause: timedelta | None = None

    def wait(self, failures: Sequence[datetime], now: datetime) -> timedelta:
        """Return how long an attempt has to wait; not at all if that is zero or negative."""
        recent = self.recent(failures, now)
        excess = len(recent) - self.max_failures
        if excess < 0:
            return timedelta()
        if self.longest_pause is None:
            return recent[-self.max_failures] + self.window - now
        return recent[-1] + min(timedelta(seconds=2**excess), self.longest_pause) - now

    def recent(self, failures: Sequence[datetime], now: datetime) -> tuple[datetime, ...]:
        """Return the failures within the window, oldest first, as many as make a difference."""
        kept = self.max_failures
        if self.longest_pause is not None:
            kept += int(self.longest_pause.total_seconds()).bit_length()
        return tuple(sorted(time for time in failures if time > now - self.window))[-kept:]


_QUARTER = timedelta(minutes=15)

LOGIN_AT_ADDRESS_LIMIT = RateLimit(5, _QUARTER)
"""Failures of one login from one address (OWASP Authentication Cheat Sheet)."""

ADDRESS_LIMIT = RateLimit(300, _QUARTER)
"""Failures from one address, which a whole workshop may share."""

ACCOUNT_LIMIT = RateLimit(50, timedelta(days=1), longest_pause=_QUARTER)
"""Failures of one login from all addresses."""

BROWSER_LIMIT = RateLimit(5, _QUARTER)
"""Failures in a browser that has signed in to the account before."""

CONFIRMATION_LIMIT = RateLimit(5, _QUARTER)
"""Wrong current passwords of a user who is signed in."""


Counters = Mapping[UUID, RateLimit]
"""The counters a failure adds to, each with its limit, always in the same order."""


def sign_in_counters(login: str, address: str, password_hash: str | None) -> Counters:
    """Return the counters of a sign-in; without a user of that login `password_hash` is `None`.

    All count what was typed and not the account, so that no answer tells which username and which
    e-mail address belong together. Counters of an account are named after its password hash, too:
    a new password begins with new counters, which lifts every lock of the account.
    """
    return {
        _counter("login", login, address, _mark(password_hash)): LOGIN_AT_ADDRESS_LIMIT,
        **address_counters(address),
        _counter("account", login, _mark(password_hash)): ACCOUNT_LIMIT,
    }


def known_browser_counters(login: str, browser_id: str, password_hash: str) -> Counters:
    """Return the counters of a sign-in by a browser that has signed in to the account before."""
    return {_counter("browser", browser_id, login, _mark(password_hash)): BROWSER_LIMIT}


def confirmation_counters(user_id: UUID, password_hash: str) -> Counters:
    """Return the counters of a user who confirms something with the current password."""
    return {_counter("confirmation", str(user_id), _mark(password_hash)): CONFIRMATION_LIMIT}


def address_counters(address: str) -> Counters:
    """Return the counters of whatever costs a hash and is asked for from an address."""
    return {_counter("address", address): ADDRESS_LIMIT}


def _mark(password_hash: str | None) -> str:
    return sha256((password_hash or "").encode()).hexdigest()


def _counter(*parts: str) -> UUID:
    # No part can hold a NUL, so other parts make another text.
    return uuid5(NAMESPACE_URL, "login-throttle:" + "\0".join(parts))


def require_allowed(
    counters: Counters, failures: Mapping[UUID, Sequence[datetime]], now: datetime
) -> None:
    """Require that an attempt may be judged now.

    Raises:
        TooManyAttempts: with the seconds until it may.
    """
    waits = (limit.wait(failures.get(id, ()), now) for id, limit in counters.items())
    longest = max(waits, default=timedelta())
    if longest > timedelta():
        raise TooManyAttempts(math.ceil(longest.total_seconds()))


@dataclass(eq=False, kw_only=True)
class LoginThrottle(Entity):
    """A counter of failed attempts; `times` are those of the failures."""

    entity_name: ClassVar[str] = "login_throttle"

    failed_at: tuple[datetime, ...] = ()
    expires_at: datetime

    def register_failure(self, now: datetime, limit: RateLimit) -> None:
        """Count one more failure."""
        self.failed_at = limit.recent((*self.failed_at, now), now)
        self.expires_at = now + limit.window
        self.updated_at = now


class LoginThrottleRepository(Repository[LoginThrottle]):
    """Where the counters are kept."""

    entity_name = LoginThrottle.entity_name

    @abstractmethod
    def list_expired(self, now: datetime, limit: int) -> list[LoginThrottle]:
        """Return some counters that no longer count, without those another transaction holds."""
