"""Markdown renderer with a cache, in a worker process."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any

from adapters.worker_process import NO_SIDE_EFFECTS, Limits, killed_after, start_worker
from service_layer.ports import Excerpt, MarkdownRenderer

WORKER = Path(__file__).with_name("markdown_worker.py")

LIMITS: Limits = {"AS": (400 << 20, 400 << 20), "DATA": (160 << 20, 160 << 20), **NO_SIDE_EFFECTS}
"""Memory limits: several times what the largest ordinary text needs."""

READ_FOR_BEGINNING = 2_000
"""Number of characters of a text that are read for its excerpt."""

CACHE_BYTES = 4 << 20

WAITING = 100
"""Queue length at which further requests get no result."""

_MAX_ANSWER = 16 << 20


class Cache:
    """An LRU cache of results by the digest of their text, limited by its size in bytes.

    It is thread-safe.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._entries: dict[bytes, tuple[Any, int]] = {}
        self._lock = threading.Lock()
        self.bytes = 0

    def get(self, key: bytes) -> tuple[Any] | None:
        """Return the result in a tuple, because the result itself may be `None`."""
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is None:
                return None
            self._entries[key] = entry
            return (entry[0],)

    def put(self, key: bytes, result: Any, text: str) -> None:
        """Store a result; `text` accounts for most of its size."""
        size = sys.getsizeof(text) + 300
        with self._lock:
            self.bytes -= self._entries.pop(key, (None, 0))[1]
            self._entries[key] = result, size
            self.bytes += size
            while self.bytes > self._max_bytes:
                self.bytes -= self._entries.pop(next(iter(self._entries)))[1]


class WorkerMarkdown(MarkdownRenderer):
    """Render in a worker process, which starts on demand and exits when idle.

    A request waits for at most `seconds`; then the process is killed.
    """

    def __init__(
        self,
        worker: Path = WORKER,
        seconds: float = 10,
        limits: Limits = LIMITS,
        cache: Cache | None = None,
    ) -> None:
        self._worker = worker
        self._seconds = seconds
        self._limits = limits
        self._cache = cache or Cache()
        self._waiting = 0
        # One thread for the one process: a slow text delays only other texts that are not cached.
        self._thread = ThreadPoolExecutor(1, "markdown")
        self._process: subprocess.Popen[bytes] | None = None
        self._end: Callable[[], object] = lambda: None

    async def to_html(self, text: str) -> str | None:
        if not text.strip():
            return ""
        key = _key("html", text)
        cached = self._cache.get(key)
        if cached is None:
            cached = await self._run(self._render, key, text)
        return cached[0] if cached else None

    async def excerpts(self, texts: Sequence[str]) -> list[Excerpt | None]:
        beginnings = [text[:READ_FOR_BEGINNING] for text in texts]
        keys = [_key("beginning", text) for text in beginnings]
        found = {key: self._cache.get(key) for key in keys}
        missing = {
            key: text for key, text in zip(keys, beginnings, strict=True) if found[key] is None
        }
        if missing:
            found |= await self._run(self._begin, missing) or {}
        return [entry[0] if (entry := found[key]) else None for key in keys]

    async def _run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run work that uses the worker; return `None` when the queue is full or time is up."""
        if self._waiting >= WAITING:
            return None
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self._thread, work, *arguments)
            return await asyncio.wait_for(asked, self._seconds)
        except TimeoutError:
            return None
        finally:
            self._waiting -= 1

    def _render(self, key: bytes, text: str) -> tuple[str | None] | None:
        # Requests for the same text run in sequence, so only the first one renders it.
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        answer = self._ask("html", text)
        if answer is None:
            return None
        (html,) = answer
        if not isinstance(html, str | None):
            return None
        self._cache.put(key, html, html or "")
        return (html,)

    def _begin(self, texts: dict[bytes, str]) -> dict[bytes, tuple[Excerpt | None]]:
        made = {key: cached for key in texts if (cached := self._cache.get(key)) is not None}
        missing = [key for key in texts if key not in made]
        answer = self._ask("beginnings", [texts[key] for key in missing]) if missing else None
        if answer is None or not isinstance(answer[0], list):
            return made
        for key, each in zip(missing, answer[0], strict=False):
            begins = None if each is None else Excerpt(str(each[0]), bool(each[1]))
            self._cache.put(key, begins, begins.text if begins else "")
            made[key] = (begins,)
        return made

    def _ask(self, kind: str, asked: str | list[str]) -> tuple[Any] | None:
        """Return the worker's response in a tuple; `None` when there is none."""
        request = json.dumps([kind, asked]).encode()
        # A worker that exited because it was idle is replaced, and the request is retried once.
        for _ in range(2):
            process = self._process or self._started()
            if process is None:
                return None
            with killed_after(process, self._seconds):
                content = _exchange(process, request)
                if content is not None:
                    return (json.loads(content),)
                ended_by_itself = process.wait() == 0
            self._process = None
            self._end()
            if not ended_by_itself:
                return None
        return None

    def _started(self) -> subprocess.Popen[bytes] | None:
        try:
            process = start_worker(self._worker, self._limits)
        except OSError:
            return None
        self._process = process
        # This ends the worker with this object, or at the latest with the process.
        self._end = weakref.finalize(self, _close, process)
        return process


def _key(kind: str, text: str) -> bytes:
    return blake2b(f"{kind}\0{text}".encode(errors="surrogatepass"), digest_size=16).digest()


def _exchange(process: subprocess.Popen[bytes], request: bytes) -> bytes | None:
    """Send a request and return the response, or `None` if the worker exited instead."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(len(request).to_bytes(4, "big") + request)
        process.stdin.flush()
    except BrokenPipeError:
        return None
    length = int.from_bytes(process.stdout.read(4), "big")
    if length > _MAX_ANSWER:
        process.kill()
        return None
    content = process.stdout.read(length)
    return content if content and len(content) == length else None


def _close(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    process.wait()
