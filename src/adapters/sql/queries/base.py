"""The read ports over a SQL database: one statement each, compiled once for each shape."""

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
from adapters.sql.schema.search import Searches, candidates, like, trigrams
from domain.base import Page, PageRequest
from domain.values import search_fold
from service_layer.queries.base import Queries, View

V = TypeVar("V", bound=View)
F = TypeVar("F")


class SqlQueries(Queries[V, F]):
    """Reads of one kind of thing: what its views, filters and orders are made of."""

    view_columns: ClassVar[Sequence[ColumnElement[Any]]]
    """The columns that are called like the members of the view that they tell."""
    columns: ClassVar[Selected]
    """The select of those, and of what comes by joins behind them."""
    id: ClassVar[Column[UUID]]
    conditions: ClassVar[Conditions]
    sorts: ClassVar[Mapping[str, SortColumn]]
    text_filters: ClassVar[tuple[str, ...]] = ("q",)
    """The members of the filter that a folded text is to contain."""
    search_table: ClassVar[Table | None] = None
    """The table whose `search_text` is to contain `q`."""
    index_prefix: ClassVar[frozenset[str]] = frozenset()
    """The members of the filter that the index of each sort begins with."""

    @abstractmethod
    def view(self, row: Row) -> V:
        """Return the view of a row that begins with the columns."""

    def row_to_dict(self, row: Row) -> dict[str, Any]:
        """Return what a row tells of a view's members, by their names; more is behind `width`."""
        return dict(zip(self._names, row, strict=False))

    def filter_parameters(self, filter: F) -> dict[str, Any]:
        """Return the values that statements take beside those of the filter's set members."""
        return {}

    def row_parameters(self, now: datetime) -> dict[str, Any]:
        """Return the values that the statement for one thing takes beside its id."""
        return {}

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        self._names = tuple(str(column.key) for column in self.view_columns)
        self.view_width = len(self.view_columns)
        self._one = database.lookup(self.columns, self.id)
        self._list = database.coalesced(self._fetch_page)
        self._page = lru_cache(maxsize=512)(self._page_statement)
        # Most pages that are asked for again have not changed, and what was made of one serves.
        self._last_page: tuple[Any, Page[V]] = None, Page(items=[])

    async def get(self, id: UUID, now: datetime) -> V | None:
        row = await self._one.row(id, self.row_parameters(now))
        return None if row is None else self.view(row)

    async def list_page(self, filter: F, page_request: PageRequest) -> Page[V]:
        return await self._list((filter, page_request))

    async def _fetch_page(self, asked: tuple[F, PageRequest]) -> Page[V]:
        filter, slice = asked
        filters = self.filters(filter)
        shape = QueryShape.of(filters, slice, self.searches(filters))
        values = {**self.values(filter, filters), **page_values(slice)}
        short = not (filters.keys() - self.index_prefix or shape.skips or shape.counts)
        rows = await self._database.fetch(self._page(shape), values, short=short)
        made_of = shape, slice.limit, rows
        if self._last_page[0] != made_of:
            self._last_page = made_of, self._to_page(slice, rows)
        return self._last_page[1]

    def _to_page(self, slice: PageRequest, rows: Sequence[Row]) -> Page[V]:
        """Return the page that rows make."""
        total = None
        if slice.count:
            total = rows[0][0]
            rows = [row[1:] for row in rows if row[1] is not None]
        items = [self.view(row) for row in rows[: slice.limit]]
        last = (rows[slice.limit - 1][-1], items[-1].id) if len(rows) > slice.limit else None
        return Page(items=items, next_key=last, total=total)

    def filters(self, filter: F) -> dict[str, Any]:
        """Return the members of a filter that are set."""
        members = ((name, getattr(filter, name)) for name in self.conditions)
        return {name: value for name, value in members if value is not None}

    def values(self, filter: F, filters: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a statement for the filter takes."""
        folded = {name: search_fold(filters[name]) for name in self.text_filters if name in filters}
        texts = {name: like(text) for name, text in folded.items()}
        if "q" in folded:
            texts["q_trigrams"] = trigrams(folded["q"])
        return {**self.filter_parameters(filter), **filters, **texts}

    def searches(self, filters: Mapping[str, Any]) -> Searches:
        """Return how the table is searched, if at all."""
        q = filters.get("q") if self.search_table is not None else None
        return Searches.of(None if q is None else search_fold(q))

    def _page_statement(self, shape: QueryShape) -> Statement:
        dialect = self._database.dialect
        found = None
        if self.search_table is not None:
            found = candidates(self.search_table, dialect.name, shape.searches)
        sort = self.sorts[shape.sort]
        page = page_select(self.columns, self.id, sort, shape, self.conditions, found)
        depends = any(name in self.text_filters for name, _ in shape.filters)
        return Statement(page, dialect, value_sensitive=depends)
