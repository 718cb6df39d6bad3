"""Uploads: the one file of a form, read within a limit."""

from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from domain.errors import InvalidField
from entrypoints.pages.routes import MULTIPART
from entrypoints.web.body import read
from entrypoints.web.problems import ApiProblem
from entrypoints.web.route import MAX_IMAGE

# What stands around the file: the boundaries and its name.
_AROUND = 8 * 1024


async def uploaded(request: Request, name: str) -> bytes:
    """Return the file that was chosen in a field of a form.

    Raises:
        ApiProblem: when it is too large.
        InvalidField: when there is none.
    """
    headers: dict[bytes, bytes] = dict(request.scope["headers"])
    if not headers.get(b"content-type", b"").startswith(MULTIPART):
        # Another form was sent; of what was kept while somebody signed in, a file is no part.
        raise InvalidField(name, "Choose the photo again.")
    try:
        body = await read(headers, request.receive, MAX_IMAGE + _AROUND)
    except ApiProblem:
        raise _too_large() from None
    try:
        parser = MultiPartParser(request.headers, _whole(body), max_files=1, max_fields=10)
        form = await parser.parse()
    except MultiPartException:
        raise InvalidField(name, "Choose one photo.") from None
    try:
        file = form.get(name)
        content = await file.read() if isinstance(file, UploadFile) else b""
    finally:
        await form.close()
    if not content:
        raise InvalidField(name, "Choose a photo first.")
    if len(content) > MAX_IMAGE:
        raise _too_large()
    return content


def _too_large() -> ApiProblem:
    return ApiProblem("too-large", f"Choose a photo of at most {MAX_IMAGE // 1024**2} MiB.")


async def _whole(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
