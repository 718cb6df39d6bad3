"""Uploads: the one file of a form, read within a limit."""

from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from domain.errors import Invalid
from entrypoints.pages.routes import MULTIPART
from entrypoints.web.body import read
from entrypoints.web.problems import Refused
from entrypoints.web.route import MAX_PICTURE

# What stands around the file: the boundaries and its name.
_AROUND = 8 * 1024


async def uploaded(request: Request, name: str) -> bytes:
    """Return the file that was chosen in a field of a form.

    Raises:
        Refused: when it is too large.
        Invalid: when there is none.
    """
    headers: dict[bytes, bytes] = dict(request.scope["headers"])
    if not headers.get(b"content-type", b"").startswith(MULTIPART):
        # Another form was sent; of what was kept while somebody signed in, a file is no part.
        raise Invalid(name, "Choose the picture once more, please.")
    try:
        body = await read(headers, request.receive, MAX_PICTURE + _AROUND)
    except Refused:
        raise _too_large() from None
    try:
        parser = MultiPartParser(request.headers, _whole(body), max_files=1, max_fields=10)
        form = await parser.parse()
    except MultiPartException:
        raise Invalid(name, "Send one picture.") from None
    try:
        file = form.get(name)
        content = await file.read() if isinstance(file, UploadFile) else b""
    finally:
        await form.close()
    if not content:
        raise Invalid(name, "Choose a picture first.")
    if len(content) > MAX_PICTURE:
        raise _too_large()
    return content


def _too_large() -> Refused:
    return Refused("too-large", f"Choose a picture of at most {MAX_PICTURE // 1024**2} MiB.")


async def _whole(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
