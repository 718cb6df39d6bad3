"""Processes of the service forked from one with preloaded modules, for a fast start.

Loading the modules takes most of a start. The command line runs as with `python -m atelier`, but
no new interpreter starts.
"""

import gc
import multiprocessing
import os
import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

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
    """A process that runs `atelier`; its standard streams are files.

    Args:
        errors: the file of stderr, by default that of stdout.
        input: the file of stdin, by default the null device.
    """

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        environment: dict[str, str],
        output: Path,
        errors: Path | None = None,
        input: Path = Path(os.devnull),
    ) -> None:
        streams = (input, output, errors or output)
        self._process: ForkServerProcess = _forking.Process(
            target=_run, args=(arguments, folder, environment, streams)
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

    def kill(self) -> None:
        """Kill the process by SIGKILL, and wait for its end."""
        self._process.kill()
        self._process.join()


def run_forked(
    arguments: list[str], folder: Path, environment: dict[str, str], input: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run an `atelier` command to completion, like `subprocess.run` with captured output."""
    with TemporaryDirectory() as name:
        given, output, errors = (Path(name, stream) for stream in ("stdin", "stdout", "stderr"))
        given.write_text(input)
        process = Forked(arguments, folder, environment, output, errors, given)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, code, output.read_text(), errors.read_text())


def _run(
    arguments: list[str],
    folder: Path,
    environment: dict[str, str],
    streams: tuple[Path, Path, Path],
) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(streams):
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT if number else os.O_RDONLY
        descriptor = os.open(path, flags)
        os.dup2(descriptor, number)
        os.close(descriptor)
    # multiprocessing has replaced the standard input by the null device.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv = ["atelier", *arguments]
    gc.collect()
    atelier.main()
