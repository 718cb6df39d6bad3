"""From a template and what it shows to an answer."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel

from domain.users import UNKNOWN_CITY
from entrypoints.pages.addresses import back_of, list_address, with_back
from entrypoints.pages.assets import address_of
from entrypoints.pages.translation import translate
from entrypoints.web.etags import etag, header_list, if_none_match_holds
from entrypoints.web.origins import public_origin

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load and run: files of ours, and nothing that stands in the page itself."""

HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    # Without its origin a browser could not show that a form was sent from a page of ours.
    "Referrer-Policy": "same-origin",
}


def day(value: date | datetime) -> str:
    """Return a date as people write it."""
    return f"{value:%B} {value.day}, {value.year}"


def moment(value: datetime) -> str:
    """Return a time to the minute, in UTC as all our times."""
    return f"{day(value)}, {value.astimezone(UTC):%H:%M} UTC"


def machine_time(value: date | datetime) -> str:
    """Return a time for the `datetime` of a `<time>`."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat()


def ago(value: datetime, now: datetime) -> str:
    """Return how long ago something was, in the largest unit that is not nothing."""
    seconds = max(0, int((now - value).total_seconds()))
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= length:
            return translate(f"common.ago_{unit}", n=seconds // length)
    return translate("common.ago_now")


def number(value: int | Decimal) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,}"


def known_city(city: str) -> str:
    """Return a city to be shown: none where it is not known."""
    return "" if city == UNKNOWN_CITY else city


def query_for(asked: BaseModel, **changes: object) -> dict[str, str]:
    """Return what a page was asked for, as parameters; some of it changed, and from the start."""
    defaults = type(asked).model_fields
    said = {name: getattr(asked, name) for name in defaults if name != "cursor"} | changes
    return {
        name: "true" if value is True else "false" if value is False else str(value)
        for name, value in said.items()
        if value is not None and (name not in defaults or value != defaults[name].default)
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("entrypoints.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.globals |= {
        "say": translate,
        "static": address_of,
        "kept": query_for,
        "with_back": with_back,
        "list_address": list_address,
    }
    environment.filters |= {
        "day": day,
        "moment": moment,
        "machine_time": machine_time,
        "ago": ago,
        "number": number,
        "known_city": known_city,
    }
    return environment


def render(template: str, **shown: Any) -> str:
    """Return a template with what it shows."""
    return _environment().get_template(template).render(shown)


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **shown: Any,
) -> Response:
    """Return a page of the office, for the eyes of whoever is signed in and no cache's."""
    kept = {"Cache-Control": "private, no-cache", **HEADERS, **(headers or {})}
    refused = [form for form in shown.values() if is_refused(form)]
    surroundings = {**_surroundings(request), "refused_forms": refused}
    return HTMLResponse(render(template, **surroundings, **shown), status, kept)


def is_refused(value: object) -> bool:
    """Whether a value that a page shows is a form with which something is wrong."""
    return bool(getattr(value, "errors", None) or getattr(value, "wrong", None))


def cached_page(request: Request, template: str, **shown: Any) -> Response:
    """Return a page of the site, which is the same for everybody and may be kept while it holds."""
    return cached(request, render(template, **_surroundings(request), **shown), "text/html")


def cached(request: Request, body: str, media_type: str) -> Response:
    """Return what a cache may keep, or tell one that it still holds (RFC 9110, 15.4.5)."""
    content = body.encode()
    tag = etag(content, None)
    headers = {"Cache-Control": "public, no-cache", "ETag": tag, **HEADERS}
    if if_none_match_holds(header_list(request.scope["headers"], b"if-none-match"), tag):
        return Response(None, 304, headers)
    return Response(content, 200, headers, f"{media_type}; charset=utf-8")


def see_other(address: str, done: str | None = None) -> Response:
    """Lead on after a form did what it should; `done` names the text that says what it did."""
    if done is not None:
        address, hash, place = address.partition("#")
        address += f"{'&' if '?' in address else '?'}done={done}{hash}{place}"
    return Response(None, 303, {"Location": address, "Cache-Control": "no-store", **HEADERS})


def origin_of(request: Request) -> str:
    """Return the beginning of an address of this service, as others reach it."""
    return str(public_origin(request))


def _surroundings(request: Request) -> dict[str, Any]:
    """Return what every template may show."""
    return {
        "path": request.url.path,
        "here": _here(request),
        "back": back_of(request),
        "refused_forms": (),
        "origin": origin_of(request),
        "now": request.app.state.ports.clock()(),
        "currency": request.app.state.currency,
        "me": request.scope.get("me"),
        "actor": grant.actor if (grant := request.scope.get("grant")) else None,
        "done": _done(request),
    }


def _here(request: Request) -> str:
    """Return the address of this page, without what the form before it did."""
    asked = [(name, told) for name, told in request.query_params.multi_items() if name != "done"]
    return f"{request.url.path}?{urlencode(asked)}" if asked else request.url.path


def _done(request: Request) -> str | None:
    """Return what the form before this page did, if it is one of the things that forms do."""
    name = request.query_params.get("done")
    try:
        return translate(f"done.{name}") if name else None
    except KeyError:
        return None


def digest(text: str) -> str:
    """Return a short mark of a text, to tell whether it is still the same."""
    return blake2b(text.encode(), digest_size=6).hexdigest()
