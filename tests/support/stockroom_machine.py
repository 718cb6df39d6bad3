"""A stateful Hypothesis test of the catalogue and stock API against a model."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from support import stockroom_actions as actions
from support.backends import Clock
from support.clients import Answer, Crowd
from support.people import NOON
from support.stockroom import Stockroom, orders
from support.stockroom_actions import Action
from support.stockroom_lists import in_order, listed
from support.stockroom_requests import heard, request_of, walked
from support.stockroom_values import Ask, Body, Seen, Told

MISSING = "01900000-0000-7000-8000-00000000fffe"


class StockroomMachine(RuleBasedStateMachine):
    """A sequence of sequential and concurrent requests, starting from an empty database.

    Concurrent requests must be linearizable: some order of them explains all responses and the
    resulting state. The order varies between runs, so no rule depends on the state: a requested
    object may be missing.
    """

    def __init__(self, crowd: Crowd, clock: Clock, empty: Callable[[], None]) -> None:
        super().__init__()
        empty()
        clock.now = NOON
        self.crowd, self.clock = crowd, clock
        self.room = Stockroom(NOON)
        self.known: dict[str, list[str]] = {"categories": [], "products": []}
        self.seen: dict[str, list[Seen]] = {}

    @initialize(category=actions.new_category, products=st.tuples(*[actions.new_product] * 3))
    def there_is_something(self, category: Action, products: tuple[Action, ...]) -> None:
        self.ask_for(category)
        for product in products:
            self.ask_for(product)

    # Single requests

    @rule(action=actions.new_category)
    def a_category_is_added(self, action: Action) -> None:
        self.ask_for(action)

    @rule(action=actions.renaming)
    def a_category_is_renamed(self, action: Action) -> None:
        self.ask_for(action)

    @rule(action=actions.end_of_category)
    def a_category_is_deleted(self, action: Action) -> None:
        self.ask_for(action)

    @rule(action=actions.new_product)
    def a_product_is_added(self, action: Action) -> None:
        self.ask_for(action)

    @rule(action=actions.edit)
    def a_product_is_edited(self, action: Action) -> None:
        self.ask_for(action)

    @rule(action=actions.count)
    def a_product_is_counted(self, action: Action) -> None:
        self.ask_for(action)

    @rule(action=actions.movement)
    def stock_moves(self, action: Action) -> None:
        self.ask_for(action)

    @rule(action=actions.archiving)
    def a_product_is_archived_or_restored(self, action: Action) -> None:
        self.ask_for(action)

    @rule(action=actions.end_of_product)
    def a_product_is_deleted(self, action: Action) -> None:
        self.ask_for(action)

    @rule(action=actions.look_at_category | actions.look_at_product)
    def one_is_looked_at(self, action: Action) -> None:
        self.ask_for(action)

    @rule()
    def all_products_are_looked_at_by_those_who_have_seen_them(self) -> None:
        number = len(self.known["products"])
        self.ask_for(*(Action("GET", "products", which, tag=0) for which in range(number)))

    # Concurrent requests

    @rule(some=st.lists(actions.anything, min_size=2, max_size=5))
    def several_ask_at_once(self, some: list[Action]) -> None:
        self.ask_for(*some)

    @rule(some=st.lists(actions.at_one_product, min_size=2, max_size=5), which=actions.some)
    def several_change_one_product_at_once(self, some: list[Action], which: int) -> None:
        self.ask_for(*(replace(action, which=which) for action in some))

    @rule(some=st.lists(actions.sale, min_size=2, max_size=8), which=actions.some)
    def several_buy_one_product_at_once(self, some: list[Action], which: int) -> None:
        self.ask_for(*(replace(action, which=which) for action in some))

    @rule(some=st.lists(actions.new_product, min_size=2, max_size=4))
    def several_add_products_of_one_sku_at_once(self, some: list[Action]) -> None:
        self.ask_for(*(replace(action, body={**action.body, "sku": "One"}) for action in some))

    @rule(edits=st.lists(actions.edit, min_size=1, max_size=3), which=actions.some)
    def a_category_is_deleted_as_products_come_into_it(
        self, edits: list[Action], which: int
    ) -> None:
        coming = (replace(action, body={**action.body, "category_id": which}) for action in edits)
        self.ask_for(*coming, Action("DELETE", "categories", which))

    # Time and lists

    @rule(seconds=st.sampled_from([60, -5]))
    def time_passes(self, seconds: int) -> None:
        self.room = replace(self.room, now=self.clock.advance(seconds=seconds))

    @rule(filters=actions.filters, sort=actions.orders, limit=st.integers(1, 4))
    def products_are_listed(self, filters: dict[str, Any], sort: str, limit: int) -> None:
        wanted = self.with_category(filters)
        there = listed(self.room, wanted, sort)
        parameters = {n: json.dumps(v) if v in (True, False) else v for n, v in wanted.items()}
        asked = {**parameters, "sort": sort, "limit": limit}
        assert walked(self.crowd, ("/api/v1/products", asked)) == [there]

    def teardown(self) -> None:
        self.look_around(self.room)

    # Execution and comparison with the model

    def ask_for(self, *some: Action) -> None:
        """Send requests concurrently, one second after the last, and update the model."""
        self.time_passes(1)
        asks = [self.meant(action) for action in some]
        answers = self.crowd.ask((ask.by, request_of(ask)) for ask in asks)
        told = [heard(answer) for answer in answers]
        self.note(asks, answers, told)
        if len(asks) == 1:
            new_id = told[0].body["id"] if told[0].status == 201 else None
            self.room, expected = self.room.after(asks[0], new_id)
            assert told[0] == expected, str(asks[0])
        else:
            self.room = self.explained(asks, told)

    def explained(self, asks: Sequence[Ask], told: Sequence[Told]) -> Stockroom:
        """Return the state after concurrent requests; assert that some order explains it."""
        differences = []
        for room in islice(orders(self.room, asks, told), 200):
            try:
                self.look_around(room, {ask.path.split("/")[4] for ask in asks if "s/" in ask.path})
            except AssertionError as difference:
                differences.append(difference)
            else:
                return room
        where = differences[0] if differences else "no order of them has these answers"
        lines = (f"{ask}\n    {one}" for ask, one in zip(asks, told, strict=True))
        raise AssertionError("\n".join([str(where), *lines]))

    def look_around(self, room: Stockroom, about: Collection[str] | None = None) -> None:
        """Assert that the lists of the service equal the model; `about` limits the ledgers."""
        ledgers = [id for id in room.ledgers if about is None or id in about]
        offered, archived, categories, tasks, *kept = walked(
            self.crowd,
            ("/api/v1/products", {"archived": "false"}),
            ("/api/v1/products", {"archived": "true"}),
            ("/api/v1/categories", {}),
            ("/api/v1/tasks", {}),
            *((f"/api/v1/products/{id}/movements", {}) for id in ledgers),
        )
        assert offered == listed(room, {"archived": False}, "created_at")
        assert archived == listed(room, {"archived": True}, "created_at")
        assert categories == in_order([*room.categories.values()], "created_at")
        # The order of tasks created in the same second is undefined.
        assert all(task["created_by"] is None for task in tasks)
        assert sorted(map(_plan, tasks)) == sorted(map(_plan, room.tasks))
        for id, ledger in zip(ledgers, kept, strict=True):
            ids = {movement.pop("id") for movement in ledger}
            assert len(ids) == len(ledger)
            assert ledger == [{n: m[n] for n in m if n != "id"} for m in room.ledgers[id]]

    def meant(self, action: Action) -> Ask:
        """Return the request for an action, with ids and ETags from earlier responses."""
        path = f"/api/v1/{action.collection}"
        if action.which is not None:
            path += f"/{self.which(action.collection, action.which)}"
        seen = self.seen.get(path, [])
        tag = None if action.tag is None or not seen else seen[-1 - action.tag % len(seen)]
        path += f"/{action.command}" if action.command else ""
        return Ask(action.method, path, self.with_category(action.body), action.by, tag)

    def which(self, collection: str, number: int) -> str:
        there = self.known[collection]
        return there[-1 - number % len(there)] if there else MISSING

    def with_category(self, body: Body) -> Body:
        number = body.get("category_id")
        if type(number) is not int:
            return body
        return {**body, "category_id": self.which("categories", number)}

    def note(self, asks: list[Ask], answers: list[Answer], told: list[Told]) -> None:
        """Record created objects, representations and their ETags."""
        for ask, answer, one in zip(asks, answers, told, strict=True):
            if one.status not in (200, 201) or ask.path.endswith("/movements"):
                continue
            collection, id = ask.path.split("/")[3], one.body["id"]
            if one.status == 201:
                assert id not in self.known[collection]
                self.known[collection].append(id)
            seen = Seen(answer.headers["etag"], one.body)
            self.seen.setdefault(f"/api/v1/{collection}/{id}", []).append(seen)


def _plan(task: Body) -> tuple[str, str, str, bool]:
    product_id = task["product_id"] or ""
    return task["created_at"], task["title"], product_id, task["completed"]
