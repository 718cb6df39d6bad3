"""Hypothesis strategies for requests, independent of the state they are applied to."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from support.people import ADMIN, MEMBER, Person
from support.stockroom_values import MOST, REASONS, Body


@dataclass(frozen=True)
class Action:
    """A request about an existing object.

    `which` is an index of known objects that wraps around, and so is a category's number in the
    body. `tag` counts back from the latest seen representation, whose ETag makes the request
    conditional; `None` makes it unconditional.
    """

    method: str
    collection: str
    which: int | None = None
    command: str = ""
    body: Body = field(default_factory=dict)
    by: Person = ADMIN
    tag: int | None = None


some = st.integers(0, 7)
people = st.sampled_from([ADMIN, MEMBER])
# Most changes are unconditional or carry the latest ETag.
tags = st.sampled_from([None, None, None, 0, 0, 0, 1, 2])

NAMES = ["Glue", " glue ", "Öl", "Chisel", "50 % off", "x" * 100]
needed: dict[str, Any] = {
    "name": st.sampled_from(NAMES),
    "price": st.sampled_from(["0", "9.50", 9.5, 10, "9999999999.99"]),
}
stocks = st.integers(0, 15)
others: dict[str, Any] = {
    "sku": st.sampled_from([None, None, None, "A-1", "a-1 ", "Ä-1", "ä-1", "B_2"]),
    "description": st.sampled_from([None, "", "Oil for glue"]),
    "reorder_level": st.integers(0, 6),
    "category_id": st.none() | some,
}
unacceptable: dict[str, Any] = {
    "name": st.sampled_from(["", " ", "x" * 101, None, 7]),
    "sku": st.sampled_from(["", "x" * 41]),
    "description": st.just("x" * 501),
    "price": st.sampled_from(["-0.01", "0.001", "1e10", None, "much"]),
    "stock": st.sampled_from([-1, MOST + 1, None, "1", True]),
    "reorder_level": st.sampled_from([-1, None]),
    "category_id": st.sampled_from(["01900000-0000-7000-8000-00000000ffff", "none"]),
    "archived": st.booleans(),
    "version": st.just(1),
}


def mostly(good: st.SearchStrategy[Body], bad: dict[str, Any]) -> st.SearchStrategy[Body]:
    """Mix invalid members into one of ten bodies."""
    wrong = st.fixed_dictionaries({}, optional=bad)
    both = st.builds(lambda one, other: {**one, **other}, good, wrong)
    return st.integers(0, 9).flatmap(lambda number: both if number == 9 else good)


def wishes(method: str, collection: str, **parts: Any) -> st.SearchStrategy[Action]:
    return st.builds(Action, st.just(method), st.just(collection), by=people, **parts)


category_names = st.fixed_dictionaries(
    {"name": st.sampled_from(["Tools", "tools ", "Glues", "Öle", "öle", "Oils", "Nails"])}
)
bad_name: dict[str, Any] = {"name": st.sampled_from(["", "x" * 51, None]), "products": st.just([])}

new_category = wishes("POST", "categories", body=mostly(category_names, bad_name))
renaming = wishes(
    "PATCH", "categories", which=some, tag=tags,
    body=st.just({}) | mostly(category_names, bad_name),
)  # fmt: skip
end_of_category = wishes("DELETE", "categories", which=some, tag=tags)
look_at_category = wishes("GET", "categories", which=some, tag=tags)

new_product = wishes(
    "POST",
    "products",
    body=mostly(st.fixed_dictionaries({**needed, "stock": stocks}, optional=others), unacceptable),
)
edits = st.fixed_dictionaries({}, optional={**needed, "stock": stocks, **others})
edit = wishes("PATCH", "products", which=some, tag=tags, body=mostly(edits, unacceptable))
count = wishes(
    "PATCH", "products", which=some, tag=tags, body=st.fixed_dictionaries({"stock": stocks})
)
movement = wishes(
    "POST", "products", which=some, command=st.just("movements"),
    body=mostly(
        st.fixed_dictionaries(
            {"quantity": st.integers(-6, 6), "reason": st.sampled_from(REASONS)},
            optional={"note": st.sampled_from([None, " jig "])},
        ),
        {
            "quantity": st.sampled_from([MOST, -MOST, MOST + 1, 0.5, None]),
            "reason": st.sampled_from(["counted", None]),
            "note": st.just("x" * 201),
            "stock_after": some,
        },
    ),
)  # fmt: skip
sale = wishes(
    "POST", "products", which=some, command=st.just("movements"),
    body=st.fixed_dictionaries({"quantity": st.integers(-3, -1), "reason": st.just("sold")}),
)  # fmt: skip
archiving = wishes(
    "POST", "products", which=some, tag=tags, command=st.sampled_from(["archive", "restore"])
)
end_of_product = wishes("DELETE", "products", which=some, tag=tags)
look_at_product = wishes("GET", "products", which=some, tag=tags)

anything = st.one_of(
    new_category, renaming, end_of_category, look_at_category, new_product, edit, count, movement,
    sale, archiving, end_of_product, look_at_product,
)  # fmt: skip
at_one_product = st.one_of(edit, count, movement, sale, archiving, end_of_product, look_at_product)

filters = st.fixed_dictionaries(
    {},
    optional={
        "archived": st.booleans(),
        "category_id": some,
        "min_price": st.sampled_from(["0", "9.50", "10"]),
        "max_price": st.sampled_from(["9.50", "10", "9999999999.99"]),
        "in_stock": st.booleans(),
        "low_stock": st.booleans(),
        "q": st.sampled_from(["GLUE", "ol", "%", "a-1", "_2", "oil for"]),
    },
)
orders = st.sampled_from(["created_at", "name", "price", "stock"]).flatmap(
    lambda name: st.sampled_from([name, f"-{name}"])
)
