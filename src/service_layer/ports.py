"""What the use cases' surroundings need from beyond the process: abstract, one class each."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

Clock = Callable[[], datetime]
"""Tells the time, in UTC."""


class PasswordHasher(ABC):
    """Turns passwords into what may be kept of them, and recognises them by it."""

    @abstractmethod
    async def hash_password(self, password: str, *, stranger: bool = False) -> str:
        """Return what may be kept of a new password.

        Strangers have the smallest share of the queue, so that they keep nobody from signing in.

        Raises:
            TooManyAttempts: when too many are waiting for this already.
        """

    @abstractmethod
    async def verify(self, hash: str | None, password: str, *, stranger: bool = False) -> bool:
        """Tell whether a hash was made of the password.

        Without a hash the answer is no, and it takes as long as any other. Strangers leave a share
        of the queue to those who are signed in, or whose browser is known.

        Raises:
            TooManyAttempts: when too many are waiting for this already.
        """


@dataclass(frozen=True)
class Image:
    """A kept picture as it is sent."""

    content: bytes
    media_type: str


class ImageStore(ABC):
    """Where uploaded pictures are kept, each under a name that was made for it."""

    @abstractmethod
    async def save(self, content: bytes) -> str:
        """Make a clean picture of an upload, keep it, and return its name.

        Raises:
            InvalidValue: when it is no PNG, JPEG or WebP picture, damaged, or too large.
            StorageUnavailable: when it cannot be kept at the moment.
        """

    @abstractmethod
    async def find(self, name: str) -> Image | None:
        """Return the picture of a name, if there is one.

        Raises:
            StorageUnavailable: when that cannot be told at the moment.
        """

    @abstractmethod
    async def delete(self, name: str) -> None:
        """Stop keeping a picture; one that is not there is left at that.

        Raises:
            StorageUnavailable: when it has to stay for the moment.
        """


@dataclass(frozen=True)
class Excerpt:
    """The first paragraphs of a text as plain text, and whether more follows them."""

    text: str
    more: bool


class MarkdownRenderer(ABC):
    """Renders texts in Markdown, within limits of time, memory and length."""

    @abstractmethod
    async def to_html(self, text: str) -> str | None:
        """Return the text as HTML that is safe to show, or `None` if it exceeds the limits."""

    @abstractmethod
    async def excerpts(self, texts: Sequence[str]) -> list[Excerpt | None]:
        """Return how each text begins, or `None` for one that exceeds the limits."""


class Schema(StrEnum):
    """How the tables of a database stand to those this version of the service works with."""

    EMPTY = "empty"
    BEHIND = "behind"
    CURRENT = "current"
    AHEAD = "ahead"


class Database(ABC):
    """The database as a whole, for whoever operates the service."""

    full_batch: int = 32
    """How many changes are worth a commit that does not wait for further ones: the dearer it is by
    itself, the more."""

    @abstractmethod
    async def connect(self) -> None:
        """Make ready for reads; a database that is away now may come back later."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of all connections."""

    @abstractmethod
    async def schema(self) -> Schema:
        """Ask the database how its tables stand.

        Raises:
            DatabaseUnavailable: when it cannot be reached.
        """
