"""Processes of the service forked from one with preloaded modules, for a fast start.

Loading the modules takes most of a start. The command line runs as with `python -m atelier`, but
no new interpreter starts.
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
    """A process that runs `atelier`; stdout and stderr go to the file `output`."""

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
        """Return the exit code, `None` while the process runs."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Wait up to `timeout` seconds for the end of the process; return its exit code."""
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
