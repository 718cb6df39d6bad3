"""A served workshop with people, stock and news in it: the demo's."""

from pathlib import Path

from support.people import PASSWORD
from support.service import Service, atelier


def make_admin(folder: Path) -> None:
    """Make the admin `ada` in the embedded database of a folder."""
    who = ("create-admin", "ada", "ada@example.org", "--name", "Ada Lovelace", "--password-stdin")
    done = atelier(*who, folder=folder, input=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr


def demo_in(folder: Path) -> Service:
    """Return a service, not started yet, of the demo's workshop; `ada` is an admin of it."""
    make_admin(folder)
    done = atelier("demo", folder=folder)
    assert done.returncode == 0, done.stderr
    return Service(folder)


def token_of(service: Service, username: str = "ada") -> str:
    """Sign somebody in as a program does; return the token."""
    form = {"username": username, "password": PASSWORD}
    with service.client().as_(None) as client:
        token: str = client.post("/api/v1/auth/token", data=form).json()["access_token"]
    return token
