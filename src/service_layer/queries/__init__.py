"""Reading: the views that people get to see, and the abstract ports that answer with them.

A read passes through no aggregate and opens no transaction: each call is one statement.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from domain.base import Page, Slice
from domain.errors import NotFound

V = TypeVar("V", bound="View")
F = TypeVar("F")


@dataclass(frozen=True, kw_only=True)
class View:
    """What every representation carries; `collection` is where things of this kind are found."""

    collection: ClassVar[str]

    id: UUID
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def place(self) -> str:
        """Where it is found, among all there is to be found."""
        return f"{self.collection}/{self.id}"


class Queries(ABC, Generic[V, F]):
    """The reads that every kind of thing offers.

    All of them raise `DatabaseUnavailable` when the database cannot be reached.
    """

    kind: str

    @abstractmethod
    async def get(self, id: UUID, now: datetime) -> V | None:
        """Return the thing as it is seen at a moment, or `None`."""

    async def one(self, id: UUID, now: datetime) -> V:
        """Return the thing as it is seen at a moment.

        Raises:
            NotFound: when there is none.
        """
        view = await self.get(id, now)
        if view is None:
            raise NotFound(self.kind, id)
        return view

    @abstractmethod
    async def list(self, filter: F, slice: Slice) -> Page[V]:
        """Return the part of the list that the slice asks for."""
