"""Reading: the views that people get to see, and the abstract ports that answer with them.

A read passes through no aggregate and opens no transaction: each call is one statement.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Generic, Self, TypeVar
from uuid import UUID

from domain.base import Entity, Page, PageRequest
from domain.errors import NotFound

V = TypeVar("V", bound="View")
F = TypeVar("F")
T = TypeVar("T")


def holding(frozen: type[T], members: dict[str, Any]) -> T:
    """Return an object of a frozen dataclass with these members, which must be all that it has.

    A call of the class sets each of them by itself, and takes three times as long.
    """
    made = object.__new__(frozen)
    object.__setattr__(made, "__dict__", members)
    return made


@dataclass(frozen=True, kw_only=True)
class View:
    """What every representation carries; `collection` is where things of this kind are found."""

    collection: ClassVar[str]

    id: UUID
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_entity(cls, entity: Entity, /, **told: Any) -> Self:
        """Return the view of an aggregate in hand: its members of the same names, and what else.

        What is derived, or belongs to another aggregate, is told.
        """
        held = vars(entity)  # which is quicker than asking it for each
        for name in cls._names():
            if name not in told:
                told[name] = held[name] if name in held else getattr(entity, name)
        return holding(cls, told)

    @classmethod
    @cache
    def _names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))

    @property
    def path(self) -> str:
        """Where it is found, among all there is to be found."""
        return f"{self.collection}/{self.id}"


class Queries(ABC, Generic[V, F]):
    """The reads that every kind of thing offers.

    All of them raise `DatabaseUnavailable` when the database cannot be reached.
    """

    entity_name: str

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
            raise NotFound(self.entity_name, id)
        return view

    @abstractmethod
    async def list_page(self, filter: F, page_request: PageRequest) -> Page[V]:
        """Return the part of the list that the slice asks for."""
