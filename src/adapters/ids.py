"""Ids of new aggregates."""

from uuid import UUID

from uuid_utils import compat


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562, 5.7), greater than all earlier ones of this process."""
    return compat.uuid7()
