"""Base types of the read side: views, and the query ports that return them.

A query bypasses aggregates and transactions: each call is one statement.
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


@dataclass(kw_only=True)
class View:
    """Base class of views; `collection` is the path of their collection.

    Concurrent readers share views, so they must not be changed. The dataclass is not `frozen`,
    because that makes a new view four times as slow.
    """

    collection: ClassVar[str]

    id: UUID
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def _of(cls, entity: Entity, /, **values: Any) -> Self:
        """Return the view of a loaded aggregate.

        Fields are copied by name. Keyword arguments give derived fields and those of other
        aggregates.
        """
        held = vars(entity)  # faster than getattr for each field
        for name in cls._names():
            if name not in values:
                values[name] = held[name] if name in held else getattr(entity, name)
        return cls(**values)

    @classmethod
    @cache
    def _names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))

    @property
    def path(self) -> str:
        """Path of the object, relative to the API's root."""
        return f"{self.collection}/{self.id}"


class Queries(ABC, Generic[V, F]):
    """Base class of query ports.

    All methods raise `DatabaseUnavailable` when the database cannot be reached.
    """

    entity_name: str

    @abstractmethod
    async def get(self, id: UUID, now: datetime) -> V | None:
        """Return the view at a time, or `None`."""

    async def one(self, id: UUID, now: datetime) -> V:
        """Return the view at a time.

        Raises:
            NotFound: when the object does not exist.
        """
        view = await self.get(id, now)
        if view is None:
            raise NotFound(self.entity_name, id)
        return view

    @abstractmethod
    async def list_page(self, filter: F, page_request: PageRequest) -> Page[V]:
        """Return the page that the page request describes, by keyset pagination or by offset."""
