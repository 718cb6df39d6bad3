"""Idempotent execution: a repeated request with the same idempotency key has one effect."""

from collections.abc import Callable
from typing import Any, TypeVar

from domain.base import Context
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
    ctx: Context,
    **kwargs: Any,
) -> str:
    """Run a use case unless the actor ran it under the same idempotency key within `LIFETIME`.

    The operation is the use case with its positional arguments `args`, which exclude the context.
    The same key for another operation is a different request. The use case gets `ctx` by keyword.

    Return the location of the result: `locate` of the use case's return value, or the recorded
    location for a repeated request. A failed use case leaves no record.

    Record and effect share a transaction. Of two concurrent requests the later one violates the
    unique id at the flush, is retried, and then finds the record.

    Raises:
        ConcurrencyConflict: when a concurrent request with the same key made the use case fail.
        PermissionDenied: without an actor.
        DomainError: when the use case raises it.
    """
    operation = " ".join([use_case.__name__, *map(str, args)])
    id = IdempotencyRecord.id_for(ctx.require_actor(), operation, key)
    record = uow.idempotency_records.find(id)
    if record is not None and record.is_valid(ctx.now):
        return record.location
    try:
        location = locate(use_case(uow, *args, ctx=ctx, **kwargs))
    except DomainError:
        # The violated rule may result from a concurrent request with the same key, such as a name
        # that is in use now. A retry finds its record.
        if record is None and uow.idempotency_records.find(id) is not None:
            raise ConcurrencyConflict from None
        raise
    for expired in uow.idempotency_records.list_expired(ctx.now, limit=10):
        if expired is not record:
            uow.idempotency_records.remove(expired)
    if record is None:
        uow.idempotency_records.add(IdempotencyRecord.create(id, ctx.now, location))
    else:
        record.replace(ctx.now, location)
    return location
