"""Problem details: malformed requests, unknown paths and methods, order of checks."""

from typing import Any

import pytest

from support.api import MERGE_PATCH, TASKS, UNKNOWN_TASK, create_task, problem
from support.clients import Client


@pytest.mark.request_only
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"{'title': 'x'}", b'{"title": NaN}', b'{"priority": Infinity, "title": "x"}',
        b'{"title": "x", "title": "y"}', b'{"title": "\\ud800"}', b'{"title": "a\\u0000b"}',
        b'{"\\u0000": 1}', b'{"title": "\xff"}', b'\xef\xbb\xbf{"title": "x"}', b"[" * 100_000,
        b'{"title": "x", "priority": 1e99999999999999999999}',
        b'{"title": "x"} {}', b'{"title": "tab\there"}', b'{"priority": ' + b"9" * 5_000 + b"}",
        b'{"a": {"b": 1, "b": 2}, "title": "x"}', '{"title": "x"}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_what_is_not_json_is_malformed(client: Client, body: bytes) -> None:
    answer = client.post(TASKS, content=body, headers={"Content-Type": "application/json"})
    problem(answer, 400, "malformed-json")


def test_a_surrogate_pair_is_one_character(client: Client) -> None:
    answer = client.post(
        TASKS,
        content=b'{"title": "\\ud83d\\udee0"}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.json()["title"] == "🛠"


def test_a_body_over_a_mebibyte_is_too_large(client: Client) -> None:
    body = b'{"title": "' + b"x" * 1024 * 1024 + b'"}'
    headers = {"Content-Type": "application/json"}

    def chunks() -> Any:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    problem(client.post(TASKS, content=body, headers=headers), 413, "too-large")
    problem(client.post(TASKS, content=chunks(), headers=headers), 413, "too-large")


@pytest.mark.request_only
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": MERGE_PATCH},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": 'application/json; x=y; charset="utf-16"'},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
def test_a_body_that_is_not_json_is_unsupported(client: Client, headers: dict[str, str]) -> None:
    answer = client.post(TASKS, content=b'{"title": "x"}', headers=headers)
    problem(answer, 415, "unsupported-media-type")


# Routes


@pytest.mark.parametrize(
    "path",
    [
        "/api", "/api/v1", "/api/v1/", f"{TASKS}/", f"{TASKS}/1", f"{TASKS}/abc",
        f"{TASKS}/{{01900000-0000-7000-8000-000000000000}}", f"{UNKNOWN_TASK}/",
        f"{UNKNOWN_TASK}/finish", f"{TASKS}/01900000000070008000000000000000",
        f"/api/{'a' * 60_000}",
    ],
)  # fmt: skip
def test_an_unknown_path_is_a_problem(client: Client, path: str) -> None:
    problem(client.get(path), 404, "not-found")


@pytest.mark.request_only
@pytest.mark.parametrize("path", [TASKS, "/health/live", "/office", "/openapi.json", "/docs"])
def test_a_path_with_a_line_end_leads_nowhere(client: Client, path: str) -> None:
    as_program = {"Accept": "application/json"}
    for address in (f"{path}%0A", f"{path}%0A?limit=1", f"{path}%0D%0A"):
        problem(client.get(address, headers=as_program), 404, "not-found")
    task = f"{TASKS}/{create_task(client)['id']}"
    problem(client.get(f"{task}%0A"), 404, "not-found")
    problem(client.delete(f"{task}%0A"), 404, "not-found")
    assert client.get(task).status_code == 200


ELSEWHERE = ("/nothing", "/API/v1/tasks", "/docs/x", "/problems/x", "/openapi.yaml", "/office/x")


