"""Known browsers: recognition of browsers that have signed in to an account before."""

import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest, digest
from typing import Self
from uuid import UUID

MAX_ACCOUNTS = 10
"""Accounts per browser. A further account replaces the earliest one."""

_WORD = "[A-Za-z0-9_-]{22}"
_FORM = re.compile(rf"{_WORD}(?:\.{_WORD}){{0,{MAX_ACCOUNTS}}}")


@dataclass(frozen=True)
class KnownBrowser:
    """The content of a long-lived cookie: a random id, and a mark for each account.

    A mark is an HMAC of the browser's id and the user's id, keyed with the password hash. The
    server therefore stores nothing, only the server can compute a mark, and a new password
    invalidates it. A mark grants no access. It only selects the rate limit: failed sign-ins from a
    known browser are counted apart from all others.
    """

    id: str
    marks: tuple[str, ...] = ()

    @classmethod
    def new(cls) -> Self:
        """Create a browser with a random id and no accounts."""
        return cls(secrets.token_urlsafe(16))

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Parse the cookie; return `None` if it is missing or malformed."""
        if text is None or len(text) > 512 or not _FORM.fullmatch(text):
            return None
        id, *marks = text.split(".")
        return cls(id, tuple(marks))

    def __str__(self) -> str:
        return ".".join((self.id, *self.marks))

    def knows(self, user_id: UUID, password_hash: str) -> bool:
        """Return whether the browser has a valid mark for the account."""
        mark = self._mark(user_id, password_hash)
        return any(compare_digest(mark, known) for known in self.marks)

    def remember(self, user_id: UUID, password_hash: str) -> Self:
        """Return a copy with the mark of the account, as the latest one."""
        mark = self._mark(user_id, password_hash)
        others = tuple(known for known in self.marks if known != mark)
        return type(self)(self.id, (*others, mark)[-MAX_ACCOUNTS:])

    def _mark(self, user_id: UUID, password_hash: str) -> str:
        about = f"known browser {self.id} of {user_id}"
        made = digest(password_hash.encode(), about.encode(), sha256)
        return urlsafe_b64encode(made[:16]).rstrip(b"=").decode()
