"""The commands of `atelier` and their options; a `CommandBackend` executes them."""

import io
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getpass
from importlib import metadata
from typing import IO, NamedTuple, NoReturn

import typer


class Failed(Exception):
    """The failure of a command; `str()` of it is the reason in one line."""


class Migration(NamedTuple):
    """The result of a migration: revisions before, after and newest, by name."""

    before: str
    after: str
    newest: str
    """The newest revision, which `serve` needs."""
    undone_by_serving: bool
    """Whether `serve` migrates to the newest revision by itself, as for SQLite."""


class CommandBackend(ABC):
    """The operations behind the commands. An expected failure raises `Failed`."""

    @abstractmethod
    def shown_settings(self) -> Iterator[tuple[str, str, str]]:
        """Yield the name, the value and the source of each setting, secrets masked."""

    @abstractmethod
    def migrate(self, to: str, *, may_lose: bool) -> "Migration":
        """Migrate the database to a revision.

        Args:
            to: a revision's name, `head`, `base`, or a number of steps such as `-1` or `+1`.
            may_lose: whether a downgrade may lose rows and columns.
        """

    @abstractmethod
    def check_admin(self, *, username: str, email: str, name: str) -> None:
        """Check whether this admin can be created, before the prompt for a password."""

    @abstractmethod
    def create_admin(self, *, username: str, email: str, name: str, password: str) -> None:
        """Create an admin, after `check_admin` with the same profile."""

    @abstractmethod
    def demo(self, progress: Callable[[float], None]) -> tuple[str, str] | None:
        """Fill an empty database with demo data, and report progress from 0 to 1.

        Returns:
            the username and the password of the new first admin; `None` if there is an admin.
        """

    @abstractmethod
    def serve(self, *, migrate_first: bool) -> None:
        """Run the server until a signal stops it."""


def make_cli(make_backend: Callable[[], CommandBackend]) -> typer.Typer:
    """Return the command line application; it creates the backend when a command runs."""
    app = typer.Typer(
        help="The back office of a small workshop.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def options(
        version: bool = typer.Option(
            False, "--version", callback=_print_version, is_eager=True, help="Show the version."
        ),
    ) -> None:
        pass

    @app.command()
    def serve(
        migrate: bool = typer.Option(
            False,
            "--migrate",
            help="Migrate a PostgreSQL database first; SQLite is always migrated.",
        ),
        host: str | None = typer.Option(
            None, help="The address to listen on, instead of ATELIER_HOST."
        ),
        port: int | None = typer.Option(
            None, min=1, max=65535, help="The port to listen on, instead of ATELIER_PORT."
        ),
    ) -> None:
        """Serve the API and the pages."""
        # Workers inherit the environment, and read the settings from it.
        if host is not None:
            os.environ["ATELIER_HOST"] = host
        if port is not None:
            os.environ["ATELIER_PORT"] = str(port)
        make_backend().serve(migrate_first=migrate)

    @app.command()
    def migrate(
        to: str = typer.Option(
            "head", metavar="REVISION", help="A revision, head, base, or steps such as -1 or +1."
        ),
        yes: bool = typer.Option(
            False, "--yes", help="Downgrade even if rows or columns are lost."
        ),
    ) -> None:
        """Migrate the database schema, by default to the newest revision."""
        done = make_backend().migrate(to, may_lose=yes)
        step = f"from {done.before} to {done.after}"
        if done.before == done.after:
            step = f"it was at {done.after} already"
        if done.after == done.newest:
            print(f"The database is up to date: {step}.")
            return
        print(f"The database is at {done.after}: {step}; the newest is {done.newest}.")
        if done.undone_by_serving:
            print("`atelier serve` migrates it to the newest revision again.")

    @app.command()
    def create_admin(
        username: str = typer.Argument(help="1 to 50 letters, digits, dots, dashes, underscores."),
        email: str = typer.Argument(help="The e-mail address of the admin."),
        name: str = typer.Option("", help="The display name; the username by default."),
        password_stdin: bool = typer.Option(
            False, "--password-stdin", help="Read the password from standard input."
        ),
    ) -> None:
        """Create an admin: the first one, or another one if no admin can sign in."""
        if not password_stdin and not _is_terminal(sys.stdin):
            raise typer.BadParameter(
                "Pass --password-stdin, and write the password to standard input."
            )
        backend = make_backend()
        profile = {"username": username, "email": email, "name": name or username}
        backend.check_admin(**profile)
        password = _read_password() if password_stdin else _ask_for_password()
        backend.create_admin(**profile, password=password)
        print(f"{username} is an admin now.")

    @app.command()
    def demo() -> None:
        """Fill an empty database with the demo data of a small workshop."""
        backend = make_backend()
        with _progress("Filling the database") as progress:
            account = backend.demo(progress)
        print("The database holds a small workshop now.")
        if account is not None:
            print("Sign in as {} with {}".format(*account))

    @app.command()
    def settings() -> None:
        """Show the settings and their sources."""
        rows = [("setting", "value", "source"), *make_backend().shown_settings()]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for name, value, source in rows:
            print(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}")

    return app


