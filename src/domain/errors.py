"""What can go wrong, in the workshop's terms: errors with their data and a message for people."""

from uuid import UUID


class InvalidValue(ValueError):
    """A value breaks the rule for its field; the message says what would be acceptable."""


class DomainError(Exception):
    """The workshop's rules say no; `str()` of the error is meant for the person who asked."""


class InvalidField(DomainError):
    """A member's value is not acceptable, alone or beside the others."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class NotFound(DomainError):
    """There is no such thing, or it is not for the eyes of whoever asks."""

    def __init__(self, entity_name: str, id: UUID) -> None:
        super().__init__(f"There is no {entity_name} with this id.")
        self.entity_name = entity_name
        self.id = id


class VersionMismatch(DomainError):
    """The thing has changed since the caller last saw it."""

    def __init__(self, entity_name: str, version: int) -> None:
        super().__init__(
            f"This {entity_name} has changed since you read it; its version is now {version}."
        )
        self.version = version


class Conflict(DomainError):
    """Others keep changing the same thing at the same time; nothing was written."""

    def __init__(self) -> None:
        super().__init__("Others are changing this at the same time. Nothing was saved.")


_LABELS = {"email": "e-mail address", "serial": "serial number", "sku": "SKU"}
"""Members whose name in a message differs from that in the API."""


class NotUnique(DomainError):
    """Somebody or something else has this value already, and it must be one's own."""

    def __init__(self, field: str, by: str = "another person") -> None:
        super().__init__(f"This {_LABELS.get(field, field)} is already used by {by}.")
        self.field = field


class StillReferenced(DomainError):
    """Other things refer to this one, so it has to stay."""


class PermissionDenied(DomainError):
    """It is known who asks, and they may not do this."""

    def __init__(self, detail: str = "You may not do this.") -> None:
        super().__init__(detail)


class AuthenticationFailed(DomainError):
    """What was presented does not tell who asks; it is not said what is wrong with it."""


class TooManyAttempts(DomainError):
    """There were too many attempts lately; the next one is judged after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts. Try again in {_duration(seconds)}.")
        self.seconds = seconds


def _duration(seconds: int) -> str:
    """Return a wait in seconds, or in minutes, rounded up."""
    count, unit = (seconds, "second") if seconds < 60 else (-(-seconds // 60), "minute")
    return f"{count} {unit}{'s'[: count != 1]}"
