"""`/docs`, which renders without the internet, and the pages that explain problems."""

from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from entrypoints.http.errors import KINDS

router = APIRouter(include_in_schema=False)

# The package brings Swagger UI's files along; nothing else of it is used.
_ASSETS = files("fastapi_offline") / "static"
_FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Show the operations, to read and to try."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Atelier",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
    )


for _name in _FILES:

    @router.get(f"/docs/{_name}")
    async def asset(request: Request) -> FileResponse:
        """Return one of the files that the page is made of."""
        name = request.url.path.removeprefix("/docs/")
        headers = {"Cache-Control": "public, max-age=86400"}
        return FileResponse(str(_ASSETS / name), media_type=_FILES[name], headers=headers)


@router.get("/problems/{code}")
async def problem(code: str, request: Request) -> Response:
    """Explain a kind of problem."""
    if code not in KINDS:
        raise HTTPException(404)
    kind = KINDS[code]
    return PlainTextResponse(f"{kind.title} ({kind.status} {code})\n\n{kind.about}\n")
