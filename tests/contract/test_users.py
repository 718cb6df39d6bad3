"""Users: state, unique names, last admin, references, queries."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.access import digest_of
from domain.actors import Role
from domain.base import Context, PageRequest
from domain.errors import (
    AuthenticationFailed,
    InvalidField,
    NotUnique,
    PermissionDenied,
    StillReferenced,
)
from domain.tasks import TaskFilter
from domain.users import SORTS, LastAdmin, UserFilter
from service_layer import tasks
from service_layer import users as user_use_cases
from service_layer.queries.users import UserView
from support.backends import NOON, Backend
from support.concurrency import in_threads
from support.filters import make_users, some_users, user_filters
from support.pagination import FIRST_PAGE, in_order
from support.people import ADMIN, CTX, MEMBER, OTHER, PEOPLE
from support.tasks import TODAY
from support.use_cases import perform
from support.users import add_user, get_user


def list_users(
    backend: Backend, filter: UserFilter | None = None, page_request: PageRequest = FIRST_PAGE
) -> list[UserView]:
    return backend.ask(backend.users.list_page(filter or UserFilter(), page_request)).items


def test_a_user_is_read_as_they_were_registered(backend: Backend) -> None:
    id = add_user(
        backend, "Zoë".encode().decode("ascii", "ignore") + "-1", email=" Zoe@Example.ORG ",
        name="Zoë Ünal", age=0, city="Öl",
    )  # fmt: skip

    assert get_user(backend, id) == UserView(
        id=id,
        version=1,
        created_at=NOON,
        updated_at=NOON,
        username="Zo-1",
        email="zoe@example.org",
        name="Zoë Ünal",
        age=0,
        city="Öl",
        role=Role.MEMBER,
        is_active=True,
        image_file=None,
        image_url="/media/default.png",
    )


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"username": "DORA"}, "username"),
        ({"email": "Dora@EXAMPLE.org"}, "email"),
        ({"username": "doRa", "email": "dora@example.org"}, "username"),
    ],
)
def test_a_name_or_an_address_is_one_persons_whatever_the_case(
    backend: Backend, members: dict[str, str], field: str
) -> None:
    dora = add_user(backend, "dora")
    wanted = {"username": "eve", "email": "eve@example.org", **members}

    with pytest.raises(NotUnique) as registering:
        add_user(backend, **wanted)
    eve = add_user(backend, "eve")
    with pytest.raises(NotUnique) as editing:
        perform(backend, user_use_cases.edit_user, eve, members, ctx=ADMIN.ctx)
    assert registering.value.field == editing.value.field == field
    assert get_user(backend, eve).username == "eve"
    # One's own, in another case, is not another's.
    perform(backend, user_use_cases.edit_user, dora, members, ctx=ADMIN.ctx)


def test_of_twenty_who_register_one_address_at_once_one_gets_it(backend: Backend) -> None:
    def try_it(number: int) -> str:
        address = "".join(c.upper() if number >> place & 1 else c for place, c in enumerate("dora"))
        try:
            add_user(backend, f"dora{number}", email=f"{address}@example.org")
        except NotUnique as error:
            return error.field
        return "registered"

    outcomes = in_threads(20, try_it)

    assert sorted(outcomes) == ["email"] * 19 + ["registered"]
    assert len(list_users(backend)) == len(PEOPLE) + 1


def test_of_two_admins_who_demote_each_other_at_once_one_stays(backend: Backend) -> None:
    ways: list[dict[str, Any]] = [{"role": Role.MEMBER}, {"is_active": False}]
    for turn in range(10):
        other = add_user(backend, f"admin{turn}", role=Role.ADMIN)
        pair = [ADMIN.id, other]

        def undo(
            place: int, pair: list[UUID] = pair, change: dict[str, Any] = ways[turn % 2]
        ) -> str:
            actor = replace(ADMIN.actor, id=pair[1 - place])
            try:
                perform(
                    backend, user_use_cases.edit_user, pair[place], change, ctx=Context(actor, NOON)
                )
            except (LastAdmin, PermissionDenied, AuthenticationFailed):
                # Or the caller is no longer an admin.
                return "stays"
            return "goes"

        outcomes = in_threads(2, undo)

        assert sorted(outcomes) == ["goes", "stays"]
        left = [user for user in list_users(backend) if user.is_active and user.role is Role.ADMIN]
        assert [user.id for user in left] == [pair[outcomes.index("stays")]]
        # Everything as before, for the next round.
        actor = replace(ADMIN.actor, id=left[0].id)
        back = {"role": Role.ADMIN, "is_active": True}
        perform(backend, user_use_cases.edit_user, ADMIN.id, back, ctx=Context(actor, NOON))
        perform(
            backend,
            user_use_cases.edit_user,
            other,
            {"role": Role.MEMBER},
            ctx=Context(actor, NOON),
        )


def test_the_last_active_admin_cannot_be_demoted_deactivated_or_deleted(backend: Backend) -> None:
    gone = add_user(backend, "gone", role=Role.ADMIN)
    perform(backend, user_use_cases.edit_user, gone, {"is_active": False}, ctx=ADMIN.ctx)

    for change in ({"role": Role.MEMBER}, {"is_active": False}):
        with pytest.raises(LastAdmin):
            perform(backend, user_use_cases.edit_user, ADMIN.id, change, ctx=ADMIN.ctx)
    with pytest.raises(LastAdmin):
        perform(backend, user_use_cases.delete_user, ADMIN.id, ctx=ADMIN.ctx)
    assert get_user(backend, ADMIN.id).version == 1


def test_people_change_their_own_profile_and_only_admins_that_of_others(backend: Backend) -> None:
    perform(backend, user_use_cases.edit_user, MEMBER.id, {"city": "X"}, ctx=MEMBER.ctx)
    perform(backend, user_use_cases.edit_user, MEMBER.id, {"age": 7}, ctx=ADMIN.ctx)
    for changes in ({"role": Role.ADMIN}, {"is_active": True}, {"city": "X", "role": Role.MEMBER}):
        with pytest.raises(PermissionDenied):
            perform(backend, user_use_cases.edit_user, MEMBER.id, changes, ctx=MEMBER.ctx)
    for use_case, arguments in (
        (user_use_cases.edit_user, ({"city": "Y"},)),
        (user_use_cases.edit_user, ({},)),
        (user_use_cases.set_image, ("x.png",)),
        (user_use_cases.delete_user, ()),
    ):
        with pytest.raises(PermissionDenied):
            perform(backend, use_case, MEMBER.id, *arguments, ctx=OTHER.ctx)
    found = get_user(backend, MEMBER.id)
    assert (found.city, found.age, found.role, found.version) == ("X", 7, Role.MEMBER, 3)


def test_author_and_assignee_of_a_task_cannot_be_deleted(backend: Backend) -> None:
    written = perform(backend, tasks.create_task, title="x", assignee_id=OTHER.id, ctx=MEMBER.ctx)
    for person in (MEMBER, OTHER):
        with pytest.raises(StillReferenced):
            perform(backend, user_use_cases.delete_user, person.id, ctx=ADMIN.ctx)
    perform(backend, tasks.delete_task, written.id, ctx=ADMIN.ctx)
    for person in (MEMBER, OTHER):
        perform(backend, user_use_cases.delete_user, person.id, ctx=ADMIN.ctx)
        assert backend.ask(backend.access.grant(digest_of(person.token))) is None
    assert [user.id for user in list_users(backend)] == [ADMIN.id]


def test_task_assigned_to_a_user_during_their_deletion_has_no_dangling_assignee(
    backend: Backend,
) -> None:
    for turn in range(10):
        id = add_user(backend, f"passing{turn}")

        def meet(place: int, id: UUID = id) -> str:
            try:
                if place:
                    perform(backend, user_use_cases.delete_user, id, ctx=ADMIN.ctx)
                    return "deleted"
                perform(backend, tasks.create_task, title="x", assignee_id=id, ctx=CTX)
                return "given"
            except (StillReferenced, InvalidField) as error:
                return type(error).__name__

        outcomes = in_threads(2, meet)

        assert outcomes in (["given", "StillReferenced"], ["InvalidField", "deleted"])
        found = backend.ask(backend.users.get(id, NOON))
        assert (found is None) == (outcomes[1] == "deleted")


@pytest.mark.parametrize("who", ["nobody", "somebody inactive"])
def test_assignee_of_a_task_exists_and_is_active(backend: Backend, who: str) -> None:
    id = UUID("01900000-0000-7000-8000-00000000ffff")
    if who != "nobody":
        id = add_user(backend)
        perform(backend, user_use_cases.edit_user, id, {"is_active": False}, ctx=ADMIN.ctx)
    with pytest.raises(InvalidField) as adding:
        perform(backend, tasks.create_task, title="x", assignee_id=id, ctx=CTX)
    task = perform(backend, tasks.create_task, title="x", ctx=CTX)
    with pytest.raises(InvalidField) as editing:
        perform(backend, tasks.edit_task, task.id, {"assignee_id": id}, ctx=CTX)
    assert adding.value.field == editing.value.field == "assignee_id"


def test_task_of_an_inactive_assignee_can_be_edited(backend: Backend) -> None:
    task = perform(backend, tasks.create_task, title="x", assignee_id=MEMBER.id, ctx=CTX)
    with backend.open() as uow:
        # Not through the use case, which may come to take the task away from them.
        uow.users.get(MEMBER.id).is_active = False
        uow.commit()
    changes = {"title": "y", "assignee_id": MEMBER.id}
    edited = perform(backend, tasks.edit_task, task.id, changes, ctx=CTX)
    assert (edited.title, edited.assignee_id) == ("y", MEMBER.id)


def test_deactivated_user_has_no_pending_tasks(backend: Backend) -> None:
    mine = [
        perform(backend, tasks.create_task, title=str(n), assignee_id=MEMBER.id, ctx=CTX).id
        for n in range(3)
    ]
    others = perform(backend, tasks.create_task, title="x", assignee_id=OTHER.id, ctx=CTX).id
    perform(backend, tasks.complete_task, mine[0], ctx=CTX)
    later = NOON + timedelta(hours=1)
    perform(
        backend,
        user_use_cases.edit_user,
        MEMBER.id,
        {"is_active": False},
        ctx=Context(ADMIN.actor, later),
    )
    seen = [backend.ask(backend.tasks.get(id, NOON)) for id in (*mine, others)]
    assert [task and task.assignee_id for task in seen] == [MEMBER.id, None, None, OTHER.id]
    assert [task and task.version for task in seen] == [2, 2, 2, 1]
    # The last admin stays, with their tasks.
    task = perform(backend, tasks.create_task, title="x", assignee_id=ADMIN.id, ctx=CTX)
    with pytest.raises(LastAdmin):
        perform(
            backend,
            user_use_cases.edit_user,
            ADMIN.id,
            {"is_active": False},
            ctx=ADMIN.ctx,
        )
    found = backend.ask(backend.tasks.get(task.id, NOON))
    assert found is not None
    assert found.assignee_id == ADMIN.id


def test_task_is_read_with_its_author_and_assignee(backend: Backend) -> None:
    perform(backend, tasks.create_task, title="x", assignee_id=OTHER.id, ctx=MEMBER.ctx)
    (task,) = backend.ask(backend.tasks.list_page(TaskFilter(today=TODAY), FIRST_PAGE)).items
    assert task.assignee is not None
    assert task.created_by is not None
    assert (task.assignee_id, task.assignee.username) == (OTHER.id, "cleo")
    assert (task.created_by.id, task.created_by.name) == (MEMBER.id, "Bob")
    mine = TaskFilter(today=TODAY, assignee_id=OTHER.id)
    others = TaskFilter(today=TODAY, assignee_id=MEMBER.id)
    assert backend.ask(backend.tasks.count(mine)).total == 1
    assert backend.ask(backend.tasks.count(others)).total == 0


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=some_users, filter=user_filters, sort=st.sampled_from(list(SORTS)), data=st.data())
def test_filters_and_orders_of_users_agree_with_the_domain(
    backend: Backend, made: list[Any], filter: UserFilter, sort: str, data: st.DataObject
) -> None:
    with backend.open() as uow:
        entities = make_users(uow, made)
        entities += [uow.users.get(person.id) for person in PEOPLE]
        uow.commit()
    try:
        descending = data.draw(st.booleans())
        meant = [user for user in entities if filter.matches(user)]
        expected = in_order(meant, SORTS[sort], descending)
        page_request = PageRequest(
            sort=sort, descending=descending, limit=data.draw(st.integers(1, 5))
        )
        seen: list[UserView] = []
        for _ in range(20):
            page = backend.ask(backend.users.list_page(filter, replace(page_request, count=True)))
            assert page.total == len(meant)
            seen += page.items
            if page.next_key is None:
                break
            page_request = replace(page_request, after=page.next_key)
        assert seen == [UserView.of(user) for user in expected]
    finally:
        with backend.open() as uow:
            for user in entities[: len(made)]:
                uow.users.remove(uow.users.get(user.id))
            uow.commit()


def test_a_search_of_users_does_not_look_into_addresses(backend: Backend) -> None:
    assert list_users(backend, UserFilter(q="canary")) == []
    assert [user.id for user in list_users(backend, UserFilter(q="BOB"))] == [MEMBER.id]


@pytest.mark.parametrize("username", ["Do.Ra", "do.ra", "DO.RA"])
def test_a_user_is_found_by_their_name_in_any_case(backend: Backend, username: str) -> None:
    id = add_user(backend, "Do.Ra", email="dora@example.org")
    assert backend.ask(backend.users.by_username(username)) == get_user(backend, id)


@pytest.mark.parametrize(
    "username",
    ["nobody", "", "b\u00f6b", "\uff42ob", "\u212aim", " bob", "bob\n", "bo", "b_b", "b%", "bob\0",
     "bob\udcff", "bob@canary.example", "b" * 1_000],
)  # fmt: skip
def test_name_that_differs_from_a_users_finds_no_user(backend: Backend, username: str) -> None:
    add_user(backend, "kim")
    assert backend.ask(backend.users.by_username(username)) is None
