"""Database monitor: logs the beginning and the end of each database outage."""

import asyncio
import logging
import time
from collections.abc import Sequence

from domain.base import Event
from service_layer.errors import Contention, DatabaseUnavailable, WritesRefused
from service_layer.ports import Database, Schema
from service_layer.runner import Runner

log = logging.getLogger("atelier.database")


UNAVAILABLE = "database unavailable"


class DatabaseMonitor:
    """Monitors the database by failed requests and by queries of its schema.

    The query runs every `INTERVAL` seconds, every `OUTAGE_INTERVAL` during an outage, and at once
    after a failed request. Only writes detect a full disk, so only a commit ends that outage.
    """

    INTERVAL = 10.0
    OUTAGE_INTERVAL = 1.0

    def __init__(self, database: Database, runner: Runner) -> None:
        self._database = database
        self._outage = ""
        self._since = 0.0
        self._must_commit = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        runner.after_commit(self._committed)

    def start(self) -> None:
        """Start monitoring in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(), name="database-monitor")

    async def stop(self) -> None:
        """Stop monitoring."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def request_failed(self, error: Exception) -> None:
        """Handle the error of a failed request; call this in the event loop's thread."""
        if not isinstance(error, DatabaseUnavailable) or isinstance(error, Contention):
            return
        if not self._outage:
            self._begin_outage(UNAVAILABLE, str(error))
            self._must_commit = isinstance(error, WritesRefused)
        self._wake.set()

    def _committed(self, events: Sequence[Event]) -> None:
        """Wake the monitor after a commit; runs in any thread."""
        if self._must_commit:
            self._must_commit = False
            self._loop.call_soon_threadsafe(self._wake.set)

    async def check(self) -> None:
        """Query the schema, and log the beginning or end of an outage."""
        try:
            schema = await self._database.schema()
        except DatabaseUnavailable as error:
            if not isinstance(error, Contention):
                # This outage ends when a query succeeds; it does not take a commit.
                self._must_commit = False
                self._begin_outage(UNAVAILABLE, str(error))
            return
        if schema is not Schema.CURRENT:
            self._must_commit = False
            self._begin_outage("database schema not current", str(schema))
        elif not self._must_commit:
            self._end_outage()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self.OUTAGE_INTERVAL if self._outage else self.INTERVAL):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self.check()
            except Exception:
                log.exception("database monitor failed")

    def _begin_outage(self, event: str, reason: str) -> None:
        if not self._outage:
            self._since = time.monotonic()
        if self._outage != event:
            log.error(event, extra={"reason": reason})
        self._outage = event

    def _end_outage(self) -> None:
        if self._outage:
            seconds = round(time.monotonic() - self._since, 1)
            log.warning("database available again", extra={"seconds": seconds})
        self._outage = ""
