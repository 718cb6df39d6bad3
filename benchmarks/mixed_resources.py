"""Measure mixed resources: a post with its author, and pages of products, against pages of tasks.

Serve a fresh PostgreSQL database of 100,000 tasks and products, 50 categories and 10,000 posts.
Each query's response is verified first. The queries are then measured in turn, over several rounds.
"""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from databases import ask, fresh  # noqa: E402
from heartbeats import spent  # noqa: E402
from sqlalchemy import URL, make_url  # noqa: E402

from support.databases import text  # noqa: E402
from support.people import ADMIN  # noqa: E402
from support.service import Service  # noqa: E402

DATABASE = "atelier_mixed"
FIRST = "first page of tasks"
PLAN = """
local paths, plan, at = {{{paths}}}, {{}}, 0
function init()
  for place, path in ipairs(paths) do
    plan[place] = wrk.format("GET", path, {{["Authorization"] = "Bearer {token}"}})
  end
end
function request()
  at = at % #plan + 1
  return plan[at]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('TOLD {{"requests": %d, "seconds": %f, "p99": %f, "errors": %d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""
"""The script for `wrk`, which requests the paths in a loop."""


@dataclass(frozen=True)
class Question:
    """A query to measure, with its correct responses."""

    name: str
    paths: list[str]
    right: dict[str, list[tuple[Any, ...]]]
    """The correct rows for some of the paths, read from the database."""
    aim: float | None = None
    """Target ratio of requests per second to the first page of tasks."""


def questions(url: URL) -> list[Question]:
    """Return the queries with their correct responses."""
    tasks, products = "/api/v1/tasks?limit=20&sort=-created_at", "/api/v1/products?limit=20"
    first = "SELECT id, title FROM tasks ORDER BY created_at DESC, id DESC LIMIT 20"
    read = (
        "SELECT p.id, p.title, u.id, u.name FROM posts p JOIN users u ON u.id = author_id"
        " ORDER BY p.id LIMIT 5000"
    )
    posts = {f"/api/v1/posts/{row[0]}": [row] for row in ask(url, read)}
    dearest = (
        "SELECT p.id, p.name, c.id, c.name FROM products p JOIN categories c ON c.id = category_id"
        " WHERE NOT archived AND stock > 0 AND price >= %s AND category_id = %s"
        " ORDER BY price DESC, p.id DESC LIMIT 20"
    )
    pages = {}
    for (category,) in ask(url, "SELECT id FROM categories"):
        for least in (1, 100, 250):
            path = f"{products}&category_id={category}&in_stock=true&min_price={least}&sort=-price"
            pages[path] = ask(url, dearest, least, category)
    one = next(iter(pages))
    return [
        Question(FIRST, [tasks], {tasks: ask(url, first)}),
        Question("a post with its author", list(posts), posts, 0.7),
        Question("a page of products, one for all", [one], {one: pages[one]}, 0.7),
        Question("pages of products, 150 different ones", list(pages), pages),
    ]


def check(service: Service, question: Question) -> None:
    """Verify a sample of the responses."""
    with service.client() as client:
        for path in random.sample(question.paths, min(20, len(question.paths))):
            answer = client.get(path)
            told = answer.json()
            seen = [outline(item) for item in told.get("items", [told])]
            known = [tuple(map(str, row)) for row in question.right[path]]
            if answer.status_code != 200 or seen != known:
                raise SystemExit(f"{path}: {answer.status_code}, {seen} instead of {known}")


def outline(item: dict[str, Any]) -> tuple[str, ...]:
    """Return the comparable part of an item: its id and name, and those of its related resource."""
    inner = item.get("author") or item.get("category")
    named = (item["id"], item.get("title") or item["name"])
    return (*named, inner["id"], inner["name"]) if inner else named


class Bench:
    """A running service under load, and the cost of that."""

    def __init__(self, service: Service, url: URL, connections: int) -> None:
        self._service, self._connections = service, connections
        # The parent of all of the database's processes.
        ((folder,),) = ask(url, "SHOW data_directory")
        self._postmaster = int((Path(folder) / "postmaster.pid").read_text().split()[0])

    def time(self, question: Question, seconds: int, plan: Path) -> dict[str, float]:
        """Send requests for this many seconds; return the measurements."""
        paths = random.sample(question.paths, len(question.paths))
        told = ", ".join(json.dumps(path) for path in paths)
        plan.write_text(PLAN.format(paths=told, token=ADMIN.token))
        roots = (self._service.pid, self._postmaster)
        before = [spent(root) for root in roots]
        command = ["wrk", "-t1", f"-c{self._connections}", f"-d{seconds}s", "-s", str(plan)]
        done = subprocess.run(  # noqa: S603  # no untrusted input
            [*command, self._service.url], capture_output=True, text=True, check=True
        )
        ours, theirs = (spent(root) - then for root, then in zip(roots, before, strict=True))
        found = re.search(r"^TOLD (.*)$", done.stdout, re.MULTILINE)
        if found is None:
            raise SystemExit(done.stdout + done.stderr)
        measured: dict[str, float] = json.loads(found[1])
        if measured["errors"]:
            raise SystemExit(f"{question.name}: {measured['errors']:.0f} errors")
        number = max(measured["requests"], 1)
        return {
            "rate": number / measured["seconds"],
            "p99": measured["p99"],
            "ours": ours / number * 1000,
            "theirs": theirs / number * 1000,
        }


def table(asked: list[Question], measured: dict[str, list[dict[str, float]]]) -> str:
    """Return a table with a row per query: medians over the rounds."""
    lines = [
        "| | req/s | to the first page | aimed at | p99 ms | CPU ms | database's |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for question in asked:
        rounds = measured[question.name]
        middle = {what: statistics.median(one[what] for one in rounds) for what in rounds[0]}
        # The ratio is taken within each round, so that other load on the machine affects both.
        pairs = zip(rounds, measured[FIRST], strict=True)
        ratio = statistics.median(one["rate"] / first["rate"] for one, first in pairs)
        cells = [
            question.name,
            f"{middle['rate']:,.0f}",
            f"{ratio:.2f}",
            "" if question.aim is None else f"{question.aim}",
            *(
                f"{middle[what]:.{digits}f}"
                for what, digits in (("p99", 0), ("ours", 3), ("theirs", 3))
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Fill the database, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--server",
        default=os.environ.get("BENCH_ADMIN_DSN"),
        help="a PostgreSQL on this machine (default: BENCH_ADMIN_DSN)",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=32)
    given = parser.parse_args()
    if not given.server:
        parser.error("Give --server, or set BENCH_ADMIN_DSN.")
    with tempfile.TemporaryDirectory() as kept, fresh(make_url(given.server), DATABASE) as url:
        folder = Path(kept)
        fill = ("psql", text(url), "-Xqf", str(ROOT / "benchmarks/mixed_resources.sql"))
        subprocess.run(fill, check=True)  # noqa: S603  # a file of this repository
        asked = questions(url)
        settings = {"DATABASE_URL": text(url), "ATELIER_LOG_LEVEL": "warning"}
        with Service(folder, **settings) as service:
            bench = Bench(service, url, given.connections)
            measured: dict[str, list[dict[str, float]]] = {}
            for question in asked:
                check(service, question)
                bench.time(question, 1, folder / "plan.lua")
            for turn in range(given.rounds):
                for question in asked[turn % len(asked) :] + asked[: turn % len(asked)]:
                    took = bench.time(question, given.seconds, folder / "plan.lua")
                    measured.setdefault(question.name, []).append(took)
        print(table(asked, measured))


if __name__ == "__main__":
    main()
