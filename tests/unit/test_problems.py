"""What a problem says, over all operations at once."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from support.backends import Clock, memory_app
from support.clients import Client
from support.people import ADMIN

WRONG: tuple[Any, ...] = (None, True, 7, 1.5, "\0", "x" * 60_000, [1], {"a": 1}, [])

LIBRARY_WORDS = re.compile(
    "Input should|Extra inputs|Field required|valid (string|integer|dictionary|list|enum)|pydantic"
)


@pytest.fixture
def app(clock: Clock) -> FastAPI:
    return memory_app(clock, registration_open=True)


def bodies(document: Any) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield method, path, media type and members of each operation that takes an object."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                name = content["schema"].get("$ref", "").rpartition("/")[2]
                if media_type in ("application/json", "application/merge-patch+json") and name:
                    schema = document["components"]["schemas"][name]
                    yield method, path, media_type, list(schema["properties"])


def test_what_is_wrong_with_a_body_is_said_in_the_services_own_words(client: Client) -> None:
    asked = 0
    for method, path, media_type, members in bodies(client.get("/openapi.json").json()):
        path = re.sub(r"\{\w+\}", str(ADMIN.id), path)
        if path.startswith("/api/v1/users/") and method == "patch":
            members.remove("role")
        for name in [*members, "colour"]:
            for value in WRONG:
                answer = client.request(
                    method, path, json={name: value}, headers={"Content-Type": media_type}
                )
                assert not LIBRARY_WORDS.search(answer.text), (method, path, name, answer.text)
                asked += 1
        others: tuple[Any, ...] = ([], "text", 1)
        for body in others:
            answer = client.request(method, path, json=body, headers={"Content-Type": media_type})
            assert not LIBRARY_WORDS.search(answer.text), (method, path, answer.text)
    assert asked > 500
