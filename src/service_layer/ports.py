"""What the use cases' surroundings need from beyond the process: abstract, one class each."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

Clock = Callable[[], datetime]
"""Tells the time, in UTC."""


class Schema(StrEnum):
    """How the tables of a database stand to those this version of the service works with."""

    EMPTY = "empty"
    BEHIND = "behind"
    CURRENT = "current"
    AHEAD = "ahead"


class Database(ABC):
    """The database as a whole, for whoever operates the service."""

    @abstractmethod
    async def open(self) -> None:
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
