"""Conversion between the model's requests and responses and those of HTTP."""

from typing import Any

import httpx2

from support.clients import Answer, Crowd
from support.people import ADMIN
from support.stockroom_values import Ask, Body, Told

BASE = "http://testserver"


def request_of(ask: Ask) -> httpx2.Request:
    """Return the HTTP request."""
    headers = {}
    if ask.seen:
        headers["If-None-Match" if ask.method == "GET" else "If-Match"] = ask.seen.tag
    # Commands and reads have no body.
    bodiless = ask.method in ("GET", "DELETE") or ask.path.endswith(("archive", "restore"))
    body = None if bodiless else ask.body
    url = f"{BASE}{ask.path}"
    return httpx2.Request(ask.method, url, headers=headers, json=body)


def heard(answer: Answer) -> Told:
    """Return the parts of a response that the model predicts, and check the rest."""
    body: Any = answer.json() if answer.content else None
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert body["status"] == answer.status_code, body
        pointers = {error["pointer"] for error in body.get("errors", [])}
        more = {"available": body["available"]} if "available" in body else {}
        return Told(answer.status_code, {"code": body["code"], "pointers": pointers, **more})
    if body is not None:
        assert answer.headers["etag"].startswith(f'"{body["version"]}-')
    if answer.status_code == 201:
        path = answer.request.url.path
        place = path if path.endswith("/movements") else f"{path}/{body['id']}"
        assert answer.headers["location"] == place
    return Told(answer.status_code, body)


def walked(crowd: Crowd, *lists: tuple[str, dict[str, Any]]) -> list[list[Body]]:
    """Return all items of some lists by pagination; assert that all pages but the last are full."""
    seen: list[list[Body]] = [[] for _ in lists]
    cursors: dict[int, dict[str, str]] = {number: {} for number in range(len(lists))}
    while cursors:
        asked = {n: {"limit": 100, **lists[n][1], **more} for n, more in cursors.items()}
        requests = (
            (ADMIN, httpx2.Request("GET", f"{BASE}{lists[n][0]}", params=asked[n])) for n in cursors
        )
        for number, answer in zip([*cursors], crowd.ask(requests), strict=True):
            assert answer.status_code == 200, answer.text
            page = answer.json()
            seen[number] += page["items"]
            if page["next"] is None:
                del cursors[number]
            else:
                assert len(page["items"]) == asked[number]["limit"]
                cursors[number] = {"cursor": page["next"]}
    return seen
