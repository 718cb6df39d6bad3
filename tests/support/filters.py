"""Generated aggregates and filters, which compare the queries of an adapter with the domain."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from domain.base import Context
from domain.catalogue import Product, ProductFilter
from domain.devices import DeviceFilter, Presence, Status
from domain.posts import Post, PostFilter
from domain.tasks import Task, TaskFilter
from domain.users import User, UserFilter
from domain.values import CENT
from service_layer import catalogue, devices
from service_layer import posts as post_use_cases
from service_layer import tasks as task_use_cases
from service_layer import users as user_use_cases
from service_layer.unit_of_work import UnitOfWork
from support.backends import NOON, Backend
from support.devices import MICROSECOND, issue_key, send_heartbeat
from support.people import CTX, MEMBER, OTHER, PEOPLE
from support.tasks import TODAY

some_tasks = st.lists(
    st.tuples(
        st.sampled_from(["a", "B", "á", "b c", "%"]),
        st.none() | st.sampled_from(["x", "Y\nz"]),
        st.integers(0, 2),
        st.none() | st.sampled_from([TODAY - timedelta(1), TODAY, TODAY + timedelta(1)]),
        st.none() | st.sampled_from([MEMBER.id, OTHER.id]),
        st.none() | st.integers(0, 1),
        st.booleans(),
    ),
    max_size=12,
)


def make_tasks(uow: UnitOfWork, some: list[Any]) -> tuple[list[Task], list[UUID]]:
    """Make tasks, and return them and the products that they may refer to."""
    products = [
        catalogue.create_product(uow, name=name, price=CENT, ctx=CTX).id
        for name in ("Glue", "Nails")
    ]
    entities: list[Task] = []
    for number, (title, description, priority, due_on, assignee, product, completed) in enumerate(
        some
    ):
        ctx = Context(None, NOON + timedelta(seconds=number // 2))
        task = task_use_cases.create_task(
            uow, title=title, description=description, priority=priority, due_on=due_on,
            assignee_id=assignee, ctx=ctx,
        )  # fmt: skip
        if completed:
            task.complete(ctx)
            # Of one product only one task is open, so these are not.
            task.product_id = None if product is None else products[product]
        entities.append(task)
    return entities, products


def task_filters(products: list[UUID]) -> st.SearchStrategy[TaskFilter]:
    return st.builds(
        TaskFilter,
        today=st.just(TODAY),
        completed=st.none() | st.booleans(),
        priority=st.none() | st.integers(0, 2),
        min_priority=st.none() | st.integers(0, 2),
        assignee_id=st.none() | st.sampled_from([MEMBER.id, OTHER.id]),
        due_before=st.none() | st.just(TODAY + timedelta(1)),
        overdue=st.none() | st.booleans(),
        product_id=st.none() | st.sampled_from(products),
        q=st.none() | st.sampled_from(["a", "B", "%", "z", "b c"]),
    )


PRICES = [Decimal(price) for price in ("0.00", "0.99", "9.50", "10.00", "100.00")]
some_products = st.lists(
    st.tuples(
        st.sampled_from(["a", "B", "á", "b c", "%"]),
        st.booleans(),
        st.none() | st.sampled_from(["x", "Y\nz"]),
        st.sampled_from(PRICES),
        st.integers(0, 2),
        st.integers(0, 2),
        st.booleans(),
        st.booleans(),
    ),
    max_size=10,
)


def make_products(uow: UnitOfWork, some: list[Any], category_id: UUID) -> list[Product]:
    """Make products, some in the category, and return them."""
    kept: list[Product] = []
    for number, (name, has_sku, description, price, stock, level, within, archived) in enumerate(
        some
    ):
        product = Product.create(
            uow.new_id(),
            Context(None, NOON + timedelta(seconds=number // 2)),
            name=name,
            sku=f"SKU-{number}" if has_sku else None,
            description=description,
            price=price,
            reorder_level=level,
            category_id=category_id if within else None,
            products=uow.products,
        )
        # Without movements, so that they can go again.
        product.stock, product.archived = stock, archived
        uow.products.add(product)
        kept.append(product)
    return kept


def product_filters(category_id: UUID) -> st.SearchStrategy[ProductFilter]:
    return st.builds(
        ProductFilter,
        archived=st.none() | st.booleans(),
        category_id=st.none() | st.just(category_id),
        min_price=st.none() | st.sampled_from(PRICES),
        max_price=st.none() | st.sampled_from(PRICES),
        in_stock=st.none() | st.booleans(),
        low_stock=st.none() | st.booleans(),
        q=st.none() | st.sampled_from(["a", "B", "%", "z", "b c", "sku-1"]),
    )


INTERVALS = (10, 60, 86_400)
some_devices = st.lists(
    st.tuples(
        st.sampled_from(["a", "B", "á", "b c", "%"]),
        st.none() | st.sampled_from(["CNC", "cnc", "Öfen", ""]),
        st.none() | st.sampled_from(["x", "Y z"]),
        st.sampled_from(Status),
        st.sampled_from(INTERVALS),
        st.none()
        | st.builds(
            lambda every, times, more: every * times * timedelta(seconds=0.5) + more * MICROSECOND,
            st.sampled_from(INTERVALS),
            st.sampled_from([0, 1, 2, 3, 4, 6, 7]),
            st.integers(-1, 1),
        ),
    ),
    max_size=12,
)


def make_devices(backend: Backend, made: list[Any]) -> list[UUID]:
    """Make devices, of which some are heard of, and return their ids."""
    ids: list[UUID] = []
    with backend.open() as uow:
        for number, (name, kind, location, status, every, _) in enumerate(made):
            device = devices.create_device(
                uow, name=name, kind=kind, location=location, status=status, heartbeat_every=every,
                serial=f"77-{number}" if number % 2 else None,
                ctx=Context(None, NOON + timedelta(number // 2)),
            )  # fmt: skip
            ids.append(device.id)
        uow.commit()
    for id, (*_, status, _, ago) in zip(ids, made, strict=True):
        if ago is not None and status is not Status.RETIRED:
            send_heartbeat(backend, id, issue_key(backend, id), NOON - ago)
    return ids


device_filters = st.builds(
    DeviceFilter,
    now=st.just(NOON),
    status=st.none() | st.sampled_from(Status),
    presence=st.none() | st.sampled_from(Presence),
    kind=st.none() | st.sampled_from(["Cnc", "ofen", "cn", "%"]),
    q=st.none() | st.sampled_from(["a", "B", "%", "z", "b c", "cnc", "77-"]),
)
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


user_filters = st.builds(
    UserFilter,
    name=st.none() | st.sampled_from(["ann", "ÖL", "_", "%", "O"]),
    city=st.none() | st.sampled_from(["koln", "Ö", "un"]),
    is_active=st.none() | st.booleans(),
    q=st.none() | st.sampled_from(["ann", "köln", "user1", "@", "100%", "example"]),
)
some_posts = st.lists(
    st.tuples(
        st.sampled_from(["a", "B", "á b", "100%"]),
        st.sampled_from(["x", "Y\nz", "_"]),
        st.sampled_from(PEOPLE),
        st.booleans(),
    ),
    max_size=10,
)


def make_posts(uow: UnitOfWork, made: list[Any]) -> list[Post]:
    """Make posts, and return them."""
    entities: list[Post] = []
    for number, (title, content, author, published) in enumerate(made):
        ctx = Context(author.actor, NOON + timedelta(seconds=number // 2))
        post = post_use_cases.create_post(uow, title=title, content=content, ctx=ctx)
        if published:
            post.publish(ctx)
        # Each is settled, so that the next one sees its address taken.
        uow.flush()
        entities.append(post)
    return entities


post_filters = st.builds(
    PostFilter.of,
    st.none() | st.sampled_from([person.actor for person in PEOPLE]),
    published=st.none() | st.booleans(),
    author_id=st.none() | st.sampled_from([person.id for person in PEOPLE]),
    q=st.none() | st.sampled_from(["A", "b", "%", "_", "z"]),
)
