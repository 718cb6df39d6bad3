"""Receipts: what shows, when something is sent again, that it has had its effect already."""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

from domain.actors import Actor
from domain.base import Entity, Repository

LIFETIME = timedelta(hours=24)
"""How long it is known that something has been sent before."""


@dataclass(eq=False, kw_only=True)
class IdempotencyRecord(Entity):
    """What somebody sent under a key of theirs has had its effect, and `place` is where to find it.

    From `expires_at` on it counts no more: what comes under the key then is new.
    """

    entity_name: ClassVar[str] = "receipt"

    location: str
    expires_at: datetime

    @staticmethod
    def id_for(sender: Actor, operation: str, key: str) -> UUID:
        """Return the id of the record of an operation that somebody sent under a key.

        The same key of another sender, or for another operation, has a record of its own.
        """
        return uuid5(NAMESPACE_URL, f"receipt:{sender.id}:{operation}:{key}")

    @classmethod
    def create(cls, id: UUID, now: datetime, place: str) -> "IdempotencyRecord":
        """Say where an effect is found."""
        return cls(id=id, created_at=now, updated_at=now, location=place, expires_at=now + LIFETIME)

    def is_valid(self, now: datetime) -> bool:
        """Whether it still tells anything at a moment."""
        return now < self.expires_at

    def replace(self, now: datetime, place: str) -> None:
        """Say where another effect is found, since the first does not count any more."""
        self.location = place
        self.updated_at = now
        self.expires_at = now + LIFETIME


class IdempotencyRecordRepository(Repository[IdempotencyRecord]):
    """Where receipts are kept."""

    entity_name = IdempotencyRecord.entity_name

    @abstractmethod
    def list_expired(self, now: datetime, limit: int) -> list[IdempotencyRecord]:
        """Return some of those that no longer count, but none that somebody else is changing."""
