"""SQL in the log: at `debug` every statement, never a value, and otherwise nothing."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL

from adapters.logs import CHATTY, configure
from domain.base import PageRequest
from domain.tasks import TaskFilter
from service_layer import tasks
from support.backends import NOON, database_at, sql_backend
from support.people import CTX

CANARY = "canary-value"


class Collected(logging.Handler):
    """A handler that keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def logged(level: str) -> Iterator[list[logging.LogRecord]]:
    """Collect what is written at a level, by all loggers, as the service configures them."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, {n: logging.getLogger(n).level for n in CHATTY}
    root.handlers.clear()
    configure("json", level, lambda: "")
    collected = Collected()
    root.handlers[:] = [collected]
    try:
        yield collected.records
    finally:
        root.handlers[:], level_before, levels = before
        root.setLevel(level_before)
        for name, own in levels.items():
            logging.getLogger(name).setLevel(own)


@pytest.mark.parametrize("level", ["debug", "info"])
def test_statements_are_logged_at_debug_alone_and_without_values(
    place: Path | URL, level: str
) -> None:
    with logged(level) as records, sql_backend(database_at(place)) as backend:
        runner = backend.runner()
        task = backend.ask(runner(tasks.create_task, title=CANARY, ctx=CTX))
        backend.ask(runner(tasks.edit_task, task.id, {"title": f"{CANARY} 2"}, ctx=CTX))
        runner.perform(tasks.edit_task, task.id, {"title": f"{CANARY} 3"}, ctx=CTX)
        assert backend.ask(backend.tasks.get(task.id, NOON)) is not None
        wanted = TaskFilter(today=NOON.date(), q=CANARY)
        assert (
            len(backend.ask(backend.tasks.list_page(wanted, PageRequest(sort="title"))).items) == 1
        )
        runner.close()

    statements = [str(vars(r)["sql"]) for r in records if r.getMessage() == "statement"]
    if level == "info":
        assert statements == []
    else:
        for begin, times in (("INSERT INTO tasks", 1), ("UPDATE tasks", 2), ("SELECT tasks.", 2)):
            assert sum(sql.startswith(begin) for sql in statements) >= times, statements
    assert not any(CANARY in str(vars(record)) for record in records)
