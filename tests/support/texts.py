"""The members of the API that are texts, and bodies that create each resource."""

from typing import Any

LINES: dict[str, tuple[str, ...]] = {
    "tasks": ("title",),
    "posts": ("title",),
    "categories": ("name",),
    "products": ("name", "sku"),
    "devices": ("name", "kind", "serial", "location"),
    "users": ("name", "city"),
    "tokens": ("name",),
}
"""The members of each resource that are texts of one line."""
AREAS = {"tasks": "description", "posts": "content", "products": "description"}
"""The members that are texts of several lines."""
NEW_RESOURCES: dict[str, dict[str, Any]] = {
    "tasks": {"title": "Oil the saw"},
    "posts": {"title": "News", "content": "Some"},
    "categories": {"name": "Saws"},
    "products": {"name": "Saw", "price": "1.00"},
    "devices": {"name": "Lathe"},
    "users": {
        "name": "Zoe Zimmer",
        "username": "zoe",
        "email": "zoe@example.org",
        "password": "long enough",
    },
    "tokens": {"name": "Backup", "scope": "read"},
}
