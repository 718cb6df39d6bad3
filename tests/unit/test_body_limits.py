"""What a stranger can make the service do with a body: nothing before a key, little after it."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from entrypoints.web.body import MAX_DEPTH, MAX_MEMBERS, MAX_VALUES, parse
from entrypoints.web.problems import ApiProblem
from entrypoints.web.validation import urlencoded
from support.api import problem
from support.backends import Clock, client_of, memory_app
from support.clients import Client
from support.people import MEMBER

TASKS = "/api/v1/tasks"
DEVICES = "/api/v1/devices"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with client_of(memory_app(Clock(), registration_open=True)) as client:
        yield client


def nested(levels: int, *, inside: bytes = b"", key: bytes = b"") -> bytes:
    """Return JSON with as many levels: of arrays, or of objects with a key."""
    if key:
        return (b'{"%b":' % key) * levels + (inside or b"1") + b"}" * levels
    return b"[" * levels + inside + b"]" * levels


# Who asks


@pytest.mark.parametrize(
    ("method", "path", "token"),
    [
        ("POST", f"{DEVICES}/01900000-0000-7000-8000-00000000ffff/heartbeat", "Bearer x"),
        ("POST", f"{DEVICES}/01900000-0000-7000-8000-00000000ffff/heartbeat", None),
        ("POST", TASKS, "Bearer x"),
        ("PATCH", f"{TASKS}/01900000-0000-7000-8000-00000000ffff", "Bearer x"),
        ("PUT", f"/api/v1/users/{MEMBER.id}/image", None),
    ],
)
@pytest.mark.parametrize(
    "header", [(b"content-length", b"500"), (b"transfer-encoding", b"chunked")]
)
def test_a_stranger_is_told_so_before_any_of_the_body_is_read(
    client: Client, method: str, path: str, token: str | None, header: tuple[bytes, bytes]
) -> None:
    app: Any = client.http.app  # type: ignore[attr-defined]
    sent: list[Message] = []
    headers = [(b"host", b"x"), (b"content-type", b"application/json"), header]
    if token:
        headers.append((b"authorization", token.encode()))

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "headers": headers, "state": {},
        "client": ("127.0.0.1", 1), "server": ("x", 80), "scheme": "http", "root_path": "",
    }  # fmt: skip
    client.http.process.await_(app(scope, receive, send))  # type: ignore[attr-defined]
    assert sent[0]["status"] == 401


# Structure


@pytest.mark.parametrize("key", [b"", b"title"])
def test_json_of_64_levels_is_read_and_of_65_is_malformed(client: Client, key: bytes) -> None:
    deep = client.post(TASKS, content=nested(64, key=key), headers=JSON)
    problem(deep, 422, "invalid")
    for levels in (65, 900, 100_000):
        deeper = client.post(TASKS, content=nested(levels, key=key), headers=JSON)
        told = problem(deeper, 400, "malformed-json")
    assert problem(client.post(TASKS, content=nested(65, key=key), headers=JSON), 400,
                   "malformed-json")["detail"] == "Nest JSON at most 64 levels deep."  # fmt: skip
    assert "[" not in told["detail"]


def test_deep_json_with_many_texts_and_one_escape_is_malformed(client: Client) -> None:
    texts = b",".join([b'"a"'] * 260_000)
    body = nested(900, inside=texts + b',"\\ud83d\\udee0"')
    problem(client.post(TASKS, content=body, headers=JSON), 400, "malformed-json")
    lone = nested(60, inside=texts + b',"\\ud83d"')
    problem(client.post(TASKS, content=lone, headers=JSON), 400, "malformed-json")


def test_an_object_of_more_than_256_members_is_refused_and_told_where(client: Client) -> None:
    members = {f"m{number}": number for number in range(257)}
    for body, place in (
        (members, "#"),
        ({"title": "x", "description": members}, "#/description"),
        ({"title": "x", "description": [[{"a": members}]]}, "#/description"),
        ([members], "#"),
    ):
        told = problem(client.post(TASKS, json=body), 422, "invalid")
        assert told["errors"] == [
            {"pointer": place, "detail": "Give at most 256 members in an object."}
        ]
    # What is no JSON at all is told first.
    broken = json.dumps([members]).encode() + b"}"
    problem(client.post(TASKS, content=broken, headers=JSON), 400, "malformed-json")


TOO_MANY = [{"pointer": "#", "detail": "Give at most 10,000 values."}]


def values_in(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + (sum(map(values_in, value)) if value else 1) if isinstance(value, list) else 1


@pytest.mark.parametrize("piece", [1, "a,b", [], [[]], {}, {"a": 1}, [1, {"[": "]"}], {"a": [{}]}])
def test_json_of_more_than_ten_thousand_values_is_refused(piece: Any) -> None:
    fits = [piece] * ((MAX_VALUES - 1) // values_in(piece))
    assert parse(json.dumps(fits).encode()) == fits
    fits += [0] * (MAX_VALUES - values_in(fits))
    assert parse(json.dumps(fits).encode()) == fits
    with pytest.raises(ApiProblem) as refused:
        parse(json.dumps([0, *fits]).encode())
    assert (refused.value.code, refused.value.members["errors"]) == ("invalid", TOO_MANY)


def test_more_texts_than_there_may_be_values_and_names_are_refused(client: Client) -> None:
    for body in (b",".join([b'"a"'] * 200_000), b'{"a":"b"},' * 80_000 + b"0"):
        refused = problem(client.post(TASKS, content=b"[%b]" % body, headers=JSON), 422, "invalid")
        assert refused["errors"] == TOO_MANY


def test_a_long_text_of_brackets_and_commas_is_one_value() -> None:
    text = '[{,"\\}]' * 20_000
    assert parse(json.dumps([text]).encode()) == [text]


def test_of_many_errors_twenty_are_told_and_the_rest_are_counted(client: Client) -> None:
    told = problem(client.post(TASKS, json={f"m{n}": n for n in range(256)}), 422, "invalid")
    assert len(told["errors"]) == 20
    assert told["errors_omitted"] == 256 + 1 - 20  # the title is missing, too
    few = problem(client.post(TASKS, json={f"m{n}": n for n in range(19)}), 422, "invalid")
    assert len(few["errors"]) == 20
    assert "errors_omitted" not in few
    queried = problem(
        client.get(f"{TASKS}?" + "&".join(f"m{n}=" for n in range(50))), 422, "invalid"
    )
    assert len(queried["errors"]) + queried["errors_omitted"] == 50


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='[]{}",:\\a', max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(JSONS, st.integers(0, 80))
def test_json_is_read_as_it_is_or_refused_for_its_depth(value: Any, levels: int) -> None:
    for _ in range(levels):
        value = [value]
    body = json.dumps(value).encode()
    if "\\u0000" in body.decode() or "\\ud" in body.decode():
        return
    if depth_of(value) > MAX_DEPTH:
        with pytest.raises(ApiProblem, match="64 levels"):
            parse(body)
    else:
        assert parse(body) == value


def test_as_many_members_as_are_allowed_are_read() -> None:
    value = {f"m{number}": [number] for number in range(MAX_MEMBERS)}
    assert parse(json.dumps(value).encode()) == value


ESCAPED = st.lists(
    st.sampled_from(
        [*"%=+&4Fg_. \n\t", "%41", "%c3%A9", "%ff", "%0A", "%26", "%3D", "\r\n", "=\n", "%\n"]
    ),
    max_size=20,
).map("".join)


@given(ESCAPED)
def test_a_form_says_what_the_standard_library_reads_in_it(form: str) -> None:
    try:
        expected = parse_qsl(form, keep_blank_values=True, errors="strict")
    except ValueError:
        with pytest.raises(ValueError):
            urlencoded(form.encode(), 50)
    else:
        assert urlencoded(form.encode(), 50) == expected


def test_many_percent_signs_that_escape_nothing_are_refused() -> None:
    assert urlencoded(b"a=" + b"%" * 999, 50) == [("a", "%" * 999)]
    with pytest.raises(ValueError):
        urlencoded(b"a=" + b"%" * 1_000, 50)


# Sizes

KIB = 1024
LIMITS = {
    "send_heartbeat": 16 * KIB,
    "sign_in": 64 * KIB,
    "set_up": 64 * KIB,
    "create_user": 64 * KIB,
    "put_image": 2 * KIB * KIB,
}


def test_each_operation_tells_in_openapi_how_large_a_body_may_be(client: Client) -> None:
    document = client.get("/openapi.json").json()
    seen = 0
    for methods in document["paths"].values():
        for operation in methods.values():
            name = operation["operationId"]
            if "413" not in operation["responses"]:
                assert "requestBody" not in operation, name
                continue
            seen += 1
            limit = LIMITS.get(name, KIB * KIB)
            assert operation["x-max-body-bytes"] == limit, name
            assert f"{limit:,} bytes" in operation["responses"]["413"]["description"], name
            if "requestBody" in operation:
                assert f"{limit:,} bytes" in operation["requestBody"]["description"], name
    assert seen > 30


def test_a_body_is_read_up_to_the_limit_of_its_operation_and_no_further(client: Client) -> None:
    device = client.post(DEVICES, json={"name": "Lathe"}).json()
    path = f"{DEVICES}/{device['id']}"
    key = client.post(f"{path}/key").json()["key"]
    stranger = client.as_(None)
    for asks, address, headers, limit in (
        (client.as_(key), f"{path}/heartbeat", JSON, 16 * KIB),
        (stranger, "/api/v1/auth/token", FORM, 64 * KIB),
        (stranger, "/api/v1/setup", JSON, 64 * KIB),
        (stranger, "/api/v1/users", JSON, 64 * KIB),
        (client, TASKS, JSON, KIB * KIB),
    ):
        fits = asks.post(address, content=b" " * limit, headers=headers)
        assert fits.status_code in (400, 404, 422), (address, fits.text)
        told = problem(asks.post(address, content=b" " * (limit + 1), headers=headers), 413,
                       "too-large")  # fmt: skip
        assert f"{limit:,}" in told["detail"]


def test_a_form_of_a_page_is_read_up_to_its_limit_and_no_further(client: Client) -> None:
    stranger = client.as_(None)
    for address, limit in (
        ("/setup", 64 * KIB),
        ("/sign-in", KIB * KIB),
        ("/office/tasks", KIB * KIB),
    ):
        for size, expected in ((limit, {422, 403, 303}), (limit + 1, {413})):
            body = b"title=" + b"x" * (size - 6)
            answer = stranger.post(address, content=body, headers={**FORM, **OURS},
                                   follow_redirects=False)  # fmt: skip
            assert answer.status_code in expected, (address, size)
