"""File uploads: multipart forms with one file, read within a size limit."""

from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from domain.errors import InvalidField
from entrypoints.pages.routes import MULTIPART
from entrypoints.web.body import MAX_IMAGE, read
from entrypoints.web.problems import ApiProblem

# The allowance for multipart boundaries and part headers, in bytes.
_AROUND = 8 * 1024


async def uploaded(request: Request, name: str) -> bytes:
    """Return the content of the file uploaded in a field.

    Raises:
        ApiProblem: 413 when the file is larger than `MAX_IMAGE`.
        InvalidField: when the file is missing or the form is malformed.
    """
    headers: dict[bytes, bytes] = dict(request.scope["headers"])
    if not headers.get(b"content-type", b"").startswith(MULTIPART):
        # A form replayed after a sign-in has no file.
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
