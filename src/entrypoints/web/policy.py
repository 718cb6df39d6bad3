"""Authorization policy: the access rule of every route. A route without one fails the start.

Rules that depend on an object belong to the domain; this module names the routes they apply to. The
use cases check them again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.actors import Actor, Role, require_self_or_admin
from domain.posts import require_author_or_admin


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
