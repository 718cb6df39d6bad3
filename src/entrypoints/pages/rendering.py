"""Rendering: Jinja templates, filters, and response headers of pages."""

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

from domain.profile import UNKNOWN_CITY
from entrypoints.pages.addresses import back_of, list_address, with_back
from entrypoints.pages.assets import address_of
from entrypoints.pages.translation import translate
from entrypoints.web.etags import etag, header_list, if_none_match_holds
from entrypoints.web.origins import public_origin

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The content security policy: files of this origin, and no inline scripts or styles."""

HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    # Browsers must send `Origin` with forms, for the origin check; `no-referrer` would null it.
    "Referrer-Policy": "same-origin",
}


def day(value: date | datetime) -> str:
    """Return a date for display, like "March 1, 2026"."""
    return f"{value:%B} {value.day}, {value.year}"


def moment(value: datetime) -> str:
    """Return a time for display, in UTC with minutes."""
    return f"{day(value)}, {value.astimezone(UTC):%H:%M} UTC"


def machine_time(value: date | datetime) -> str:
    """Return a time for the `datetime` attribute of `<time>`."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat()


def ago(value: datetime, now: datetime) -> str:
    """Return the age of a time in whole days, hours or minutes, the largest that is not 0."""
    seconds = max(0, int((now - value).total_seconds()))
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= length:
            return translate(f"common.ago_{unit}", n=seconds // length)
    return translate("common.ago_now")


def number(value: int | Decimal) -> str:
    """Return a number with thousands separators."""
    return f"{value:,}"


def known_city(city: str) -> str:
    """Return a city for display, "" for `UNKNOWN_CITY`."""
    return "" if city == UNKNOWN_CITY else city


def query_for(asked: BaseModel, **changes: object) -> dict[str, str]:
    """Return a list's query parameters with changes, without defaults and without the cursor."""
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
    """Render a template."""
    return _environment().get_template(template).render(shown)


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **shown: Any,
) -> Response:
    """Render a page for one client, which shared caches must not store."""
    kept = {"Cache-Control": "private, no-cache", **HEADERS, **(headers or {})}
    refused = [form for form in shown.values() if is_refused(form)]
    surroundings = {**_surroundings(request), "refused_forms": refused}
    return HTMLResponse(render(template, **surroundings, **shown), status, kept)


def is_refused(value: object) -> bool:
    """Return whether a value is a form with errors."""
    return bool(getattr(value, "errors", None) or getattr(value, "wrong", None))


def cached_page(request: Request, template: str, **shown: Any) -> Response:
    """Render a page that is the same for all clients; caches must revalidate it."""
    return cached(request, render(template, **_surroundings(request), **shown), "text/html")


def cached(request: Request, body: str, media_type: str) -> Response:
    """Return a cacheable response with an entity tag, or 304 if the client has it (RFC 9110)."""
    content = body.encode()
    tag = etag(content, None)
    headers = {"Cache-Control": "public, no-cache", "ETag": tag, **HEADERS}
    if if_none_match_holds(header_list(request.scope["headers"], b"if-none-match"), tag):
        return Response(None, 304, headers)
    return Response(content, 200, headers, f"{media_type}; charset=utf-8")


def see_other(address: str, done: str | None = None) -> Response:
    """Redirect (303) after a form; `done` names the text of the success message."""
    if done is not None:
        address, digest, place = address.partition("#")
        address += f"{'&' if '?' in address else '?'}done={done}{digest}{place}"
    return Response(None, 303, {"Location": address, "Cache-Control": "no-store", **HEADERS})


def origin_of(request: Request) -> str:
    """Return the public origin of this service, like "https://example.org"."""
    return str(public_origin(request))


def _surroundings(request: Request) -> dict[str, Any]:
    """Return the variables that all templates have."""
    return {
        "path": request.url.path,
        "here": _here(request),
        "back": back_of(request),
        "refused_forms": (),
        "origin": origin_of(request),
        "now": request.app.state.ports.clock(),
        "currency": request.app.state.currency,
        "me": request.scope.get("me"),
        "actor": grant.actor if (grant := request.scope.get("grant")) else None,
        "done": _done(request),
    }


def _here(request: Request) -> str:
    """Return the path and query of this page, without the parameter `done`."""
    asked = [(name, given) for name, given in request.query_params.multi_items() if name != "done"]
    return f"{request.url.path}?{urlencode(asked)}" if asked else request.url.path


def _done(request: Request) -> str | None:
    """Return the success message that `done` names, `None` if there is no such text."""
    name = request.query_params.get("done")
    try:
        return translate(f"done.{name}") if name else None
    except KeyError:
        return None


def digest(text: str) -> str:
    """Return a short hash of a text, to detect changes; it is not for security."""
    return blake2b(text.encode(), digest_size=6).hexdigest()
