"""`/docs`, which renders without the internet, and the pages that explain problems."""

from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from entrypoints.http.kinds import KINDS

router = APIRouter(include_in_schema=False)

# The package brings Swagger UI's files along; nothing else of it is used.
_ASSETS = files("fastapi_offline") / "static"
_FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


# Everything is in files of our own, so that the browser need not run what stands in the page.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Atelier</title>
<link rel="icon" href="/docs/favicon.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

# Without a validator named null, Swagger UI would show the document to one on the internet. What
# somebody signed in with is forgotten with the page.
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Show the operations, to read and to try."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/start.js")
async def start() -> Response:
    """Return the script that starts the page."""
    return Response(_START, media_type="text/javascript")


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
