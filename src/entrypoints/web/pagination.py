"""Keyset pagination of lists: cursors, `skip`, `sort`, `count`, and the Link header."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, ClassVar, Generic, NotRequired, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from domain.base import COUNT_LIMIT, Page, PageRequest
from domain.values import IntegerRule
from entrypoints.web.prices import read_price, write_price
from entrypoints.web.problems import ApiProblem, invalid
from entrypoints.web.schema_types import Flag, opaque, whole_parameter

V = TypeVar("V")

Limit = Annotated[int, whole_parameter(IntegerRule(1, 100))]
Skip = Annotated[int, whole_parameter(IntegerRule(0, 10_000))]
Cursor = Annotated[str, opaque("cursor")]


class ListResponse(TypedDict, Generic[V]):
    """A page of a list. `total` counts up to 10,000; `total_exact` is false if there are more."""

    items: list[V]
    next: str | None
    total: NotRequired[int]
    total_exact: NotRequired[bool]


class ListParameters(BaseModel):
    """The query parameters of every list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sorts: ClassVar[Mapping[str, Any]]
    """The fields to sort by, each with the type of its values."""

    limit: Limit = Field(20, description="The maximum number of items per page.")
    cursor: Cursor | None = Field(
        None, description="The start of the page: `next` of the previous one."
    )
    skip: Skip | None = Field(
        None, description="The number of items to skip; not together with a cursor."
    )
    count: Flag = Field(False, description="Whether to count all items, up to 10,000.")
    sort: str

    def page_request(self) -> PageRequest:
        """Return the page request for these parameters.

        Raises:
            ApiProblem: 400 for a malformed cursor; 422 for the cursor of another sort, or a cursor
                together with `skip`.
        """
        name = self.sort.lstrip("-")
        descending = self.sort.startswith("-")
        after = None
        if self.cursor is not None:
            order, value, id = decode(self.cursor)
            if self.skip is not None:
                raise invalid({"parameter": "skip", "detail": "Give a cursor or skip, not both."})
            if order != self.sort:
                raise invalid(
                    {"parameter": "cursor", "detail": "This cursor belongs to another sort."}
                )
            after = (_value(value, self.sorts[name]), id)
        return PageRequest(
            sort=name,
            descending=descending,
            after=after,
            skip=self.skip or 0,
            limit=self.limit,
            count=self.count,
        )

    def to_response(self, page: Page[V]) -> ListResponse[V]:
        """Return the response body for a page."""
        next_cursor = None if page.next_key is None else encode(self.sort, *page.next_key)
        made: ListResponse[V] = {"items": page.items, "next": next_cursor}
        if page.total is not None:
            made["total"] = min(page.total, COUNT_LIMIT)
            made["total_exact"] = page.total <= COUNT_LIMIT
        return made


def next_link(path: str, parameters: Mapping[str, str], cursor: str) -> str:
    """Return the Link header (RFC 8288) of the next page, with the other parameters kept."""
    kept = {name: value for name, value in parameters.items() if name not in ("cursor", "skip")}
    return f'<{path}?{urlencode({**kept, "cursor": cursor})}>; rel="next"'


@lru_cache(maxsize=64)
def encode(sort: str, value: Any, id: UUID) -> str:
    """Return the cursor of the position after an item.

    Args:
        sort: the sort parameter, with `-` if descending.
        value: the value of the sort field of the item.
        id: the id of the item, which breaks ties.
    """
    key = value.isoformat() if isinstance(value, date) else value
    key = write_price(value) if isinstance(value, Decimal) else key
    document = json.dumps([sort, key, id.hex], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(document.encode()).rstrip(b"=").decode()


def decode(cursor: str) -> tuple[str, Any, UUID]:
    """Return the arguments of `encode`, with the value as JSON represents it.

    Raises:
        ApiProblem: 400 when the cursor is malformed.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        sort, value, id = json.loads(base64.b64decode(padded, b"-_", validate=True))
        if not isinstance(sort, str) or not isinstance(id, str):
            raise ValueError
        return sort, value, UUID(hex=id)
    except (ValueError, TypeError, RecursionError):
        raise _malformed() from None


def _value(value: Any, kind: Any) -> Any:
    """Convert the sort value of a cursor to the type of the sort field."""
    try:
        if isinstance(kind, UnionType):
            if value is None:
                return None
            kind = kind.__args__[0]
        if kind is datetime:
            return datetime.fromisoformat(value).astimezone(UTC)
        if kind is date:
            return date.fromisoformat(value)
        if kind is Decimal:
            return read_price(value)
        if type(value) is not kind:
            raise ValueError
        if kind is int and not -(2**31) <= value < 2**31:
            raise ValueError
        if kind is str and "\0" in value.encode().decode():
            raise ValueError
        return value
    except (ValueError, TypeError, OverflowError):
        raise _malformed() from None


def _malformed() -> ApiProblem:
    return ApiProblem("malformed-cursor", "The cursor was not issued by this service.")
