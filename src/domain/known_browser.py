"""Known browsers: recognise a browser that has signed in to an account before."""

import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest, digest
from typing import Self
from uuid import UUID

MAX_ACCOUNTS = 10
"""For how many accounts one browser is known; beyond that the earliest is forgotten."""

_WORD = "[A-Za-z0-9_-]{22}"
_FORM = re.compile(rf"{_WORD}(?:\.{_WORD}){{0,{MAX_ACCOUNTS}}}")


@dataclass(frozen=True)
class KnownBrowser:
    """What a browser keeps in a long-lived cookie: a random id, and a mark for each account.

    A mark is an HMAC of the browser's and the user's id, keyed with the password hash. So nothing
    is stored, only the service can make a mark, and a new password ends it. A mark grants nothing:
    failures in a known browser are counted apart from those of strangers, and that is all.
    """

    id: str
    marks: tuple[str, ...] = ()

    @classmethod
    def new(cls) -> Self:
        """Make a browser that is known for no account yet."""
        return cls(secrets.token_urlsafe(16))

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Read what a browser sends; `None` if it is nothing of ours."""
        if text is None or len(text) > 512 or not _FORM.fullmatch(text):
            return None
        id, *marks = text.split(".")
        return cls(id, tuple(marks))

    def __str__(self) -> str:
        return ".".join((self.id, *self.marks))

    def knows(self, user_id: UUID, password_hash: str) -> bool:
        """Tell whether somebody has signed in to this account here."""
        mark = self._mark(user_id, password_hash)
        return any(compare_digest(mark, known) for known in self.marks)

    def remember(self, user_id: UUID, password_hash: str) -> Self:
        """Return the browser as one that has signed in to this account."""
        mark = self._mark(user_id, password_hash)
        others = tuple(known for known in self.marks if known != mark)
        return type(self)(self.id, (*others, mark)[-MAX_ACCOUNTS:])

    def _mark(self, user_id: UUID, password_hash: str) -> str:
        about = f"known browser {self.id} of {user_id}"
        made = digest(password_hash.encode(), about.encode(), sha256)
        return urlsafe_b64encode(made[:16]).rstrip(b"=").decode()
