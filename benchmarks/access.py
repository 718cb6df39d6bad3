"""Measure the cost of authentication, and compare times of a 401 for known and unknown users.

The first is measured in this process with the memory adapters: the code between a request and its
endpoint. The second uses a running server, with known and unknown names in turn.
"""

import argparse
import asyncio
import http.client
import json
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlencode, urlsplit

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from fastapi import Request  # noqa: E402
from sign_in import sign_in  # noqa: E402
from starlette.types import Scope  # noqa: E402

from entrypoints.web.authorization import authorize  # noqa: E402
from entrypoints.web.policy import MEMBERS  # noqa: E402
from support.backends import memory_app  # noqa: E402
from support.people import MEMBER, NOON  # noqa: E402

ROUNDS = 100_000
USERS = "/api/v1/users"
SIGN_IN = "/api/v1/auth/token"


async def checking_a_token() -> float:
    """Return the microseconds of CPU time to authorize a request."""
    app = memory_app(lambda: NOON)
    token = MEMBER.token.encode()
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/tasks",
        "app": app,
        "ports": app.state.ports,
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            (b"accept", b"*/*"),
            (b"authorization", b"Bearer " + token),
        ],
    }
    started = time.process_time()
    for _ in range(ROUNDS):
        await authorize(MEMBERS, Request(dict(scope)), None)
    with_token = time.process_time() - started
    started = time.process_time()
    for _ in range(ROUNDS):
        Request(dict(scope))
    app.state.ports.runner.close()
    return (with_token - (time.process_time() - started)) / ROUNDS * 1e6


class Asker:
    """One connection to the server."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)

    def refused(self, username: str) -> float:
        """Return the milliseconds until a wrong password is refused."""
        form = urlencode({"username": username, "password": "wrong password"})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        started = time.perf_counter()
        self._connection.request("POST", SIGN_IN, form, headers)
        answer = self._connection.getresponse()
        answer.read()
        spent = (time.perf_counter() - started) * 1000
        if answer.status != 401:
            raise SystemExit(f"{username}: {answer.status}")
        return spent

    def take_in(self, username: str, token: str) -> None:
        """Create a user."""
        new = {"username": username, "email": f"{username}@example.org", "name": username}
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        body = json.dumps({**new, "password": "long enough"})
        self._connection.request("POST", USERS, body, headers)
        answer = self._connection.getresponse()
        if (answer.read() and answer.status) not in (201, 409):
            raise SystemExit(f"{username}: {answer.status}")


def main() -> None:
    """Run both measurements and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="where the server is, as in http://127.0.0.1:8000")
    asked = parser.parse_args()
    print(f"Checking a token: {asyncio.run(checking_a_token()):.1f} microseconds of CPU.")
    asker, token = Asker(asked.address), sign_in(asked.address)
    known = [f"known{number}" for number in range(35)]
    for name in known:
        asker.take_in(name, token)
    # The login throttle permits about four failures per name, and three hundred per address.
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    for name in known * 4:
        times["known"].append(asker.refused(name))
        times["unknown"].append(asker.refused(f"un{name}"))
    medians = {who: statistics.median(spent) for who, spent in times.items()}
    apart = medians["unknown"] / medians["known"] - 1
    print(
        f"A wrong password: {medians['known']:.1f} ms for a known name,"
        f" {medians['unknown']:.1f} ms for an unknown one, {apart:+.1%} apart"
        f" (medians of {len(times['known'])} each, in turn)."
    )


if __name__ == "__main__":
    main()
