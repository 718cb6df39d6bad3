"""Processes of the service that need not load its modules, which takes most of a start.

They are forked from one that has loaded them, and the command line runs in them as it does after
`python -m atelier`. What is different is that no interpreter starts.
"""

import gc
import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import atelier

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(
    [
        "adapters.sql.postgres.database",
        "adapters.sql.schema.migrations",
        "adapters.sql.sqlite.database",
        "bootstrap",
        "commands",
        "entrypoints.app",
        "structlog",
        "uvicorn.lifespan.on",
    ]
)


class Forked:
    """A process that runs `atelier` with arguments, in a folder, and writes to a file."""

    def __init__(
        self, arguments: list[str], folder: Path, environment: dict[str, str], output: Path
    ) -> None:
        self._process: ForkServerProcess = _forking.Process(
            target=_run, args=(arguments, folder, environment, output)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Return its exit code once it has ended."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, "it did not end in time"
        return self._process.exitcode


def _run(arguments: list[str], folder: Path, environment: dict[str, str], output: Path) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.argv = ["atelier", *arguments]
    gc.collect()
    atelier.main()
