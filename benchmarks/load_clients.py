"""Load clients of a running server, the resources they change, and a record of the responses."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

API = "/api/v1/"
DERIVED = {"overdue", "assignee", "created_by", "category", "author", "presence"}
"""Members that may differ within one version: they derive from other resources or the time."""


@dataclass(frozen=True)
class Answer:
    """A response of the server."""

    status: int
    body: Any

    @property
    def code(self) -> str:
        """The code of a problem, or an empty string."""
        return str(self.body["code"]) if self.status >= 400 and self.body else ""


class Connection:
    """A minimal HTTP client over one connection, cheaper than a library."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: list[Any] = []

    def as_(self, token: str) -> "Connection":
        """Return a client with another token over the same connection."""
        other = Connection(self._port, token)
        other._streams = self._streams
        return other

    async def ask(self, method: str, path: str, body: Any = None, *, match: int = 0) -> Answer:
        """Send a request and return the response; `match` is the version for If-Match."""
        if not self._streams:
            self._streams += await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        sent = b"" if body is None else json.dumps(body).encode()
        # For changes, the service compares only the version in the entity tag.
        head = f'If-Match: "{match}-0"\r\n' if match else ""
        if sent:
            head += "Content-Type: application/json\r\n"
        head += f"Content-Length: {len(sent)}\r\n\r\n"
        writer.write(f"{method} {path} {self._head}{head}".encode() + sent)
        async with asyncio.timeout(60):
            told = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = told.partition("\r\ncontent-length:")[2].partition("\r\n")[0].strip()
            content = await reader.readexactly(int(length or 0))
        return Answer(int(told.split(" ", 2)[1]), json.loads(content) if content else None)

    def close(self) -> None:
        """Close the connection."""
        for writer in self._streams[1:]:
            writer.close()


@dataclass(eq=False)
class Thing:
    """A resource on the server that many clients change."""

    path: str
    version: int
    """The newest version in any response."""
    exact: bool = True
    """Whether only the changes counted here change the resource."""
    changes: int = 0
    """Number of acknowledged changes."""
    moved: int = 0
    """Number of acknowledged movements."""
    leavers: int = 0
    """Number of clients that are deleting it or have deleted it."""
    gone: bool = False
    contents: dict[int, int] = field(default_factory=dict)

    def note(self, told: Any) -> bool:
        """Record a representation; return whether it equals earlier ones of the same version."""
        version = told["version"]
        kept = {name: value for name, value in told.items() if name not in DERIVED}
        content = hash(json.dumps(kept, sort_keys=True))
        self.version = max(self.version, version)
        return self.contents.setdefault(version, content) == content


class Crowd:
    """The record that all connections share."""

    def __init__(self) -> None:
        self.things: dict[str, list[Thing]] = {}
        self.all: list[Thing] = []
        self.answers: Counter[str] = Counter()
        self.waits: dict[str, list[float]] = {}
        self.troubles: list[str] = []
        self._last = 0

    def number(self) -> int:
        """Return a number that was not returned before."""
        self._last += 1
        return self._last

    async def make(
        self, by: Connection, kind: str, new: Any, *, exact: bool = True, at: int | None = None
    ) -> None:
        """Create a resource; `at` is the slot of the one that it replaces."""
        answer = await self._ask(f"make one of {kind}", by, "POST", API + kind, new)
        if answer.status != 201:
            self.trouble(f"POST {kind}", answer)
            return
        thing = Thing(f"{API}{kind}/{answer.body['id']}", answer.body["version"], exact)
        thing.note(answer.body)
        self.all.append(thing)
        slots = self.things.setdefault(kind, [])
        if at is None:
            slots.append(thing)
        else:
            slots[at] = thing

    async def change(
        self,
        what: str,
        by: Connection,
        thing: Thing,
        body: Any = None,
        *,
        command: str = "",
        guarded: bool,
        refusals: Collection[str] = (),
    ) -> None:
        """Patch a resource, or execute a command on it.

        A guarded change uses If-Match. After a 412 it is retried with the current version, and the
        response shows whether anything changed. An unguarded change must always change something.
        """
        method, path = ("POST", f"{thing.path}/{command}") if command else ("PATCH", thing.path)
        for _ in range(30):
            seen = thing.version if guarded else 0
            answer = await self._ask(what, by, method, path, body, match=seen)
            if answer.status in (200, 201):
                self._note(what, thing, answer)
                if not guarded or answer.body["version"] == seen + 1:
                    thing.changes += 1
                return
            if not (guarded and answer.status == 412):
                self._refused(what, thing, answer, refusals)
                return
            now = await self._ask("read", by, "GET", thing.path)
            if now.status != 200:
                self._refused("read", thing, now, ())
                return
            self._note("read", thing, now)
        self.answers["given up, for others were quicker each time"] += 1

    async def move(self, what: str, by: Connection, thing: Thing, body: Any) -> None:
        """Record a stock movement of a product."""
        answer = await self._ask(what, by, "POST", f"{thing.path}/movements", body)
        if answer.status == 201:
            thing.changes += 1
            thing.moved += 1
        else:
            self._refused(what, thing, answer, ("insufficient-stock",))

    async def delete(
        self, what: str, by: Connection, thing: Thing, refusals: Collection[str] = ()
    ) -> bool:
        """Delete a resource; return whether this request deleted it."""
        thing.leavers += 1
        answer = await self._ask(what, by, "DELETE", thing.path)
        if answer.status == 204:
            thing.gone = True
            return True
        self._refused(what, thing, answer, refusals)
        thing.leavers -= 1
        return False

    def trouble(self, what: str, answer: Answer) -> None:
        """Record an unexpected response."""
        self.troubles.append(f"{what}: {answer.status} {answer.body}")

    def _note(self, what: str, thing: Thing, answer: Answer) -> None:
        if not thing.note(answer.body):
            self.trouble(f"{what}: two contents of one version", answer)

    def _refused(self, what: str, thing: Thing, answer: Answer, refusals: Collection[str]) -> None:
        gone = answer.status == 404 and thing.leavers > 0
        # A conflict after the maximum number of retries is a valid response too.
        if not gone and answer.code not in ("conflict", *refusals):
            self.trouble(f"{what} {thing.path}", answer)

    async def _ask(
        self, what: str, by: Connection, method: str, path: str, body: Any = None, *, match: int = 0
    ) -> Answer:
        started = time.monotonic()
        answer = await by.ask(method, path, body, match=match)
        self.waits.setdefault(what, []).append(time.monotonic() - started)
        self.answers[f"{answer.status} {answer.code}".strip()] += 1
        return answer
