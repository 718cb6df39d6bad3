"""What every answer tells browsers, and which pages of other origins may ask."""

import asyncio
from collections.abc import Sequence

import pytest
from fastapi import FastAPI, Response
from starlette.testclient import TestClient
from uvicorn import Config
from uvicorn.server import ServerState

from entrypoints.web.cors import EXPOSED_HEADERS, METHODS, REQUEST_HEADERS
from entrypoints.web.problems import ApiProblem
from entrypoints.web.protocol import Protocol
from support.backends import Clock, memory_app
from support.clients import Answer

SHOP = "https://shop.example"
ELSEWHERE = ("https://elsewhere.example", "http://shop.example", f"{SHOP}:444", "null", "")
SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
NOTHING = "default-src 'none'; frame-ancestors 'none'"


def client(*origins: str) -> TestClient:
    """Return a client of the whole application, with some more in it."""
    app = memory_app(Clock(), cors_origins=origins)

    @app.get("/thing")
    async def thing() -> dict[str, str]:
        return {"title": "Saw"}

    @app.get("/unchanged")
    async def unchanged() -> Response:
        return Response(status_code=304, headers={"ETag": '"1"'})

    @app.get("/refused")
    async def refused() -> None:
        raise ApiProblem("conflict", "Send it again.")

    @app.get("/defect")
    async def defect() -> None:
        raise RuntimeError

    # People get pages; this is what programs are told.
    programs = {"Accept": "application/json"}
    return TestClient(app, raise_server_exceptions=False, headers=programs)


def preflight(
    of: TestClient, origin: str, method: str = "PATCH", headers: Sequence[str] = ("If-Match",)
) -> Answer:
    """Ask what a browser asks before it lets a page ask."""
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = ", ".join(headers).lower()
    return of.options("/thing", headers=asked)


def cors_headers(answer: Answer) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control-")}


# Security headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "status"),
    [("/thing", 200), ("/unchanged", 304), ("/refused", 409), ("/nowhere", 404), ("/defect", 500)],
)
def test_every_answer_brings_the_security_headers(method: str, path: str, status: int) -> None:
    answer = client().request(method, path)
    assert answer.status_code == status
    assert SECURITY.items() <= dict(answer.headers).items()
    assert answer.headers["content-security-policy"] == NOTHING
    assert answer.headers["x-request-id"]


def test_a_defect_is_told_as_a_problem_to_programs_and_as_a_page_to_people() -> None:
    to_program = client().get("/defect")
    assert to_program.headers["content-type"] == "application/problem+json"
    told = to_program.json()
    assert (told["status"], told["code"]) == (500, "internal-error")
    assert told["instance"] == to_program.headers["x-request-id"]
    to_people = client().get("/defect", headers={"Accept": "text/html"})
    assert to_people.status_code == 500
    assert to_people.text.startswith("<!doctype html>")
    assert to_people.headers["x-request-id"] in to_people.text


def test_no_header_comes_twice() -> None:
    for path in ("/thing", "/docs", "/defect"):
        names = [name.lower() for name, _ in client(SHOP).get(path).headers.raw]
        assert len(names) == len(set(names)), path


def test_what_is_no_request_is_answered_with_the_security_headers(
    protocol: type[Protocol],
) -> None:
    class Wire(asyncio.Transport):
        def __init__(self) -> None:
            super().__init__()
            self.sent = b""

        def write(self, data: bytes | bytearray | memoryview) -> None:
            self.sent += bytes(data)

        def is_closing(self) -> bool:
            return False

        def write_eof(self) -> None:
            """Nothing more is sent."""

    async def answered(request: bytes) -> bytes:
        config = Config(FastAPI(), log_config=None)
        config.load()
        connection, wire = protocol(config, ServerState(), {}), Wire()
        connection.connection_made(wire)
        connection.data_received(request)
        return wire.sent

    head, _, _ = asyncio.run(answered(b"nonsense\r\n\r\n")).decode().partition("\r\n\r\n")

    assert head.startswith("HTTP/1.1 400 ")
    for name, value in {**SECURITY, "content-security-policy": NOTHING}.items():
        assert head.count(f"\r\n{name}: {value}") == 1


# The page of the documentation


