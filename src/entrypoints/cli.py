"""`atelier`: serving, migrating, making admins, a demo, and looking at the settings."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getpass

import typer


class Failed(Exception):
    """A command could not do its work; `str()` of the error is the one line that says why."""


class Office(ABC):
    """What the commands can have done."""

    @abstractmethod
    def tell_settings(self) -> Iterator[tuple[str, str, str]]:
        """Yield the name, the value and the source of each setting, secrets masked."""

    @abstractmethod
    def migrate(self) -> None:
        """Bring the database's tables to this version's."""

    @abstractmethod
    def check_admin(self, *, username: str, email: str, name: str) -> None:
        """Check whether such an admin could be created, before a password is asked for."""

    @abstractmethod
    def create_admin(self, *, username: str, email: str, name: str, password: str) -> None:
        """Create an admin; `check_admin` has been called with the same profile."""

    @abstractmethod
    def demo(self, progress: Callable[[float], None]) -> tuple[str, str] | None:
        """Fill an empty database with a small workshop, telling how far that is, from 0 to 1.

        Returns:
            the username and the password of its first admin; `None` if there was an admin before.
        """

    @abstractmethod
    def serve(self, *, migrate_first: bool) -> None:
        """Serve until told to stop."""


def make_cli(open_office: Callable[[], Office]) -> typer.Typer:
    """Return the commands; the office is opened when one of them is called."""
    app = typer.Typer(
        help="The back office of a small workshop.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.command()
    def serve(
        migrate: bool = typer.Option(
            False, "--migrate", help="Migrate a PostgreSQL database first; SQLite always is."
        ),
    ) -> None:
        """Serve the API."""
        open_office().serve(migrate_first=migrate)

    @app.command()
    def migrate() -> None:
        """Bring the database's tables to this version's."""
        open_office().migrate()
        print("The database is up to date.")

    @app.command()
    def create_admin(
        username: str = typer.Argument(help="1 to 50 letters, digits, dots, dashes, underscores."),
        email: str = typer.Argument(help="Where the admin can be written to."),
        name: str = typer.Option("", help="What people call the admin; the username by default."),
        password_stdin: bool = typer.Option(
            False, "--password-stdin", help="Read the password from standard input."
        ),
    ) -> None:
        """Make an admin: the first one, or another when no admin can come in."""
        if not password_stdin and not sys.stdin.isatty():
            raise typer.BadParameter("Say --password-stdin, and write the password there.")
        office = open_office()
        profile = {"username": username, "email": email, "name": name or username}
        office.check_admin(**profile)
        password = _read_password() if password_stdin else _ask_for_password()
        office.create_admin(**profile, password=password)
        print(f"{username} is an admin now.")

    @app.command()
    def demo() -> None:
        """Fill an empty database with a small believable workshop."""
        office = open_office()
        with _progress("Telling the workshop's story") as progress:
            account = office.demo(progress)
        print("The database holds a small workshop now.")
        if account is not None:
            print("Sign in as {} with {}".format(*account))

    @app.command()
    def settings() -> None:
        """Show the settings and where they come from."""
        rows = [("setting", "value", "source"), *open_office().tell_settings()]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for name, value, source in rows:
            print(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}")

    return app


PASSWORD_BYTES = 4096
"""How much of standard input is read for a password, many times more than one may have."""


def _read_password() -> str:
    """Return the first line of standard input, without its line end."""
    try:
        line = sys.stdin.buffer.readline(PASSWORD_BYTES).decode()
    except UnicodeDecodeError:
        raise Failed("The password is not text in UTF-8.") from None
    return line.removesuffix("\n").removesuffix("\r")


def _ask_for_password() -> str:
    """Ask for a password at the terminal, until it has been typed twice alike."""
    while True:
        password = getpass("Password: ")
        if getpass("The same again: ") == password:
            return password
        print("These are not the same.", file=sys.stderr)


@contextmanager
def _progress(doing: str) -> Iterator[Callable[[float], None]]:
    """Show how far something is, from 0 to 1, to somebody who watches at a terminal."""
    # What serves shows none of this, and would keep it in memory.
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as shown:
        task = shown.add_task(doing, total=1.0)
        yield lambda share: shown.update(task, completed=share)


def run(open_office: Callable[[], Office]) -> None:
    """Run a command: exit code 0 when done, 1 with one line when it failed, 2 when misused."""
    try:
        make_cli(open_office)()
    except Failed as error:
        print(f"atelier: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"atelier: {error.strerror or 'It cannot be done'}.", file=sys.stderr)
        sys.exit(1)
