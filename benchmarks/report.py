"""Print the bench's results as ratios between this service and its peers, in Markdown."""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

OURS = "atelier"
NAMES = {
    "read_one": "read one",
    "list_first": "first page",
    "list_deep": "page in the middle",
}


def middle(rounds: list[dict[str, float]], what: str) -> float:
    """Return the median over the rounds."""
    return statistics.median(one[what] for one in rounds)


def table(results: dict[str, Any]) -> str:
    """Return a table with a row per operation; above 1, this service is faster."""
    peers = [peer for peer in results if peer != OURS]
    rates = "".join(f" to {peer} |" for peer in peers)
    costs = "".join(f" {peer} to ours |" for peer in peers)
    lines = [
        f"| | req/s |{rates} CPU ms/req |{costs}",
        "|---|--:|" + "--:|" * (2 * len(peers) + 1),
    ]
    for operation, rounds in results[OURS].items():
        rate, cost = middle(rounds, "rps"), middle(rounds, "cpu_per_k")
        cells = [NAMES.get(operation, operation), f"{rate:.0f}"]
        cells += [f"{rate / middle(results[p][operation], 'rps'):.2f}" for p in peers]
        cells.append(f"{cost:.3f}")
        cells += [f"{middle(results[p][operation], 'cpu_per_k') / cost:.2f}" for p in peers]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())["results"]))
