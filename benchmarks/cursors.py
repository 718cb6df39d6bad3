"""Compare the times of page 1 and page 1,000 of the tasks (keyset pagination) on a running server.

The two are requested in turn over one connection, so that other load on the machine affects both
alike.
"""

import argparse
import http.client
import json
import statistics
import time
from typing import Any
from urllib.parse import urlsplit

from sign_in import sign_in

FIRST = "/api/v1/tasks?limit=20"
PAGE = 1_000


class Client:
    """One connection to the server."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        self.headers: dict[str, str] = {}

    def get(self, path: str) -> bytes:
        """Return the body of a response, which must be 200."""
        self._connection.request("GET", path, headers=self.headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body.decode()}")
        return body

    def page(self, path: str) -> Any:
        """Return a page of a list."""
        return json.loads(self.get(path))

    def wait(self) -> None:
        """Wait until the server responds."""
        end = time.monotonic() + 30
        while True:
            try:
                self._connection.request("GET", "/health/ready")
                self._connection.getresponse().read()
                return
            except OSError:
                self._connection.close()
                if time.monotonic() > end:
                    raise SystemExit("The server does not answer.") from None
                time.sleep(0.1)


def milliseconds(client: Client, path: str) -> float:
    """Return the time of one response."""
    started = time.perf_counter()
    client.get(path)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Follow the cursors to page 1,000, then measure it against page 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="where the server is, as in http://127.0.0.1:8000")
    parser.add_argument("--pairs", type=int, default=1_500)
    asked = parser.parse_args()
    client = Client(asked.address)
    client.wait()
    client.headers["Authorization"] = f"Bearer {sign_in(asked.address)}"
    cursor = ""
    for number in range(1, PAGE):
        cursor = client.page(f"{FIRST}&cursor={cursor}" if cursor else FIRST)["next"]
        if cursor is None:
            raise SystemExit(f"There are only {number:,} pages; fill in more rows.")
    paths = (FIRST, f"{FIRST}&cursor={cursor}")
    if len(client.page(paths[1])["items"]) != 20:
        raise SystemExit(f"Page {PAGE:,} is not a full one; fill in more rows.")
    spent: dict[str, list[float]] = {path: [] for path in paths}
    for pair in range(asked.pairs):
        for path in paths if pair % 2 else reversed(paths):
            spent[path].append(milliseconds(client, path))
    first, far = (statistics.median(spent[path][asked.pairs // 10 :]) for path in paths)
    print(
        f"Page {PAGE:,} by cursor: {far:.2f} ms, page 1: {first:.2f} ms"
        f" (medians of {asked.pairs:,} each, in turn): {far / first:.2f} times."
    )


if __name__ == "__main__":
    main()
