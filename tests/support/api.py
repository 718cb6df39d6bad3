"""Requests to the API, and assertions about its responses."""

import io
from typing import Any

from PIL import Image

from support.clients import Answer, Client
from support.people import MEMBER, PASSWORD, Person

SIGN_IN = "/api/v1/auth/token"
TASKS = "/api/v1/tasks"
UNKNOWN_TASK = f"{TASKS}/01900000-0000-7000-8000-000000000000"
USERS = "/api/v1/users"
POSTS = "/api/v1/posts"
PRODUCTS = "/api/v1/products"
CATEGORIES = "/api/v1/categories"
DEVICES = "/api/v1/devices"
UNKNOWN_ID = "01900000-0000-7000-8000-00000000ffff"
MERGE_PATCH = "application/merge-patch+json"
NEW_USER = {
    "username": "Dora.1",
    "email": " Dora@Example.ORG\n",
    "name": " Dora D ",
    "password": "long enough",
}


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """Assert that the response is a complete problem, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["type"] == f"/problems/{code}"
    assert (found["status"], found["code"]) == (status, code)
    assert found["title"]
    assert found["detail"]
    assert found["instance"] == answer.headers["x-request-id"]
    return found


def error_locations(answer: Answer) -> set[str]:
    """Return the pointers and parameters of a 422."""
    errors = problem(answer, 422, "invalid")["errors"]
    assert all(error["detail"] for error in errors)
    return {error.get("pointer") or error["parameter"] for error in errors}


def sign_in(client: Client, username: str, password: str = PASSWORD, **more: str) -> Answer:
    form = {"username": username, "password": password, **more}
    return client.as_(None).post(SIGN_IN, data=form)


def signed_in(client: Client, username: str = "bob", password: str = PASSWORD) -> Client:
    answer = sign_in(client, username, password)
    assert answer.status_code == 200, answer.text
    return client.as_(answer.json()["access_token"])


def assert_unauthenticated(answer: Answer) -> dict[str, Any]:
    found = problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="atelier"')
    return found


def create_task(
    client: Client, title: str = "Sharpen the chisels", **members: Any
) -> dict[str, Any]:
    answer = client.post(TASKS, json={"title": title, **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def user_path(person: Person) -> str:
    return f"{USERS}/{person.id}"


def image(format: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    kept = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "canary-in-the-picture"
    Image.effect_noise(size, 50).convert("RGB").save(kept, format, exif=exif)
    return kept.getvalue()


def put_image(client: Client, path: str, content: bytes, media_type: str = "image/png") -> Any:
    return client.put(f"{path}/image", content=content, headers={"Content-Type": media_type})


def create_post(
    client: Client, author: Person = MEMBER, *, publish: bool = False, **members: Any
) -> Any:
    answer = client.as_(author).post(POSTS, json={"title": "News", "content": "Text", **members})
    assert answer.status_code == 201, answer.text
    path = answer.headers["location"]
    if publish:
        assert client.as_(author).post(f"{path}/publish").status_code == 200
    return path


def create_category(client: Client, name: str = "Tools") -> dict[str, Any]:
    answer = client.post(CATEGORIES, json={"name": name})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def create_product(client: Client, name: str = "Sandpaper", **members: Any) -> dict[str, Any]:
    answer = client.post(PRODUCTS, json={"name": name, "price": "12.50", **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def product_path(product: dict[str, Any]) -> str:
    return f"{PRODUCTS}/{product['id']}"


def record_movement(
    client: Client, product: dict[str, Any], quantity: int, **members: Any
) -> Answer:
    new = {"quantity": quantity, "reason": "received" if quantity > 0 else "sold", **members}
    return client.post(f"{product_path(product)}/movements", json=new)


def list_movements(client: Client, product: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.get(f"{product_path(product)}/movements", params={"limit": 100})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def create_device(client: Client, name: str = "Lathe", **members: Any) -> dict[str, Any]:
    answer = client.post(DEVICES, json={"name": name, **members})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def issue_key(client: Client, device: dict[str, Any]) -> str:
    """Issue a key of a device."""
    answer = client.post(f"{DEVICES}/{device['id']}/key")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


def device_with_key(client: Client, **members: Any) -> tuple[str, Client]:
    """Return the path of a new device, and a client with its key."""
    device = create_device(client, **members)
    return f"{DEVICES}/{device['id']}", client.as_(issue_key(client, device))


def assert_device_unauthenticated(answer: Answer) -> None:
    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "atl_" not in answer.text
