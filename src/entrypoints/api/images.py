"""Pictures of people: `/users/{id}/image` to change them, `/media` to look at them."""

from datetime import datetime
from importlib.resources import files
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from domain.actors import Actor
from domain.base import Expected
from domain.errors import DomainError, Invalid, Stale, Unacceptable
from domain.users import User
from entrypoints.api.users import UserId
from entrypoints.web.dependencies import By, IfMatch, Now, PicturesPort, Run, Users, ports
from entrypoints.web.route import Operation, problems
from service_layer import users
from service_layer.ports import Pictures
from service_layer.queries.users import DEFAULT_PICTURE, UserView
from service_layer.runner import Runner

router = APIRouter(prefix="/api/v1/users", tags=["users"], route_class=Operation)
media = APIRouter(include_in_schema=False)

_DEFAULT = (files("entrypoints.api") / "static" / DEFAULT_PICTURE).read_bytes()
_FOREVER = "public, max-age=31536000, immutable"
_A_DAY = "public, max-age=86400"
# Pictures are for pages of any origin to show.
_ANYWHERE = {"Cross-Origin-Resource-Policy": "cross-origin"}


@router.put("/{user_id:id}/image", openapi_extra=problems("storage-unavailable"))
async def put_image(
    user_id: UserId,
    content: Annotated[bytes, Body(media_type="image/png")],
    expected: IfMatch,
    user_queries: Users,
    pictures: PicturesPort,
    run: Run,
    by: By,
    now: Now,
) -> UserView:
    """Show another picture of somebody: PNG, JPEG or WebP, made anew without its metadata."""
    user = await user_queries.one(user_id, now)
    if expected is not None and user.version not in expected:
        raise Stale("user", user.version)
    shown = await change_picture(
        content, user_id, pictures=pictures, run=run, by=by, now=now, expected=expected
    )
    return UserView.of(shown)


async def change_picture(
    content: bytes,
    user_id: UUID,
    *,
    pictures: Pictures,
    run: Runner,
    by: Actor,
    now: datetime,
    expected: Expected = None,
) -> User:
    """Keep what was uploaded and show it; the picture before is kept no more.

    Raises:
        Invalid: when it is no picture that can be shown.
        StorageUnavailable: when it cannot be kept at the moment.
    """
    try:
        name = await pictures.keep(content)
    except Unacceptable as error:
        raise Invalid("", str(error)) from None
    try:
        shown, before = await run(
            users.show_picture, user_id, name, actor=by, now=now, expected=expected
        )
    except DomainError:
        await pictures.discard(name)
        raise
    if before is not None:
        await pictures.discard(before)
    return shown


@router.delete("/{user_id:id}/image", status_code=204)
async def delete_image(
    user_id: UserId, expected: IfMatch, pictures: PicturesPort, run: Run, by: By, now: Now
) -> None:
    """Show no picture of somebody but the one that stands for everybody."""
    _, before = await run(users.show_picture, user_id, None, actor=by, now=now, expected=expected)
    if before is not None:
        await pictures.discard(before)


@media.get("/media/{name}")
async def picture(name: str, request: Request) -> Response:
    """Return a picture. What is at an address stays the same, so it may be kept for good."""
    if name == DEFAULT_PICTURE:
        return Response(
            _DEFAULT, media_type="image/png", headers={"Cache-Control": _A_DAY, **_ANYWHERE}
        )
    found = await ports(request).pictures().find(name)
    if found is None:
        raise HTTPException(404)
    return Response(
        found.content, media_type=found.media_type, headers={"Cache-Control": _FOREVER, **_ANYWHERE}
    )
