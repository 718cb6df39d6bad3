"""Prefetch declarations: the aggregates that a use case is going to load by its first arguments."""

from collections.abc import Callable
from typing import Any, TypeVar

from domain.base import Entity

U = TypeVar("U", bound=Callable[..., Any])

_DECLARED: dict[Callable[..., Any], tuple[type[Entity], ...]] = {}


def prefetches(*entities: type[Entity]) -> Callable[[U], U]:
    """Declare the types of the aggregates whose ids are the first arguments of a use case.

    A group commit loads them by one query per type, if several of its use cases declare that type.
    A use case whose aggregate is under lock contention runs apart. Without group commit this has no
    effect.
    """

    def declare(use_case: U) -> U:
        _DECLARED[use_case] = entities
        return use_case

    return declare


def prefetched_by(use_case: Callable[..., Any]) -> tuple[type[Entity], ...]:
    """Return what a use case declares."""
    return _DECLARED.get(use_case, ())
