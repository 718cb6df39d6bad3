"""Messages for database errors, shared by both drivers, and the error class of each."""

from service_layer.errors import Contention, DatabaseUnavailable, WritesRefused

AWAY = "The database cannot be reached."
FULL = "The database's disk is full; nothing was written."
BUSY = "The database is locked by another change."
UNUSABLE = "The database's storage cannot be used."
SLOW = "The database took too long."
READ_ONLY = "The database takes no changes at the moment."


def unavailable(detail: str) -> DatabaseUnavailable:
    """Return the error for a message.

    `Contention` concerns one request, `WritesRefused` all writes, and `DatabaseUnavailable` all
    requests.
    """
    if detail in (BUSY, SLOW):
        return Contention(detail)
    if detail in (FULL, READ_ONLY, UNUSABLE):
        return WritesRefused(detail)
    return DatabaseUnavailable(detail)
