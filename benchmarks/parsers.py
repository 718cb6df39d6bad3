"""Measure the CPU time of every parser of untrusted input, with the largest input of each shape.

Bodies have the maximum size of 1 MiB (images: 2 MiB), headers about 64 KiB. Each input is parsed at
full and at half size. A parser must stay below `BOUND`, and its time must not grow much faster than
the input. Otherwise the exit code is 1.
"""

import argparse
import asyncio
import base64
import contextlib
import gc
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]

from fastapi import Request  # noqa: E402
from pydantic import TypeAdapter  # noqa: E402

from bootstrap import http_protocol_class  # noqa: E402
from domain.errors import DomainError  # noqa: E402
from entrypoints.api.access import SignIn  # noqa: E402
from entrypoints.api.devices import Heartbeat  # noqa: E402
from entrypoints.api.posts import NewPost  # noqa: E402
from entrypoints.api.products import NewProduct  # noqa: E402
from entrypoints.api.tasks import NewTask, TaskParameters  # noqa: E402
from entrypoints.pages import sessions, uploads  # noqa: E402
from entrypoints.web import etags, pagination  # noqa: E402
from entrypoints.web.body import (  # noqa: E402
    parse,
    parse_form,
    read,
    require_media_type,
)
from entrypoints.web.problems import ApiProblem  # noqa: E402
from entrypoints.web.validation import (  # noqa: E402
    pointer_in_body,
    pointer_in_query,
    query_parameters,
    validated,
)
from support.wire import answering, exchange, of_length  # noqa: E402

BOUND = 0.25
"""CPU seconds that one input may take, on the machine of docs/performance.md."""

GROWTH = 3.0
"""Maximum growth of the time for twice the input, if the time is long enough to measure."""

TELLING = 0.01

MIB = 1024 * 1024
HEAD = 60 * 1024

Parse = Callable[[bytes], Any]
Make = Callable[[int], bytes]


def filled(piece: bytes, before: bytes = b"", after: bytes = b"", between: bytes = b"") -> Make:
    """Return a function that makes an input of a given size by repeating a piece."""

    def make(size: int) -> bytes:
        number = (size - len(before) - len(after) + len(between)) // len(piece + between)
        return before + between.join([piece] * number) + after

    return make


def nested(levels: int, inside: Make, key: bytes = b"") -> Make:
    """Return a function that makes an input of nested arrays or objects around another input."""
    start, end = (b'{"%b":' % key, b"}") if key else (b"[", b"]")
    return lambda size: start * levels + inside(size - levels * len(start + end)) + end * levels


def members(size: int) -> bytes:
    """Return one object with very many members."""
    number = size // 20
    return b"{" + b",".join(b'"m%08d":%d' % (place, place) for place in range(number)) + b"}"


def multipart(content: Make, before: bytes = b"") -> Make:
    """Return a function that makes an upload with the file in the middle."""
    start = (
        b"--b\r\nContent-Disposition: form-data; name=picture; filename=a\r\n" + before + b"\r\n"
    )
    return lambda size: start + content(size - 200) + b"\r\n--b--\r\n"


JSON: dict[str, Make] = {
    "white space": filled(b" ", after=b"{}"),
    "one text": filled(b"x", b'"', b'"'),
    "one text of escapes": filled(b"\\u0041", b'"', b'"'),
    "one text of surrogate pairs": filled(b"\\ud83d\\udee0", b'"', b'"'),
    "many texts": filled(b'"a"', b"[", b"]", b","),
    "64 levels of many texts and an escape": nested(
        64, filled(b'"a"', after=b',"\\ud83d\\udee0"', between=b",")
    ),
    "900 levels of many texts and an escape": nested(
        900, filled(b'"a"', after=b',"\\ud83d\\udee0"', between=b",")
    ),
    "arrays within arrays": filled(b"["),
    "objects within objects": nested(60, filled(b'{"a":{"b":{}}}', b"[", b"]", b","), b"a"),
    "many empty arrays": filled(b"[]", b"[", b"]", b","),
    "many arrays of 60 levels": filled(b"[" * 60 + b"]" * 60, b"[", b"]", b","),
    "many empty objects": filled(b"{}", b"[", b"]", b","),
    "many objects of one member": filled(b'{"a":1}', b"[", b"]", b","),
    "many objects with an escape in each": filled(b'{"\\ud83d\\udee0":0}', b"[", b"]", b","),
    "one object of many members": members,
    "many small numbers": filled(b"1", b"[", b"]", b","),
    "many long integers": filled(b"9" * 4_000, b"[", b"]", b","),
    "one long integer": filled(b"9"),
    "one long fraction": filled(b"9", b"0."),
    "many fractions": filled(b"1.5", b"[", b"]", b","),
    "many exponents": filled(b"1e999999", b"[", b"]", b","),
    "an end too few": filled(b'"a",', b"["),
    "no UTF-8": filled(b"\xff"),
}

