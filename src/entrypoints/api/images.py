"""Images of users: `/users/{id}/image` to change them, `/media` to download them."""

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Body, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from entrypoints.api.users import UserId
from entrypoints.web.dependencies import Accounts, CurrentContext, IfMatch, ports
from entrypoints.web.route import ApiRoute, problems
from service_layer.queries.users import DEFAULT_IMAGE, UserView

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
    accounts: Accounts,
    ctx: CurrentContext,
) -> UserView:
    """Replace the image of a user. It is a PNG, JPEG or WebP, re-encoded without its metadata."""
    return UserView.of(await accounts.replace_image(user_id, content, ctx, expected))


@router.delete("/{user_id:id}/image", status_code=204)
async def delete_image(
    user_id: UserId, expected: IfMatch, accounts: Accounts, ctx: CurrentContext
) -> None:
    """Delete the image of a user; the default image is shown instead."""
    await accounts.delete_image(user_id, ctx, expected)


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
