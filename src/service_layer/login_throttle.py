"""Use cases of the login throttle: count failures, and check the rate limits."""

from datetime import datetime

from domain import login_throttle
from domain.login_throttle import Counters, LoginThrottle
from service_layer.unit_of_work import UnitOfWork


def require_allowed(uow: UnitOfWork, counters: Counters, now: datetime) -> None:
    """Require that no rate limit is reached, with the counters locked.

    The transaction that reveals an attempt's outcome repeats this check under the locks. Concurrent
    attempts in several processes can therefore not exceed the rate limit.

    Raises:
        TooManyAttempts: when concurrent attempts have reached a rate limit.
    """
    found = {id: uow.login_throttles.find(id) for id in counters}
    failures = {id: throttle.failed_at for id, throttle in found.items() if throttle is not None}
    login_throttle.require_allowed(counters, failures, now)


def register_failure(uow: UnitOfWork, counters: Counters, *, now: datetime) -> None:
    """Count a failure.

    Raises:
        TooManyAttempts: when concurrent attempts have reached a rate limit; the failure is not
            counted.
    """
    require_allowed(uow, counters, now)
    for id, limit in counters.items():
        throttle = uow.login_throttles.find(id)
        if throttle is None:
            throttle = LoginThrottle(id=id, created_at=now, updated_at=now, expires_at=now)
            uow.login_throttles.add(throttle)
        throttle.register_failure(now, limit)
    for over in uow.login_throttles.list_expired(now, limit=10):
        # The loop above may have extended one of them.
        if over.expires_at <= now:
            uow.login_throttles.remove(over)
