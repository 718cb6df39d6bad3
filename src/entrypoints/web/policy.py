"""Authorization policy: the access rule of every route. A route without one fails the start.

Rules that depend on an object belong to the domain; this module names the routes they apply to. The
use cases check them again.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request

from domain.access import MAX_SECRET, Scope, digest_of
from domain.actors import Actor, Role, require_self_or_admin, require_session
from domain.errors import PermissionDenied
from domain.posts import require_author_or_admin
from entrypoints.web.dependencies import ports
from entrypoints.web.problems import ApiProblem, unauthenticated
from service_layer.queries.access import Grant


@dataclass(frozen=True)
class PathResource:
    """An object named by a path: its id, and the function that loads its view."""

    id: UUID
    look: Callable[[Request, UUID], Awaitable[Any]]


@dataclass(frozen=True)
class AccessRule:
    """The access rule of a route: the minimum role, `None` for public routes.

    `rule` checks the id in the path, so that its outcome does not reveal whether the object exists.
    `view_rule` checks the object's view, if the object exists and the caller may see it.
    `or_newcomers` admits all callers while registration is open. `by_device_key` admits only the
    device named by the path, by its key. `in_session` rejects personal tokens.
    """

    role: Role | None = None
    rule: Callable[[Actor, UUID], None] | None = None
    view_rule: Callable[[Actor, Any], None] | None = None
    or_newcomers: bool = False
    by_device_key: bool = False
    in_session: bool = False

    @property
    def is_public(self) -> bool:
        """Whether the route needs no credentials."""
        return self.role is None and not self.by_device_key


PUBLIC = AccessRule()
MEMBERS = AccessRule(Role.MEMBER)
MEMBERS_IN_SESSION = AccessRule(Role.MEMBER, in_session=True)
SELF_OR_ADMIN = AccessRule(Role.MEMBER, rule=require_self_or_admin)
ADMINS = AccessRule(Role.ADMIN)
AUTHOR_OR_ADMIN = AccessRule(
    Role.MEMBER, view_rule=lambda actor, post: require_author_or_admin(actor, post.author_id)
)
DEVICE_KEY = AccessRule(by_device_key=True)

POLICY: Mapping[str, AccessRule] = {
    # Health, documentation and static content
    "health": PUBLIC,
    "live": PUBLIC,
    "ready": PUBLIC,
    "openapi": PUBLIC,
    "docs": PUBLIC,
    "asset": PUBLIC,
    "start": PUBLIC,
    "problem": PUBLIC,
    "picture": PUBLIC,
    "static_file": PUBLIC,
    # Access
    "sign_in": PUBLIC,
    "sign_out": MEMBERS,
    "list_tokens": MEMBERS,
    "create_token": MEMBERS_IN_SESSION,
    "read_token": MEMBERS,
    "delete_token": MEMBERS_IN_SESSION,
    "set_up": PUBLIC,
    # Users
    "create_user": AccessRule(Role.ADMIN, or_newcomers=True),
    "list_users": MEMBERS,
    "read_me": MEMBERS,
    "change_password": MEMBERS_IN_SESSION,
    "read_user": PUBLIC,
    "edit_user": SELF_OR_ADMIN,
    "delete_user": ADMINS,
    "put_image": SELF_OR_ADMIN,
    "delete_image": SELF_OR_ADMIN,
    # Posts
    "create_post": MEMBERS,
    "list_posts": PUBLIC,
    "read_post": PUBLIC,
    "edit_post": AUTHOR_OR_ADMIN,
    "delete_post": AUTHOR_OR_ADMIN,
    "publish_post": AUTHOR_OR_ADMIN,
    "unpublish_post": AUTHOR_OR_ADMIN,
    "list_posts_of_user": PUBLIC,
    # Tasks
    "create_task": MEMBERS,
    "list_tasks": MEMBERS,
    "count_tasks": MEMBERS,
    "read_task": MEMBERS,
    "edit_task": MEMBERS,
    "delete_task": MEMBERS,
    "complete_task": MEMBERS,
    "reopen_task": MEMBERS,
    # Catalogue and stock
    "create_category": MEMBERS,
    "list_categories": MEMBERS,
    "read_category": MEMBERS,
    "edit_category": MEMBERS,
    "delete_category": MEMBERS,
    "create_product": MEMBERS,
    "list_products": MEMBERS,
    "read_product": MEMBERS,
    "edit_product": MEMBERS,
    "delete_product": MEMBERS,
    "archive_product": MEMBERS,
    "restore_product": MEMBERS,
    "create_movement": MEMBERS,
    "list_movements": MEMBERS,
    # Devices
    "create_device": MEMBERS,
    "list_devices": MEMBERS,
    "read_device": MEMBERS,
    "edit_device": MEMBERS,
    "delete_device": MEMBERS,
    "create_device_key": MEMBERS,
    "send_heartbeat": DEVICE_KEY,
}

PAGES: Mapping[str, AccessRule] = {
    # Access
    "show_sign_in": PUBLIC,
    "sign_in": PUBLIC,
    "sign_out": PUBLIC,
    "show_setup": PUBLIC,
    "set_up": PUBLIC,
    "show_registration": PUBLIC,
    "register": PUBLIC,
    # Public site
    "show_home": PUBLIC,
    "show_article": PUBLIC,
    "show_posts_of_user": PUBLIC,
    "show_feed": PUBLIC,
    "show_robots": PUBLIC,
    # Dashboard and suggestions
    "suggest_users": MEMBERS,
    "suggest_categories": MEMBERS,
    "show_dashboard": MEMBERS,
    # Posts
    "show_posts": MEMBERS,
    "show_new_post": MEMBERS,
    "create_post": MEMBERS,
    "preview_post": MEMBERS,
    "show_post": MEMBERS,
    "save_post": MEMBERS,
    "delete_post": MEMBERS,
    # Tasks
    "show_tasks": MEMBERS,
    "create_task": MEMBERS,
    "show_task": MEMBERS,
    "save_task": MEMBERS,
    "complete_task": MEMBERS,
    "reopen_task": MEMBERS,
    "delete_task": MEMBERS,
    # Stock
    "show_stock": MEMBERS,
    "show_product": MEMBERS,
    "record_movement": MEMBERS,
    "count_stock": MEMBERS,
    "show_new_product": MEMBERS,
    "create_product": MEMBERS,
    "show_product_form": MEMBERS,
    "save_product": MEMBERS,
    "archive_product": MEMBERS,
    "restore_product": MEMBERS,
    "delete_product": MEMBERS,
    "show_categories": MEMBERS,
    "create_category": MEMBERS,
    "show_category": MEMBERS,
    "save_category": MEMBERS,
    "delete_category": MEMBERS,
    # Devices
    "show_devices": MEMBERS,
    "create_device": MEMBERS,
    "show_device": MEMBERS,
    "save_device": MEMBERS,
    "issue_device_key": MEMBERS,
    "show_device_key": MEMBERS,
    "delete_device": MEMBERS,
    # Users
    "show_users": MEMBERS,
    "create_user": ADMINS,
    "show_user": MEMBERS,
    "save_user": ADMINS,
    "deactivate_user": ADMINS,
    "reactivate_user": ADMINS,
    "set_user_password": ADMINS,
    "delete_user": ADMINS,
    # Profile and personal tokens
    "show_profile": MEMBERS,
    "save_profile": MEMBERS,
    "replace_image": MEMBERS,
    "delete_image": MEMBERS,
    "show_password": MEMBERS,
    "change_own_password": MEMBERS,
    "show_tokens": MEMBERS,
    "create_token": MEMBERS,
    "show_token": MEMBERS,
    "revoke_token": MEMBERS,
}
"""The access rules of pages and forms, by function name."""


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
