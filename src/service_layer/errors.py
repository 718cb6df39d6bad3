"""Errors between the use cases and the infrastructure."""


class DatabaseUnavailable(Exception):
    """The database cannot be used at the moment; `str()` of the error is the reason.

    The reason contains no statement, no address and no text of the driver.
    """


UNKNOWN_OUTCOME = "The database does not answer; whether the change was made is not known."


class ConnectionLost(DatabaseUnavailable):
    """The connection was lost or refused before the commit was sent, so a retry is safe."""


class Contention(DatabaseUnavailable):
    """The database works, but not fast enough for this request.

    The cause is lock contention, a statement timeout or a full queue.
    """


class WritesRefused(DatabaseUnavailable):
    """The database refuses writes, although reads may still work."""


class LockTimeout(Contention):
    """A lock timeout: another transaction held a lock for too long."""

    def __init__(self) -> None:
        super().__init__("Another change to this is still in progress. Nothing was saved.")


class QueueFull(Contention):
    """The runner's queue is full, or the use case did not start in time; it was not run."""

    def __init__(self) -> None:
        super().__init__("Too many changes are waiting to be saved. This one was not made.")


class StorageUnavailable(Exception):
    """The upload directory cannot be used at the moment; `str()` of the error is the reason."""


class ConcurrencyConflict(Exception):
    """Another transaction changed the same data first; a retry may succeed.

    The optimistic lock detects this, or a constraint, or the database by a deadlock.
    """


class MigrationFailed(Exception):
    """The database schema could not be migrated to this version."""
