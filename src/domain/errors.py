"""Errors of the domain: each has its data and a message for users."""

from uuid import UUID


class InvalidValue(ValueError):
    """A value breaks its rule; the message describes the acceptable values."""


class DomainError(Exception):
    """A rule of the domain is violated; `str()` of the error is a message for users."""


class InvalidField(DomainError):
    """The value of a field is invalid, alone or in combination with others."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class NotFound(DomainError):
    """The object does not exist, or the caller may not see it."""

    def __init__(self, entity_name: str, id: UUID) -> None:
        super().__init__(f"There is no {entity_name} with this id.")
        self.entity_name = entity_name
        self.id = id


class VersionMismatch(DomainError):
    """The object has changed since the caller read it: its version is not an expected one."""

    def __init__(self, entity_name: str, version: int) -> None:
        super().__init__(
            f"This {entity_name} has changed since you read it; its version is now {version}."
        )
        self.version = version


class Conflict(DomainError):
    """A concurrency conflict persisted through all retries; nothing was written."""

    def __init__(self) -> None:
        super().__init__("Others are changing this at the same time. Nothing was saved.")


_LABELS = {"email": "e-mail address", "serial": "serial number", "sku": "SKU"}
"""Members whose name in a message differs from that in the API."""


class NotUnique(DomainError):
    """The value of a unique field is in use already."""

    def __init__(self, field: str, by: str = "another person") -> None:
        super().__init__(f"This {_LABELS.get(field, field)} is already used by {by}.")
        self.field = field


class StillReferenced(DomainError):
    """The object cannot be deleted, because other objects reference it."""


class PermissionDenied(DomainError):
    """The authenticated actor may not perform the operation."""

    def __init__(self, detail: str = "You may not do this.") -> None:
        super().__init__(detail)


class AuthenticationFailed(DomainError):
    """The credentials are invalid; the message does not reveal in which way."""


class TooManyAttempts(DomainError):
    """A rate limit or a full queue rejects the attempt; a retry is possible after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many attempts. Try again in {_duration(seconds)}.")
        self.seconds = seconds


def _duration(seconds: int) -> str:
    """Return a wait in seconds, or in minutes, rounded up."""
    count, unit = (seconds, "second") if seconds < 60 else (-(-seconds // 60), "minute")
    return f"{count} {unit}{'s'[: count != 1]}"
