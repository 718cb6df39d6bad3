"""A minute of hostile requests from one address, with ordinary clients at another.

The demo is served from a temporary folder. One process attacks from 127.0.0.2 in every way at once.
Meanwhile, sixteen ordinary clients with existing sessions work from 127.0.0.1, and `/health/live`
is requested ten times a second on new connections. The exit code is 1 unless

- `/health/live` was answered within 250 ms each time, - no ordinary request failed except by a 503
with `Retry-After`, sign-ins included, - memory (of the process and its children) grew by at most
100 MB, and was within 20 MB of the initial size a minute later.
"""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import httpx2  # noqa: E402

from support.people import PASSWORD  # noqa: E402
from support.service import Service  # noqa: E402
from support.workshop import demo_in, token_of  # noqa: E402

ATTACKER = "127.0.0.2"
ORDINARY = 16
LIVE_SECONDS = 0.25
GROWTH_MB = 100
LEFT_MB = 20
OURS = {"Sec-Fetch-Site": "same-origin"}

Attack = Callable[["Attacker"], None]


class Attacker:
    """An attacker at 127.0.0.2 with the account of a member."""

    def __init__(self, port: int, token: str, names: list[str], seconds: float) -> None:
        self.port = port
        self.token = token
        self.names = names
        self.end = time.monotonic() + seconds
        self.answers: Counter[str] = Counter()

    def connect(self) -> socket.socket:
        """Open a connection from the attacker's address."""
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=30, source_address=(ATTACKER, 0)
        )

    def send(
        self, line: str, body: bytes = b"", kind: str = "application/json", more: str = ""
    ) -> bytes:
        """Send a request on a new connection; return the response, or nothing."""
        head = f"{line} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: close\r\n{more}"
        if body:
            head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        answer = b""
        with contextlib.suppress(OSError), self.connect() as connection:
            connection.sendall(head.encode() + b"\r\n" + body)
            while piece := connection.recv(65_536):
                answer += piece
        self.answers[answer[9:12].decode() or "none"] += 1
        return answer

    def as_member(self) -> str:
        """Return the Authorization header of the attacker's account."""
        return f"Authorization: Bearer {self.token}\r\n"

    def send_form(self, path: str, **fields: str) -> bytes:
        """Send a form of a page."""
        more = "".join(f"{name}: {value}\r\n" for name, value in OURS.items())
        body = urlencode(fields).encode()
        return self.send(f"POST {path}", body, "application/x-www-form-urlencoded", more)


def deep_json(attacker: Attacker) -> None:
    """Send a heartbeat of deeply nested JSON with an invalid key."""
    texts = b",".join([b'"a"'] * 260_000)
    body = b"[" * 900 + texts + b',"\\ud83d\\udee0"' + b"]" * 900
    path = "/api/v1/devices/01900000-0000-7000-8000-00000000ffff/heartbeat"
    attacker.send(f"POST {path}", body, more="Authorization: Bearer x\r\n")


