"""A workshop that has been at work for a while, to look at: the demo's."""

from pathlib import Path
from typing import Any

from support.clients import Client
from support.people import PASSWORD
from support.service import Service, atelier


def make_admin(folder: Path, **settings: str) -> None:
    """Make the admin `ada`, and the database if it is an embedded one."""
    who = ("create-admin", "ada", "ada@example.org", "--name", "Ada Lovelace", "--password-stdin")
    done = atelier(*who, folder=folder, input=f"{PASSWORD}\n", **settings)
    assert done.returncode == 0, done.stderr


def demo_in(folder: Path, **settings: str) -> Service:
    """Return a service, not started yet, of the demo's workshop; `ada` is an admin of it."""
    make_admin(folder, **settings)
    done = atelier("demo", folder=folder, **settings)
    assert done.returncode == 0, done.stderr
    return Service(folder, **settings)


def token_of(service: Service, username: str = "ada", password: str = PASSWORD) -> str:
    """Sign somebody in as a program does; return the token."""
    form = {"username": username, "password": password}
    with service.client().as_(None) as client:
        token: str = client.post("/api/v1/auth/token", data=form).json()["access_token"]
    return token


def known_in(api: Client) -> dict[str, str]:
    """Return something of each kind that is in the workshop: what addresses of pages name."""

    def one(path: str, **wanted: str) -> Any:
        answer = api.get(f"/api/v1/{path}", params={"limit": "1", **wanted})
        return answer.json()["items"][0]

    post = one("posts", published="true")
    return {
        "slug": post["slug"],
        "username": post["author"]["username"],
        "post": post["id"],
        "user": post["author"]["id"],
        "task": one("tasks", completed="false")["id"],
        "product": one("products", low_stock="true")["id"],
        "category": one("categories")["id"],
        "device": one("devices", presence="offline")["id"],
    }
