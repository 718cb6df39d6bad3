"""History of the demo: users, posts, tasks and devices."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from domain.access import digest_of
from domain.actors import Actor, Role
from domain.base import Context
from domain.currencies import DEFAULT, Currency
from domain.devices import Status
from domain.errors import DomainError
from entrypoints.demo.timeline import DAYS, Timeline, read
from entrypoints.demo.trade import open_store
from service_layer import devices, posts, tasks, users
from service_layer.unit_of_work import UnitOfWork


class NotEmpty(DomainError):
    """The database has data of its own, with which the demo must not be mixed."""

    def __init__(self) -> None:
        super().__init__("The database is not empty; the demo is for one that is.")


def tell(
    uow: UnitOfWork,
    step: Callable[[float], None],
    *,
    now: datetime,
    password_hash: str,
    unknown_hash: str,
    currency: Currency = DEFAULT,
) -> str | None:
    """Fill an empty database with a small workshop and its history.

    After each step, `step` is called with the completed share, from 0 to 1. All users get
    `unknown_hash`. If there was no active admin, the first admin gets `password_hash`.

    Returns:
        the username of that admin; `None` if there was an active admin before.

    Raises:
        NotEmpty: when the database contains anything but admins.
    """
    kept = (uow.tasks, uow.posts, uow.categories, uow.products, uow.devices)
    if uow.users.has_member() or not all(one.is_empty() for one in kept):
        raise NotEmpty
    nobody_can_come_in = not uow.users.active_admins()
    timeline = Timeline(uow, now, currency)
    profiles = read("users")["users"]
    for number, person in enumerate(profiles):
        known = nobody_can_come_in and number == 0
        _have_join(timeline, password_hash if known else unknown_hash, **person)
    for post in read("posts")["posts"]:
        _have_written(timeline, **post)
    for device in read("devices")["devices"]:
        _have_set_up(timeline, **device)
    written = read("tasks")["tasks"]
    for number, task in enumerate(written):
        _have_done(timeline, DAYS * number // len(written), *task)
    open_store(timeline)
    timeline.play(step)
    return profiles[0]["username"] if nobody_can_come_in else None


def _have_join(
    timeline: Timeline,
    password_hash: str,
    joined: int,
    left: int | None = None,
    role: str = "",
    **who: Any,
) -> None:
    """Plan when a user joins and leaves."""
    username = who["username"]
    profile = {**who, "email": f"{username}@atelier.example", "password_hash": password_hash}

    def join(now: datetime) -> None:
        if role:
            user = users.create_admin(timeline.uow, Context(None, now), **profile)
        else:
            user = users.create_user(timeline.uow, Context(_admin(timeline), now), **profile)
        timeline.actors[username] = Actor(id=user.id, role=user.role)

    def leave(now: datetime) -> None:
        gone = timeline.actors.pop(username)
        change: Any = {"is_active": False}
        users.edit_user(timeline.uow, gone.id, change, Context(_admin(timeline), now))

    timeline.plan(timeline.at(joined, 8), join)
    if left is not None:
        timeline.plan(timeline.at(left, 20), leave)


def _admin(timeline: Timeline) -> Actor:
    return next(actor for actor in timeline.actors.values() if actor.role is Role.ADMIN)


def _have_written(
    timeline: Timeline,
    title: str,
    content: str,
    author: str,
    day: int,
    published: int | None = None,
) -> None:
    """Plan when a post is written and published."""
    chance = timeline.chance

    def write(now: datetime) -> None:
        actor = timeline.actors[author]
        post = posts.create_post(timeline.uow, Context(actor, now), title=title, content=content)
        if published is not None:

            def publish(now: datetime) -> None:
                posts.publish_post(timeline.uow, post.id, Context(actor, now))

            timeline.plan(timeline.at(day + published, chance.uniform(15.5, 19)), publish)

    timeline.plan(timeline.at(day, chance.uniform(9, 15)), write)


def _have_done(timeline: Timeline, day: int, title: str, priority: int, description: str) -> None:
    """Plan when a task is created and completed, with a random due date and assignee."""
    chance = timeline.chance

    def write_down(now: datetime) -> None:
        due_on = (now + timedelta(days=chance.randint(2, 18))).date()
        assignee = timeline.random_actor()
        task = tasks.create_task(
            timeline.uow,
            title=title,
            description=description or None,
            priority=priority,
            due_on=due_on if chance.random() < 0.75 else None,
            assignee_id=assignee.id if chance.random() < 0.8 else None,
            ctx=Context(timeline.random_actor(), now),
        )

        def complete(now: datetime) -> None:
            tasks.complete_task(timeline.uow, task.id, Context(timeline.random_actor(), now))

        # Some tasks are never completed.
        if chance.random() < 0.92:
            timeline.plan_later(now, chance.randint(1, 12), complete)

    timeline.plan(timeline.any_time(day), write_down)


def _have_set_up(
    timeline: Timeline,
    status: str = "active",
    every: int = 60,
    seen: float | None = None,
    agent: str | None = None,
    metrics: dict[str, Any] | None = None,
    **device: Any,
) -> None:
    """Plan when a device is created, sends its last heartbeat, and changes its status."""
    when = timeline.any_time(timeline.chance.randrange(DAYS - 15, DAYS))

    def put_on_the_list(now: datetime) -> None:
        actor = timeline.actors["zhang.wei"]
        ctx = Context(actor, now)
        id = devices.create_device(timeline.uow, ctx, heartbeat_every=every, **device).id
        if seen is not None:
            key = digest_of(devices.issue_key(timeline.uow, id, ctx).key)

            def beat(now: datetime) -> None:
                report: Any = {"agent_version": agent, "metrics": metrics}
                devices.record_heartbeat(timeline.uow, id, key, report, now=now)

            timeline.plan(timeline.now - timedelta(hours=seen), beat)

        def take_out_of_service(now: datetime) -> None:
            change: Any = {"status": Status(status)}
            devices.edit_device(timeline.uow, id, change, Context(actor, now))

        if status != "active":
            timeline.plan(when, take_out_of_service)

    timeline.plan(timeline.at(1, 9.5), put_on_the_list)
