"""Measure searches and pages of many products at the query port.

Fill a fresh database with products of varied names by bulk inserts. Then run the API's queries:
rare, common and absent words in each sort order, and pages far into the list.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import insert, make_url, text

from adapters.ids import new_id
from adapters.sql.database import SqlDatabase
from adapters.sql.postgres import database as postgres
from adapters.sql.queries.catalogue import SqlProductQueries
from adapters.sql.schema.migrations import migrate
from adapters.sql.schema.tables import products
from adapters.sql.sqlite import engine as sqlite
from bootstrap import fast_database_at
from domain.base import PageRequest
from domain.catalogue import SORTS, ProductFilter
from domain.text import search_fold, search_text

MATERIALS = (
    "oak beech ash maple walnut cherry birch pine larch poplar"
    " steel brass copper bronze aluminium titanium zinc pewter"
)
THINGS = (
    "chisel plane saw rasp gouge drawknife spokeshave mallet clamp vice square gauge caliper file"
    " screwdriver spanner wrench hammer punch drill tap die reamer scraper burnisher screw bolt nut"
    " washer rivet dowel hinge bracket spring bearing bushing gear pulley belt hose gasket valve"
    " nozzle switch fuse relay cable plug socket resistor capacitor motor"
)
NOTES = """
Kept in the drawer by the window
Sold by the piece
Handle with care
For the lathe
Sharpen before use
Second hand, checked
From the old stock
Käsehobel inside
Ölbeständig
Not for food
Needs oil now and then
""".strip().splitlines()

PLACES = {
    "in 10 products": ("zirconia", lambda number, n: number % (n // 10) == n // 20),
    "in 1 of 1,000": ("dovetail", lambda number, n: number % 1_000 == 7),
    "in 1 of 100": ("blackened", lambda number, n: number % 100 == 7),
    "in the last 5,000 alone": ("closing-down", lambda number, n: number >= n - 5_000),
}
"""Words that are in a known share of the products."""

ASKED = {
    "a rare word": "zirconia",
    "a part of a rare word": "ircon",
    "a SKU": "SKU-0004711",
    "a word in 1 of 1,000": "dovetail",
    "a word in 1 of 100": "blackened",
    "a word in the last 5,000 alone": "closing-down",
    "a word in 1 of 10": "steel",
    "a part of every text": "sku",
    "a word that is nowhere": "xylophone",
    "two letters, common": "st",
    "two letters, nowhere": "qx",
    "one letter, common": "e",
    "one sign, nowhere": "油",
}


def rows(number: int) -> Iterator[dict[str, Any]]:
    """Yield products that are always the same, except for their ids."""
    chance = random.Random(4711)
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    materials, things = MATERIALS.split(), THINGS.split()
    for place in range(number):
        material, thing = chance.choice(materials), chance.choice(things)
        size = f"{chance.randint(2, 400)} x {chance.randint(2, 90)} mm"
        name = f"{thing.capitalize()}, {material}, {size}"
        words = [chance.choice(NOTES), f"With {chance.choice(materials)} {chance.choice(things)}"]
        words += [word for word, holds in PLACES.values() if holds(place, number)]
        sku, description = f"SKU-{place:07}", ". ".join(words)
        at = begin + timedelta(seconds=place * 60)
        yield {
            "id": new_id(),
            "version": 1,
            "created_at": at,
            "updated_at": at,
            "name": name,
            "sku": sku,
            "description": description,
            "price": Decimal(chance.randint(10, 99_999)).scaleb(-2),
            "stock": chance.randint(0, 500),
            "reorder_level": 5,
            "archived": chance.random() < 0.02,
            "name_key": search_fold(name),
            "sku_key": search_fold(sku),
            "search_text": search_text(name, sku, description),
        }


def fill(database: SqlDatabase, number: int) -> None:
    """Insert this many products, and update the planner's statistics."""
    made = rows(number)
    with database.engine.connect() as connection:
        while some := list(islice(made, 10_000)):
            connection.execute(insert(products), some)
            connection.commit()
    if database.dialect_name == "postgresql":
        # Autovacuum does this within minutes.
        engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM ANALYZE products"))


