"""What can go wrong between the use cases and what keeps their changes."""


class DatabaseUnavailable(Exception):
    """The database cannot be used at the moment; `str()` of the error says what happened.

    It names the kind of trouble alone: no statement, no address, no driver's text.
    """


class Unreachable(DatabaseUnavailable):
    """The connection was lost or refused before anything was asked to be committed."""


class Overloaded(DatabaseUnavailable):
    """More changes are waiting than the service is willing to queue."""

    def __init__(self) -> None:
        super().__init__("Too many changes are waiting to be written.")


class ConcurrentChange(Exception):
    """Another transaction changed the same aggregate first; running again may succeed."""


class MigrationFailed(Exception):
    """The database's tables could not be brought to this version's."""
