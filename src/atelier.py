"""The command `atelier`: exit without a traceback on Ctrl-C, at any time.

The service takes a second to load. Only commands that need it load it; help, shell completion and
argument errors do not.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from entrypoints.cli import CommandBackend

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in shells (128 + SIGINT)."""


def main() -> None:
    """Run the command line."""
    begin_to_load()
    run(_make_backend)


def _make_backend() -> "CommandBackend":
    begin_to_load()
    from commands import Commands

    _end_loading()
    return Commands()


def run(make_backend: Callable[[], "CommandBackend"]) -> None:
    """Run a command; Ctrl-C unwinds the stack, which restores the terminal and rolls back."""
    from entrypoints import cli

    try:
        _end_loading()
        cli.run(make_backend)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        exit_on_interrupt()


def begin_to_load() -> None:
    """Prepare for fast loading of modules; until loading ends, Ctrl-C exits at once."""
    exit_on_interrupt()
    # Garbage collection would take a quarter of the loading time.
    gc.disable()


def _end_loading() -> None:
    # Loaded modules are never garbage, so exclude them from collection.
    gc.freeze()
    gc.enable()
    _on_interrupt(signal.default_int_handler)


def exit_on_interrupt() -> None:
    """Exit at once on Ctrl-C, while modules are loaded or the interpreter shuts down."""
    _on_interrupt(lambda *_: os._exit(INTERRUPTED))


def _on_interrupt(handler: Callable[[int, FrameType | None], object]) -> None:
    # A shell makes background commands ignore the interrupt.
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


if __name__ == "__main__":
    main()
