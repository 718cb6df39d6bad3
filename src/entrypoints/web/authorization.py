"""Authentication by bearer token, and the check of a route's access rule."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request

from domain.access import MAX_SECRET, Scope, digest_of
from domain.actors import Actor, Role, require_session
from domain.errors import PermissionDenied
from entrypoints.web.dependencies import ports
from entrypoints.web.policy import AccessRule
from entrypoints.web.problems import ApiProblem, unauthenticated
from service_layer.queries.access import Grant


@dataclass(frozen=True)
class PathResource:
    """An object named by a path: its id, and the function that loads its view."""

    id: UUID
    look: Callable[[Request, UUID], Awaitable[Any]]


def _bearer_token(request: Request) -> str | None:
    """Return the bearer token of a request (RFC 6750, 2.1).

    Return `None` without exactly one Authorization header, or for a token that is too long.
    """
    given = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return None
    kind, _, secret = given[0].decode("latin-1").partition(" ")
    secret = secret.strip()
    return secret if kind.lower() == "bearer" and len(secret) <= MAX_SECRET else None


async def authenticate(request: Request) -> Grant | None:
    """Return the grant of the bearer token, `None` without a valid one.

    Requests other than GET bypass the grant cache, so that a revoked token changes nothing.
    """
    secret = _bearer_token(request)
    if secret is None:
        return None
    here = ports(request)
    changing = request.scope["method"] != "GET"
    grant = await here.authenticator.grant(secret, here.clock(), fresh=changing)
    if grant is not None:
        request.scope["user_id"] = grant.actor.id  # for the log
    return grant


async def optional_actor(request: Request) -> Actor | None:
    """Return the actor of the bearer token, `None` without a valid one."""
    grant: Grant | None = request.scope.get("grant") or await authenticate(request)
    return grant.actor if grant else None


OptionalActor = Annotated[Actor | None, Depends(optional_actor)]
"""The actor on a public route, `None` without a valid token."""


async def authorize(rule: AccessRule, request: Request, named: PathResource | None) -> None:
    """Check an access rule, and store the grant or the digest of the device key in the scope.

    Args:
        rule: the access rule of the route.
        request: the request.
        named: the object named by the path, if any.

    Raises:
        ApiProblem: 401 without the required credentials.
        PermissionDenied: when the actor or the token lacks the permission.
    """
    if rule.by_device_key:
        _authorize_device(request)
        return
    if rule.role is None:
        return
    newcomers_may = rule.or_newcomers and request.app.state.registration_open
    grant = request.scope["grant"] = await authenticate(request)
    if grant is None:
        if newcomers_may:
            return
        raise _unauthenticated(request, "Sign in first.")
    if rule.role is Role.ADMIN and not (grant.actor.is_admin or newcomers_may):
        raise PermissionDenied("Only an admin may do this.")
    if grant.scope is Scope.READ and request.method != "GET":
        raise PermissionDenied("This token is for reading only.")
    if rule.in_session:
        require_session(grant.actor)
    if named is None:
        return
    if rule.rule is not None:
        rule.rule(grant.actor, named.id)
    if rule.view_rule is not None and (view := await named.look(request, named.id)) is not None:
        rule.view_rule(grant.actor, view)


def _authorize_device(request: Request) -> None:
    """Require a device key, and store its digest in the scope.

    The statement that records the heartbeat checks the digest. This saves a query, and a replaced
    key stops working at once in every process.
    """
    secret = _bearer_token(request)
    if secret is None:
        raise _unauthenticated(request, "Send the key of this device.")
    request.scope["key_digest"] = digest_of(secret)


async def require_key(request: Request, device_id: UUID) -> None:
    """Require that the presented key is the device's own.

    Raises:
        ApiProblem: 401 for another key.
    """
    devices = ports(request).device_queries
    if not await devices.has_key(device_id, request.scope["key_digest"]):
        raise _unauthenticated(request, "Send the key of this device.")


def _unauthenticated(request: Request, detail: str) -> ApiProblem:
    presented = "authorization" in request.headers
    return unauthenticated(detail, "invalid_token" if presented else "")
