"""Contention test: many clients change a few rows through several worker processes.

Each run serves a fresh PostgreSQL database. 32 connections edit, complete, assign, move, archive,
publish, create and delete a handful of resources of each kind. Every response must be one that a
client has to expect, and the stored data must be consistent at the end. Errors are printed, and the
exit status is then 1.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from databases import ask, fresh  # noqa: E402
from load_clients import Connection, Crowd, Thing  # noqa: E402
from random_actions import FREE, Somebody, exact, new  # noqa: E402
from sqlalchemy import URL, make_url  # noqa: E402

from support.databases import text  # noqa: E402
from support.people import ADMIN, MEMBER, OTHER  # noqa: E402
from support.service import Service  # noqa: E402

DATABASE = "atelier_contention"

BOOKS = {
    "stock that is not the sum of its movements": """
        SELECT count(*) FROM products p
        WHERE stock <> (SELECT coalesce(sum(quantity), 0) FROM movements
            WHERE product_id = p.id)""",
    "movements that do not follow from the one before": """
        SELECT count(*) FROM (
            SELECT stock_after, quantity + coalesce(lag(stock_after) OVER (
                PARTITION BY product_id ORDER BY created_at, id), 0) AS reckoned
            FROM movements) AS m WHERE stock_after <> reckoned""",
    "reorder tasks that are open twice, or without need": """
        SELECT count(*) FROM products p
        WHERE (SELECT count(*) FROM tasks t WHERE t.product_id = p.id AND completed_at IS NULL)
            > CASE WHEN p.archived OR stock > reorder_level THEN 0 ELSE 1 END""",
    "falls to the reorder level without a task": """
        SELECT count(*) FROM (
            SELECT product_id, stock_after, reorder_level, lag(stock_after) OVER (
                PARTITION BY product_id ORDER BY m.created_at, m.id) AS before
            FROM movements m JOIN products p ON p.id = product_id WHERE NOT p.archived) AS m
        WHERE stock_after <= reorder_level AND before > reorder_level
            AND NOT EXISTS (SELECT FROM tasks t WHERE t.product_id = m.product_id)""",
}


async def run(service: Service, seconds: float, connections: int) -> Crowd:
    """Run the clients for this many seconds; return their shared record."""
    crowd = Crowd()
    opened = [
        Connection(service.port, (ADMIN, MEMBER, OTHER)[place % 3].token)
        for place in range(connections)
    ]
    admin = opened[0]
    for kind, number in {"users": 4, "categories": 3, "posts": 3, "devices": 3}.items():
        for _ in range(number):
            await crowd.make(admin, kind, new(crowd, kind))
    for place in range(5):
        await crowd.make(admin, "tasks", new(crowd, "tasks"), exact=exact("tasks", place))
        stock = {"stock": 10} if place < FREE["products"] else {}
        await crowd.make(admin, "products", {**new(crowd, "products"), **stock})
    until = time.monotonic() + seconds
    await asyncio.gather(*(Somebody(crowd, one).live(until) for one in opened))
    for thing in crowd.all:
        await look(crowd, admin, thing)
    for connection in opened:
        connection.close()
    return crowd


async def look(crowd: Crowd, by: Connection, thing: Thing) -> None:
    """Compare a resource's final state with the record."""
    now = await by.ask("GET", thing.path)
    expected = 1 + thing.changes
    if thing.gone or now.status != 200:
        if not (thing.gone and now.status == 404):
            crowd.trouble(f"at the end {thing.path}", now)
    elif not thing.note(now.body):
        crowd.trouble("at the end: two contents of one version", now)
    elif now.body["version"] != expected if thing.exact else now.body["version"] < expected:
        crowd.trouble(f"at the end not version {expected}", now)


def deadlocks(url: URL) -> int:
    """Return the number of deadlocks that the database has resolved so far."""
    asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    return count(url, asked)


def count(url: URL, query: str) -> int:
    """Return the number that a query yields."""
    ((found,),) = ask(url, query)
    return int(found)


def told(crowd: Crowd, url: URL, seconds: float, workers: int, broken: int) -> None:
    """Print the results of a run."""
    every = sum(crowd.answers.values())
    print(f"{workers} workers, {seconds:.0f} s: {every:,} requests, {every / seconds:.0f} a second")
    for status, count in sorted(crowd.answers.items()):
        print(f"  {count:9,} {status}")
    print(f"  {broken:9,} deadlocks that the database broke, and the service tried again")
    print("  waits in ms (50 %, 99 %, the longest):")
    for what, waits in sorted(crowd.waits.items()):
        waits.sort()
        middle, late, last = (waits[int((len(waits) - 1) * part)] for part in (0.5, 0.99, 1))
        print(f"  {middle * 1e3:9.1f} {late * 1e3:9.1f} {last * 1e3:9.1f}  {what}")
    for trouble in crowd.troubles[:20]:
        print(f"  WRONG: {trouble}")
    print(f"  {len(crowd.troubles):9,} things went wrong", flush=True)


def check_books(crowd: Crowd, url: URL) -> None:
    """Add inconsistencies of the stored data to the errors."""
    for what, query in BOOKS.items():
        if found := count(url, query):
            crowd.troubles.append(f"{found} {what}")
    noted = "SELECT count(*) FROM movements WHERE reason <> 'counted'"
    acknowledged = FREE["products"] + sum(thing.moved for thing in crowd.all)
    if (found := count(url, noted)) != acknowledged:
        crowd.troubles.append(f"{acknowledged} movements were acknowledged, {found} are kept")


def main() -> None:
    """Run the test with each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--server",
        default=os.environ.get("BENCH_ADMIN_DSN"),
        help="a PostgreSQL on which databases can be made (default: BENCH_ADMIN_DSN)",
    )
    parser.add_argument("--minutes", type=float, default=10, help="for each number of workers")
    parser.add_argument("--workers", default="2,4", help="how many processes serve")
    parser.add_argument("--connections", type=int, default=32)
    asked = parser.parse_args()
    if not asked.server:
        parser.error("Give --server, or set BENCH_ADMIN_DSN.")
    wrong = 0
    for workers in map(int, asked.workers.split(",")):
        with (
            tempfile.TemporaryDirectory() as folder,
            fresh(make_url(asked.server), DATABASE) as url,
        ):
            settings = {"ATELIER_WORKERS": str(workers), "ATELIER_LOG_LEVEL": "warning"}
            with Service(Path(folder), DATABASE_URL=text(url), **settings) as service:
                seconds = asked.minutes * 60
                crowd = asyncio.run(run(service, seconds, asked.connections))
                service.stop()
                log = service.log.read_text()
            check_books(crowd, url)
            told(crowd, url, seconds, workers, deadlocks(url))
            if log:
                print("The service said:", log[:5_000], sep="\n")
            wrong += len(crowd.troubles)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
