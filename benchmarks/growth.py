"""Measure how throughput scales with workers and rows, with the side-by-side bench.

Writes each measurement to build/growth, the plot to benchmarks/results/growth.svg, and the tables
to benchmarks/results/workers-and-rows.md, where they replace the previous ones.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from report import NAMES, OURS
from svg_chart import Line, Panel, plot

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build" / "growth"
PAGE = ROOT / "benchmarks" / "results" / "workers-and-rows.md"
PLOT = PAGE.with_name("growth.svg")
OPERATIONS = ("read_one", "list_first", "list_deep", "search", "create", "update")
ROWS, WORKERS = 100_000, 1
BY_WORKERS = [(ROWS, workers) for workers in (1, 2, 4)]
BY_ROWS = [(rows, WORKERS) for rows in (10_000, 100_000, 1_000_000)]
COLUMNS = {
    "req/s": ("rps", "{:,.0f}"),
    "p99 ms": ("p99_ms", "{:.0f}"),
    "CPU ms": ("cpu_per_k", "{:.3f}"),
    "database's": ("db_cpu_per_k", "{:.3f}"),
}
"""The columns of the tables: for each, the bench's name and the number format."""

Shape = tuple[int, int]
"""The number of rows and of workers."""
Measured = dict[Shape, dict[str, dict[str, float]]]
"""The medians over the rounds, by operation."""


def measure(bench: Path, shape: Shape, given: Sequence[str]) -> None:
    """Run the bench for one shape, in its own databases."""
    rows, workers = shape
    server = os.environ["BENCH_ADMIN_DSN"].rpartition("/")[0]
    set_here = {
        "BENCH_BUILD": str(OUT),
        "PY": sys.executable,
        "PYTHONDONTWRITEBYTECODE": "1",
        "BENCHED_BIN": os.environ.get("BENCHED_BIN", str(ROOT / ".venv/bin/atelier")),
        "BENCHED_FILL": str(ROOT / "benchmarks/fill.sql"),
        "BENCHED_SIGN_IN": str(ROOT / "benchmarks/sign_in.py"),
        "BENCHED_PASSWORD": "only for the bench",
        "BENCHED_DATABASE": "growth_atelier",
        "BENCHED_DSN": f"{server}/growth_atelier",
    }
    asked = {
        "--config": ROOT / "benchmarks/atelier.toml",
        "--peers": OURS,
        "--database": "growth",
        "--base": OURS,
        "--ops": ",".join(OPERATIONS),
        "--rows": rows,
        "--workers": workers,
        "--out": kept(shape),
    }
    command = [
        sys.executable,
        bench / "bench.py",
        *(each for pair in asked.items() for each in pair),
    ]
    print(f"{rows:,} rows, {workers} workers", file=sys.stderr, flush=True)
    subprocess.run(  # noqa: S603  # the user of this script may run anything anyway
        [*map(str, command), *given],
        env={**os.environ, **set_here},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def kept(shape: Shape) -> Path:
    """Return the file with the results of a shape."""
    return OUT / f"{shape[0]}-{shape[1]}.json"


def circumstances(shapes: Sequence[Shape]) -> str:
    """Return the date and options of the measurement, and the load by other processes."""
    every = [json.loads(kept(shape).read_text()) for shape in shapes]
    rounds, seconds = (every[0]["options"][what] for what in ("rounds", "seconds"))
    others = [one["foreign"] for e in every for each in e["results"][OURS].values() for one in each]
    return (
        f"{date.today():%B %Y}, rounds: {rounds}, seconds of each: {seconds}; others used"
        f" {statistics.median(others):.0%} of the machine, and {max(others):.0%} at worst."
    )


def medians(shape: Shape) -> dict[str, dict[str, float]]:
    """Return the medians of a shape's results."""
    results: Any = json.loads(kept(shape).read_text())["results"][OURS]
    if errors := sum(one["errors"] for rounds in results.values() for one in rounds):
        raise SystemExit(f"{shape}: {errors} errors")
    return {
        operation: {what: statistics.median(one[what] for one in rounds) for what in rounds[0]}
        for operation, rounds in results.items()
    }


def table(measured: Measured, shapes: Sequence[Shape], labels: Sequence[str]) -> str:
    """Return a table with a row per operation, and a column per measure and shape."""
    heads = [f"{what}, {label}" for what in COLUMNS for label in labels]
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "--:|" * len(heads)]
    for operation in OPERATIONS:
        cells = [
            form.format(measured[shape][operation][what])
            for what, form in COLUMNS.values()
            for shape in shapes
        ]
        lines.append(f"| {NAMES.get(operation, operation)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def panel(title: str, measured: Measured, shapes: Sequence[Shape], labels: Sequence[str]) -> Panel:
    """Return a panel of the requests per second of each operation, by shape."""
    lines = [
        Line(
            NAMES.get(operation, operation),
            [measured[shape][operation]["rps"] for shape in shapes],
            strong=operation in ("create", "update"),
        )
        for operation in OPERATIONS
    ]
    return Panel(title, labels, lines)


def tell(measured: Measured) -> None:
    """Draw the plot and replace the tables."""
    workers = [f"{count}" for _, count in BY_WORKERS]
    rows = [f"{count:,}" for count, _ in BY_ROWS]
    by_workers = table(measured, BY_WORKERS, workers)
    by_rows = table(measured, BY_ROWS, ["10⁴", "10⁵", "10⁶"])
    PLOT.write_text(
        plot(
            "Requests per second, by workers and by rows",
            (
                panel(f"Workers, at {ROWS:,} rows", measured, BY_WORKERS, workers),
                panel("Rows, with one worker", measured, BY_ROWS, rows),
            ),
        )
    )
    told = "\n\n".join(
        (
            circumstances(list(measured)),
            f"1, 2 and 4 workers at {ROWS:,} rows:",
            by_workers,
            "10⁴, 10⁵ and 10⁶ rows with one worker:",
            by_rows,
        )
    )
    begin, end = "<!-- growth -->", "<!-- end of growth -->"
    there = re.compile(f"{begin}.*?{end}", re.DOTALL)
    page, times = there.subn(f"{begin}\n{told}\n{end}", PAGE.read_text())
    if times != 1:
        raise SystemExit(f"{PAGE} has no one place for the tables.")
    PAGE.write_text(page)
    print(told)


def main() -> None:
    """Measure each shape, unless only the report is to be written."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="What else is given goes to the bench, as in --rounds 1."
    )
    parser.add_argument("--bench", type=Path, default=ROOT / "../shared/bench")
    parser.add_argument("--measured", action="store_true", help="tell what was measured before")
    asked, given = parser.parse_known_args()
    shapes = list(dict.fromkeys([*BY_WORKERS, *BY_ROWS]))
    if not asked.measured:
        if "BENCH_ADMIN_DSN" not in os.environ:
            parser.error("Set BENCH_ADMIN_DSN to the address of a local PostgreSQL.")
        OUT.mkdir(parents=True, exist_ok=True)
        for shape in shapes:
            measure(asked.bench.resolve(), shape, given)
    tell({shape: medians(shape) for shape in shapes})


if __name__ == "__main__":
    main()
