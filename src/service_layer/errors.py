"""What can go wrong between the use cases and what keeps their changes."""


class DatabaseUnavailable(Exception):
    """The database cannot be used at the moment; `str()` of the error says what happened.

    It names the kind of trouble alone: no statement, no address, no driver's text.
    """


UNKNOWN_OUTCOME = "The database does not answer; whether the change was made is not known."


class ConnectionLost(DatabaseUnavailable):
    """The connection was lost or refused before anything was asked to be committed."""


class Contention(DatabaseUnavailable):
    """The database works, but not fast enough for this request."""


class WritesRefused(DatabaseUnavailable):
    """The database takes no changes, although it may answer reads."""


class LockTimeout(Contention):
    """Somebody else holds what is to be changed, for longer than was waited for."""

    def __init__(self) -> None:
        super().__init__("Another change to this is still in progress. Nothing was saved.")


class QueueFull(Contention):
    """More changes are waiting than the service is willing to queue."""

    def __init__(self) -> None:
        super().__init__("Too many changes are waiting to be saved. This one was not made.")


class StorageUnavailable(Exception):
    """The folder of uploads cannot be used at the moment; `str()` of the error says no more."""


class ConcurrencyConflict(Exception):
    """Another transaction changed the same aggregate first; running again may succeed."""


class FlushRequired(Exception):
    """What was asked for depends on changes that are put by and not written yet."""


class MigrationFailed(Exception):
    """The database's tables could not be brought to this version's."""
