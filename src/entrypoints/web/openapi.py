"""`/openapi.json`: the document of FastAPI, completed with what `ApiRoute` and the policy add."""

import json
import re
from decimal import Decimal
from typing import Any, get_args

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from domain.currencies import Currency
from entrypoints.api.examples import EXAMPLES, PROPERTIES
from entrypoints.web.authorization import OptionalActor
from entrypoints.web.body import IMAGE
from entrypoints.web.prices import pattern_of, schema_of
from entrypoints.web.problem_types import PROBLEM_SCHEMA, PROBLEM_TYPES
from entrypoints.web.problems import MEDIA_TYPE
from entrypoints.web.route import ApiRoute, problems_of

Json = dict[str, Any]


def _header(description: str) -> Json:
    return {"description": description, "required": True, "schema": {"type": "string"}}


SECURITY: Json = {
    "password": {
        "type": "oauth2",
        "description": "Sign in with a username or an e-mail address, and a password.",
        "flows": {"password": {"tokenUrl": "/api/v1/auth/token", "scopes": {}}},
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A session token from signing in, or a personal token from /api/v1/tokens.",
    },
    "device_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A device key, valid for the heartbeat of its device only.",
    },
}

# Client generators recognise binary content by this format of OpenAPI 3.0; 3.1 ignores it.
BYTES: Json = {"schema": {"type": "string", "format": "binary"}}

COMPONENTS = {
    "Presence": "DevicePresence",
    "Reason": "MovementReason",
    "Role": "UserRole",
    "Scope": "TokenScope",
    "Status": "DeviceStatus",
}
"""Component names of schemas whose class names are clear only within their module.

Generated clients depend on component names and operation ids, so these must not change.
"""

_LIST = re.compile(r"ListResponse_(?:Union_)?([A-Z][a-z]+)View_\w*")

_VISITOR = get_args(OptionalActor)[1].dependency

REQUEST_ID = _header("The request id, which the log contains too.")
ETAG = _header("The entity tag of this representation (RFC 9110).")
LOCATION = _header("The path of the new object, or of its parent if it has none.")
RETRY = _header("Seconds to wait before a retry.")
CHALLENGE = _header("The authentication challenge (RFC 6750).")
SORT = "The field to sort by, descending with `-`. The id breaks ties; null comes last."
LINK: Json = {"description": "The next page (RFC 8288).", "schema": {"type": "string"}}


