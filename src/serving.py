"""The server of `atelier serve`: listener, connection limit, one process or several workers."""

import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from entrypoints import cli
from entrypoints.cli import Failed
from settings import Settings, host_and_port, shown

log = logging.getLogger("atelier")

SHUTDOWN_SECONDS = 20
"""Seconds for requests in flight to drain on graceful shutdown."""

WORKER_SECONDS = 30
"""Seconds after which a worker that does not answer its parent is replaced.

A busy machine delays a worker's start, and starting another one delays it further. While the parent
waits for an answer, it does nothing else and cannot even stop.
"""

RESERVED_DESCRIPTORS = 150
"""File descriptors that a process needs in addition to its connections."""

MAX_DESCRIPTORS = 65_536
"""The soft limit on open files where the system has no hard limit."""


def listen(host: str, port: int) -> socket.socket:
    """Bind the address first, so that an invalid one is reported before any other work."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listener = socket.create_server((host, port), family=found[0][0], backlog=2048)
    except OSError as error:
        # Address lookup errors have negative numbers.
        known = (error.errno or -1) > 0
        reason = os.strerror(error.errno or 0) if known else "there is no such address"
        place = host_and_port(host, port)
        raise Failed(f"Cannot listen on {place}: {reason.lower()}.") from None
    listener.set_inheritable(True)
    return listener


def run(settings: Settings, listener: socket.socket) -> None:
    """Serve until a signal ends the service.

    Raises:
        Failed: when the application cannot start.
    """
    config = uvicorn.Config(
        "bootstrap:application",
        factory=True,
        workers=settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        # The application has its own middleware for proxy headers.
        proxy_headers=False,
        # With several workers, one that accepts all pending connections would get all the work.
        loop="entrypoints.web.event_loop:EventLoop" if settings.workers == 1 else "uvloop",
        http="bootstrap:http_protocol",
        ws="none",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_worker_healthcheck=WORKER_SECONDS,
        limit_concurrency=_connection_limit(settings.connections),
    )
    log.info(
        "serving",
        extra={
            "version": cli.version(),
            "address": settings.local_address,
            "database": shown(settings.url),
        },
    )
    if settings.workers > 1:
        workers = _Workers(config, sockets=[listener])
        workers.run()
        started = all(each.exitcode != STARTUP_FAILURE for each in workers.processes)
    else:
        server = _Server(config)
        for wanted in (signal.SIGINT, signal.SIGTERM):
            signal.signal(wanted, server.end_start)
        server.run(sockets=[listener])
        started = server.started
    if not started:
        raise Failed("The service could not start; the log says why.")
    log.info("stopped")


def _connection_limit(wanted: int) -> int:
    """Return the connection limit of a process: as set, or lower if the descriptor limit is."""
    descriptors = _raise_descriptor_limit()
    available = max(descriptors - RESERVED_DESCRIPTORS, descriptors // 2)
    if available < wanted:
        log.warning("fewer connections than set", extra={"set": wanted, "possible": available})
    return min(wanted, available)


def _raise_descriptor_limit() -> int:
    """Raise the soft limit on open files to the hard limit, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft  # the system may have a lower limit of its own
    return wanted


class _Server(uvicorn.Server):
    """A server that shuts down gracefully, or exits at once while it is still starting."""

    served = False

    async def main_loop(self) -> None:
        self.served = True
        await super().main_loop()

    def end_start(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal that uvicorn does not handle yet, or that it raises again."""
        if self.served:
            return
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)


class _Workers(Multiprocess):
    """Worker processes, each replaced when it exits."""

    def init_processes(self) -> None:
        with _interrupts_blocked():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        # The parent must close its copies of the workers' pipe ends to notice their exit.
        for worker in self.processes:
            worker.child_conn.close()
        with _interrupts_blocked():
            super().keep_subprocess_alive()

    def restart_all(self) -> None:
        with _interrupts_blocked():
            super().restart_all()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C for processes started in the block, because a terminal sends it to all of them.

    A process inherits the signal mask. The parent handles the interrupt as soon as it is unblocked,
    and stops its workers with another signal.
    """
    # Python starts this with the first process, and unblocks the signal then.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
