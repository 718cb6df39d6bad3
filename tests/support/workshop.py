"""A service with the demo's data."""

from pathlib import Path
from typing import Any

from support.clients import Client
from support.people import PASSWORD
from support.service import Service, atelier


def make_admin(folder: Path, **settings: str) -> None:
    """Create the admin `ada`, and the database if it is a SQLite file."""
    who = ("create-admin", "ada", "ada@example.org", "--name", "Ada Lovelace", "--password-stdin")
    done = atelier(*who, folder=folder, input=f"{PASSWORD}\n", **settings)
    assert done.returncode == 0, done.stderr


def demo_in(folder: Path, **settings: str) -> Service:
    """Return a service with the demo's data, not started; `ada` is an admin."""
    make_admin(folder, **settings)
    done = atelier("demo", folder=folder, **settings)
    assert done.returncode == 0, done.stderr
    return Service(folder, **settings)


def token_of(service: Service, username: str = "ada", password: str = PASSWORD) -> str:
    """Sign in by the API, and return the session token."""
    form = {"username": username, "password": password}
    with service.client().as_(None) as client:
        token: str = client.post("/api/v1/auth/token", data=form).json()["access_token"]
    return token


def known_in(api: Client) -> dict[str, str]:
    """Return an id, slug or username of one object per type, to fill in paths of pages."""

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
