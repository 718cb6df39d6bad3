"""The service in a separate process, as in production."""

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
from support.started import Forked, run_forked

ROOT = Path(__file__).parents[2]


_taken: list[socket.socket] = []


def free_port() -> int:
    """Return a free port, reserved until this process ends.

    A socket is bound to it but does not listen, so a server with SO_REUSEADDR can use the port.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _taken.append(holder)
    port: int = holder.getsockname()[1]
    return port


def eventually(succeeds: Callable[[], bool], seconds: float = 60) -> None:
    """Poll until a condition holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not succeeds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of a process of the service, with only the given settings."""
    # PYTHONDONTWRITEBYTECODE would make each of many processes compile all modules.
    ours = ("ATELIER_", "DATABASE_URL", "DB_", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    if os.environ.get("TEST_LANE") == "plain":
        settings = {"ATELIER_FAST": "false", **settings}
    return {**kept, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **settings}


def atelier(
    *arguments: str, folder: Path, input: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run an `atelier` command to completion.

    It is forked from a process with preloaded modules, unless `PYTHONPATH` is among the settings. A
    new interpreter takes many times as long: see `interpreted`.
    """
    if "PYTHONPATH" in settings:
        return interpreted(*arguments, folder=folder, input=input, **settings)
    return run_forked([*arguments], folder, environment(**settings), input, timeout=300)


def interpreted(
    *arguments: str, folder: Path, input: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run an `atelier` command to completion in a new interpreter, as a shell does."""
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
    """Return the value and source of each setting, as `atelier settings` prints them."""
    return printed_settings(atelier("settings", folder=folder, **settings))


def printed_settings(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """Return the value and source of each setting in the output of `atelier settings`."""
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    return {row[0]: (" ".join(row[1:-1]), row[-1]) for row in rows}


class Service:
    """An `atelier serve` process that can be stopped, killed and restarted.

    It is forked from a process with preloaded modules, unless a new interpreter is required.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        # Worker processes are spawned by the command line of the parent's interpreter.
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
        # Loading the CA certificates takes as long as many requests, and no request uses TLS.
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
        """Kill the process group by SIGKILL, without cleanup."""
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
