"""Receipts: what shows, when something is sent again, that it has had its effect already."""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

from domain.actors import Actor
from domain.base import Entity, Repository

KEPT_FOR = timedelta(hours=24)
"""How long it is known that something has been sent before."""


@dataclass(eq=False, kw_only=True)
class Receipt(Entity):
    """What somebody sent under a key of theirs has had its effect, and `place` is where to find it.

    From `forget_at` on it counts no more: what comes under the key then is new.
    """

    kind: ClassVar[str] = "receipt"

    place: str
    forget_at: datetime

    @staticmethod
    def id_for(sender: Actor, operation: str, key: str) -> UUID:
        """Return the id of the record of an operation that somebody sent under a key.

        The same key of another sender, or for another operation, has a record of its own.
        """
        return uuid5(NAMESPACE_URL, f"receipt:{sender.id}:{operation}:{key}")

    @classmethod
    def give(cls, id: UUID, now: datetime, place: str) -> "Receipt":
        """Say where an effect is found."""
        return cls(id=id, created_at=now, updated_at=now, place=place, forget_at=now + KEPT_FOR)

    def counts(self, now: datetime) -> bool:
        """Whether it still tells anything at a moment."""
        return now < self.forget_at

    def renew(self, now: datetime, place: str) -> None:
        """Say where another effect is found, since the first does not count any more."""
        self.place = place
        self.updated_at = now
        self.forget_at = now + KEPT_FOR


class ReceiptRepository(Repository[Receipt]):
    """Where receipts are kept."""

    kind = Receipt.kind

    @abstractmethod
    def over(self, now: datetime, limit: int) -> list[Receipt]:
        """Return some of those that no longer count, but none that somebody else is changing."""
