"""Receipts: what is sent twice is done once."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from domain.actors import Actor
from domain.errors import DomainError
from domain.idempotency import IdempotencyRecord
from service_layer.errors import ConcurrencyConflict
from service_layer.unit_of_work import UnitOfWork

R = TypeVar("R")


def idempotently(
    uow: UnitOfWork,
    key: str,
    use_case: Callable[..., R],
    /,
    *args: Any,
    locate: Callable[[R], str],
    actor: Actor,
    now: datetime,
    **kwargs: Any,
) -> str:
    """Perform a use case, unless the actor had it performed under the same key within a day.

    Another use case, or the same one on other aggregates, is another operation, even under the same
    key: what one has led to tells nothing about the other.

    Returns where the effect is found, which `locate` tells of what the use case returns; when it is
    not performed, where the effect was found the first time. What fails leaves no receipt.

    Receipt and effect are in one transaction. Of two that are sent at once the later finds the id
    taken when it is written, is run again, and then finds the receipt.

    Raises:
        ConcurrencyConflict: when what was sent at the same moment got in the way of the use case.
    """
    operation = " ".join([use_case.__name__, *map(str, args)])
    id = IdempotencyRecord.id_for(actor, operation, key)
    receipt = uow.idempotency_records.find(id)
    if receipt is not None and receipt.is_valid(now):
        return receipt.location
    try:
        found_at = locate(use_case(uow, *args, actor=actor, now=now, **kwargs))
    except DomainError:
        # What stands in the way may be what the same has led to, sent a moment earlier.
        if receipt is None and uow.idempotency_records.find(id) is not None:
            raise ConcurrencyConflict from None
        raise
    for over in uow.idempotency_records.list_expired(now, limit=10):
        if over is not receipt:
            uow.idempotency_records.remove(over)
    if receipt is None:
        uow.idempotency_records.add(IdempotencyRecord.create(id, now, found_at))
    else:
        receipt.replace(now, found_at)
    return found_at
