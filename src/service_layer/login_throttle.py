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
    found = {id: uow.throttles.find(id) for id in counters}
    failures = {id: throttle.times for id, throttle in found.items() if throttle is not None}
    login_throttle.require_allowed(counters, failures, now)


def register_failure(uow: UnitOfWork, counters: Counters, *, now: datetime) -> None:
    """Count a failure.

    Raises:
        TooManyAttempts: when others have reached a limit meanwhile; it is not counted then.
    """
    require_allowed(uow, counters, now)
    for id, limit in counters.items():
        throttle = uow.throttles.find(id)
        if throttle is None:
            throttle = LoginThrottle(id=id, created_at=now, updated_at=now, forget_at=now)
            uow.throttles.add(throttle)
        throttle.register_failure(now, limit)
    for over in uow.throttles.over(now, limit=10):
        # One of them may have begun to count again just now.
        if over.forget_at <= now:
            uow.throttles.remove(over)
