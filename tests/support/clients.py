"""HTTP clients for tests: in process or over the network, authenticated by a token."""

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
import uvloop
from fastapi import FastAPI
from starlette.types import Message, Scope

from support.people import ADMIN, Person

Answer = httpx2.Response

T = TypeVar("T")


class Client:
    """An API client that sends a token, unless `token` is `None`."""

    def __init__(self, http: httpx2.Client, token: str | None = ADMIN.token) -> None:
        self.http = http
        self.token = token

    def as_(self, whom: Person | str | None) -> "Client":
        """Return a client with a person's token, a given token, or none."""
        return Client(self.http, whom.token if isinstance(whom, Person) else whom)

    def request(self, method: str, url: str, *, headers: Any = None, **options: Any) -> Answer:
        given = httpx2.Headers(headers)
        if self.token is not None and "authorization" not in given:
            given["Authorization"] = f"Bearer {self.token}"
        return self.http.request(method, url, headers=given, **options)

    def get(self, url: str, **options: Any) -> Answer:
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Answer:
        return self.request("HEAD", url, **options)

    def post(self, url: str, **options: Any) -> Answer:
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> Answer:
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> Answer:
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> Answer:
        return self.request("DELETE", url, **options)

    def __enter__(self) -> Self:
        self.http.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.__exit__(kind, error, trace)


class InProcess(httpx2.BaseTransport):
    """A transport to an application in this process, whose event loop has an own thread.

    It may be used by several threads at once. It takes a third of the time of Starlette's
    TestClient.
    """

    def __init__(self, app: FastAPI) -> None:
        self.client = ("testclient", 50_000)
        """The client address and port of requests."""
        self._app = app
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="application", daemon=True)
        self._thread.start()
        self._lifespan = app.router.lifespan_context(app)
        self.await_(self._lifespan.__aenter__())

    def await_(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the application's event loop, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def handle_request(self, request: httpx2.Request) -> Answer:
        """Return the application's response, 500 if it raises before it starts one."""
        request.read()
        return self.await_(self._answer(request))

    async def _answer(self, request: httpx2.Request) -> Answer:
        url = request.url
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (url.host, url.port or 80),
            "client": self.client,
        }
        incoming = [{"type": "http.request", "body": request.content, "more_body": False}]
        head: Message = {"status": 500, "headers": []}
        body = bytearray()

        async def receive() -> Message:
            return incoming.pop() if incoming else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                head = message
            else:
                body.extend(message.get("body", b""))

        with suppress(Exception):
            await self._app(scope, receive, send)
        content = b"" if request.method == "HEAD" else bytes(body)
        return Answer(head["status"], headers=head["headers"], content=content)

    def close(self) -> None:
        """Shut the application down as a server does, and end its thread."""
        try:
            self.await_(self._lifespan.__aexit__(None, None, None))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


class AppClient(httpx2.Client):
    """An HTTP client of an application in this process; it follows redirects."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.process = InProcess(app)
        super().__init__(
            transport=self.process, base_url="http://testserver", follow_redirects=True
        )


class Crowd:
    """Concurrent clients of an application in this process, all in one event loop."""

    def __init__(self, app: FastAPI) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._lifespan = app.router.lifespan_context(app)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx2.AsyncClient(transport=transport, base_url="http://testserver")

    def ask(self, requests: Iterable[tuple[Person, httpx2.Request]]) -> list[Answer]:
        """Send requests concurrently; return the responses in order of the requests."""

        async def answers() -> list[Answer]:
            return await asyncio.gather(*(self._send(*each) for each in requests))

        return self._runner.run(answers())

    async def _send(self, by: Person, request: httpx2.Request) -> Answer:
        request.headers["Authorization"] = f"Bearer {by.token}"
        return await self._http.send(request)

    def __enter__(self) -> Self:
        self._runner.run(self._lifespan.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._http.aclose())
        self._runner.run(self._lifespan.__aexit__(kind, error, trace))
        self._runner.close()


__all__ = ["Answer", "AppClient", "Client", "Crowd"]
