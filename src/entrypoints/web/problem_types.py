"""The problem types of this service (RFC 9457), by code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ProblemType:
    """A problem type; its description says what a client can do about the problem."""

    status: int
    title: str
    description: str


PROBLEM_TYPES: Mapping[str, ProblemType] = {
    "malformed-json": ProblemType(
        400,
        "Malformed JSON",
        "The body is not JSON in UTF-8 (RFC 8259). NaN, Infinity, repeated members, lone"
        " surrogates, the NUL character and more than 64 levels are rejected as well.",
    ),
    "malformed-cursor": ProblemType(
        400,
        "Malformed cursor",
        "Use the cursor from `next` or from the Link header of the previous page, unchanged.",
    ),
    "malformed-precondition": ProblemType(
        400,
        "Malformed precondition",
        "Send If-Match with entity tags as received in ETag, quotes included and separated by"
        " commas, or with `*` (RFC 9110, 13.1.1).",
    ),
    "bad-request": ProblemType(400, "Bad request", "The request cannot be understood."),
    "unauthenticated": ProblemType(
        401,
        "Unauthenticated",
        "Send `Authorization: Bearer` with a token from /api/v1/auth/token or /api/v1/tokens. A"
        " token that you have sent is expired, revoked or invalid. A heartbeat needs the key of its"
        " device instead.",
    ),
    "forbidden": ProblemType(403, "Forbidden", "The user or the token has no permission for this."),
    "not-found": ProblemType(404, "Not found", "The object does not exist, or you may not see it."),
    "method-not-allowed": ProblemType(
        405, "Method not allowed", "The Allow header lists the methods of this path."
    ),
    "request-timeout": ProblemType(
        408,
        "Request timeout",
        "The request did not arrive in time. Send it again on another connection.",
    ),
    "conflict": ProblemType(
        409,
        "Conflict",
        "The change conflicts with another one. With `Retry-After`, several attempts conflicted"
        " with concurrent changes of the same object: send the request again.",
    ),
    "already-taken": ProblemType(
        409, "Already taken", "Another object has this value already; `errors` names the member."
    ),
    "in-use": ProblemType(
        409, "In use", "Other objects refer to this one, so it cannot be deleted."
    ),
    "insufficient-stock": ProblemType(
        409,
        "Insufficient stock",
        "The stock, in `available`, is smaller than the quantity to take out. Take out less, or"
        " record received stock first.",
    ),
    "last-admin": ProblemType(
        409,
        "Last admin",
        "The workshop needs an active admin. Make another user an admin first.",
    ),
    "too-many-tokens": ProblemType(
        409, "Too many tokens", "Delete an unused token, then create another."
    ),
    "gone": ProblemType(
        410,
        "Gone",
        "The device is retired. Stop its heartbeats, or set another status.",
    ),
    "precondition-failed": ProblemType(
        412,
        "Precondition failed",
        "The object has changed since you read it. Read it again, review the difference, and send"
        " your change with the new ETag.",
    ),
    "too-large": ProblemType(413, "Too large", "The body exceeds the size limit of the operation."),
    "unsupported-media-type": ProblemType(
        415,
        "Unsupported media type",
        "Send a media type that the operation accepts, uncompressed, and name it in Content-Type.",
    ),
    "invalid": ProblemType(
        422,
        "Invalid",
        "The request is well-formed, but it has an invalid value or an unknown name. `errors` lists"
        " each with the reason.",
    ),
    "precondition-required": ProblemType(
        428,
        "Precondition required",
        "This service requires conditional changes: send the ETag of the object in If-Match.",
    ),
    "too-many-requests": ProblemType(
        429,
        "Too many requests",
        "The rate limit is exceeded. Wait for the number of seconds in Retry-After.",
    ),
    "headers-too-large": ProblemType(
        431,
        "Headers too large",
        "The request line and the headers together exceed 64 KiB.",
    ),
    "internal-error": ProblemType(
        500,
        "Internal error",
        "The service has a defect. It is logged under the request id: quote the id in a report.",
    ),
    "database-unavailable": ProblemType(
        503,
        "Database unavailable",
        "The database is unavailable at the moment. The service recovers by itself. Try again after"
        " the time in Retry-After.",
    ),
    "storage-unavailable": ProblemType(
        503,
        "Storage unavailable",
        "Uploads cannot be stored or read at the moment. Try again after the time in Retry-After.",
    ),
    "overloaded": ProblemType(
        503,
        "Overloaded",
        "The service is overloaded. Nothing was done; try again after the time in Retry-After.",
    ),
    "schema-not-current": ProblemType(
        503,
        "Schema not current",
        "The database schema does not belong to this version of the service.",
    ),
}

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "instance"],
    "properties": {
        "type": {"type": "string", "description": "The path of the problem type's page."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "An explanation for people."},
        "code": {"type": "string", "enum": sorted(PROBLEM_TYPES)},
        "instance": {"type": "string", "description": "The request id."},
        "available": {
            "type": "integer",
            "description": "The stock available, of `insufficient-stock`.",
        },
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
        "errors_omitted": {
            "type": "integer",
            "description": "The number of errors that `errors` leaves out.",
        },
    },
}
"""The JSON schema of a problem response."""
