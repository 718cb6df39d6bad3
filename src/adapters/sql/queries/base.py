"""The query ports over a SQL database, with a statement cache: each shape is compiled once."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Table

from adapters.sql.database import Row, Selected, SqlDatabase, Statement
from adapters.sql.queries.listing import (
    Conditions,
    QueryShape,
    SortColumn,
    page_select,
    page_values,
)
from adapters.sql.schema.search import SearchMode, candidates, like, trigrams
from domain.base import Page, PageRequest
from domain.text import search_fold
from service_layer.queries.base import Queries, View

V = TypeVar("V", bound=View)
F = TypeVar("F")


class SqlQueries(Queries[V, F]):
    """Read one type of aggregate; subclasses define its view, filters and sort orders."""

    view_columns: ClassVar[Sequence[ColumnElement[Any]]]
    """The columns that have the names of the view's attributes."""
    columns: ClassVar[Selected]
    """The select of `view_columns`, followed by joined columns."""
    id: ClassVar[Column[UUID]]
    conditions: ClassVar[Conditions]
    sorts: ClassVar[Mapping[str, SortColumn]]
    text_filters: ClassVar[tuple[str, ...]] = ("q",)
    """The filter's attributes that are matched as a substring of a folded column."""
    search_table: ClassVar[Table | None] = None
    """The table whose `search_text` must contain `q`."""
    index_prefix: ClassVar[frozenset[str]] = frozenset()
    """The filter's attributes that are the leading columns of each sort order's index."""

    @abstractmethod
    def view(self, row: Row) -> V:
        """Build the view from a row, which begins with `columns`."""

    def row_to_dict(self, row: Row) -> dict[str, Any]:
        """Return a row's view attributes by name; joined columns follow from `view_width` on."""
        return dict(zip(self._names, row, strict=False))

    def filter_parameters(self, filter: F) -> dict[str, Any]:
        """Return parameters of list statements in addition to the filter's set attributes."""
        return {}

    def row_parameters(self, now: datetime) -> dict[str, Any]:
        """Return parameters of the single-row statement in addition to the id."""
        return {}

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        self._names = tuple(str(column.key) for column in self.view_columns)
        self.view_width = len(self.view_columns)
        self._one = database.lookup(self.columns, self.id)
        self._list = database.coalesced(self._fetch_page)
        self._page = lru_cache(maxsize=512)(self._page_statement)
        # Repeated page requests mostly return the same rows.
        self._build_page = database.reuse_last(self._to_page)

    async def get(self, id: UUID, now: datetime) -> V | None:
        row = await self._one.row(id, self.row_parameters(now))
        return None if row is None else self.view(row)

    async def list_page(self, filter: F, page_request: PageRequest) -> Page[V]:
        return await self._list((filter, page_request))

    async def _fetch_page(self, asked: tuple[F, PageRequest]) -> Page[V]:
        filter, page_request = asked
        filters = self.filters(filter)
        shape = QueryShape.of(filters, page_request, self.searches(filters))
        values = {**self.values(filter, filters), **page_values(page_request)}
        short = not (filters.keys() - self.index_prefix or shape.skips or shape.counts)
        rows = await self._database.fetch(self._page(shape), values, short=short)
        return self._build_page(shape, page_request.limit, rows)

    def _to_page(self, shape: QueryShape, limit: int, rows: Sequence[Row]) -> Page[V]:
        """Build the page; a row beyond the limit means that another page follows."""
        total = None
        if shape.counts:
            total = rows[0][0]
            rows = [row[1:] for row in rows if row[1] is not None]
        items = [self.view(row) for row in rows[:limit]]
        last = (rows[limit - 1][-1], items[-1].id) if len(rows) > limit else None
        return Page(items=items, next_key=last, total=total)

    def filters(self, filter: F) -> dict[str, Any]:
        """Return the filter's attributes that are set."""
        members = ((name, getattr(filter, name)) for name in self.conditions)
        return {name: value for name, value in members if value is not None}

    def values(self, filter: F, filters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a statement with this filter."""
        folded = {name: search_fold(filters[name]) for name in self.text_filters if name in filters}
        texts = {name: like(text) for name, text in folded.items()}
        if "q" in folded:
            texts["q_trigrams"] = trigrams(folded["q"])
        return {**self.filter_parameters(filter), **filters, **texts}

    def searches(self, filters: Mapping[str, Any]) -> SearchMode:
        """Return how the table is searched, if at all."""
        q = filters.get("q") if self.search_table is not None else None
        return SearchMode.of(None if q is None else search_fold(q))

    def _page_statement(self, shape: QueryShape) -> Statement:
        found = None
        if self.search_table is not None:
            found = candidates(self.search_table, self._database.dialect_name, shape.searches)
        sort = self.sorts[shape.sort]
        page = page_select(self.columns, self.id, sort, shape, self.conditions, found)
        depends = any(name in self.text_filters for name, _ in shape.filters)
        return self._database.statement(page, value_sensitive=depends)
