"""Worker processes: decode untrusted input outside this process, within resource limits."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

_MAIN = Path(__file__).with_name("worker_main.py")

Limits = Mapping[str, tuple[int, int]]
"""Soft and hard resource limits by name, without the prefix `RLIMIT_`."""

NO_SIDE_EFFECTS: Limits = {"FSIZE": (0, 0), "NPROC": (0, 0), "CORE": (0, 0)}
"""Limits that prevent writing files and starting processes."""

# The environment excludes the service's settings, which a compromised decoder must not read. Python
# may need the library paths.
_ENVIRONMENT = {
    name: os.environ[name]
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    if name in os.environ
}


def start_worker(script: Path, limits: Limits, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a Python script as a worker with pipes for standard input and output.

    Raises:
        OSError: when no process can be started.
    """
    command = (sys.executable, "-I", str(_MAIN), json.dumps(limits), str(script), *arguments)
    return subprocess.Popen(  # noqa: S603 - no untrusted input is in the command.
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_ENVIRONMENT,
        # Ctrl-C in a terminal is for the service, which drains its requests first.
        start_new_session=True,
    )


@contextlib.contextmanager
def killed_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    """Kill the process unless the block ends within this many seconds."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
