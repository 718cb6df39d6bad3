"""Idempotency records: the result of a request, by its idempotency key."""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

from domain.actors import Actor
from domain.base import Entity, Repository

LIFETIME = timedelta(hours=24)
"""Time for which a repeated request is recognized."""


@dataclass(eq=False, kw_only=True)
class IdempotencyRecord(Entity):
    """The result of an operation that a sender requested under an idempotency key.

    `location` is the path of the page that shows the result. From `expires_at` on the record is
    void, and the key counts as new.
    """

    entity_name: ClassVar[str] = "idempotency record"

    location: str
    expires_at: datetime

    @staticmethod
    def id_for(sender: Actor, operation: str, key: str) -> UUID:
        """Return the record's id, derived from sender, operation and idempotency key.

        The same key of another sender, or for another operation, has another record.
        """
        return uuid5(NAMESPACE_URL, f"receipt:{sender.id}:{operation}:{key}")

    @classmethod
    def create(cls, id: UUID, now: datetime, location: str) -> "IdempotencyRecord":
        """Create a record that is valid for `LIFETIME`."""
        return cls(
            id=id, created_at=now, updated_at=now, location=location, expires_at=now + LIFETIME
        )

    def is_valid(self, now: datetime) -> bool:
        """Return whether the record has not expired."""
        return now < self.expires_at

    def replace(self, now: datetime, location: str) -> None:
        """Reuse an expired record for a new result."""
        self.location = location
        self.updated_at = now
        self.expires_at = now + LIFETIME


class IdempotencyRecordRepository(Repository[IdempotencyRecord]):
    """Repository of idempotency records."""

    entity_name = IdempotencyRecord.entity_name

    @abstractmethod
    def list_expired(self, now: datetime, limit: int) -> list[IdempotencyRecord]:
        """Return up to `limit` expired records, without those locked by other transactions."""
