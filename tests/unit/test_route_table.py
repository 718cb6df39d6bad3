"""The route table changes nothing but speed."""

import re
from typing import Any

from entrypoints.server.route_table import RouteTable
from support.backends import Clock, client_of, memory_app
from support.clients import Client

UNKNOWN = "01900000-0000-7000-8000-00000000ffff"


def answers(client: Client, paths: list[str]) -> dict[tuple[str, str], Any]:
    """Return what the application answers to each method on some spellings of each path."""
    told = {}
    for path in paths:
        by_id = path.replace("{id}", UNKNOWN)
        spellings = [by_id, f"{by_id}/", f"{by_id}%0A", f"{by_id}?x=1", f"/{by_id}"]
        if by_id != path:
            spellings += [path.replace("{id}", UNKNOWN.upper()), path.replace("{id}", "1")]
        for spelling in spellings:
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS"):
                answer = client.request(method, spelling, headers={"X-Request-ID": "1"})
                told[method, spelling] = answer.status_code, answer.headers, answer.content
    return told


def test_an_answer_does_not_depend_on_the_route_table() -> None:
    app: Any = memory_app(Clock(), route_table=RouteTable)
    with client_of(app) as client:
        paths = [re.sub(r"\{\w+\}", "{id}", path) for path in app.openapi()["paths"]]
        by_table = answers(client, paths)
        without = [layer for layer in app.layers if layer.cls is not RouteTable]
        assert len(without) == len(app.layers) - 1
        app.layers, app.middleware_stack = without, None
        by_router = answers(client, paths)
    assert len(by_table) > 1_000
    for request, answer in by_table.items():
        assert answer == by_router[request], request
