"""Receipts: what is sent twice is done once."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from domain.actors import Actor
from domain.errors import DomainError
from domain.idempotency import Receipt
from service_layer.errors import ConcurrentChange
from service_layer.unit_of_work import UnitOfWork

R = TypeVar("R")


def once(
    uow: UnitOfWork,
    key: str,
    use_case: Callable[..., R],
    /,
    *args: Any,
    place: Callable[[R], str],
    actor: Actor,
    now: datetime,
    **kwargs: Any,
) -> str:
    """Perform a use case, unless the actor had it performed under the same key within a day.

    Another use case, or the same one on other aggregates, is another operation, even under the same
    key: what one has led to tells nothing about the other.

    Returns where the effect is found, which `place` tells of what the use case returns; when it is
    not performed, where the effect was found the first time. What fails leaves no receipt.

    Receipt and effect are in one transaction. Of two that are sent at once the later finds the id
    taken when it is written, is run again, and then finds the receipt.

    Raises:
        ConcurrentChange: when what was sent at the same moment got in the way of the use case.
    """
    operation = " ".join([use_case.__name__, *map(str, args)])
    id = Receipt.id_for(actor, operation, key)
    receipt = uow.receipts.find(id)
    if receipt is not None and receipt.counts(now):
        return receipt.place
    try:
        found_at = place(use_case(uow, *args, actor=actor, now=now, **kwargs))
    except DomainError:
        # What stands in the way may be what the same has led to, sent a moment earlier.
        if receipt is None and uow.receipts.find(id) is not None:
            raise ConcurrentChange from None
        raise
    for over in uow.receipts.over(now, limit=10):
        if over is not receipt:
            uow.receipts.remove(over)
    if receipt is None:
        uow.receipts.add(Receipt.give(id, now, found_at))
    else:
        receipt.renew(now, found_at)
    return found_at
