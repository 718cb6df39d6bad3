"""Receipts, for now without their table."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from domain.actors import Actor
from service_layer.unit_of_work import UnitOfWork


def once(
    uow: UnitOfWork,
    /,
    key: str,
    use_case: Callable[..., Any],
    *args: Any,
    place: Callable[[Any], str],
    actor: Actor,
    now: datetime,
    **kwargs: Any,
) -> str:
    """Perform a use case."""
    return place(use_case(uow, *args, actor=actor, now=now, **kwargs))