def wide_json(attacker: Attacker) -> None:
    """Send the JSON bodies that cost most among those a member may send."""
    piece = random.choice([b'{"a":1}', b"[" * 60 + b"]" * 60, b"{}", b"1.5"])
    body = b"[" + b",".join([piece] * (1_000_000 // (len(piece) + 1))) + b"]"
    attacker.send("POST /api/v1/tasks", body, more=attacker.as_member())
    members = json.dumps({f"m{n}": n for n in range(60_000)}).encode()
    attacker.send("POST /api/v1/tasks", members, more=attacker.as_member())


def cookies(attacker: Attacker) -> None:
    """Send cookies of escaped quotes, and heads that are too large."""
    quoted = '"' + '\\"' * 15_000 + '"'
    attacker.send(
        "GET /office", more=f"Cookie: atelier-{attacker.port}={quoted}; atelier={quoted}\r\n"
    )
    attacker.send("GET /", more=f"X: {'x' * 120_000}\r\n")


def markdown(attacker: Attacker) -> None:
    """Request the rendering of Markdown that expands."""
    content = "[a]: /" + "u" * 25_000 + "\n\n" + "[a]" * 6_000
    post = json.dumps({"title": "Growing", "content": content}).encode()
    answer = attacker.send("POST /api/v1/posts", post, more=attacker.as_member())
    _, _, body = answer.partition(b"\r\n\r\n")
    if answer[9:12] == b"201":
        made = json.loads(body)
        path = f"/api/v1/posts/{made['id']}"
        attacker.send(f"POST {path}/publish", more=attacker.as_member() + "Content-Length: 0\r\n")
        for _ in range(5):
            attacker.send(f"GET /posts/{made['slug']}")
        attacker.send("GET /")
        attacker.send(f"DELETE {path}", more=attacker.as_member())
    preview = {"title": "x", "content": content * 6}
    cookie = f"Cookie: atelier-{attacker.port}={attacker.token}\r\n"
    body = urlencode(preview).encode()
    more = cookie + "Sec-Fetch-Site: same-origin\r\n"
    attacker.send("POST /office/news/preview", body, "application/x-www-form-urlencoded", more)


def setups(attacker: Attacker) -> None:
    """Trigger password hashing by a completed set-up, by registration, and by password changes."""
    profile = {"username": "x", "email": "x@example.org", "name": "Ex", "password": "long enough"}
    attacker.send_form("/setup", secret="x", **profile)  # noqa: S106
    attacker.send("POST /api/v1/users", json.dumps(profile).encode())
    own = json.dumps({"password": "long enough 2", "current": "x"}).encode()
    attacker.send("PATCH /api/v1/users/me", own, more=attacker.as_member())
    change = json.dumps({"current": "wrong", "new": "long enough 2"}).encode()
    attacker.send("PUT /api/v1/users/me/password", change, more=attacker.as_member())


def passwords(attacker: Attacker) -> None:
    """Try wrong passwords on every account."""
    name = random.choice(attacker.names)
    form = urlencode({"username": name, "password": "wrong password"}).encode()
    attacker.send("POST /api/v1/auth/token", form, "application/x-www-form-urlencoded")
    attacker.send_form("/sign-in", username=name, password="wrong password")  # noqa: S106


def uploads(attacker: Attacker) -> None:
    """Send a body that is far too large, and close."""
    attacker.send("POST /api/v1/tasks", bytes(3 * 1024 * 1024), more=attacker.as_member())


def silence(attacker: Attacker) -> None:
    """Keep 400 connections open: silent ones, half heads and half bodies."""
    half = b"POST /api/v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n"
    form = b"Content-Type: application/x-www-form-urlencoded\r\n\r\nusername="
    with contextlib.ExitStack() as opened:
        for number in range(400):
            with contextlib.suppress(OSError):
                connection = opened.enter_context(attacker.connect())
                connection.sendall((b"", half, half + form)[number % 3])
        while time.monotonic() < attacker.end and random.random() < 0.9:
            time.sleep(2)


ATTACKS: dict[Attack, int] = {
    deep_json: 2,
    wide_json: 1,
    cookies: 2,
    markdown: 2,
    setups: 3,
    passwords: 30,
    uploads: 2,
    silence: 1,
}
"""Each attack, and its number of concurrent threads."""


def attack(
    port: int, token: str, names: list[str], seconds: float, pause: float, only: list[str]
) -> None:
    """Run all or some attacks until the time is over; print the statuses of the responses."""
    attacker = Attacker(port, token, names, seconds)

    def go_on(one: Attack) -> None:
        while time.monotonic() < attacker.end:
            one(attacker)
            time.sleep(pause)

    chosen = {each: n for each, n in ATTACKS.items() if not only or each.__name__ in only}
    with ThreadPoolExecutor(sum(chosen.values())) as threads:
        for one in itertools.chain.from_iterable([each] * n for each, n in chosen.items()):
            threads.submit(go_on, one)
    counted = ", ".join(f"{status}: {n:,}" for status, n in sorted(attacker.answers.items()))
    print(f"The attacker was answered {counted}.", flush=True)


class Member:
    """An ordinary client: a browser with an existing session, and the API with its token."""

    def __init__(self, service: Service, name: str) -> None:
        self.name = name
        self.http = httpx2.Client(base_url=service.url, timeout=60, verify=False)
        self.times: list[float] = []
        self.busy = 0
        self.failures: list[str] = []
        self.task = ""
        self.sign_in()

    def sign_in(self) -> None:
        """Sign in on the page."""
        self.ask("POST", "/sign-in", data={"username": self.name, "password": PASSWORD},
                 headers=OURS)  # fmt: skip

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response | None:
        """Send a request and record its outcome."""
        started = time.monotonic()
        try:
            answer = self.http.request(method, path, **options)
        except httpx2.TransportError as error:
            self.failures.append(f"{method} {path}: {error!r}")
            return None
        self.times.append(time.monotonic() - started)
        if answer.status_code == 503 and "retry-after" in answer.headers:
            self.busy += 1
        elif answer.status_code >= 400:
            self.failures.append(f"{method} {path}: {answer.status_code}")
        return answer

    def work(self, until: float) -> None:
        """Open pages, create tasks, and sign in again now and then."""
        for turn in itertools.count():
            if time.monotonic() > until:
                return
            self.ask("GET", random.choice(["/office", "/office/tasks", "/office/stock", "/"]))
            form = {"title": f"Task {turn} of {self.name}", "key": f"{self.name}-{turn}"}
            self.ask("POST", "/office/tasks", data=form, headers=OURS)
            if turn % 20 == 19:
                self.ask("POST", "/sign-out", headers=OURS)
                self.sign_in()
            time.sleep(0.5)


def megabytes(pid: int) -> float:
    """Return the memory of a process and its descendants, with shared memory counted once."""
    pids, total = [pid], 0.0
    while pids:
        each = pids.pop()
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{each}/task").glob("*/children")
            pids += [int(child) for path in children for child in path.read_text().split()]
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            (pss,) = (line for line in rollup.splitlines() if line.startswith("Pss:"))
            total += int(pss.split()[1]) / 1024
    return total


@contextlib.contextmanager
def sampled(take: Callable[[], float], every: float) -> Iterator[list[float]]:
    """Take samples in another thread."""
    taken: list[float] = []
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(every):
            taken.append(take())

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join()


def ask_live(port: int, over: Any, answered: Any) -> None:
    """Request `/health/live` ten times a second until the event is set; queue the times."""
    taken = []
    while not over.wait(0.1):
        taken.append(live(port))
    answered.put(taken)


def live(port: int) -> float:
    """Return the seconds until `/health/live` is answered on a new connection."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = connection.recv(1_000)
    if answer[9:12] not in (b"200", b"503"):
        raise SystemExit(f"/health/live: {answer[:100]!r}")
    return time.monotonic() - started


def main() -> None:
    """Serve, attack, and print the effect on ordinary clients."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between the attacks")
    parser.add_argument("--only", nargs="*", default=[], choices=[e.__name__ for e in ATTACKS])
    parser.add_argument("--rest", type=float, default=60, help="seconds of rest after that")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, demo_in(Path(folder)) as service:
        with service.client().as_(token_of(service)) as api:
            names = [f"member{number}" for number in range(ORDINARY)]
            for name in (*names, "mallory"):
                profile = {"username": name, "email": f"{name}@example.org", "name": name}
                made = api.post("/api/v1/users", json={**profile, "password": PASSWORD})
                if made.status_code != 201:
                    raise SystemExit(f"{name}: {made.status_code} {made.text}")
            form = {"username": "mallory", "password": PASSWORD}
            token = api.http.post("/api/v1/auth/token", data=form).json()["access_token"]
        members = [Member(service, name) for name in names]
        with ThreadPoolExecutor(ORDINARY) as threads:
            list(threads.map(lambda member: member.work(time.monotonic() + 5), members))
            before = megabytes(service.pid)
            spawn = multiprocessing.get_context("spawn")
            attacked = [*names, "ada", "nobody"]
            arguments = (service.port, token, attacked, asked.seconds, asked.pause, asked.only)
            enemy = spawn.Process(target=attack, args=arguments)
            enemy.start()
            # A separate process, so that a delay is the service's and not this process's.
            over, answered = spawn.Event(), spawn.Queue()
            asker = spawn.Process(target=ask_live, args=(service.port, over, answered))
            asker.start()
            until = time.monotonic() + asked.seconds
            with sampled(lambda: megabytes(service.pid), 1.0) as memory:
                list(threads.map(lambda member: member.work(until), members))
                enemy.join()
            over.set()
            lives = answered.get(timeout=60)  # raises queue.Empty if the process died
        time.sleep(asked.rest)
        after = megabytes(service.pid)
    times = sorted(spent for member in members for spent in member.times)
    failures = [failure for member in members for failure in member.failures]
    busy = sum(member.busy for member in members)
    print(
        f"/health/live: {max(lives) * 1000:.0f} ms at worst,"
        f" {statistics.median(lives) * 1000:.0f} ms median of {len(lives)}.\n"
        f"Ordinary requests: {len(times):,}, {times[len(times) * 99 // 100] * 1000:.0f} ms (99 %),"
        f" {busy} told 503, {len(failures)} failed.\n"
        f"Memory: {before:.0f} MB before, {max(memory):.0f} MB at most, {after:.0f} MB later."
    )
    for failure, number in Counter(failures).most_common(10):
        print(f"  {number} x {failure}")
    kept = (
        max(lives) <= LIVE_SECONDS
        and not failures
        and max(memory) - before <= GROWTH_MB
        and after - before <= LEFT_MB
    )
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
