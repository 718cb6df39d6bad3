"""Images of users: `/users/{id}/image` to change them, `/media` to download them."""

from importlib.resources import files
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from domain.base import Context, Expected
from domain.errors import DomainError, InvalidField, InvalidValue, VersionMismatch
from domain.users import User
from entrypoints.api.users import UserId
from entrypoints.web.dependencies import CurrentContext, IfMatch, Images, UseCases, Users, ports
from entrypoints.web.route import ApiRoute, problems
from service_layer import users
from service_layer.ports import ImageStore
from service_layer.queries.users import DEFAULT_IMAGE, UserView
from service_layer.runner import Runner

router = APIRouter(prefix="/api/v1/users", tags=["users"], route_class=ApiRoute)
media = APIRouter(include_in_schema=False)

_DEFAULT = (files("entrypoints.api") / "static" / DEFAULT_IMAGE).read_bytes()
_FOREVER = "public, max-age=31536000, immutable"
_A_DAY = "public, max-age=86400"
# Pages of any origin may embed images.
_ANYWHERE = {"Cross-Origin-Resource-Policy": "cross-origin"}


@router.put("/{user_id:id}/image", openapi_extra=problems("storage-unavailable"))
async def put_image(
    user_id: UserId,
    content: Annotated[bytes, Body(media_type="image/png")],
    expected: IfMatch,
    user_queries: Users,
    pictures: Images,
    run: UseCases,
    ctx: CurrentContext,
) -> UserView:
    """Replace the image of a user. It is a PNG, JPEG or WebP, re-encoded without its metadata."""
    user = await user_queries.one(user_id, ctx.now)
    if expected is not None and user.version not in expected:
        raise VersionMismatch("user", user.version)
    shown = await replace_image(content, user_id, ctx, expected, pictures=pictures, run=run)
    return UserView.of(shown)


async def replace_image(
    content: bytes,
    user_id: UUID,
    ctx: Context,
    expected: Expected = None,
    *,
    pictures: ImageStore,
    run: Runner,
) -> User:
    """Store an uploaded image, set it as the user's, and delete the previous one.

    Raises:
        InvalidField: when the content is not an acceptable image.
        StorageUnavailable: when the storage of images is unavailable.
        DomainError: as by `users.set_image`, after deleting the new file.
    """
    try:
        name = await pictures.save(content)
    except InvalidValue as error:
        raise InvalidField("", str(error)) from None
    try:
        shown, before = await run(users.set_image, user_id, name, ctx, expected)
    except DomainError:
        await pictures.delete(name)
        raise
    if before is not None:
        await pictures.delete(before)
    return shown


@router.delete("/{user_id:id}/image", status_code=204)
async def delete_image(
    user_id: UserId, expected: IfMatch, pictures: Images, run: UseCases, ctx: CurrentContext
) -> None:
    """Delete the image of a user; the default image is shown instead."""
    _, before = await run(users.set_image, user_id, None, ctx, expected)
    if before is not None:
        await pictures.delete(before)


@media.get("/media/{name}")
async def picture(name: str, request: Request) -> Response:
    """Return an image. An uploaded image never changes at its URL, so caches may keep it."""
    if name == DEFAULT_IMAGE:
        return Response(
            _DEFAULT, media_type="image/png", headers={"Cache-Control": _A_DAY, **_ANYWHERE}
        )
    found = await ports(request).images.find(name)
    if found is None:
        raise HTTPException(404)
    return Response(
        found.content, media_type=found.media_type, headers={"Cache-Control": _FOREVER, **_ANYWHERE}
    )
