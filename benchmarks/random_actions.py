"""Random actions of clients that change a few resources concurrently."""

import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from load_clients import Connection, Crowd, Thing

from support.people import ADMIN, PASSWORD

FREE = {"tasks": 3, "products": 3}
"""The first tasks are never assigned, and the first products have stock. The others differ."""


class Somebody:
    """A client that performs random actions over one connection."""

    def __init__(self, crowd: Crowd, connection: Connection) -> None:
        self.crowd, self.by, self.admin = crowd, connection, connection.as_(ADMIN.token)
        self.wishes: dict[str, tuple[int, Callable[[str], Awaitable[Any]]]] = {
            "edit a task": (12, self.edit_task),
            "complete or reopen a task": (10, self.tick),
            "assign a task": (6, self.assign),
            "move stock": (20, self.move),
            "edit a product": (10, self.edit_product),
            "archive or restore a product": (5, self.put_away),
            "rename a category": (5, self.rename),
            "edit a post": (4, self.edit_post),
            "publish or unpublish a post": (5, self.publish),
            "edit a device": (6, self.edit_device),
            "let somebody in or not": (3, self.let_in),
            "delete and make another": (8, self.replace),
        }

    async def live(self, until: float) -> None:
        """Perform actions until a moment of the monotonic clock."""
        names, weights = list(self.wishes), [weight for weight, _ in self.wishes.values()]
        while time.monotonic() < until:
            (name,) = random.choices(names, weights)
            try:
                await self.wishes[name][1](name)
            except (OSError, EOFError, TimeoutError) as error:
                self.crowd.troubles.append(f"{name}: {error!r}")
                return

    def one(self, kind: str, *, upto: int | None = None, after: int | None = None) -> Thing:
        """Return a random resource of a kind."""
        return random.choice(self.crowd.things[kind][after:upto])

    def unique(self, **members: Any) -> dict[str, Any]:
        """Return a patch that always changes something."""
        return {"description": f"note {self.crowd.number()}", **members}

    async def edit_task(self, what: str) -> None:
        patch = self.unique(priority=random.randrange(10))
        guarded = random.random() < 0.5
        await self.crowd.change(what, self.by, self.one("tasks"), patch, guarded=guarded)

    async def tick(self, what: str) -> None:
        command = random.choice(("complete", "reopen"))
        await self.crowd.change(what, self.by, self.one("tasks"), command=command, guarded=True)

    async def assign(self, what: str) -> None:
        whom = random.choice((None, *(each.path[-36:] for each in self.crowd.things["users"])))
        thing = self.one("tasks", after=FREE["tasks"])
        # Assigning to an inactive user is refused.
        patch, refusals = self.unique(assignee_id=whom), ("invalid",)
        await self.crowd.change(what, self.by, thing, patch, guarded=False, refusals=refusals)

    async def move(self, what: str) -> None:
        quantity = random.choice((-3, -2, -1, -1, 1, 2, 3))
        reason = "sold" if quantity < 0 else "received"
        body = {"quantity": quantity, "reason": reason}
        thing = self.one("products", upto=FREE["products"])
        if random.random() < 0.02:
            thing = self.one("products")
        await self.crowd.move(what, self.by, thing, body)

    async def edit_product(self, what: str) -> None:
        members: dict[str, Any] = {"price": random.randrange(1, 100)}
        if random.random() < 0.3:
            members["sku"] = f"SKU-{random.randrange(6)}"
        if random.random() < 0.3:
            members["category_id"] = self.one("categories").path[-36:]
        if random.random() < 0.2:
            members["stock"] = random.randrange(20)
        guarded = random.random() < 0.5
        await self.crowd.change(
            what,
            self.by,
            self.one("products", upto=None if "stock" not in members else FREE["products"]),
            self.unique(**members),
            guarded=guarded,
            refusals=("already-taken", "invalid"),
        )

    async def put_away(self, what: str) -> None:
        command = random.choice(("archive", "restore"))
        thing = self.one("products")
        await self.crowd.change(what, self.by, thing, command=command, guarded=True)

    async def rename(self, what: str) -> None:
        patch = {"name": f"Category {self.crowd.number()}"}
        guarded = random.random() < 0.5
        await self.crowd.change(what, self.by, self.one("categories"), patch, guarded=guarded)

    async def edit_post(self, what: str) -> None:
        patch = {"title": f"News of {random.randrange(3)}", "content": f"{self.crowd.number()}"}
        await self.crowd.change(what, self.admin, self.one("posts"), patch, guarded=False)

    async def publish(self, what: str) -> None:
        command = random.choice(("publish", "unpublish"))
        thing = self.one("posts")
        await self.crowd.change(what, self.admin, thing, command=command, guarded=True)

    async def edit_device(self, what: str) -> None:
        patch = {"location": f"Place {self.crowd.number()}"}
        if random.random() < 0.3:
            patch["serial"] = f"S-{random.randrange(5)}"
        await self.crowd.change(
            what,
            self.by,
            self.one("devices"),
            patch,
            guarded=random.random() < 0.5,
            refusals=("already-taken",),
        )

    async def let_in(self, what: str) -> None:
        patch = {"is_active": random.random() < 0.6, "city": f"City {self.crowd.number()}"}
        await self.crowd.change(what, self.admin, self.one("users"), patch, guarded=False)

    async def replace(self, what: str) -> None:
        kind = random.choice(("tasks", "categories", "posts", "devices", "products"))
        # Products with stock have movements and cannot be deleted.
        at = random.randrange(FREE["products"] if kind == "products" else 0, len(self.slots(kind)))
        by = self.admin if kind == "posts" else self.by
        if await self.crowd.delete(what, by, self.slots(kind)[at], ("in-use",)):
            await self.crowd.make(by, kind, new(self.crowd, kind), exact=exact(kind, at), at=at)

    def slots(self, kind: str) -> list[Thing]:
        return self.crowd.things[kind]


def exact(kind: str, place: int) -> bool:
    """Tell whether only explicit requests change the resource (predictable version)."""
    return kind != "tasks" or place < FREE["tasks"]


def new(crowd: Crowd, kind: str) -> dict[str, Any]:
    """Return the body of a request that creates a resource."""
    name = f"{kind.capitalize()} {crowd.number()}"
    return {
        "tasks": {"title": name},
        "categories": {"name": name},
        "posts": {"title": "News", "content": name},
        "devices": {"name": name},
        "products": {"name": name, "price": 1, "reorder_level": 5},
        "users": {
            "username": name.replace(" ", ""),
            "email": f"{name.replace(' ', '')}@example.org",
            "name": name,
            "password": PASSWORD,
        },
    }[kind]
