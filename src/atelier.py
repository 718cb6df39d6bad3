"""The command `atelier`: quiet on Ctrl-C from its first line to its last.

The service takes a second to load. So it is loaded only by the commands that need it, and not in
order to show help, complete a word in a shell, or report a mistake in the arguments.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from entrypoints.cli import CommandBackend as CommandLineOffice

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells give it."""


def main() -> None:
    """Run the command line."""
    begin_to_load()
    run(_open_office)


def _open_office() -> "CommandLineOffice":
    begin_to_load()
    from commands import Commands

    _end_loading()
    return Commands()


def run(open_office: Callable[[], "CommandLineOffice"]) -> None:
    """Run a command; Ctrl-C unwinds it, so that a terminal and transactions are put in order."""
    from entrypoints import cli

    try:
        _end_loading()
        cli.run(open_office)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        exit_on_interrupt()


def begin_to_load() -> None:
    """Have modules loaded as fast as can be, until Ctrl-C ends that at once."""
    exit_on_interrupt()
    # The collector would look through all of it again and again, which takes a quarter of the time.
    gc.disable()


def _end_loading() -> None:
    # Nothing of what is loaded is ever garbage.
    gc.freeze()
    gc.enable()
    _on_interrupt(signal.default_int_handler)


def exit_on_interrupt() -> None:
    """Let Ctrl-C end the process at once, while modules are loaded or Python winds down."""
    _on_interrupt(lambda *_: os._exit(INTERRUPTED))


def _on_interrupt(handler: Callable[[int, FrameType | None], object]) -> None:
    # A shell that starts a command in the background has it ignore the interrupt.
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


if __name__ == "__main__":
    main()
