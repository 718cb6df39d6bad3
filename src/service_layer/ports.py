"""Ports of the use cases and services: the interfaces that adapters implement."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

Clock = Callable[[], datetime]
"""Returns the current time in UTC."""


class PasswordHasher(ABC):
    """Hashes and verifies passwords, through a bounded queue."""

    @abstractmethod
    async def hash_password(self, password: str, *, stranger: bool = False) -> str:
        """Return the hash of a new password.

        `stranger` marks an unauthenticated caller. These get the smallest share of the queue, so
        that registrations cannot block sign-ins.

        Raises:
            TooManyAttempts: when the caller's share of the queue is full.
        """

    @abstractmethod
    async def verify(
        self, password_hash: str | None, password: str, *, stranger: bool = False
    ) -> bool:
        """Return whether the hash matches the password.

        Without a hash the result is false after the same time. `stranger` marks a caller without
        session or known browser; it leaves a share of the queue to the others.

        Raises:
            TooManyAttempts: when the caller's share of the queue is full.
        """


@dataclass(frozen=True)
class Image:
    """A stored image."""

    content: bytes
    media_type: str


class ImageStore(ABC):
    """Storage of uploaded images under generated names."""

    @abstractmethod
    async def save(self, content: bytes) -> str:
        """Re-encode an uploaded image, store it, and return its name.

        Raises:
            InvalidValue: when it is not a PNG, JPEG or WebP image, damaged, or too large.
            StorageUnavailable: when it cannot be stored at the moment.
        """

    @abstractmethod
    async def find(self, name: str) -> Image | None:
        """Return the image with this name, or `None`.

        Raises:
            StorageUnavailable: when the storage cannot be read at the moment.
        """

    @abstractmethod
    async def delete(self, name: str) -> None:
        """Delete an image; a missing one is no error.

        Raises:
            StorageUnavailable: when it cannot be deleted at the moment.
        """


@dataclass(frozen=True)
class Excerpt:
    """The first paragraphs of a text in plain text; `more` is set if the text goes on."""

    text: str
    more: bool


class MarkdownRenderer(ABC):
    """Renders Markdown within limits of time, memory and length."""

    @abstractmethod
    async def to_html(self, text: str) -> str | None:
        """Return the text as sanitized HTML, or `None` if it exceeds the limits."""

    @abstractmethod
    async def excerpts(self, texts: Sequence[str]) -> list[Excerpt | None]:
        """Return an excerpt of each text, or `None` for a text that exceeds the limits."""


class Schema(StrEnum):
    """The state of the database schema, compared to the one that this version requires."""

    EMPTY = "empty"
    BEHIND = "behind"
    CURRENT = "current"
    AHEAD = "ahead"


class Database(ABC):
    """The database as a whole: lifecycle and health."""

    @abstractmethod
    async def connect(self) -> None:
        """Prepare for reads; an unreachable database is no error and may come back later."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""

    @abstractmethod
    async def schema(self) -> Schema:
        """Query the state of the schema.

        Raises:
            DatabaseUnavailable: when the database cannot be reached.
        """