TEXTS: dict[str, bytes] = {
    "letters": b"x",
    "white space": b" ",
    "combining marks": "\u0301".encode(),
    "letters that decompose": "\ufdfa".encode(),
    "hangul": "\u1100\u1161".encode(),
    "emoji and joiners": "\U0001f9d1\u200d".encode(),
    "line ends": b"\\r\\n",
    "quotes": b'\\"',
    "brackets": b"[a](b)",
}

FORMS: dict[str, Make] = {
    "letters": filled(b"x", b"username="),
    "escapes": filled(b"%41", b"username="),
    "broken escapes": filled(b"%4", b"username="),
    "plus signs": filled(b"+", b"username="),
    "ampersands": filled(b"&"),
    "names": filled(b"a=1&"),
    "equals signs": filled(b"="),
    "semicolons": filled(b";"),
}

UPLOADS: dict[str, Make] = {
    "bytes": multipart(filled(b"\0")),
    "line ends": multipart(filled(b"\r\n")),
    "beginnings of the boundary": multipart(filled(b"\r\n-")),
    "dashes": multipart(filled(b"-")),
    "many headers": multipart(filled(b"A: b\r\n")),
    "one long header": multipart(filled(b"x"), b"X: " + b"y" * MIB),
    "many parameters": lambda size: multipart(
        filled(b"x"), b"Content-Disposition: form-data" + b";a" * (size // 2 - 100)
    )(300),
    "many parts": filled(b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n"),
    "many empty parts": filled(b"--b\r\n\r\n\r\n"),
}

LISTS: dict[str, Make] = {
    "tags": filled(b'"1-a",'),
    "commas": filled(b","),
    "quotes": filled(b'"'),
    "one quote and commas": filled(b",", b'"'),
    "letters": filled(b"a"),
    "pairs of letters and commas": filled(b"a,"),
    "weak tags": filled(b"W/,"),
    "white space": filled(b" ", after=b'"1-a"'),
}

COOKIES: dict[str, Make] = {
    "escaped quotes": filled(b'\\"', b'atelier="', b'"'),
    "octal escapes": filled(b"\\101", b'atelier="', b'"'),
    "semicolons": filled(b";"),
    "many cookies": filled(b"a=b; "),
    "many of ours": filled(b"atelier=b; "),
    "equals signs": filled(b"="),
    "one value": filled(b"x", b"atelier="),
}

QUERIES: dict[str, Make] = {
    "escapes": filled(b"%41", b"q="),
    "ampersands": filled(b"&"),
    "one name": filled(b"x"),
    "a cursor of arrays": lambda size: b"cursor=" + base64.b64encode(b"[" * (size * 3 // 4)),
    "a cursor of digits": lambda size: b"cursor=" + base64.b64encode(b"9" * (size * 3 // 4)),
    "a cursor of a long value": lambda size: (
        b"cursor="
        + base64.b64encode(json.dumps(["priority", "x" * (size * 3 // 4), "0" * 32]).encode())
    ),
    "digits": filled(b"9", b"priority="),
    "letters of a search": filled(b"x", b"q="),
}

HEADS: dict[str, Make] = {
    "one header": filled(b"x", b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"\r\n\r\n"),
    "many headers": filled(b"a:b\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n"),
    "many escapes in the path": filled(b"%41", b"GET /", b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    "many requests": filled(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
}

BODIES: dict[str, Make] = {
    "chunks of one byte": filled(
        b"1\r\nx\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\n\r\n",
    ),
    "one piece": lambda size: (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    ),
}


def body_of(model: Any) -> Parse:
    """Return a parser of JSON bodies by a schema."""
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    return lambda body: validated(adapter, parse(body), pointer_in_body)


def form_of(model: Any) -> Parse:
    """Return a parser of forms by a schema."""
    adapter: TypeAdapter[Any] = TypeAdapter(model)
    return lambda body: validated(adapter, parse_form(body), pointer_in_body)


def query(query: bytes) -> None:
    """Parse the query of a list."""
    adapter = TypeAdapter(TaskParameters)
    parameters = query_parameters(query)
    if "cursor" in parameters:
        pagination.decode(parameters["cursor"])
    validated(adapter, parameters, pointer_in_query).page_request()


APP = SimpleNamespace(state=SimpleNamespace(origin=None))
"""The part of the application from which the name of the cookie is derived."""


def request_with(*headers: tuple[bytes, bytes], body: bytes = b"") -> Request:
    """Return a request as an endpoint receives it."""

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/", "scheme": "http", "headers": headers}
    scope |= {"server": ("x", 80), "query_string": b""}
    return Request({**scope, "app": APP}, receive)


def upload(body: bytes) -> None:
    """Parse the image in a form."""
    kind = (b"content-type", b"multipart/form-data; boundary=b")
    asyncio.run(uploads.uploaded(request_with(kind, body=body), "picture"))


def boundary(header: bytes) -> None:
    """Parse the Content-Type header of an upload."""
    asyncio.run(uploads.uploaded(request_with((b"content-type", header)), "picture"))


def cookie(header: bytes) -> None:
    """Parse the session cookie."""
    sessions.secret_of(request_with((b"cookie", header)))


def trickled(body: bytes) -> None:
    """Read a body that arrives in pieces of 64 bytes."""
    pieces = [body[at : at + 64] for at in range(0, len(body), 64)]

    async def receive() -> Any:
        return {"type": "http.request", "body": pieces.pop(), "more_body": bool(pieces)}

    asyncio.run(read({}, receive))


def connection(sent: bytes) -> None:
    """Feed the HTTP protocol with input, in pieces as large as a socket read."""
    app = answering(200, of_length(5), b"Hello", reads=True)
    size = 64 * 1024
    exchange(
        http_protocol_class(), app, *(sent[at : at + size] for at in range(0, len(sent), size))
    )


def inputs() -> Iterator[tuple[str, str, Parse, Make, int]]:
    """Yield each parser with a shape of input and its maximum size."""
    for shape, make in JSON.items():
        yield "JSON", shape, body_of(NewTask), make, MIB
    for shape, make in JSON.items():
        within = filled_in(make)
        yield "JSON in metrics", shape, body_of(Heartbeat), within, 16 * 1024
    for shape, piece in TEXTS.items():
        make = filled(piece, b'{"title":"x","content":"', b'"}')
        yield "text of a post", shape, body_of(NewPost), make, MIB
        make = filled(piece, b'{"title":"', b'"}')
        yield "title of a task", shape, body_of(NewTask), make, MIB
    for shape, number in (("zeros", b"0"), ("nines", b"9")):
        price = filled(number, b'{"name":"x","price":1.', b"}")
        yield "price", f"many {shape}", body_of(NewProduct), price, MIB
        priority = filled(number, b'{"title":"x","priority":1.', b"}")
        yield "priority", f"many {shape}", body_of(NewTask), priority, MIB
    for shape, make in FORMS.items():
        yield "form of the API", shape, form_of(SignIn), make, 64 * 1024
        yield "form of a page", shape, lambda body: parse_form(body, 100), make, MIB
    for shape, make in UPLOADS.items():
        yield "upload", shape, upload, make, 2 * MIB
    yield "upload", "parameters in its head", boundary, filled(b";a", b"multipart/form-data"), HEAD
    quotes = filled(b'";', b"multipart/form-data")
    yield "upload", "quotes in its head", boundary, quotes, HEAD
    for shape, make in LISTS.items():
        yield "If-Match", shape, matched, make, HEAD
        yield "If-None-Match", shape, compared, make, HEAD
    spaces = filled(b" ", b"application/json; charset", b"x")
    yield "Content-Type", "white space", typed, spaces, HEAD
    yield "Content-Type", "charsets", typed, filled(b"charset ", b"application/json;"), HEAD
    for shape, make in COOKIES.items():
        yield "Cookie", shape, cookie, make, HEAD
    for shape, make in QUERIES.items():
        yield "query", shape, query, make, HEAD
    for shape, make in HEADS.items():
        yield "head", shape, connection, make, HEAD
    for shape, make in BODIES.items():
        yield "body on the wire", shape, connection, make, MIB
    yield "body on the wire", "pieces of 64 bytes", trickled, filled(b"x"), MIB


def filled_in(make: Make) -> Make:
    """Return a function that makes a heartbeat with an input in its metrics."""
    return lambda size: b'{"metrics":{"a":%b}}' % make(size - 20)


def matched(header: bytes) -> None:
    """Parse If-Match."""
    etags.expected_versions(header.decode("latin-1"))


def compared(header: bytes) -> None:
    """Parse and compare If-None-Match."""
    etags.if_none_match_holds(header.decode("latin-1"), '"1-b"')


def typed(header: bytes) -> None:
    """Parse Content-Type."""
    require_media_type({b"content-type": header}, (b"application/json",))


def spent(parser: Parse, sent: bytes) -> float:
    """Return the CPU seconds to parse or reject an input: the best of three."""
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        with contextlib.suppress(ApiProblem, DomainError):
            parser(sent)
        best = min(best, time.process_time() - started)
        if best > 2:
            break
    return best


def main() -> None:
    """Measure each parser and print the slowest ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a regular expression for the parser and shape")
    parser.add_argument("--all", action="store_true", help="print all of them")
    asked = parser.parse_args()
    # the same as in the service (entrypoints.app)
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    rows, failed = [], 0
    for name, shape, parser, make, size in inputs():
        if not re.search(asked.only, f"{name}: {shape}"):
            continue
        half, full = spent(parser, make(size // 2)), spent(parser, make(size))
        growth = full / half if half else 1.0
        wrong = full > BOUND or (full > TELLING and growth > GROWTH)
        failed += wrong
        rows.append((full, f"{name}: {shape}", growth, "  TOO LONG" if wrong else ""))
    rows.sort(reverse=True)
    print("milliseconds  times half")
    for full, what, growth, wrong in rows if asked.all else rows[: max(20, failed)]:
        print(f"{full * 1000:12.1f}  {growth:10.1f}  {what}{wrong}")
    print(f"{len(rows)} inputs, {failed} beyond the bound of {BOUND * 1000:.0f} ms.")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