PASSWORD_BYTES = 4096
"""Maximum number of bytes read for a password, far above the longest one allowed."""


def _read_password() -> str:
    """Return the first line of standard input, without its line end.

    Raises:
        Failed: when it is not UTF-8.
    """
    try:
        line = sys.stdin.buffer.readline(PASSWORD_BYTES).decode()
    except UnicodeDecodeError:
        raise Failed("The password is not text in UTF-8.") from None
    return line.removesuffix("\n").removesuffix("\r")


def _ask_for_password() -> str:
    """Prompt for a password until both entries match."""
    while True:
        password = getpass("Password: ")
        if getpass("Repeat password: ") == password:
            return password
        print("The passwords do not match.", file=sys.stderr)


@contextmanager
def _progress(doing: str) -> Iterator[Callable[[float], None]]:
    """Show progress, from 0 to 1: a bar on a terminal, otherwise a line for each tenth."""
    if not _is_terminal(sys.stderr):
        shown = 0

        def print_tenth(share: float) -> None:
            nonlocal shown
            if (tenths := int(share * 10)) > shown:
                shown = tenths
                print(f"{doing}: {tenths}0 %", file=sys.stderr, flush=True)

        yield print_tenth
        return
    # Import rich here: the server shows no progress, and would keep it in memory.
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def version() -> str:
    """Return the version of the installed package."""
    try:
        return metadata.version("atelier")
    except metadata.PackageNotFoundError:
        return "unknown"


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"atelier {version()}")
        raise typer.Exit


def _is_terminal(stream: IO[str]) -> bool:
    return not stream.closed and stream.isatty()


def run(make_backend: Callable[[], CommandBackend]) -> None:
    """Run a command and end the process.

    The exit code is 0 for success, 1 for a failure with a one-line message, 2 for wrong usage, and
    130 after Ctrl-C.
    """
    _complete_streams()
    try:
        try:
            make_cli(make_backend)()
        except SystemExit as ended:
            if not ended.code:
                # Flush now: later, an error of writing could not be reported.
                sys.stdout.flush()
            raise
    except Failed as error:
        _fail(str(error))
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has closed it. The command has done its work.
        _discard_output()
        sys.exit(0)
    except OSError as error:
        _fail(f"{error.strerror or 'It cannot be done'}.")


def _fail(reason: str) -> NoReturn:
    _discard_output()
    print(f"atelier: {reason}", file=sys.stderr)
    sys.exit(1)


def _complete_streams() -> None:
    """Replace closed standard streams, and make every character writable.

    A closed stream is replaced by the null device, so that no database or socket gets its file
    descriptor. Characters missing in the terminal's encoding are written as escapes.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Redirect output that cannot be written, so that Python's flush at exit succeeds."""
    try:
        sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
