"""`/openapi.json`: what FastAPI knows of the operations, completed by what the route class adds."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from entrypoints.http.errors import KINDS, MEDIA_TYPE
from entrypoints.http.operations import Operation, problems_of

Json = dict[str, Any]

PROBLEM: Json = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "instance"],
    "properties": {
        "type": {"type": "string", "description": "A path here that explains the problem."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What went wrong, for a person."},
        "code": {"type": "string", "enum": sorted(KINDS)},
        "instance": {"type": "string", "description": "The request id."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "A member of the body."},
                    "parameter": {"type": "string", "description": "A parameter of the query."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def _header(description: str) -> Json:
    return {"description": description, "required": True, "schema": {"type": "string"}}


REQUEST_ID = _header("The id of this request, in the logs too.")
ETAG = _header("The validator of this representation.")
LOCATION = _header("Where the new thing is.")
RETRY = _header("Seconds to wait before trying again.")
LINK: Json = {"description": "The next page (RFC 8288).", "schema": {"type": "string"}}


def describe(app: FastAPI) -> Json:
    """Return the OpenAPI document of the application, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            separate_input_output_schemas=False,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = PROBLEM
        for schema in schemas.values():
            # All lists have the same title, and who makes a client from this goes by it.
            schema.pop("title", None)
        for route in app.routes:
            if isinstance(route, Operation) and route.include_in_schema:
                for method in route.methods or ():
                    _complete(document["paths"][route.path_format][method.lower()], route)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(operation: Json, route: Operation) -> None:
    """Add to an operation what FastAPI cannot know of it."""
    operation["operationId"] = route.name
    responses: Json = operation["responses"]
    responses.pop("422", None)
    success = responses[str(route.status_code or 200)]
    success["headers"] = {"X-Request-ID": REQUEST_ID}
    if route.response_model:
        success["headers"]["ETag"] = ETAG
    if route.status_code == 201:
        success["headers"]["Location"] = LOCATION
    if route.paged:
        success["headers"]["Link"] = LINK
    if "GET" in (route.methods or ()):
        _add_parameter(operation, "If-None-Match", "Answer 304 if this is still the tag.")
        responses["304"] = {
            "description": "Unchanged.",
            "headers": {"X-Request-ID": REQUEST_ID, "ETag": ETAG},
        }
    if route.conditional:
        _add_parameter(operation, "If-Match", "Change it only if this is still its tag.")
    if route.body_name:
        content = operation["requestBody"]["content"]
        for media_type in route.accepts:
            content[media_type.decode()] = content["application/json"]
        operation["requestBody"]["required"] = True
    for code in sorted(problems_of(route)):
        _add_problem(responses, code)
    for parameter in operation.get("parameters", ()):
        _drop_null(parameter)
        _name_values(parameter)
    operation["responses"] = dict(sorted(responses.items()))


def _add_parameter(operation: Json, name: str, description: str) -> None:
    schema = {"type": "string", "format": "etag"}
    parameter = {"name": name, "in": "header", "required": False, "description": description}
    operation.setdefault("parameters", []).append({**parameter, "schema": schema})


def _add_problem(responses: Json, code: str) -> None:
    status, title = str(KINDS[code].status), KINDS[code].title
    headers = {"X-Request-ID": REQUEST_ID}
    if status in ("409", "429", "503"):
        headers["Retry-After"] = RETRY
    others = responses.get(status, {}).get("description")
    responses[status] = {
        "description": f"{others}, {title}" if others else title,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        "headers": headers,
    }


def _drop_null(parameter: Json) -> None:
    """An optional parameter may be left out; there is no way of writing null in a query."""
    schema = parameter["schema"]
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        del schema["anyOf"]
        schema.update(options[0])


def _name_values(parameter: Json) -> None:
    """Name the values of a sort for those who make a client: `-name` is nothing to call it by."""
    schema = parameter["schema"]
    if any(value.startswith("-") for value in schema.get("enum", ())):
        schema["x-enum-varnames"] = [
            f"{value[1:]}_descending".upper() if value.startswith("-") else value.upper()
            for value in schema["enum"]
        ]