def test_the_documentation_runs_under_a_policy_that_allows_nothing_inline() -> None:
    page = client().get("/docs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<style" not in page.text
    assert page.text.count("<script") == page.text.count("<script src=") == 2
    assert " on" not in page.text
    assert SECURITY.items() <= dict(page.headers).items()


def test_the_documentation_starts_with_our_document_and_tells_it_to_nobody() -> None:
    script = client().get("/docs/start.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert '"/openapi.json"' in script.text
    assert "validatorUrl: null" in script.text
    assert "persistAuthorization: false" in script.text


# CORS


@pytest.mark.parametrize("origin", [SHOP, *ELSEWHERE])
def test_no_page_of_another_origin_may_ask_unless_configured(origin: str) -> None:
    closed = client()
    for path in ("/thing", "/refused", "/nowhere", "/defect", "/docs"):
        answer = closed.get(path, headers={"Origin": origin})
        assert not cors_headers(answer), path
        assert "vary" not in answer.headers, path
    answer = preflight(closed, origin)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"
    assert not cors_headers(answer)


@pytest.mark.parametrize("path", ["/thing", "/unchanged", "/refused", "/nowhere", "/defect"])
def test_a_page_of_a_configured_origin_may_read_every_answer(path: str) -> None:
    answer = client("https://other.example", SHOP).get(path, headers={"Origin": SHOP})
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["vary"] == "Origin"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert sorted(exposed) == sorted(EXPOSED_HEADERS)
    assert {"ETag", "Location", "Link", "X-Request-ID"} <= set(exposed)
    assert "access-control-allow-credentials" not in answer.headers
    assert SECURITY.items() <= dict(answer.headers).items()


@pytest.mark.parametrize("origin", ELSEWHERE)
@pytest.mark.parametrize("path", ["/thing", "/nowhere", "/defect"])
def test_no_other_page_may(origin: str, path: str) -> None:
    answer = client(SHOP).get(path, headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers
    # What a cache keeps for one origin is not for another.
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("configured", "sent"),
    [
        ("HTTPS://Shop.Example", "https://shop.example"),
        ("https://shop.example:443/", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("https://b\u00fccher.example:8443", "https://xn--bcher-kva.example:8443"),
    ],
)
def test_a_configured_origin_is_the_one_that_browsers_spell_otherwise(
    configured: str, sent: str
) -> None:
    answer = client(configured).get("/api/v1/tasks", headers={"Origin": sent})
    assert answer.headers["access-control-allow-origin"] == sent
    assert preflight(client(configured), sent).status_code == 200


def test_an_answer_says_that_it_depends_on_the_origin_even_without_one() -> None:
    answer = client(SHOP).get("/thing")
    assert answer.headers["vary"] == "Origin"
    assert not cors_headers(answer)


@pytest.mark.parametrize("method", METHODS)
def test_a_preflight_allows_what_the_api_takes(method: str) -> None:
    answer = preflight(client(SHOP), SHOP, method, REQUEST_HEADERS)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    assert set(REQUEST_HEADERS) <= set(answer.headers["access-control-allow-headers"].split(", "))
    assert answer.headers["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in answer.headers
    assert SECURITY.items() <= dict(answer.headers).items()


@pytest.mark.parametrize(
    ("origin", "method", "header"),
    [
        *((origin, "PATCH", "If-Match") for origin in ELSEWHERE),
        (SHOP, "BREW", "If-Match"),
        (SHOP, "PATCH", "X-Canary"),
    ],
)
def test_a_preflight_of_anything_else_is_refused_with_a_problem(
    origin: str, method: str, header: str
) -> None:
    answer = preflight(client(SHOP), origin, method, [header])
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"].startswith("Origin")
    assert answer.headers.get("access-control-allow-origin") == (SHOP if origin == SHOP else None)
    told = answer.json()
    assert (told["status"], told["code"]) == (403, "forbidden")
    assert told["instance"] == answer.headers["x-request-id"]
    assert "canary" not in answer.text.lower()


def test_options_without_a_preflight_is_still_no_method_of_a_thing() -> None:
    answer = client(SHOP).options("/thing", headers={"Origin": SHOP})
    assert answer.status_code == 405
    assert answer.headers["access-control-allow-origin"] == SHOP
