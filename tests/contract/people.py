"""What every unit of work and every read port promises of people, tokens and attempts."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.adapters import Together, in_order, in_threads
from domain.access import (
    MAX_SESSIONS,
    AlreadySetUp,
    Purpose,
    Scope,
    TokenFilter,
    TokenRevoked,
    digest_of,
)
from domain.actors import Role
from domain.base import Context, PageRequest
from domain.errors import (
    AuthenticationFailed,
    InvalidField,
    NotFound,
    NotUnique,
    PermissionDenied,
    StillReferenced,
    TooManyAttempts,
    VersionMismatch,
)
from domain.login_throttle import (
    ACCOUNT_LIMIT,
    LOGIN_AT_ADDRESS_LIMIT,
    Counters,
    confirmation_counters,
    known_browser_counters,
    sign_in_counters,
)
from domain.tasks import TaskFilter
from domain.users import SORTS, LastAdmin, User, UserFilter
from service_layer import access, login_throttle, tasks
from service_layer import users as user_use_cases
from service_layer.errors import ConcurrencyConflict
from service_layer.queries.users import UserView
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend
from support.people import ADMIN, CTX, MEMBER, OTHER, PASSWORD_HASH, PEOPLE

TODAY = NOON.date()
FIRST = PageRequest(sort="created_at", limit=100)


def register(backend: Backend, username: str = "dora", **members: Any) -> UUID:
    members.setdefault("email", f"{username}@example.org")
    members.setdefault("name", username.title() + "!")
    members.setdefault("ctx", CTX)
    user = backend.usual.perform(
        user_use_cases.create_user, username=username, password_hash=PASSWORD_HASH, **members
    )
    return user.id


def users(
    backend: Backend, filter: UserFilter | None = None, page_request: PageRequest = FIRST
) -> list[UserView]:
    return backend.ask(backend.users.list_page(filter or UserFilter(), page_request)).items


def get(backend: Backend, id: UUID) -> UserView:
    found = backend.ask(backend.users.get(id, NOON))
    assert found is not None
    return found


def perform(backend: Backend, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return backend.usual.perform(use_case, *args, **kwargs)


def test_a_user_is_read_as_they_were_registered(backend: Backend) -> None:
    id = register(
        backend, "Zoë".encode().decode("ascii", "ignore") + "-1", email=" Zoe@Example.ORG ",
        name="Zoë Ünal", age=0, city="Öl",
    )  # fmt: skip

    assert get(backend, id) == UserView(
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
    dora = register(backend, "dora")
    wanted = {"username": "eve", "email": "eve@example.org", **members}

    with pytest.raises(NotUnique) as registering:
        register(backend, **wanted)
    eve = register(backend, "eve")
    with pytest.raises(NotUnique) as editing:
        perform(backend, user_use_cases.edit_user, eve, members, ctx=ADMIN.ctx)
    assert registering.value.field == editing.value.field == field
    assert get(backend, eve).username == "eve"
    # One's own, in another case, is not another's.
    perform(backend, user_use_cases.edit_user, dora, members, ctx=ADMIN.ctx)


def test_of_twenty_who_register_one_address_at_once_one_gets_it(backend: Backend) -> None:
    def try_it(number: int) -> str:
        address = "".join(c.upper() if number >> place & 1 else c for place, c in enumerate("dora"))
        try:
            register(backend, f"dora{number}", email=f"{address}@example.org")
        except NotUnique as error:
            return error.field
        return "registered"

    outcomes = in_threads(20, try_it)

    assert sorted(outcomes) == ["email"] * 19 + ["registered"]
    assert len(users(backend)) == len(PEOPLE) + 1


def test_of_two_admins_who_demote_each_other_at_once_one_stays(backend: Backend) -> None:
    ways: list[dict[str, Any]] = [{"role": Role.MEMBER}, {"is_active": False}]
    for turn in range(10):
        other = register(backend, f"admin{turn}", role=Role.ADMIN)
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
                # Or whoever asked is no admin any more themselves.
                return "stays"
            return "goes"

        outcomes = in_threads(2, undo)

        assert sorted(outcomes) == ["goes", "stays"]
        left = [user for user in users(backend) if user.is_active and user.role is Role.ADMIN]
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
    gone = register(backend, "gone", role=Role.ADMIN)
    perform(backend, user_use_cases.edit_user, gone, {"is_active": False}, ctx=ADMIN.ctx)

    for change in ({"role": Role.MEMBER}, {"is_active": False}):
        with pytest.raises(LastAdmin):
            perform(backend, user_use_cases.edit_user, ADMIN.id, change, ctx=ADMIN.ctx)
    with pytest.raises(LastAdmin):
        perform(backend, user_use_cases.delete_user, ADMIN.id, ctx=ADMIN.ctx)
    assert get(backend, ADMIN.id).version == 1


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
    found = get(backend, MEMBER.id)
    assert (found.city, found.age, found.role, found.version) == ("X", 7, Role.MEMBER, 3)


def test_whoever_wrote_a_task_or_is_to_do_one_cannot_be_deleted(backend: Backend) -> None:
    written = perform(backend, tasks.create_task, title="x", assignee_id=OTHER.id, ctx=MEMBER.ctx)
    for person in (MEMBER, OTHER):
        with pytest.raises(StillReferenced):
            perform(backend, user_use_cases.delete_user, person.id, ctx=ADMIN.ctx)
    perform(backend, tasks.delete_task, written.id, ctx=ADMIN.ctx)
    for person in (MEMBER, OTHER):
        perform(backend, user_use_cases.delete_user, person.id, ctx=ADMIN.ctx)
        assert backend.ask(backend.access.grant(digest_of(person.token))) is None
    assert [user.id for user in users(backend)] == [ADMIN.id]


def test_a_task_given_to_somebody_who_is_being_deleted_does_not_name_nobody(
    backend: Backend,
) -> None:
    for turn in range(10):
        id = register(backend, f"passing{turn}")

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
def test_a_task_is_given_to_somebody_who_is_there(backend: Backend, who: str) -> None:
    id = UUID("01900000-0000-7000-8000-00000000ffff")
    if who != "nobody":
        id = register(backend)
        perform(backend, user_use_cases.edit_user, id, {"is_active": False}, ctx=ADMIN.ctx)
    with pytest.raises(InvalidField) as adding:
        perform(backend, tasks.create_task, title="x", assignee_id=id, ctx=CTX)
    task = perform(backend, tasks.create_task, title="x", ctx=CTX)
    with pytest.raises(InvalidField) as editing:
        perform(backend, tasks.edit_task, task.id, {"assignee_id": id}, ctx=CTX)
    assert adding.value.field == editing.value.field == "assignee_id"


def test_a_task_of_somebody_who_became_inactive_can_still_be_edited(backend: Backend) -> None:
    task = perform(backend, tasks.create_task, title="x", assignee_id=MEMBER.id, ctx=CTX)
    with backend.open() as uow:
        # Not through the use case, which may come to take the task away from them.
        uow.users.get(MEMBER.id).is_active = False
        uow.commit()
    changes = {"title": "y", "assignee_id": MEMBER.id}
    edited = perform(backend, tasks.edit_task, task.id, changes, ctx=CTX)
    assert (edited.title, edited.assignee_id) == ("y", MEMBER.id)


def test_whoever_is_deactivated_has_nothing_left_to_do(backend: Backend) -> None:
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
    # The last admin stays, and so does what they have to do.
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


def test_a_task_is_read_with_the_people_it_names(backend: Backend) -> None:
    perform(backend, tasks.create_task, title="x", assignee_id=OTHER.id, ctx=MEMBER.ctx)
    (task,) = backend.ask(backend.tasks.list_page(TaskFilter(today=TODAY), FIRST)).items
    assert task.assignee is not None
    assert task.created_by is not None
    assert (task.assignee_id, task.assignee.username) == (OTHER.id, "cleo")
    assert (task.created_by.id, task.created_by.name) == (MEMBER.id, "Bob")
    mine = TaskFilter(today=TODAY, assignee_id=OTHER.id)
    others = TaskFilter(today=TODAY, assignee_id=MEMBER.id)
    assert backend.ask(backend.tasks.count(mine)).total == 1
    assert backend.ask(backend.tasks.count(others)).total == 0


some_users = st.lists(
    st.tuples(
        st.sampled_from(["Ann Öl", "ann", "BO_B", "Zoë 100%"]),
        st.sampled_from(["Unknown", "Köln", "KOLN", ""]),
        st.booleans(),
    ),
    max_size=8,
)


def make_users(uow: UnitOfWork, made: list[Any]) -> list[User]:
    """Make users, and return them."""
    entities: list[User] = []
    for number, (name, city, is_active) in enumerate(made):
        user = user_use_cases.create_user(
            uow,
            username=f"{'uU'[number % 2]}ser{number}",
            email=f"user{number}@example.org",
            name=name,
            city=city,
            password_hash="-",
            ctx=Context(None, NOON + timedelta(seconds=number // 2)),
        )
        user.is_active = is_active
        entities.append(user)
    return entities


some_filter = st.builds(
    UserFilter,
    name=st.none() | st.sampled_from(["ann", "ÖL", "_", "%", "O"]),
    city=st.none() | st.sampled_from(["koln", "Ö", "un"]),
    is_active=st.none() | st.booleans(),
    q=st.none() | st.sampled_from(["ann", "köln", "user1", "@", "100%", "example"]),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=some_users, filter=some_filter, sort=st.sampled_from(list(SORTS)), data=st.data())
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
    assert users(backend, UserFilter(q="canary")) == []
    assert [user.id for user in users(backend, UserFilter(q="BOB"))] == [MEMBER.id]


@pytest.mark.parametrize("username", ["Do.Ra", "do.ra", "DO.RA"])
def test_a_user_is_found_by_their_name_in_any_case(backend: Backend, username: str) -> None:
    id = register(backend, "Do.Ra", email="dora@example.org")
    assert backend.ask(backend.users.by_username(username)) == get(backend, id)


@pytest.mark.parametrize(
    "username",
    ["nobody", "", "b\u00f6b", "\uff42ob", "\u212aim", " bob", "bob\n", "bo", "b_b", "b%", "bob\0",
     "bob\udcff", "bob@canary.example", "b" * 1_000],
)  # fmt: skip
def test_a_name_that_is_not_quite_a_users_finds_nobody(backend: Backend, username: str) -> None:
    register(backend, "kim")
    assert backend.ask(backend.users.by_username(username)) is None


# Tokens


def _token_of(backend: Backend, user_id: UUID) -> UUID:
    """Return a token by which somebody is known."""
    issued = perform(backend, access.open_session, user_id, PASSWORD_HASH, {}, ctx=CTX)
    id: UUID = issued.token.id
    return id


def personal(backend: Backend, name: str = "script", **members: Any) -> access.IssuedToken:
    members = {"scope": Scope.WRITE, "expires_at": None, "ctx": MEMBER.ctx, **members}
    members["session_token_id"] = _token_of(backend, members["ctx"].by)
    issued: access.IssuedToken = perform(backend, access.create_token, name=name, **members)
    return issued


def granted(backend: Backend, secret: str) -> bool:
    return backend.ask(backend.access.grant(digest_of(secret))) is not None


def test_a_token_grants_what_its_user_may_do(backend: Backend) -> None:
    issued = personal(backend, scope=Scope.READ, expires_at=NOON + timedelta(days=1))
    grant = backend.ask(backend.access.grant(digest_of(issued.secret)))

    assert grant is not None
    program = replace(MEMBER.actor, by_personal_token=True)
    assert (grant.token_id, grant.actor) == (issued.token.id, program)
    assert (grant.scope, grant.is_personal) == (Scope.READ, True)
    assert (grant.expires_at, grant.last_used_at) == (NOON + timedelta(days=1), None)
    assert not granted(backend, issued.secret + "x")
    assert not granted(backend, digest_of(issued.secret))


def test_a_use_of_a_token_is_noted_without_changing_it(backend: Backend) -> None:
    issued = personal(backend)
    perform(backend, access.record_use, issued.token.id, NOON + timedelta(hours=1))

    view = backend.ask(backend.tokens.get(issued.token.id, NOON))
    assert view is not None
    assert (view.version, view.updated_at) == (1, NOON)
    assert view.last_used_at == NOON + timedelta(hours=1)
    perform(backend, access.revoke_token, issued.token.id, ctx=MEMBER.ctx, expected={1})
    perform(backend, access.record_use, issued.token.id, NOON)


def test_a_token_is_its_owners_alone(backend: Backend) -> None:
    issued = personal(backend)
    for actor in (OTHER.actor, ADMIN.actor):
        with pytest.raises(NotFound):
            perform(backend, access.revoke_token, issued.token.id, ctx=Context(actor, NOON))
    with pytest.raises(VersionMismatch):
        perform(
            backend,
            access.revoke_token,
            issued.token.id,
            ctx=MEMBER.ctx,
            expected={2},
        )
    for person, there in ((MEMBER, True), (OTHER, False), (ADMIN, False)):
        found = backend.ask(backend.tokens.owned(issued.token.id, person.id))
        assert (found is not None) == there
    perform(backend, access.revoke_token, issued.token.id, ctx=MEMBER.ctx)
    assert not granted(backend, issued.secret)
    listed = backend.ask(backend.tokens.list_page(TokenFilter(user_id=MEMBER.id), FIRST)).items
    assert issued.token.id not in {token.id for token in listed}


@pytest.mark.parametrize("way", ["deactivated", "given a password", "deleted"])
def test_what_ends_somebodys_access_ends_all_their_tokens_in_the_same_transaction(
    backend: Backend, way: str
) -> None:
    id = register(backend)
    actor = replace(MEMBER.actor, id=id)
    secrets = [
        personal(backend, ctx=Context(actor, NOON)).secret,
        perform(backend, access.open_session, id, PASSWORD_HASH, {}, ctx=CTX).secret,
    ]
    assert all(granted(backend, secret) for secret in secrets)
    happened: list[Any] = []
    runner = backend.runner()
    runner.after_commit(happened.extend)
    if way == "deactivated":
        runner.perform(user_use_cases.edit_user, id, {"is_active": False}, ctx=ADMIN.ctx)
        back: dict[str, Any] = {"is_active": True}
        perform(backend, user_use_cases.edit_user, id, back, ctx=ADMIN.ctx)
    elif way == "deleted":
        runner.perform(user_use_cases.delete_user, id, ctx=ADMIN.ctx)
    else:
        runner.perform(user_use_cases.edit_user, id, {}, password_hash="new", ctx=ADMIN.ctx)
    assert not any(granted(backend, secret) for secret in secrets)
    assert sum(isinstance(event, TokenRevoked) for event in happened) == 3
    assert granted(backend, MEMBER.token)


def test_of_a_deactivation_and_what_happens_at_the_same_moment_no_token_is_left(
    backend: Backend,
) -> None:
    for turn in range(10):
        id = register(backend, f"passing{turn}")
        actor = replace(MEMBER.actor, id=id)
        known_by = _token_of(backend, id)

        def meet(place: int, id: UUID = id, actor: Any = actor, by: UUID = known_by) -> str | None:
            try:
                if place == 0:
                    change = {"is_active": False}
                    perform(backend, user_use_cases.edit_user, id, change, ctx=ADMIN.ctx)
                    return None
                if place == 1:
                    issued = perform(backend, access.open_session, id, PASSWORD_HASH, {}, ctx=CTX)
                else:
                    issued = perform(
                        backend,
                        access.create_token,
                        name="x",
                        scope=Scope.WRITE,
                        expires_at=None,
                        ctx=Context(actor, NOON),
                        session_token_id=by,
                    )
                return str(issued.secret)
            except AuthenticationFailed:
                return None

        secrets = [secret for secret in in_threads(3, meet) if secret]

        back: dict[str, Any] = {"is_active": True}
        perform(backend, user_use_cases.edit_user, id, back, ctx=ADMIN.ctx)
        assert not any(granted(backend, secret) for secret in secrets)


def test_whoever_lost_their_role_or_token_meanwhile_does_nothing_with_it(backend: Backend) -> None:
    other = register(backend, "boss", role=Role.ADMIN)
    boss = replace(ADMIN.actor, id=other)
    known_by = _token_of(backend, other)
    demoted: dict[str, Any] = {"role": Role.MEMBER}
    perform(backend, user_use_cases.edit_user, other, demoted, ctx=ADMIN.ctx)
    new = {"username": "x", "email": "x@example.org", "name": "xx", "password_hash": "-"}
    for use_case, arguments in (
        (user_use_cases.edit_user, (other, {"role": Role.ADMIN})),
        (user_use_cases.edit_user, (MEMBER.id, {"is_active": False})),
        (user_use_cases.delete_user, (MEMBER.id,)),
    ):
        with pytest.raises(PermissionDenied):
            perform(backend, use_case, *arguments, ctx=Context(boss, NOON))
    with pytest.raises(PermissionDenied):
        perform(backend, user_use_cases.create_user, **new, ctx=Context(boss, NOON))
    perform(backend, access.revoke_current_token, known_by, ctx=Context(boss, NOON))
    with pytest.raises(AuthenticationFailed):
        personal_by = replace(boss, role=Role.MEMBER)
        perform(
            backend,
            access.create_token,
            name="x",
            scope=Scope.READ,
            expires_at=None,
            ctx=Context(personal_by, NOON),
            session_token_id=known_by,
        )
    assert get(backend, other).role is Role.MEMBER


def test_whoever_is_deleted_harms_nobody_they_share_a_transaction_with(backend: Backend) -> None:
    together = Together(backend)
    gone, theirs, others, again = together.run(
        partial(user_use_cases.delete_user, user_id=MEMBER.id, ctx=ADMIN.ctx),
        partial(tasks.create_task, title="Theirs", ctx=MEMBER.ctx),
        partial(tasks.create_task, title="Others", ctx=OTHER.ctx),
        partial(tasks.create_task, title="Again", ctx=MEMBER.ctx),
    )
    assert gone is None
    assert (type(theirs), type(again)) == (AuthenticationFailed, AuthenticationFailed)
    assert others.title == "Others"


def test_a_commit_that_the_database_refuses_leaves_nothing_behind(backend: Backend) -> None:
    for _ in range(3):
        with contextlib.suppress(ConcurrencyConflict), backend.open() as uow:
            task = tasks.create_task(uow, title="Of nobody", ctx=CTX)
            task.created_by_id = UUID(int=7)
            uow.commit()
        kept = perform(backend, tasks.create_task, title="Kept", ctx=CTX)
        assert backend.ask(backend.tasks.get(kept.id, NOON)) is not None


def test_an_inactive_user_is_granted_nothing(backend: Backend) -> None:
    with backend.open() as uow:
        uow.users.get(MEMBER.id).is_active = False
        uow.commit()
    assert not granted(backend, MEMBER.token)


@pytest.mark.parametrize("meanwhile", ["another password", "inactive", "gone"])
def test_whoever_changes_while_they_sign_in_does_not_come_in(
    backend: Backend, meanwhile: str
) -> None:
    counted = counters(password_hash=PASSWORD_HASH)
    with backend.open() as uow:
        if meanwhile == "gone":
            user_use_cases.delete_user(uow, MEMBER.id, ctx=ADMIN.ctx)
        elif meanwhile == "inactive":
            uow.users.get(MEMBER.id).is_active = False
        else:
            uow.users.get(MEMBER.id).password_hash = "another"
        uow.commit()
    with pytest.raises(AuthenticationFailed):
        perform(backend, access.open_session, MEMBER.id, PASSWORD_HASH, counted, ctx=CTX)
    with pytest.raises(InvalidField if meanwhile == "another password" else AuthenticationFailed):
        perform(
            backend,
            user_use_cases.change_password,
            ctx=MEMBER.ctx,
            confirmation=user_use_cases.Confirmation("not this one", counted),
            password_hash="new",
        )


def test_somebody_has_only_so_many_sessions_and_the_oldest_ends(backend: Backend) -> None:
    def open_session(minutes: int) -> str:
        now = NOON + timedelta(minutes=minutes)
        issued = perform(
            backend, access.open_session, MEMBER.id, PASSWORD_HASH, {}, ctx=Context(None, now)
        )
        return str(issued.secret)

    secrets = [open_session(minute) for minute in range(MAX_SESSIONS + 2)]

    assert [granted(backend, secret) for secret in secrets] == [False] * 2 + [True] * MAX_SESSIONS
    # What has expired is cleared away.
    open_session(60 * 24)
    with backend.open() as uow:
        assert len(uow.tokens.list_for_user(Purpose.SESSION, MEMBER.id)) == 1


# Failed sign-ins


def counters(
    login: str = "bob", address: str = "here", password_hash: str | None = None
) -> Counters:
    return sign_in_counters(login, address, password_hash)


def fail(backend: Backend, at: datetime, counted: Counters | None = None) -> int | None:
    """Return `None` when the failure is told, else after how many seconds one would be."""
    try:
        perform(backend, login_throttle.register_failure, counted or counters(), now=at)
    except TooManyAttempts as error:
        return error.seconds
    return None


def test_of_many_failures_at_once_only_so_many_are_told(backend: Backend) -> None:
    outcomes = in_threads(20, lambda _: fail(backend, NOON))

    assert outcomes.count(None) == LOGIN_AT_ADDRESS_LIMIT.max_failures == 5
    assert set(outcomes) - {None} == {15 * 60}


def test_a_right_password_that_was_judged_beyond_the_limit_opens_no_session(
    backend: Backend,
) -> None:
    counted = counters(password_hash=PASSWORD_HASH)
    for _ in range(5):
        fail(backend, NOON, counted)
    with pytest.raises(TooManyAttempts):
        perform(backend, access.open_session, MEMBER.id, PASSWORD_HASH, counted, ctx=CTX)
    with pytest.raises(TooManyAttempts):
        perform(
            backend,
            user_use_cases.change_password,
            ctx=MEMBER.ctx,
            confirmation=user_use_cases.Confirmation(PASSWORD_HASH, counted),
            password_hash="new",
        )


def test_failures_at_one_account_from_everywhere_at_once_are_told_up_to_its_limit(
    backend: Backend,
) -> None:
    def guess(number: int) -> list[int | None]:
        counted = counters(address=f"198.51.100.{number}")
        return [fail(backend, NOON, counted) for _ in range(5)]

    outcomes = [one for told in in_threads(20, guess) for one in told]

    assert outcomes.count(None) == ACCOUNT_LIMIT.max_failures == 50
    assert set(outcomes) - {None} == {1}


def test_in_any_quarter_of_an_hour_five_failures_are_told_and_the_wait_is_true(
    backend: Backend,
) -> None:
    told: list[int] = []
    # One every 50 seconds, for an hour.
    for second in range(0, 3600, 50):
        wait = fail(backend, NOON + timedelta(seconds=second))
        if wait is None:
            told.append(second)
        else:
            # A moment earlier it is refused still, and then it is not.
            assert wait == told[-5] + 900 - second
    assert all(later - earlier >= 900 for earlier, later in zip(told, told[5:], strict=False))
    assert len(told) == 20


def test_failures_elsewhere_are_counted_apart(backend: Backend) -> None:
    for _ in range(5):
        fail(backend, NOON)
    assert fail(backend, NOON) == 900
    for other in (
        counters(login="cleo"),
        counters(address="elsewhere"),
        counters(password_hash="a new password"),
        known_browser_counters("bob", "a browser", PASSWORD_HASH),
        confirmation_counters(MEMBER.id, PASSWORD_HASH),
    ):
        assert fail(backend, NOON, other) is None


def test_the_read_port_tells_the_failures_that_are_counted(backend: Backend) -> None:
    counted = counters()
    assert not any(backend.ask(backend.access.failures(counted.keys())).values())
    times = (NOON, NOON + timedelta(microseconds=1))
    for time in times:
        fail(backend, time, counted)
    told = backend.ask(backend.access.failures([*counted, UUID(int=7)]))
    assert {id: tuple(each) for id, each in told.items()} == dict.fromkeys(counted, times)


def test_failures_that_no_longer_count_are_cleared_away(backend: Backend) -> None:
    for number in range(4):
        fail(backend, NOON, counters(login=f"guess {number}"))
    fail(backend, NOON + timedelta(days=1), counters(login="another"))

    def kept(uow: UnitOfWork) -> int:
        return len(uow.login_throttles.list_expired(NOON + timedelta(days=3), limit=100))

    assert perform(backend, kept) == 3  # the login's at the address, the address's, the login's


def test_whether_a_secret_sets_up_is_told_without_using_it_up(backend: Backend) -> None:
    with backend.open() as uow:
        uow.users.get(ADMIN.id).is_active = False
        uow.commit()
    secret = perform(backend, access.prepare_setup, ctx=CTX)
    for told, is_one in ((secret, True), (secret, True), (MEMBER.token, False), ("", False)):
        assert backend.ask(backend.access.is_setup_secret(digest_of(told))) is is_one


# The first admin

ROUNDS = 30


def test_the_setup_secret_works_once_and_only_while_there_is_no_admin(backend: Backend) -> None:
    assert perform(backend, access.prepare_setup, ctx=CTX) is None
    with backend.open() as uow:
        uow.users.get(ADMIN.id).is_active = False
        uow.commit()
    first = perform(backend, access.prepare_setup, ctx=CTX)
    second = perform(backend, access.prepare_setup, ctx=CTX)
    assert backend.ask(backend.access.awaits_setup())
    assert not granted(backend, second)

    def set_up(secret: str, name: str = "eve") -> Any:
        return perform(
            backend,
            user_use_cases.set_up,
            secret,
            username=name,
            email=f"{name}@example.org",
            name=name,
            password_hash="-",
            ctx=CTX,
        )

    with pytest.raises(AuthenticationFailed):
        set_up(first)
    with pytest.raises(NotUnique):
        set_up(second, MEMBER.username)
    assert set_up(second).role is Role.ADMIN
    for secret in (first, second):
        with pytest.raises(AlreadySetUp):
            set_up(secret, "fay")
    assert not backend.ask(backend.access.awaits_setup())


def test_of_many_who_set_up_at_once_one_does(backend: Backend) -> None:
    first = ADMIN.id
    # That one comes between the looks of another is left to chance, so there are many rounds.
    for turn in range(ROUNDS):
        with backend.open() as uow:
            uow.users.get(first).is_active = False
            uow.commit()
        secret = perform(backend, access.prepare_setup, ctx=CTX)

        def set_up(number: int, turn: int = turn, secret: str = secret) -> UUID | None:
            name = f"eve{turn}.{number}"
            try:
                user = perform(
                    backend,
                    user_use_cases.set_up,
                    secret,
                    username=name,
                    email=f"{name}@example.org",
                    name="Eve",
                    password_hash="-",
                    ctx=CTX,
                )
            except AlreadySetUp:
                return None
            id: UUID = user.id
            return id

        (first,) = (id for id in in_threads(10, set_up) if id is not None)


# What is imported where the tests are run; it stands last, so that none is left out.
__all__ = [name for name in globals() if name.startswith("test_")]