def describe(app: FastAPI) -> Json:
    """Return the OpenAPI document of the application, which is built once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            license_info={"name": "MIT", "identifier": "MIT"},
            servers=[{"url": str(app.state.origin or "/")}],
            routes=app.routes,
            separate_input_output_schemas=False,
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = PROBLEM_SCHEMA
        document["components"]["securitySchemes"] = SECURITY
        _tell_prices(document, app.state.currency)
        for schema in schemas.values():
            # All lists have the same title, and client generators name classes by the title.
            schema.pop("title", None)
        for route in app.routes:
            if isinstance(route, ApiRoute) and route.include_in_schema:
                for method in route.methods or ():
                    operation = document["paths"][route.path_format][method.lower()]
                    _complete(operation, route)
                    _secure(operation, route, registration_open=app.state.registration_open)
        _add_examples(schemas, app.state.currency)
        _write_whole_bounds(document)
        app.openapi_schema = _name_components(document)
    return app.openapi_schema


def _add_examples(schemas: Json, currency: Currency) -> None:
    """Add an example to each request body, as a whole and for each of its properties."""
    for name, written in EXAMPLES.items():
        example = dict(written)
        if "price" in example:
            example["price"] = str(currency.amount(Decimal(example["price"])))
        schemas[name]["examples"] = [example]
        for member, value in {**example, **PROPERTIES.get(name, {})}.items():
            schemas[name]["properties"][member]["examples"] = [value]


def _write_whole_bounds(part: Any) -> None:
    """Convert integral bounds to integers: FastAPI writes `9` as `9.0`."""
    children = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for child in children:
        _write_whole_bounds(child)
    if isinstance(part, dict):
        for bound in ("minimum", "maximum"):
            value = part.get(bound)
            if isinstance(value, float) and value.is_integer():
                part[bound] = int(value)


def _component_name(name: str) -> str:
    """Return the component name of a schema, such as `TaskList` for `ListResponse_TaskView_`."""
    found = _LIST.fullmatch(name)
    return f"{found[1]}List" if found else COMPONENTS.get(name, name)


def _name_components(document: Json) -> Json:
    """Return the document with the public component names."""
    schemas = document["components"]["schemas"]
    renamed = {_component_name(name): schema for name, schema in schemas.items()}
    document["components"]["schemas"] = dict(sorted(renamed.items()))
    text = re.sub(
        r'(?<="#/components/schemas/)\w+(?=")',
        lambda found: _component_name(found[0]),
        json.dumps(document),
    )
    named: Json = json.loads(text)
    return named


def _tell_prices(document: Json, currency: Currency) -> None:
    """Set the pattern and the currency of prices."""
    # Views hold prices as `Decimal`, which JSON responses show as strings.
    written: Json = {"type": "string", "pattern": pattern_of(currency, all_decimals=True)}
    for name, schema in document["components"]["schemas"].items():
        members = schema.get("properties", {})
        if "price" in members:
            price = written if name.endswith("View") else schema_of(currency)
            members["price"] = {**price, "description": f"In {currency}."}
    asked = pattern_of(currency)
    for parameter in document["paths"]["/api/v1/products"]["get"]["parameters"]:
        if parameter["name"] in ("min_price", "max_price"):
            for schema in (parameter["schema"], *parameter["schema"].get("anyOf", ())):
                if "pattern" in schema:
                    schema["pattern"] = asked


def _complete(operation: Json, route: ApiRoute) -> None:
    """Add headers, problems, limits and media types to an operation."""
    reader = route.reader
    operation["operationId"] = route.name
    responses: Json = operation["responses"]
    responses.pop("422", None)
    success = responses[str(route.status_code or 200)]
    success["headers"] = {"X-Request-ID": REQUEST_ID}
    if route.writer.tagged:
        success["headers"]["ETag"] = ETAG
    if route.status_code == 201:
        success["headers"]["Location"] = LOCATION
    if reader.paged:
        success["headers"]["Link"] = LINK
    if "GET" in (route.methods or ()):
        _add_parameter(
            operation, "If-None-Match", "Respond with 304 if the entity tag still matches."
        )
        responses["304"] = {
            "description": "Not modified.",
            "headers": {"X-Request-ID": REQUEST_ID, "ETag": ETAG},
        }
    if reader.conditional:
        description = "Change the object only if the entity tag still matches."
        _add_parameter(operation, "If-Match", description, pattern=_IF_MATCH)
    operation.pop("x-problems", None)
    if reader.body_name:
        content = operation["requestBody"]["content"]
        (schema,) = content.values()
        if reader.accepts is IMAGE:
            schema = BYTES
        content.clear()
        for media_type in sorted(reader.accepts):
            content[media_type.decode()] = schema
        operation["requestBody"]["required"] = reader.needs_body
        operation["requestBody"]["description"] = f"At most {reader.body_limit:,} bytes."
    for code in sorted(problems_of(route)):
        _add_problem(responses, code)
    if reader.reads_body:
        operation["x-max-body-bytes"] = reader.body_limit
        responses["413"]["description"] += f": more than {reader.body_limit:,} bytes"
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "sort":
            parameter["description"] = SORT
        _drop_null(parameter)
        _name_values(parameter)
    operation["responses"] = dict(sorted(responses.items()))


def _secure(operation: Json, route: ApiRoute, *, registration_open: bool) -> None:
    """Declare the security schemes of an operation; `{}` makes authentication optional."""
    operation["security"] = []
    if route.who.by_device_key:
        operation["security"] = [{"device_key": []}]
        return
    for_anybody = route.who.is_public or (route.who.or_newcomers and registration_open)
    if not for_anybody or any(call is _VISITOR for _, call in route.dependencies_called):
        operation["security"] = [{"password": []}, {"token": []}, *([{}] if for_anybody else [])]


_ENTITY_TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
# A list may have empty elements (RFC 9110, 5.6.1).
_IF_MATCH = rf"^[\t ]*(?:\*|[\t ,]*{_ENTITY_TAG}(?:[\t ]*,[\t ,]*{_ENTITY_TAG})*[\t ,]*)$"


def _add_parameter(operation: Json, name: str, description: str, **more: str) -> None:
    schema = {"type": "string", "format": "etag", **more}
    parameter = {"name": name, "in": "header", "required": False, "description": description}
    operation.setdefault("parameters", []).append({**parameter, "schema": schema})


def _add_problem(responses: Json, code: str) -> None:
    status, title = str(PROBLEM_TYPES[code].status), PROBLEM_TYPES[code].title
    headers = {"X-Request-ID": REQUEST_ID}
    if status in ("429", "503"):
        headers["Retry-After"] = RETRY
    elif code == "conflict":
        headers["Retry-After"] = {**RETRY, "required": False}
    elif status == "401":
        headers["WWW-Authenticate"] = CHALLENGE
    others = responses.get(status, {})
    said = others.get("description")
    responses[status] = {
        "description": f"{said}, {title}" if said else title,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        "headers": {**others.get("headers", {}), **headers},
    }


def _drop_null(parameter: Json) -> None:
    """Remove null from the schema of a parameter: a query cannot express it."""
    schema = parameter["schema"]
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        del schema["anyOf"]
        schema.update(options[0])


def _name_values(parameter: Json) -> None:
    """Name the values of a sort for client generators: `-name` is no identifier."""
    schema = parameter["schema"]
    if any(value.startswith("-") for value in schema.get("enum", ())):
        schema["x-enum-varnames"] = [
            f"{value[1:]}_descending".upper() if value.startswith("-") else value.upper()
            for value in schema["enum"]
        ]
