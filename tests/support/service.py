"""The service as its own process, the way somebody runs it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2

from support.clients import Client
from support.started import Forked

ROOT = Path(__file__).parents[2]


_taken: list[socket.socket] = []


def free_port() -> int:
    """Return a port that nobody else is given as long as this process lives.

    It is bound but not listened at, which lets a server that may reuse its address have it.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _taken.append(holder)
    port: int = holder.getsockname()[1]
    return port


def eventually(succeeds: Callable[[], bool], seconds: float = 60) -> None:
    """Return once something has succeeded, which must not take longer."""
    end = time.monotonic() + seconds
    while not succeeds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def environment(**settings: str) -> dict[str, str]:
    """Return the environment for a process of ours, with no settings but the given."""
    # Each of very many processes would compile all modules again.
    ours = ("ATELIER_", "DATABASE_URL", "DB_", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **settings}


def atelier(
    *arguments: str, folder: Path, input: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "atelier", *arguments],
        cwd=folder,
        env=environment(**settings),
        input=input,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def told_settings(folder: Path, **settings: str) -> dict[str, tuple[str, str]]:
    """Return what `atelier settings` tells: for each setting its value and source."""
    done = atelier("settings", folder=folder, **settings)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    return {row[0]: (" ".join(row[1:-1]), row[-1]) for row in rows}


class Service:
    """A running `atelier serve`; it can be stopped, killed and started again.

    It is forked from a process that has loaded the service, unless an interpreter has to start.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        # Workers are started by the command line of the interpreter that starts them.
        self.interpreter = bool({"ATELIER_WORKERS", "PYTHONPATH"} & settings.keys())
        self.folder = folder
        self.port = free_port()
        self.settings = {"ATELIER_PORT": str(self.port), **settings}
        self.log = folder / "serve.log"
        self.arguments: list[str] = []
        self.before_exec: Callable[[], None] | None = None
        self._process: subprocess.Popen[bytes] | Forked | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> "Service":
        arguments = ["serve", *self.arguments]
        if self.interpreter or self.before_exec:
            self._process = self._popen(arguments)
        else:
            self._process = Forked(arguments, self.folder, environment(**self.settings), self.log)
        end = time.monotonic() + 180
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise AssertionError(f"serve ended:\n{self.log.read_text()}")
            try:
                if (
                    httpx2.get(f"{self.url}/health/live", timeout=10, verify=False).status_code
                    == 200
                ):
                    return self
            except httpx2.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"serve did not answer:\n{self.log.read_text()}")

    def _popen(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "atelier", *arguments],
                cwd=self.folder,
                env=environment(**self.settings),
                stderr=log,
                stdout=log,
                preexec_fn=self.before_exec,
                start_new_session=True,
            )

    def client(self) -> Client:
        # To read whom to trust over TLS takes as long as many requests, and none is over TLS.
        return Client(httpx2.Client(base_url=self.url, timeout=60, verify=False))

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(timeout=40)

    def stop(self) -> int:
        self.terminate()
        return self.wait()

    def kill(self) -> None:
        """End it as a power cut would: nothing is finished, nothing is cleaned up."""
        os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def __enter__(self) -> "Service":
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