@pytest.mark.parametrize("path", [*ELSEWHERE, f"/{'a' * 60_000}"])
def test_an_unknown_path_where_people_are_is_a_page(client: Client, path: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Page not found" in answer.text
    assert client.get(path).text.startswith("<!doctype html>")


@pytest.mark.parametrize("path", ELSEWHERE)
def test_unknown_path_is_a_problem_for_a_client_that_accepts_json(
    client: Client, path: str
) -> None:
    problem(client.get(path, headers={"Accept": "application/json"}), 404, "not-found")


@pytest.mark.request_only
@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", TASKS, "GET, HEAD, POST"),
        ("DELETE", TASKS, "GET, HEAD, POST"),
        ("OPTIONS", TASKS, "GET, HEAD, POST"),
        ("POST", f"{TASKS}/count", "GET, HEAD"),
        ("DELETE", f"{TASKS}/count", "GET, HEAD"),
        ("POST", UNKNOWN_TASK, "DELETE, GET, HEAD, PATCH"),
        ("PUT", UNKNOWN_TASK, "DELETE, GET, HEAD, PATCH"),
        ("GET", f"{UNKNOWN_TASK}/complete", "POST"),
        ("HEAD", f"{UNKNOWN_TASK}/complete", "POST"),
        ("BREW", f"{UNKNOWN_TASK}/reopen", "POST"),
        ("POST", "/health/live", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
def test_unsupported_method_is_answered_with_the_allowed_ones(
    client: Client, method: str, path: str, allow: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    if method != "HEAD":
        problem(answer, 405, "method-not-allowed")


def test_head_answers_wherever_get_does_without_the_body(client: Client) -> None:
    path = f"{TASKS}/{create_task(client)['id']}"
    for place in (path, TASKS, f"{TASKS}/count", "/health/live", "/health/ready", "/openapi.json",
                  "/docs", "/problems/invalid", UNKNOWN_TASK, "/nowhere"):  # fmt: skip
        got, head = client.get(place), client.head(place)
        assert (head.status_code, head.content) == (got.status_code, b""), place
        for header in ("content-type", "content-length", "etag"):
            assert head.headers.get(header) == got.headers.get(header), place


def test_every_problem_is_explained_at_its_type(client: Client) -> None:
    told = client.get("/api/nowhere").json()
    explained = client.get(told["type"])
    assert explained.status_code == 200
    assert told["title"] in explained.text


def test_the_detail_of_a_422_names_the_fields(client: Client) -> None:
    body = client.post(TASKS, json={"title": "", "priority": 10, "due_on": 1})
    detail = problem(body, 422, "invalid")["detail"]
    assert all(f"{name}: " in detail for name in ("title", "priority", "due_on"))
    query = client.get(TASKS, params={"limit": "0", "sort": "size"})
    detail = problem(query, 422, "invalid")["detail"]
    assert "limit: " in detail
    assert "sort: Give created_at, -created_at, " in detail


def test_a_405_names_the_method_that_does_it(client: Client) -> None:
    path = f"{TASKS}/{create_task(client)['id']}"
    for answer, name in (
        (client.put(path, json={}), "PATCH"),
        (client.post(path, json={}), "PATCH"),
        (client.patch(f"{path}/complete", json={}), "POST"),
        (client.get(f"{path}/complete"), "POST"),
        (client.delete(TASKS), "GET, HEAD, POST"),
        (client.post("/api/v1/users/me/password", json={}), "PUT"),
    ):
        assert name in problem(answer, 405, "method-not-allowed")["detail"]


# Order of checks


def test_the_order_of_judgement_is_the_contracts(client: Client) -> None:
    task = create_task(client)
    path = f"{TASKS}/{task['id']}"
    stale, html = {"If-Match": '"9-0"'}, {"Content-Type": "text/html"}
    json_ = {"Content-Type": "application/json"}

    # 415 before 404 of the object, but 404 of the route and 405 before it.
    assert client.patch(UNKNOWN_TASK, content=b"{", headers=html).status_code == 415
    assert client.patch("/nowhere", content=b"{", headers=html).status_code == 404
    assert client.put(path, content=b"{", headers=html).status_code == 405
    # 404 of the object before 412, 400 and 422.
    for body, headers in ((b"{", json_), (b'{"x":1}', json_), (b"{}", {**json_, **stale})):
        problem(client.patch(UNKNOWN_TASK, content=body, headers=headers), 404, "not-found")
    problem(client.get(f"{UNKNOWN_TASK}?x=1"), 404, "not-found")
    # 412 before 400 and 422.
    for body in (b"{", b'{"x":1}'):
        answer = client.patch(path, content=body, headers={**json_, **stale})
        problem(answer, 412, "precondition-failed")
    problem(client.delete(f"{path}?x=1", headers=stale), 412, "precondition-failed")
    # 400 before 422.
    problem(client.patch(f"{path}?x=1", content=b"{", headers=json_), 400, "malformed-json")
    assert client.get(path).json() == task


def test_missing_object_is_reported_before_a_missing_tag(strict_client: Client) -> None:
    headers = {"Content-Type": "application/json"}
    path = f"{TASKS}/{create_task(strict_client)['id']}"

    problem(strict_client.patch(UNKNOWN_TASK, content=b"{", headers=headers), 404, "not-found")
    answer = strict_client.patch(path, content=b"{", headers=headers)
    problem(answer, 428, "precondition-required")


def test_input_is_not_echoed(client: Client) -> None:
    canary = "hunter2-canary"
    path = f"{TASKS}/{create_task(client)['id']}"
    json_ = {"Content-Type": "application/json"}
    for answer in (
        client.post(TASKS, json={"title": [canary], "x": canary, "priority": canary}),
        client.post(TASKS, content=f'{{"title": {canary}'.encode(), headers=json_),
        client.patch(path, json={"due_on": canary}),
        client.get(TASKS, params={"sort": canary, "cursor": canary, "x": canary}),
        client.get(f"/{canary}"),
        client.get(f"{TASKS}/{canary}"),
        client.patch(path, json={}, headers={"If-Match": f'"{canary}"'}),
        client.post(TASKS, json={}, headers={"Content-Type": canary}),
    ):
        assert answer.status_code >= 400
        assert canary not in answer.text
        assert canary not in str(answer.headers)
