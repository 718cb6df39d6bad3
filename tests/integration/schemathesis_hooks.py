"""What an OpenAPI document cannot tell Schemathesis: two formats, two rules, two promises."""

import string
import unicodedata
from datetime import UTC, date, datetime
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response

from entrypoints.http.pages import decode, encode
from entrypoints.http.tasks import NewTask, TaskParameters

# One value is enough to be valid; the edges of each type are what may break.
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    datetime: st.datetimes(timezones=st.just(UTC)),
    date | None: st.none() | st.dates(),
    int: st.integers(-(2**31), 2**31 - 1),
    str: st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=200),
}


@st.composite
def cursors(draw: st.DrawFn) -> str:
    """A cursor as a page might have handed it out: only such are valid."""
    name = draw(st.sampled_from(sorted(TaskParameters.sorts)))
    sort = draw(st.sampled_from(["", "-"])) + name
    return encode(sort, draw(VALUES[TaskParameters.sorts[name]]), draw(st.uuids()))


# RFC 9110, 8.8.3 and 13.1: `*`, or tags, ours and others, weak and strong. A new task's version is
# 1, so that many of ours are the ones that fit.
OURS = st.builds('"{}-{}"'.format, st.integers(1, 3), st.text("0123456789abcdef", min_size=1))
OTHERS = st.text(string.ascii_letters + string.digits + "!#$%&'()*+,-./:;<=>?@[]^_`{|}~")
TAGS = OURS | st.builds('{}"{}"'.format, st.sampled_from(["", "W/"]), OTHERS)

schemathesis.openapi.format("cursor", cursors())
schemathesis.openapi.format(
    "etag", st.just("*") | OURS | st.lists(TAGS, min_size=1, max_size=3).map(", ".join)
)


@schemathesis.hook("map_case")
def keep_to_one_place(
    context: schemathesis.HookContext, case: schemathesis.Case[Any]
) -> schemathesis.Case[Any]:
    """A cursor belongs to the sort of its page, and excludes `skip`; both are 422 by contract.

    OpenAPI has no words for rules between parameters.
    """
    query = case.query
    if "cursor" in query and _is_valid(case, ParameterLocation.QUERY):
        sort, _, _ = decode(query["cursor"])
        if "skip" not in query:
            query["sort"] = sort
        elif sort == query.get("sort", "created_at"):
            del query["skip"]
        else:
            del query["cursor"]
    return case


LIMITS = {
    name: option["maxLength"]
    for model in (NewTask, TaskParameters)
    for name, told in model.model_json_schema()["properties"].items()
    for option in told.get("anyOf", [told])
    if "maxLength" in option
}
"""How long each text may be."""


@schemathesis.hook("filter_case")
def leave_out_text_whose_length_changes_sides(
    context: schemathesis.HookContext, case: schemathesis.Case[Any]
) -> bool:
    """By contract text is trimmed and NFC-normalised before its length is checked.

    `maxLength` counts what is sent. Where that and what is kept lie on different sides of the limit
    the document cannot tell what the service does; everywhere else the two agree.
    """
    body = case.body if isinstance(case.body, dict) else {}
    for name, value in [*body.items(), *case.query.items()]:
        if name in LIMITS and isinstance(value, str):
            kept = unicodedata.normalize("NFC", value.strip())
            if (len(value) > LIMITS[name]) != (len(kept) > LIMITS[name]):
                return False
    return True


def _is_valid(case: schemathesis.Case[Any], location: ParameterLocation) -> bool:
    """Whether a part of a request is meant to be what the document allows."""
    return case.meta is None or not case.meta.is_negative_at(location)


@schemathesis.check
def problems_tell_what_happened(
    context: schemathesis.CheckContext, response: Response, case: schemathesis.Case[Any]
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
    context: schemathesis.CheckContext, response: Response, case: schemathesis.Case[Any]
) -> None:
    """304 and 412 are for who asked: with `If-None-Match`, with `If-Match`."""
    header = {304: "If-None-Match", 412: "If-Match"}.get(response.status_code)
    assert header is None or header in response.request.headers
