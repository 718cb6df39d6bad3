"""Posts: addresses, visibility, queries."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.base import PageRequest
from domain.errors import StillReferenced
from domain.posts import SORTS, PostFilter
from service_layer import posts as post_use_cases
from service_layer import users
from service_layer.queries.posts import PostView
from service_layer.queries.users import PublicUser
from support.backends import NOON, Backend
from support.concurrency import in_threads
from support.filters import make_posts, post_filters, some_posts
from support.pagination import in_order
from support.people import ADMIN, MEMBER, PEOPLE


def perform(backend: Backend, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return backend.default_runner.perform(use_case, *args, **kwargs)


def write(backend: Backend, title: str = "News", **members: Any) -> Any:
    members = {"content": "Text", "ctx": MEMBER.ctx, **members}
    return perform(backend, post_use_cases.create_post, title=title, **members)


def test_posts_of_one_title_written_at_once_have_addresses_of_their_own(backend: Backend) -> None:
    posts = in_threads(12, lambda _: write(backend, "Ünïcode & more!"))

    names = sorted((post.slug for post in posts), key=lambda slug: (len(slug), slug))
    assert names == ["unicode-more", *(f"unicode-more-{number}" for number in range(2, 13))]


def test_a_user_with_posts_cannot_be_deleted(backend: Backend) -> None:
    post = write(backend)
    with pytest.raises(StillReferenced):
        perform(backend, users.delete_user, MEMBER.id, ctx=ADMIN.ctx)
    perform(backend, post_use_cases.delete_post, post.id, ctx=MEMBER.ctx)
    perform(backend, users.delete_user, MEMBER.id, ctx=ADMIN.ctx)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(made=some_posts, filter=post_filters, sort=st.sampled_from(list(SORTS)), data=st.data())
def test_what_one_sees_of_posts_and_their_orders_agree_with_the_domain(
    backend: Backend, made: list[Any], filter: PostFilter, sort: str, data: st.DataObject
) -> None:
    with backend.open() as uow:
        entities = make_posts(uow, made)
        uow.commit()
    try:
        seen_by = {person.id: PublicUser(**{**person.public, "id": person.id}) for person in PEOPLE}  # type: ignore[arg-type]
        descending = data.draw(st.booleans())
        meant = [post for post in entities if filter.matches(post)]
        expected = in_order(meant, SORTS[sort], descending)
        page_request = PageRequest(
            sort=sort, descending=descending, limit=data.draw(st.integers(1, 4))
        )
        seen: list[PostView] = []
        for _ in range(20):
            page = backend.ask(backend.posts.list_page(filter, replace(page_request, count=True)))
            assert page.total == len(meant)
            seen += page.items
            if page.next_key is None:
                break
            page_request = replace(page_request, after=page.next_key)
        assert seen == [PostView.of(post, seen_by) for post in expected]
    finally:
        with backend.open() as uow:
            for post in entities:
                uow.posts.remove(uow.posts.get(post.id))
            uow.commit()


def test_a_post_is_found_by_its_slug_and_by_nothing_else(backend: Backend) -> None:
    first, second, other = (write(backend, title) for title in ("A saw", "A saw", "A sawhorse"))

    for kept in (first, second, other):
        found = backend.ask(backend.posts.by_slug(kept.slug))
        assert found == backend.ask(backend.posts.get(kept.id, NOON))
        assert found is not None
        assert (found.id, found.author.username) == (kept.id, "bob")
    assert {first.slug, second.slug, other.slug} == {"a-saw", "a-saw-2", "a-sawhorse"}
    for slug in ("A-saw", "a-saw ", "a_saw", "a-saw%", "á-saw", "a-saw-3", "", "a-saw\0", "\udcff"):
        assert backend.ask(backend.posts.by_slug(slug)) is None


def test_a_draft_that_is_renamed_is_no_longer_found_where_it_was(backend: Backend) -> None:
    draft = write(backend, "First idea")
    changes: Any = {"title": "Second idea"}
    perform(backend, post_use_cases.edit_post, draft.id, changes, ctx=MEMBER.ctx)

    assert backend.ask(backend.posts.by_slug("first-idea")) is None
    found = backend.ask(backend.posts.by_slug("second-idea"))
    assert found is not None
    assert found.id == draft.id
