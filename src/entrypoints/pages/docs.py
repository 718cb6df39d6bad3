"""Swagger UI at `/docs`, served without a CDN, and the pages of problem types (RFC 9457)."""

from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from entrypoints.pages.markdown import rendered
from entrypoints.pages.rendering import HEADERS, render
from entrypoints.web.dependencies import ports
from entrypoints.web.problem_types import PROBLEM_TYPES

router = APIRouter(include_in_schema=False)

# Only the files of Swagger UI are used from this package.
_ASSETS = files("fastapi_offline") / "static"
_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}

# With `validatorUrl: null` Swagger UI does not send the document to an online validator.
# Credentials are not stored beyond the page.
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""

# All scripts and styles are separate files, so inline scripts and styles can be forbidden.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Show Swagger UI."""
    return HTMLResponse(render("docs.html"), headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/start.js")
async def start() -> Response:
    """Return the script that starts Swagger UI."""
    return Response(_START, media_type="text/javascript")


for _name in _FILES:

    @router.get(f"/docs/{_name}")
    async def asset(request: Request) -> FileResponse:
        """Return one of Swagger UI's files."""
        name = request.url.path.removeprefix("/docs/")
        headers = {"Cache-Control": "public, max-age=86400"}
        return FileResponse(str(_ASSETS / name), media_type=_FILES[name], headers=headers)


@router.get("/problems/{code}")
async def problem(code: str, request: Request) -> Response:
    """Describe a problem type, as HTML if the client accepts it, else as plain text."""
    if code not in PROBLEM_TYPES:
        raise HTTPException(404)
    kind = PROBLEM_TYPES[code]
    if "text/html" in request.headers.get("accept", "").lower():
        about = await rendered(ports(request).markdown, kind.description)
        path = request.url.path
        body = render("problem.html", path=path, code=code, kind=kind, about=about)
        return HTMLResponse(body, headers={**HEADERS, "Vary": "Accept"})
    text = f"{kind.title} ({kind.status} {code})\n\n{kind.description}\n"
    return PlainTextResponse(text, headers={"Vary": "Accept"})
