"""A crash during a group commit: several use cases share one transaction."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import URL, Engine, event

from service_layer import tasks
from support.backends import database_at, sql_backend
from support.group_commit import BatchHarness
from support.people import CTX

When = Literal["before", "after"]


def kill() -> None:
    """Kill this process by SIGKILL."""
    os.kill(os.getpid(), signal.SIGKILL)


def share_until_killed(place: Path | URL, edited: UUID, removed: UUID, when: When) -> None:
    """Create, edit and delete tasks in one transaction; crash before or after its commit."""
    run: set[str] = set()

    def note(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        run.add(statement.split()[0])

    def kill_before(_: object) -> None:
        # All changes have been flushed, and none has been committed.
        if {"INSERT", "UPDATE", "DELETE"} <= run:
            kill()

    with sql_backend(database_at(place)) as backend:
        harness = BatchHarness(backend)
        event.listen(Engine, "after_cursor_execute", note)
        if when == "before":
            event.listen(Engine, "commit", kill_before)
        else:
            # The callers have not received their results then.
            harness.runner.after_commit(lambda events: kill() if events else None)
        harness.run(
            partial(tasks.create_task, title="Added", ctx=CTX),
            partial(tasks.edit_task, task_id=edited, changes={"title": "Edited"}, ctx=CTX),
            partial(tasks.delete_task, task_id=removed, ctx=CTX),
        )
