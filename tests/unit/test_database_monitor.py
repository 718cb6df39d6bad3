"""What the log says of a database that goes away and comes back."""

import asyncio
import logging
from collections.abc import Iterator
from functools import partial

import pytest

from adapters.memory.database import MemoryDatabase
from adapters.memory.store import MemoryStore
from adapters.memory.unit_of_work import MemoryUnitOfWork
from service_layer import tasks
from service_layer.database_monitor import DatabaseMonitor
from service_layer.errors import Contention, DatabaseUnavailable, QueueFull, WritesRefused
from service_layer.ports import Schema
from service_layer.runner import Runner
from support.people import CTX

AWAY = DatabaseUnavailable("The database cannot be reached.")


class Database(MemoryDatabase):
    """A database whose state a test sets."""

    state: Schema | Exception = Schema.CURRENT

    async def schema(self) -> Schema:
        if isinstance(self.state, Exception):
            raise self.state
        return self.state


class Watched:
    """A monitored database, and what is logged of it."""

    def __init__(self, log: pytest.LogCaptureFixture) -> None:
        self.database = Database()
        self.runner = Runner(partial(MemoryUnitOfWork, MemoryStore()))
        self.monitor = DatabaseMonitor(self.database, self.runner)
        self._log = log

    async def told(self, state: Schema | Exception) -> list[str]:
        """Return what is logged once the database is in a state and has been asked for it."""
        self.database.state = state
        await self.monitor.check()
        await asyncio.sleep(0)
        events = [record.getMessage() for record in self._log.records]
        self._log.clear()
        return events


@pytest.fixture
def watched(caplog: pytest.LogCaptureFixture) -> Iterator[Watched]:
    caplog.set_level(logging.INFO, "atelier.database")
    made = Watched(caplog)
    yield made
    made.runner.close()


def test_an_outage_is_logged_once_and_its_end_once(watched: Watched) -> None:
    async def outage() -> None:
        assert await watched.told(Schema.CURRENT) == []
        for _ in range(3):
            watched.monitor.request_failed(AWAY)
        assert await watched.told(AWAY) == ["database unavailable"]
        assert await watched.told(AWAY) == []
        watched.monitor.request_failed(AWAY)
        assert await watched.told(Schema.CURRENT) == ["database available again"]
        assert await watched.told(Schema.CURRENT) == []

    asyncio.run(outage())


def test_a_schema_that_changes_under_the_service_is_logged_once(watched: Watched) -> None:
    async def outage() -> None:
        assert await watched.told(Schema.AHEAD) == ["database schema not current"]
        for _ in range(3):
            watched.monitor.request_failed(AWAY)
            assert await watched.told(Schema.EMPTY) == []
        assert await watched.told(Schema.CURRENT) == ["database available again"]

    asyncio.run(outage())


def test_a_database_that_refuses_changes_is_back_with_the_next_commit(watched: Watched) -> None:
    async def outage() -> None:
        watched.monitor.start()
        for _ in range(2):
            watched.monitor.request_failed(WritesRefused("The disk is full."))
        assert await watched.told(Schema.CURRENT) == ["database unavailable"]
        assert await watched.told(Schema.CURRENT) == []
        await watched.runner(tasks.create_task, title="Room again", ctx=CTX)
        assert await watched.told(Schema.CURRENT) == ["database available again"]
        await watched.monitor.stop()

    asyncio.run(outage())


def test_a_busy_moment_does_not_end_the_outage_of_a_full_disk(watched: Watched) -> None:
    async def outage() -> None:
        watched.monitor.start()
        watched.monitor.request_failed(WritesRefused("The disk is full."))
        assert await watched.told(Schema.CURRENT) == ["database unavailable"]
        assert await watched.told(Contention("too long")) == []
        assert await watched.told(Schema.CURRENT) == []
        await watched.monitor.stop()

    asyncio.run(outage())


@pytest.mark.parametrize("error", [QueueFull(), Contention("too long"), ValueError("no matter")])
def test_a_busy_database_is_not_unavailable(watched: Watched, error: Exception) -> None:
    async def busy() -> None:
        watched.monitor.request_failed(error)
        assert await watched.told(Schema.CURRENT) == []

    asyncio.run(busy())
