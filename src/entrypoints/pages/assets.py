"""Static files, each at an address that contains a hash of its content."""

from functools import cache
from hashlib import blake2b
from importlib.resources import files

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@cache
def _files() -> dict[str, bytes]:
    folder = files("entrypoints.pages") / "static"
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


@cache
def address_of(name: str) -> str:
    """Return the address of a static file, to be cached forever."""
    mark = blake2b(_files()[name], digest_size=6).hexdigest()
    return f"/static/{mark}/{name}"


@router.get("/static/{mark}/{name}")
async def static_file(mark: str, name: str) -> Response:
    """Return a static file; respond 404 if the hash is not that of its current content."""
    if name not in _files() or address_of(name) != f"/static/{mark}/{name}":
        raise HTTPException(404)
    return Response(_files()[name], 200, _FOREVER, _MEDIA_TYPES[name.rpartition(".")[2]])
