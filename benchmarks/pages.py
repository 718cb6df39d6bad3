"""Measure the server's CPU time per page, with the demo's data.

The demo is served from a temporary folder. Pages are requested in sequence over one connection. The
time is that of all threads of the server's process, without PostgreSQL's own.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import httpx2  # noqa: E402

from support.people import PASSWORD  # noqa: E402
from support.service import Service, atelier  # noqa: E402
from support.workshop import demo_in, known_in, token_of  # noqa: E402

PAGES = (
    "/",
    "/posts/{slug}",
    "/people/{username}",
    "/feed.atom",
    "/sign-in",
    "/office",
    "/office/tasks",
    "/office/tasks?q=saw",
    "/office/tasks/{task}",
    "/office/stock",
    "/office/stock/{product}",
    "/office/stock/categories",
    "/office/machines",
    "/office/machines/{device}",
    "/office/news",
    "/office/news/{post}",
    "/office/people",
    "/office/people/{user}",
    "/office/profile",
    "/office/profile/tokens",
)
AIM = 3.0
ROUNDS = 5


def spent(pid: int) -> float:
    """Return the milliseconds of CPU time that a process has used (clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2) * 1000


def cost(http: httpx2.Client, pid: int, path: str, number: int) -> float:
    """Return the average milliseconds of CPU time per response."""
    before = spent(pid)
    for _ in range(number):
        answer = http.get(path)
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code}")
    return (spent(pid) - before) / number


def measure(service: Service, number: int) -> dict[str, float]:
    """Return each page's cost: the median over the rounds, in which the pages alternate."""
    with service.client().as_(token_of(service)) as api:
        known = known_in(api)
    with (
        httpx2.Client(base_url=service.url, timeout=30) as office,
        httpx2.Client(base_url=service.url, timeout=30) as public,
    ):
        form = {"username": "ada", "password": PASSWORD}
        came_in = office.post("/sign-in", data=form, headers={"Origin": service.url})
        if came_in.status_code != 303:
            raise SystemExit(f"Signing in: {came_in.status_code}")
        took: dict[str, list[float]] = {path: [] for path in PAGES}
        for path in PAGES * 2:
            cost(
                office if path.startswith("/office") else public,
                service.pid,
                path.format(**known),
                5,
            )
        for _ in range(ROUNDS):
            for path in PAGES:
                http = office if path.startswith("/office") else public
                took[path].append(cost(http, service.pid, path.format(**known), number))
    return {path: statistics.median(costs) for path, costs in took.items()}


def main() -> None:
    """Serve the demo, measure its pages, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=40, help="how often in each round")
    parser.add_argument("--database", help="the address of an empty PostgreSQL database")
    asked = parser.parse_args()
    settings = {"DATABASE_URL": asked.database} if asked.database else {}
    with tempfile.TemporaryDirectory() as folder:
        if asked.database:
            atelier("migrate", folder=Path(folder), **settings)
        with demo_in(Path(folder), **settings) as service:
            costs = measure(service, asked.number)
    print("| page | CPU ms |\n|---|--:|")
    for path, each in costs.items():
        print(f"| `{path}` | {each:.2f}{' (above the aim)' if each > AIM else ''} |")
    print(f"\nMedians of {ROUNDS} rounds of {asked.number} requests; the aim is {AIM:.0f} ms.")


if __name__ == "__main__":
    main()
