"""The HTTP client of the tests, in this process or over the wire, signed in as somebody."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import httpx2
import uvloop
from fastapi import FastAPI

from support.people import ADMIN, Person

Answer = httpx2.Response


class Client:
    """Somebody who asks the service: with a token, or without one."""

    def __init__(self, http: httpx2.Client, token: str | None = ADMIN.token) -> None:
        self.http = http
        self.token = token

    def as_(self, whom: Person | str | None) -> "Client":
        """Return a client that asks as a person, by a token, or as a stranger."""
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


class Crowd:
    """Many who ask an application in this process at once, in one event loop as when it serves."""

    def __init__(self, app: FastAPI) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._lifespan = app.router.lifespan_context(app)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx2.AsyncClient(transport=transport, base_url="http://testserver")

    def ask(self, requests: Iterable[tuple[Person, httpx2.Request]]) -> list[Answer]:
        """Send requests, all before any is answered; return the answers in their order."""

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


__all__ = ["Answer", "Client", "Crowd"]
