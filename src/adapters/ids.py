"""Ids for new aggregates."""

from uuid import UUID

from uuid_utils import compat


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562, 5.7), greater than those this process made before."""
    return compat.uuid7()
