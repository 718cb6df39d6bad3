"""What an OpenAPI document cannot tell Schemathesis, and what else must hold whatever is asked.

The document has no words for rules between values, for rules about what there is, or for who asks.
Everything here either makes a valid request of one that the document takes for valid, or watches.
"""

import io
import itertools
import json
import os
import string
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
import schemathesis
from hypothesis import strategies as st
from PIL import Image
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response
from schemathesis.generation.meta import TestPhase

from domain.common_passwords import COMMON_PASSWORDS
from domain.devices import METRICS
from domain.errors import InvalidValue
from entrypoints.app import ROUTERS
from entrypoints.web.pagination import ListParameters, decode, encode
from entrypoints.web.route import ApiRoute

Case = schemathesis.Case[Any]

HTTP = httpx2.Client(base_url=os.environ["TRIED_AT"], timeout=30)
"""The service that is tried, for the few things that have to be arranged before a request."""


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


ME = bearing(os.environ["TRIED_WITH"])
"""Whoever this run goes by: signed in, since a personal token would be among what it deletes."""

PROFILE = HTTP.get("/api/v1/users/me", headers=ME).json()

ME_IS_ADMIN = PROFILE["role"] == "admin"


def _operation(case: Case) -> str:
    name: str = case.operation.definition.raw["operationId"]
    return name


def _members(case: Case) -> dict[str, Any]:
    """Return the members of the body, none if it is no object."""
    return case.body if isinstance(case.body, dict) else {}


def _is_valid(case: Case, *locations: ParameterLocation) -> bool:
    """Whether parts of a request are meant to be what the document allows."""
    return case.meta is None or not any(
        case.meta.is_negative_at(location) for location in locations
    )


def _is_step(case: Case) -> bool:
    """Whether a request follows from answers to others, and must stay about the same things."""
    return case.meta is not None and case.meta.phase.name is TestPhase.STATEFUL


# Cursors, tags and pictures: formats that only we know, or that are a matter of bytes.

# One value is enough to be valid; the edges of each type are what may break.
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    datetime: st.datetimes(timezones=st.just(UTC)),
    datetime | None: st.none() | st.datetimes(timezones=st.just(UTC)),
    date | None: st.none() | st.dates(),
    datetime | None: st.none() | st.datetimes(timezones=st.just(UTC)),
    int: st.integers(-(2**31), 2**31 - 1),
    Decimal: st.decimals(0, Decimal("9999999999.99"), places=2),
    str: st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=200),
}

LISTS: dict[str, type[ListParameters]] = {
    route.name: route.reader.query_type
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, ApiRoute)
    and isinstance(route.reader.query_type, type)
    and issubclass(route.reader.query_type, ListParameters)
}
"""The parameters of each list."""

SORTS: dict[str, Mapping[str, Any]] = {name: asked.sorts for name, asked in LISTS.items()}
"""The fields that each list can be sorted by, with the types of their values."""


@st.composite
def cursors(draw: st.DrawFn) -> str:
    """A cursor as a page might have handed it out: only such are valid."""
    sorts = draw(st.sampled_from(list(SORTS.values())))
    name = draw(st.sampled_from(sorted(sorts)))
    sort = draw(st.sampled_from(["", "-"])) + name
    return encode(sort, draw(VALUES[sorts[name]]), draw(st.uuids()))


# RFC 9110, 8.8.3 and 13.1: `*`, or tags, ours and others, weak and strong. A new thing's version is
# 1, so that many of ours are the ones that fit.
OURS = st.builds('"{}-{}"'.format, st.integers(1, 3), st.text("0123456789abcdef", min_size=1))
OTHERS = st.text(string.ascii_letters + string.digits + "!#$%&'()*+,-./:;<=>?@[]^_`{|}~")
TAGS = OURS | st.builds('{}"{}"'.format, st.sampled_from(["", "W/"]), OTHERS)

schemathesis.openapi.format("cursor", cursors())
schemathesis.openapi.format(
    "etag", st.just("*") | OURS | st.lists(TAGS, min_size=1, max_size=3).map(", ".join)
)