class Timer:
    """Runs queries and measures their time."""

    def __init__(self, queries: SqlProductQueries, times: int) -> None:
        self.queries, self.times = queries, times

    async def milliseconds(self, filter: ProductFilter, page_request: PageRequest) -> float:
        """Return the median of several runs; slow queries run less often."""
        took: list[float] = []
        while len(took) < self.times and sum(took) < 3_000:
            took.append(await self.once(filter, page_request))
        return statistics.median(took)

    async def once(self, filter: ProductFilter, page_request: PageRequest) -> float:
        """Return the milliseconds for one page."""
        started = time.perf_counter()
        await self.queries.list(filter, page_request)
        return (time.perf_counter() - started) * 1000

    async def far(self, order: PageRequest, page: int) -> tuple[float, float]:
        """Return the times of page 1 and of a later page, which is reached by cursor."""
        filter = ProductFilter(archived=False)
        # The cursor is the key of the previous page's last row, found here with an offset.
        skipped = replace(order, skip=(page - 1) * order.limit - 1, limit=1)
        last = (await self.queries.list(filter, skipped)).last
        if last is None:
            raise SystemExit(f"There is no page {page:,}; fill in more rows.")
        took: dict[PageRequest, list[float]] = {order: [], replace(order, after=last): []}
        for _ in range(self.times * 4):
            # Alternate, so that other load on the machine affects both alike.
            for each, spent in took.items():
                spent.append(await self.once(filter, each))
        first, far = map(statistics.median, took.values())
        return first, far


def orders() -> Iterator[tuple[str, PageRequest]]:
    """Yield each sort order in both directions."""
    for sort in SORTS:
        yield sort, PageRequest(sort=sort)
        yield f"-{sort}", PageRequest(sort=sort, descending=True)


async def report(database: SqlDatabase, times: int, page: int) -> None:
    """Run all queries and print the tables."""
    timer = Timer(SqlProductQueries(database), times)
    await database.open()
    names = [name for name, _ in orders()]
    print("| ms | " + " | ".join(names) + " | count=true |\n|---|" + "--:|" * (len(names) + 1))
    for told, q in {"no search": None, **ASKED}.items():
        filter = ProductFilter(archived=False, q=q)
        took = [await timer.milliseconds(filter, order) for _, order in orders()]
        took.append(await timer.milliseconds(filter, PageRequest(sort="created_at", count=True)))
        print(f"| {told} | " + " | ".join(f"{each:.1f}" for each in took) + " |", flush=True)
    print(f"\n| sort | page 1 | page {page:,} | times |\n|---|--:|--:|--:|")
    for name, order in orders():
        first, far = await timer.far(order, page)
        print(f"| {name} | {first:.2f} | {far:.2f} | {far / first:.2f} |", flush=True)
    await database.close()


def main() -> None:
    """Fill the database, unless it is filled already, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", help="a PostgreSQL address, or the path of a SQLite file")
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=50, help="how often each is asked")
    parser.add_argument("--page", type=int, default=10_000)
    parser.add_argument("--filled", action="store_true", help="take the database as it is")
    asked = parser.parse_args()
    if "://" in asked.place:
        url = make_url(asked.place)
        engine, database = postgres.make_engine(url), fast_database_at(url)
    else:
        path = Path(asked.place)
        engine, database = sqlite.make_engine(path, "rwc"), fast_database_at(path)
    if not asked.filled:
        migrate(engine)
        started = time.perf_counter()
        fill(database, asked.products)
        took = time.perf_counter() - started
        print(f"{asked.products:,} products made in {took:.0f} s.\n")
    engine.dispose()
    asyncio.run(report(database, asked.times, asked.page))


if __name__ == "__main__":
    main()
