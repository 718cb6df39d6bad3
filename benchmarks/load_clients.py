"""Connections to a running server, the things that are changed over them, and what was answered."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

API = "/api/v1/"
DERIVED = {"overdue", "assignee", "created_by", "category", "author", "presence"}
"""Members that may differ in one version: they are made of other things, or of the time."""


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    body: Any

    @property
    def code(self) -> str:
        """What a problem is called."""
        return str(self.body["code"]) if self.status >= 400 and self.body else ""


class Connection:
    """One connection to the server; much cheaper than a client library, so that many can ask."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: list[Any] = []

    def as_(self, token: str) -> "Connection":
        """Return the same connection, to be used by somebody else as well."""
        other = Connection(self._port, token)
        other._streams = self._streams
        return other

    async def ask(self, method: str, path: str, body: Any = None, *, match: int = 0) -> Answer:
        """Return the answer; with `match` only that version is to be changed."""
        if not self._streams:
            self._streams += await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        sent = b"" if body is None else json.dumps(body).encode()
        # Versions alone are compared where something is to be changed.
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
        """End the connection."""
        for writer in self._streams[1:]:
            writer.close()


@dataclass(eq=False)
class Thing:
    """Something on the server that many change."""

    path: str
    version: int
    """The newest that somebody has been told of."""
    exact: bool = True
    """Whether nothing changes it but what is counted here."""
    changes: int = 0
    """How many were acknowledged."""
    moved: int = 0
    """How many movements of it were."""
    leavers: int = 0
    """How many try to delete it, or have."""
    gone: bool = False
    contents: dict[int, int] = field(default_factory=dict)

    def note(self, told: Any) -> bool:
        """Note what it is told to be; whether that agrees with what was told of that version."""
        version = told["version"]
        kept = {name: value for name, value in told.items() if name not in DERIVED}
        content = hash(json.dumps(kept, sort_keys=True))
        self.version = max(self.version, version)
        return self.contents.setdefault(version, content) == content


class Crowd:
    """What all connections together know and have been told."""

    def __init__(self) -> None:
        self.things: dict[str, list[Thing]] = {}
        self.all: list[Thing] = []
        self.answers: Counter[str] = Counter()
        self.waits: dict[str, list[float]] = {}
        self.troubles: list[str] = []
        self._last = 0

    def number(self) -> int:
        """Return a number that nobody was given yet."""
        self._last += 1
        return self._last

    async def make(
        self, by: Connection, kind: str, new: Any, *, exact: bool = True, at: int | None = None
    ) -> None:
        """Have a thing made, in place of another one if that is said."""
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
        """Patch a thing, or give it a command.

        Guarded, it is sent again with the version that there is now for as long as somebody was
        quicker, and the answer tells whether anything has changed. Otherwise it must be something
        that always changes.
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
        """Move the stock of a product."""
        answer = await self._ask(what, by, "POST", f"{thing.path}/movements", body)
        if answer.status == 201:
            thing.changes += 1
            thing.moved += 1
        else:
            self._refused(what, thing, answer, ("insufficient-stock",))

    async def delete(
        self, what: str, by: Connection, thing: Thing, refusals: Collection[str] = ()
    ) -> bool:
        """Delete a thing; whether it was there to be deleted."""
        thing.leavers += 1
        answer = await self._ask(what, by, "DELETE", thing.path)
        if answer.status == 204:
            thing.gone = True
            return True
        self._refused(what, thing, answer, refusals)
        thing.leavers -= 1
        return False

    def trouble(self, what: str, answer: Answer) -> None:
        """Note an answer that nobody should have got."""
        self.troubles.append(f"{what}: {answer.status} {answer.body}")

    def _note(self, what: str, thing: Thing, answer: Answer) -> None:
        if not thing.note(answer.body):
            self.trouble(f"{what}: two contents of one version", answer)

    def _refused(self, what: str, thing: Thing, answer: Answer, refusals: Collection[str]) -> None:
        gone = answer.status == 404 and thing.leavers > 0
        # That others got in the way ten times is an honest answer, too.
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
