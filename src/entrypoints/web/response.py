"""Responses of the API: representation, entity tag, Link header, and 304."""

from dataclasses import dataclass
from typing import Any

from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.types import Scope

from entrypoints.web.etags import etag, header_list, if_none_match_holds
from entrypoints.web.pagination import next_link
from entrypoints.web.validation import query_parameters
from service_layer.queries.base import View

Headers = list[tuple[bytes, bytes]]

EncodedPage = tuple[bytes, str, bytes]
"""The body of a page, its entity tag, and the value of its Link header, which may be empty."""

CONTENT = (b"content-type", b"application/json")
# A cache may store the response, but must revalidate it before each use.
REVALIDATE = (b"cache-control", b"private, no-cache")
NO_STORE = (b"cache-control", b"no-store")


@dataclass(frozen=True)
class VersionedResponse:
    """A result whose body does not contain the version for the entity tag."""

    body: Any
    version: int


class ResponseWriter:
    """Builds the responses of one operation.

    Args:
        route: the route of the operation.
        paged: whether its results are pages.
    """

    def __init__(self, route: APIRoute, *, paged: bool) -> None:
        model = route.response_model
        self._status = route.status_code or 200
        self._paged = paged
        self._cached = "GET" in (route.methods or ())
        self._serializer = TypeAdapter(model).serializer if model else None
        self._last_page: tuple[Any, bytes, EncodedPage] = None, b"", (b"", "", b"")
        versioned = isinstance(model, type) and issubclass(model, View)
        self.tagged = bool(model) and (self._cached or versioned)

    def build(
        self, scope: Scope, headers: dict[bytes, bytes], result: Any
    ) -> tuple[int, Headers, bytes]:
        """Return status, headers and body of the response for a result.

        Args:
            scope: the scope of the request.
            headers: the headers of the request.
            result: what the endpoint returned.
        """
        status = self._status
        sent: Headers = []
        body = b""
        if self._serializer is not None:
            seen = result.body if isinstance(result, VersionedResponse) else result
            version = result.version if isinstance(result, View | VersionedResponse) else None
            link = b""
            if self._paged:
                body, tag, link = self._encode_page(scope, seen)
            else:
                body, tag = self._encode(seen, version)
            sent = [CONTENT]
            if version is not None or self._cached:
                sent.append((b"etag", tag.encode()))
            if status == 201:
                location = f"/api/v1/{result.path}"
                sent.append((b"location", location.encode()))
            if link:
                sent.append((b"link", link))
            if scope["method"] == "GET":
                sent.append(REVALIDATE)
                if b"if-none-match" in headers:
                    known = header_list(scope["headers"], b"if-none-match")
                    if if_none_match_holds(known, tag):
                        status, body = 304, b""
            else:
                sent.append(NO_STORE)
        if status not in (204, 304):
            sent.append((b"content-length", b"%d" % len(body)))
        return status, sent, body

    def _encode(self, seen: Any, version: int | None) -> tuple[bytes, str]:
        """Return the JSON body of a result, and its entity tag."""
        assert self._serializer is not None
        body = self._serializer.to_json(seen)
        return body, etag(body, version)

    def _encode_page(self, scope: Scope, listing: Any) -> EncodedPage:
        """Return an encoded page. Reuse the last one for the same list of items and query.

        The fast lane's page cache returns the same list while its rows are the same.
        """
        items, query, encoded = self._last_page
        if items is not listing["items"] or query != scope["query_string"]:
            items, query = listing["items"], scope["query_string"]
            body, tag = self._encode(listing, None)
            link = listing["next"] and next_link(
                scope["path"], query_parameters(query), listing["next"]
            )
            encoded = body, tag, (link or "").encode()
            self._last_page = items, query, encoded
        return encoded
