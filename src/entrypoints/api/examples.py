"""Examples of request bodies by schema name, for `/docs` and generated clients.

An admin of a new workshop can send each example unchanged. It has every member but those in
`PROPERTIES`: few requests need these, and trying them could do harm, such as ending the session.
"""

from collections.abc import Mapping
from typing import Any

_PASSWORD = "seven brass hinges"  # noqa: S105  # an example, not a secret

_PRODUCT = {
    "name": "Wood glue 250 ml",
    "sku": "GLUE-250",
    "description": "Water resistant, in a bottle.",
    "price": "6.50",
    "stock": 12,
    "reorder_level": 4,
    "category_id": None,
}
_TASK = {
    "title": "Sharpen the chisels",
    "description": "The set of six beside the lathe.",
    "priority": 3,
    "due_on": "2030-01-31",
    "assignee_id": None,
}
_DEVICE = {
    "name": "Laser cutter",
    "kind": "cutter",
    "serial": "LC-4711",
    "location": "Room 2",
    "status": "active",
    "heartbeat_every": 60,
}
_POST = {"title": "The new lathe is here", "content": "Come and **try** it on Friday."}

_PROFILE = {"name": "Grace Hopper", "age": 37, "city": "New York"}
_NAMES = {"username": "grace", "email": "grace@example.org"}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "NewTask": _TASK,
    "TaskPatch": {**_TASK, "priority": 5, "due_on": None},
    "NewUser": {**_NAMES, **_PROFILE, "password": _PASSWORD},
    "UserPatch": _PROFILE,
    "PasswordChange": {"current": "correct horse battery", "new": _PASSWORD},
    "NewPost": _POST,
    "PostPatch": _POST,
    "NewCategory": {"name": "Adhesives"},
    "CategoryPatch": {"name": "Glues and tapes"},
    "NewProduct": _PRODUCT,
    "ProductPatch": {**_PRODUCT, "price": "6.80", "stock": 11},
    "NewMovement": {"quantity": 5, "reason": "received", "note": "Monday's delivery"},
    "NewDevice": _DEVICE,
    "DevicePatch": {**_DEVICE, "status": "maintenance"},
    "Heartbeat": {"agent_version": "1.4.2", "metrics": {"temperature": 41.5}},
    "SignIn": {"username": "ada", "password": "correct horse battery", "grant_type": "password"},
    "NewToken": {"name": "Label printer", "scope": "read", "expires_at": None},
    "FirstAdmin": {
        "username": "ada",
        "email": "ada@example.org",
        "name": "Ada Lovelace",
        "age": 36,
        "city": "London",
        "password": "correct horse battery",
        "secret": "atl_the-secret-that-the-first-start-prints",
    },
}

PROPERTIES: Mapping[str, Mapping[str, Any]] = {
    "UserPatch": {**_NAMES, "role": "member", "is_active": True, "password": _PASSWORD},
    "SignIn": {"scope": "", "client_id": "", "client_secret": ""},
}
