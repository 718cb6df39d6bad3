"""The kinds of problems there are (RFC 9457): what each is called, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem: its status, its title, and what to do about it."""

    status: int
    title: str
    description: str


PROBLEM_TYPES: Mapping[str, ProblemType] = {
    "malformed-json": ProblemType(
        400,
        "Malformed JSON",
        "The body is not JSON as RFC 8259 has it, in UTF-8. NaN, Infinity, a member that is given"
        " twice, a lone surrogate, the NUL character and more than 64 levels are refused as well.",
    ),
    "malformed-cursor": ProblemType(
        400,
        "Malformed cursor",
        "Take the cursor from `next`, or from the Link header, of the page before, unchanged.",
    ),
    "malformed-precondition": ProblemType(
        400,
        "Malformed precondition",
        "If-Match takes the tags of RFC 9110, 8.8.3: what a response sent in ETag, quotes included,"
        " several with commas between, or `*`.",
    ),
    "bad-request": ProblemType(400, "Bad request", "The request cannot be understood."),
    "unauthenticated": ProblemType(
        401,
        "Unauthenticated",
        "Say who you are: send `Authorization: Bearer`, with a token from /api/v1/auth/token or one"
        " that you made at /api/v1/tokens. If you did, it has ended, or never was one. A device"
        " sends its own key, with its heartbeats alone.",
    ),
    "forbidden": ProblemType(403, "Forbidden", "It is known who you are, and you may not do this."),
    "not-found": ProblemType(404, "Not found", "There is no such thing, or not for you."),
    "method-not-allowed": ProblemType(
        405, "Method not allowed", "The Allow header names the methods that are possible here."
    ),
    "request-timeout": ProblemType(
        408,
        "Request timeout",
        "The request did not arrive in time. Send it again, on another connection.",
    ),
    "conflict": ProblemType(
        409,
        "Conflict",
        "The change conflicts with another one. With `Retry-After` others changed the same thing at"
        " the same moment, several times over: send the request again.",
    ),
    "already-taken": ProblemType(
        409, "Already taken", "Somebody else has this value already; `errors` says which."
    ),
    "in-use": ProblemType(409, "In use", "Other things refer to this one, so it has to stay."),
    "insufficient-stock": ProblemType(
        409,
        "Insufficient stock",
        "There are fewer pieces than are to be taken: as many as `available` says. Take fewer, or"
        " enter first what has come in.",
    ),
    "last-admin": ProblemType(
        409,
        "Last admin",
        "Somebody has to run the workshop: make another user an admin first.",
    ),
    "too-many-tokens": ProblemType(
        409, "Too many tokens", "Delete a token that is not needed any more, then make another."
    ),
    "gone": ProblemType(
        410,
        "Gone",
        "The device is retired. Have it send no more heartbeats, or put it back to work.",
    ),
    "precondition-failed": ProblemType(
        412,
        "Precondition failed",
        "The thing has changed since you read it. Read it again, look at what has changed, and send"
        " your change with the new ETag.",
    ),
    "too-large": ProblemType(413, "Too large", "The body is larger than this service takes."),
    "unsupported-media-type": ProblemType(
        415,
        "Unsupported media type",
        "Send what the operation takes, not compressed, and say what it is in Content-Type.",
    ),
    "invalid": ProblemType(
        422,
        "Invalid",
        "The request is well-formed, but a value or a name in it is not acceptable; `errors` says"
        " which, and why.",
    ),
    "precondition-required": ProblemType(
        428,
        "Precondition required",
        "This service makes changes only to what you have seen: send the ETag in If-Match.",
    ),
    "too-many-requests": ProblemType(
        429,
        "Too many requests",
        "Too many attempts. Wait for the time in Retry-After, in seconds.",
    ),
    "headers-too-large": ProblemType(
        431,
        "Headers too large",
        "The request line and the headers may have 64 KiB together.",
    ),
    "internal-error": ProblemType(
        500,
        "Internal error",
        "This is a defect of the service. It has been logged under the request id, which helps who"
        " looks into it.",
    ),
    "database-unavailable": ProblemType(
        503,
        "Database unavailable",
        "The database cannot be used at the moment. The service goes on by itself once it can; try"
        " again after the time in Retry-After.",
    ),
    "storage-unavailable": ProblemType(
        503,
        "Storage unavailable",
        "Uploads cannot be kept or read at the moment. Try again after the time in Retry-After.",
    ),
    "overloaded": ProblemType(
        503,
        "Overloaded",
        "The service has as much to do as it can. Nothing was done; try again after the time in"
        " Retry-After.",
    ),
    "schema-not-current": ProblemType(
        503,
        "Schema not current",
        "The tables of the database do not belong to this version of the service.",
    ),
}
