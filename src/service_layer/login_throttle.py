"""Login throttle: count failures, and require that there were not too many."""

from datetime import datetime

from domain import login_throttle
from domain.login_throttle import Counters, LoginThrottle
from service_layer.unit_of_work import UnitOfWork


def require_allowed(uow: UnitOfWork, counters: Counters, now: datetime) -> None:
    """Require that the outcome of an attempt may be told.

    This is asked again in the transaction that tells it, while the counters are locked: of many
    attempts that are judged at once, in several processes, no more are told than the limit allows.

    Raises:
        TooManyAttempts: when others have reached a limit meanwhile.
    """
    found = {id: uow.login_throttles.find(id) for id in counters}
    failures = {id: throttle.failed_at for id, throttle in found.items() if throttle is not None}
    login_throttle.require_allowed(counters, failures, now)


def register_failure(uow: UnitOfWork, counters: Counters, *, now: datetime) -> None:
    """Count a failure.

    Raises:
        TooManyAttempts: when others have reached a limit meanwhile; it is not counted then.
    """
    require_allowed(uow, counters, now)
    for id, limit in counters.items():
        throttle = uow.login_throttles.find(id)
        if throttle is None:
            throttle = LoginThrottle(id=id, created_at=now, updated_at=now, expires_at=now)
            uow.login_throttles.add(throttle)
        throttle.register_failure(now, limit)
    for over in uow.login_throttles.list_expired(now, limit=10):
        # One of them may have begun to count again just now.
        if over.expires_at <= now:
            uow.login_throttles.remove(over)