def _drawn(format: str, mode: str) -> bytes:
    kept = io.BytesIO()
    Image.linear_gradient("L").resize((5, 3)).convert(mode).save(kept, format)
    return kept.getvalue()


WHOLE = [
    *(_drawn("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *(_drawn("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
    *(_drawn("WEBP", mode) for mode in ("RGB", "RGBA")),
]
DAMAGED = st.binary(max_size=100) | st.sampled_from([whole[: len(whole) // 2] for whole in WHOLE])

# What a picture claims to be does not count, so that each may come under each name.
schemathesis.openapi.media_type(
    "image/png",
    st.one_of(st.sampled_from(WHOLE), st.sampled_from(WHOLE), DAMAGED),
    aliases=["image/jpeg", "image/webp"],
)


# What makes a request valid that the document takes for valid.


@schemathesis.hook("map_case")
def keep_to_one_place(context: schemathesis.HookContext, case: Case) -> Case:
    """A cursor belongs to the list and the sort of its page, and excludes `skip`: otherwise 422.

    OpenAPI has no words for rules between parameters.
    """
    query = case.query
    if "cursor" in query and _is_valid(case, ParameterLocation.QUERY):
        sort, _, id = decode(query["cursor"])
        if sort.lstrip("-") not in SORTS[_operation(case)]:
            sort = "created_at"
            query["cursor"] = encode(sort, datetime.fromtimestamp(id.int % 2**31, UTC), id)
        if "skip" not in query:
            query["sort"] = sort
        elif sort == query.get("sort", LISTS[_operation(case)].model_fields["sort"].default):
            del query["skip"]
        else:
            del query["cursor"]
    return case


@schemathesis.hook("filter_case")
def leave_out_text_whose_length_changes_sides(
    context: schemathesis.HookContext, case: Case
) -> bool:
    """By contract text is trimmed and NFC-normalised before its length is checked.

    A password is normalised and not trimmed. `minLength` and `maxLength` count what is sent. Where
    that and what is kept lie on different sides of a limit the document cannot tell what the
    service does; everywhere else the two agree.
    """
    for schema, value in _told_texts(case):
        kept = unicodedata.normalize(
            "NFC", value if schema.get("format") == "password" else value.strip()
        )
        least, most = schema.get("minLength", 0), schema.get("maxLength", len(value) + len(kept))
        if (least <= len(value) <= most) != (least <= len(kept) <= most):
            return False
    return True


def _told_texts(case: Case) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Return the texts of a request, each with what the document tells of it."""
    told = case.operation.definition.raw
    contents = told.get("requestBody", {}).get("content", {})
    body = contents.get(case.media_type, {}).get("schema", {})
    members = _resolved(case, body).get("properties", {})
    parameters = {each["name"]: each["schema"] for each in told.get("parameters", ())}
    for schemas, values in ((members, _members(case)), (parameters, case.query)):
        for name, value in values.items():
            if name in schemas and isinstance(value, str):
                for option in schemas[name].get("anyOf", [schemas[name]]):
                    yield _resolved(case, option), value


def _resolved(case: Case, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Any = case.operation.schema.raw_schema
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    resolved: Mapping[str, Any] = found
    return resolved


@schemathesis.hook("map_case")
def make_it_possible(context: schemathesis.HookContext, case: Case) -> Case:
    """A token ends in the future, a task is for somebody who is there, and a product in a category.

    Otherwise 422: OpenAPI knows neither what time it is nor who and what there is. Neither can it
    tell how many decimals a number has, other than by a multiple that floats are not.
    """
    body = _members(case)
    if _is_valid(case, ParameterLocation.BODY):
        if isinstance(body.get("expires_at"), str):
            body["expires_at"] = _later(body["expires_at"])
        if isinstance(body.get("assignee_id"), str):
            body["assignee_id"] = _one_of(body["assignee_id"], PROFILE["id"], STAND_IN.id)
        if isinstance(body.get("category_id"), str):
            body["category_id"] = _category()
        for name in ("password", "new"):
            if isinstance(body.get(name), str) and _is_common(body[name]):
                body[name] = f"{body[name][:100]}, not common"
        if isinstance(body.get("price"), float):
            body["price"] = round(body["price"], 2)
    return case


def _is_common(password: str) -> bool:
    """Whether a password of the right length is refused as one that is guessed first."""
    return unicodedata.normalize("NFC", password).casefold() in COMMON_PASSWORDS


def _category() -> str:
    """Return a category that there is, since any may have been deleted."""
    there = HTTP.get("/api/v1/categories?limit=1", headers=ME).json()["items"]
    if not there:
        new = {"name": f"There {next(NUMBERS)}"}
        there = [HTTP.post("/api/v1/categories", json=new, headers=ME).json()]
    id: str = there[0]["id"]
    return id


def _later(time: str) -> str:
    """Return a time to come, on the same day of the year: the calendar repeats after 400 years."""
    year = int(time[:4])
    while year < 2100:
        year += 400
    return f"{year}{time[4:]}"


def _one_of(drawn: str, *options: str) -> str:
    """Let what was drawn decide, so that it decides the same each time."""
    return options[sum(drawn.encode()) % len(options)]


@schemathesis.hook("map_case")
def name_somebody_who_is_there(context: schemathesis.HookContext, case: Case) -> Case:
    """Half of the requests about a user are about oneself: a made-up id names nobody."""
    id = case.path_parameters.get("user_id")
    if id is not None and _is_valid(case, ParameterLocation.PATH) and not _is_step(case):
        case.path_parameters["user_id"] = _one_of(id, id, PROFILE["id"])
    return case


# Those by whom a run goes, and what it needs for the sake of what it does.


class StandIn:
    """Somebody whose password is known, and may change; nobody can make it up."""

    def __init__(self) -> None:
        self.username = os.environ["TRIED_BESIDE"]
        self.password = os.environ["TRIED_PASSWORD"]
        token = self.sign_in()
        assert token is not None
        self.id: str = HTTP.get("/api/v1/users/me", headers=bearing(token)).json()["id"]

    def sign_in(self) -> str | None:
        """Return a token, unless there were too many attempts, from this address, to get one."""
        form = {"username": self.username, "password": self.password}
        answer = HTTP.post("/api/v1/auth/token", data=form)
        if answer.status_code == 429:
            return None
        token: str = answer.raise_for_status().json()["access_token"]
        return token


STAND_IN = StandIn()

KNOWN = {ME["Authorization"]}
"""The credentials that are good, until the request that ends them."""


@schemathesis.hook("before_call")
def be_able_to_go_on(context: schemathesis.HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Keep the run from ending the token that it goes by, and from doing harm to its stand-in.

    The last admin stays what they are, so that it is enough that nobody else becomes one.
    """
    operation = _operation(case)
    if operation == "sign_out" and case.headers.get("Authorization") in KNOWN:
        _go_by(case, _token_to_be_ended())
    elif operation in ("edit_user", "delete_user"):
        named = case.path_parameters.get("user_id")
        if named == STAND_IN.id:
            case.path_parameters["user_id"] = str(NOBODY)
        elif named != PROFILE["id"] and _members(case).get("role") == "admin":
            _members(case)["role"] = "member"


NOBODY = UUID(int=0)


@schemathesis.hook("before_call")
def be_somebody_else(context: schemathesis.HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Short names are drawn again and again, and soon are taken: they are made unique.

    What is longer is drawn twice as well, which is enough to see that it is refused then.
    """
    if _operation(case) in ("create_user", "edit_user") and _is_valid(case, *ParameterLocation):
        body = _members(case)
        if 0 < len(username := body.get("username", "").strip()) <= 10:
            body["username"] = f"{username}-{next(NUMBERS)}"
        if 0 < len(email := body.get("email", "").strip()) <= 30:
            body["email"] = f"{next(NUMBERS)}-{email}"
    unique = {"create_category": "name", "edit_category": "name"}
    unique |= {"create_product": "sku", "edit_product": "sku"}
    unique |= {"create_device": "serial", "edit_device": "serial"}
    name = unique.get(_operation(case))
    if name and _is_valid(case, *ParameterLocation):
        text = _members(case).get(name)
        if isinstance(text, str) and 0 < len(text.strip()) <= 20:
            _members(case)[name] = f"{text.strip()}-{next(NUMBERS)}"


NUMBERS = itertools.count(1)


@schemathesis.hook("before_call")
def beat_as_a_device(context: schemathesis.HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """A heartbeat is a device's own: it is sent by one that was just given its key.

    How large an object is, how deep, and that no text in it has a NUL, no schema can tell.
    """
    if _operation(case) != "send_heartbeat" or case.headers.get("Authorization") not in KNOWN:
        return
    if not _is_valid(case, ParameterLocation.PATH):
        return
    device = HTTP.post("/api/v1/devices", json={"name": "beating"}, headers=ME).json()["id"]
    key = HTTP.post(f"/api/v1/devices/{device}/key", headers=ME).json()["key"]
    case.path_parameters["device_id"] = device
    _go_by(case, key)
    metrics = _members(case).get("metrics")
    if isinstance(metrics, dict) and _is_valid(case, ParameterLocation.BODY):
        try:
            METRICS(metrics)
            fits = "\\u0000" not in json.dumps(metrics)
        except InvalidValue:
            fits = False
        if not fits:
            _members(case)["metrics"] = {}


@schemathesis.hook("before_call")
def know_a_password(context: schemathesis.HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """A password that is made up is nobody's: half of those that are drawn become somebody's.

    A phase of few requests has no half to spare.
    """
    operation, body = _operation(case), _members(case)
    if operation not in ("sign_in", "change_password") or not _is_valid(case, *ParameterLocation):
        return
    if (
        case.meta
        and case.meta.phase.name is TestPhase.FUZZING
        and _half(body["password" if operation == "sign_in" else "new"])
    ):
        return
    if operation == "sign_in":
        body |= {"username": STAND_IN.username, "password": STAND_IN.password}
    elif token := STAND_IN.sign_in():
        _go_by(case, token)
        body["current"] = STAND_IN.password


@schemathesis.hook("after_call")
def know_the_new_password(
    context: schemathesis.HookContext, case: Case, response: Response
) -> None:
    if _operation(case) == "change_password" and response.status_code == 204:
        STAND_IN.password = _members(case)["new"]


def _go_by(case: Case, token: str) -> None:
    case.headers.update(bearing(token))
    KNOWN.add(case.headers["Authorization"])


def _half(drawn: str) -> bool:
    return _one_of(drawn, "", drawn) == drawn


def _token_to_be_ended() -> str:
    """Return a personal token, for which there is room if the run has made too many."""
    while True:
        new = {"name": "to be ended", "scope": "write"}
        answer = HTTP.post("/api/v1/tokens", json=new, headers=ME)
        if answer.status_code == 201:
            token: str = answer.json()["token"]
            return token
        assert answer.json()["code"] == "too-many-tokens"
        _make_room()


def _make_room() -> None:
    """Delete the older half of the tokens: what comes next may be about the newer ones."""
    for token in HTTP.get("/api/v1/tokens?limit=50", headers=ME).json()["items"]:
        HTTP.delete(f"/api/v1/tokens/{token['id']}", headers=ME)


@schemathesis.hook("after_call")
def make_room(context: schemathesis.HookContext, case: Case, response: Response) -> None:
    """Let there be one refusal for too many tokens, and then other answers again."""
    if _operation(case) == "create_token" and response.status_code == 409:
        _make_room()


# What must hold, whatever is asked.


@schemathesis.check
def problems_tell_what_happened(
    context: schemathesis.CheckContext, response: Response, case: Case
) -> None:
    """Whatever is asked: an error is a problem that agrees with the response which carries it."""
    if response.status_code >= 400 and response.request.method != "HEAD":
        assert response.headers["content-type"] == ["application/problem+json"]
        problem = response.json()
        assert problem["status"] == response.status_code
        assert problem["type"] == f"/problems/{problem['code']}"
        assert [problem["instance"]] == response.headers["x-request-id"]


@schemathesis.check
def only_conditional_requests_fail_a_condition(
    context: schemathesis.CheckContext, response: Response, case: Case
) -> None:
    """304 and 412 are for who asked: with `If-None-Match`, with `If-Match`."""
    header = {304: "If-None-Match", 412: "If-Match"}.get(response.status_code)
    assert header is None or header in response.request.headers


RULES: Mapping[str, frozenset[str]] = {
    "already-taken": frozenset(
        {
            *("create_user", "edit_user", "create_category", "edit_category"),
            *("create_product", "edit_product", "create_device", "edit_device"),
        }
    ),
    "in-use": frozenset({"delete_user", "delete_category", "delete_product"}),
    "insufficient-stock": frozenset({"create_movement"}),
    "last-admin": frozenset({"edit_user", "delete_user"}),
    "too-many-tokens": frozenset({"create_token"}),
    "too-many-requests": frozenset({"sign_in", "change_password"}),
}
"""The rules about what there is, or was, and the operations that may be refused by each."""


@schemathesis.check
def refusals_are_for_a_reason(
    context: schemathesis.CheckContext, response: Response, case: Case
) -> None:
    """401, 403, 409 and 429 come only from operations that have such a rule, to who breaks it."""
    status, operation = response.status_code, _operation(case)
    if response.request.method != case.operation.method.upper():
        return
    if status == 401:
        # A token is nobody's key.
        not_theirs = _credentials(response) not in KNOWN
        assert operation in ("sign_in", "send_heartbeat") or not_theirs
    elif status == 403:
        assert _is_forbidden(case, operation)
    elif status in (409, 429):
        assert operation in RULES.get(response.json()["code"], ())


def _credentials(response: Response) -> Any:
    return response.request.headers.get("Authorization")


def _is_forbidden(case: Case, operation: str) -> bool:
    """Whether this is something that the one who asks may not do."""
    about_others = case.path_parameters.get("user_id") != PROFILE["id"]
    if operation in ("create_user", "delete_user"):
        return not ME_IS_ADMIN
    if operation in ("put_image", "delete_image"):
        return about_others and not ME_IS_ADMIN
    return operation == "edit_user" and (
        not ME_IS_ADMIN
        if about_others
        # One's own password is changed by telling the one before.
        else bool(_members(case).keys() & ({"password"} if ME_IS_ADMIN else FOR_ADMINS))
    )


FOR_ADMINS = {"password", "role", "is_active"}


@schemathesis.check
def valid_values_are_refused_for_what_they_are_alone(
    context: schemathesis.CheckContext, response: Response, case: Case
) -> None:
    """422 comes of valid data only where no schema could tell that it would.

    That is when bytes are no picture, when a password is not the current one, and when there would
    be too many pieces. (Where others get 422 is for the checks that are built in.)
    """
    if response.status_code == 422 and case.meta and case.meta.generation.mode.is_positive:
        operation = _operation(case)
        if operation == "put_image":
            assert not _is_whole(case.body)
        else:
            (error,) = response.json()["errors"]
            if operation == "create_movement":
                assert error["pointer"] == "#/quantity"
                return
            assert (operation, error["pointer"]) == ("change_password", "#/current")
            # The stand-in knows theirs.
            assert _credentials(response) == ME["Authorization"]


@schemathesis.check
def what_is_no_picture_is_refused(
    context: schemathesis.CheckContext, response: Response, case: Case
) -> None:
    """To the document any bytes are a picture."""
    if _operation(case) == "put_image" and response.status_code == 200:
        assert _is_whole(case.body)


def _is_whole(content: Any) -> bool:
    try:
        Image.open(io.BytesIO(content)).load()
    except OSError:
        return False
    return True


@schemathesis.check
def nobody_is_told_what_is_not_for_them(
    context: schemathesis.CheckContext, response: Response, case: Case
) -> None:
    """Addresses are for their owners and for admins; what a password is hashed to is for nobody."""
    text = response.text or ""
    assert "argon2" not in text
    if not ME_IS_ADMIN and "@" in text:
        for told in _objects(response.json()):
            assert "email" not in told or told["id"] == PROFILE["id"]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)
