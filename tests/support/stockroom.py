"""A model of the catalogue and stock API: the expected response to each request.

It follows the documented API and shares no code with the service. A model is immutable: each
request leads to a new one, so all orders of concurrent requests can be tried.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from support.stockroom_values import (
    CATEGORY,
    MOST,
    MOVEMENT,
    PRODUCT,
    Ask,
    Body,
    Refusal,
    Told,
    kept,
    stamp,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Stockroom:
    """The state: categories and products by id, ledgers by product id, and reorder tasks."""

    now: datetime
    categories: Mapping[str, Body] = field(default_factory=dict)
    products: Mapping[str, Body] = field(default_factory=dict)
    ledgers: Mapping[str, tuple[Body, ...]] = field(default_factory=dict)
    tasks: tuple[Body, ...] = ()

    def after(self, ask: Ask, new_id: str | None) -> "tuple[Stockroom, Told]":
        """Return the state after a request and the expected response.

        `new_id` is the id that the service chose for a created object.
        """
        collection, _, rest = ask.path.removeprefix("/api/v1/").partition("/")
        id, _, command = rest.partition("/")
        do: Any = getattr(self, f"_{ask.method}_{command or collection}".lower())
        try:
            if id:
                self._look(collection, id, ask)
            after: tuple[Stockroom, Told] = do(ask, id or new_id, *([new_id] if command else []))
            return after
        except Refusal as refusal:
            return self, refusal.told

    def _look(self, collection: str, id: str, ask: Ask) -> None:
        there = self.shown(collection, id)
        if there is None:
            raise Refusal(404, "not-found")
        changes = ask.method != "GET" and not ask.path.endswith("/movements")
        if changes and ask.seen and ask.seen.body["version"] != there["version"]:
            raise Refusal(412, "precondition-failed")

    def shown(self, collection: str, id: str) -> Body | None:
        """Return a representation, `None` if missing; a product includes its category."""
        if collection == "categories":
            return self.categories.get(id)
        product = self.products.get(id)
        if product is None:
            return None
        category = self.categories.get(product["category_id"])
        within = category and {"id": category["id"], "name": category["name"]}
        low = product["stock"] <= product["reorder_level"]
        return {**product, "category": within, "low_stock": low}

    def _read(self, collection: str, ask: Ask, id: str) -> "tuple[Stockroom, Told]":
        shown = self.shown(collection, id)
        return self, Told(304) if ask.seen and ask.seen.body == shown else Told(200, shown)

    # Categories

    def _get_categories(self, ask: Ask, id: str) -> "tuple[Stockroom, Told]":
        return self._read("categories", ask, id)

    def _post_categories(self, ask: Ask, id: str) -> "tuple[Stockroom, Told]":
        body = kept(CATEGORY, ask.body, "name")
        self._own("categories", "name", body["name"], None)
        return self._with_category({**self._new(id), **body}, 201)

    def _patch_categories(self, ask: Ask, id: str) -> "tuple[Stockroom, Told]":
        body, before = kept(CATEGORY, ask.body), self.categories[id]
        if body.get("name", before["name"]) == before["name"]:
            return self, Told(200, before)
        self._own("categories", "name", body["name"], id)
        version = before["version"] + 1
        after = {**before, **body, "version": version, "updated_at": stamp(self.now)}
        return self._with_category(after, 200)

    def _delete_categories(self, ask: Ask, id: str) -> "tuple[Stockroom, Told]":
        if any(product["category_id"] == id for product in self.products.values()):
            raise Refusal(409, "in-use")
        return replace(self, categories=_without(self.categories, id)), Told(204)

    # Products

    def _get_products(self, ask: Ask, id: str) -> "tuple[Stockroom, Told]":
        return self._read("products", ask, id)

    def _post_products(self, ask: Ask, id: str) -> "tuple[Stockroom, Told]":
        body = kept(PRODUCT, ask.body, "name", "price")
        self._check(body, None)
        stock = body.pop("stock", 0)
        nothing = {"sku": None, "description": None, "reorder_level": 0, "category_id": None}
        product = {**self._new(id), **nothing, **body, "stock": 0, "archived": False}
        there = replace(self, ledgers={**self.ledgers, id: ()})
        if stock:
            product, there = there._moved(product, stock, "received", ask)
        # The opening stock does not increase the version of a new product.
        if product["reorder_level"]:
            there = there._with_reorder(None, product)
        return there._with_product(product, 201)

    def _patch_products(self, ask: Ask, id: str) -> "tuple[Stockroom, Told]":
        body, before = kept(PRODUCT, ask.body), self.products[id]
        self._check(body, before)
        counted = body.pop("stock", before["stock"])
        product, there = {**before, **body}, self
        if counted != before["stock"]:
            product, there = there._moved(product, counted - before["stock"], "counted", ask)
        return there._changed(before, product)

    def _delete_products(self, ask: Ask, id: str) -> "tuple[Stockroom, Told]":
        if self.ledgers[id]:
            raise Refusal(409, "in-use")
        tasks = tuple(
            {**task, "completed": True, "product_id": None} if task["product_id"] == id else task
            for task in self.tasks
        )
        gone, ledgers = _without(self.products, id), _without(self.ledgers, id)
        return replace(self, products=gone, ledgers=ledgers, tasks=tasks), Told(204)

    def _post_archive(self, ask: Ask, id: str, new_id: str) -> "tuple[Stockroom, Told]":
        return self._changed(self.products[id], {**self.products[id], "archived": True})

    def _post_restore(self, ask: Ask, id: str, new_id: str) -> "tuple[Stockroom, Told]":
        return self._changed(self.products[id], {**self.products[id], "archived": False})

    def _post_movements(self, ask: Ask, id: str, new_id: str) -> "tuple[Stockroom, Told]":
        body = kept(MOVEMENT, ask.body, "quantity", "reason")
        before, quantity = self.products[id], body["quantity"]
        if before["stock"] + quantity < 0:
            raise Refusal(409, "insufficient-stock", available=before["stock"])
        if before["stock"] + quantity > MOST:
            raise Refusal(422, "invalid", "quantity")
        product, there = self._moved(before, quantity, body["reason"], ask, body.get("note"))
        after, _ = there._changed(before, product)
        return after, Told(201, {**after.ledgers[id][-1], "id": new_id})

    # Shared rules

    def _new(self, id: str) -> Body:
        now = stamp(self.now)
        return {"id": id, "version": 1, "created_at": now, "updated_at": now}

    def _own(self, collection: str, name: str, value: str | None, id: str | None) -> None:
        there: Mapping[str, Body] = getattr(self, collection)
        for other in there.values():
            if value and other["id"] != id and (other[name] or "").casefold() == value.casefold():
                raise Refusal(409, "already-taken", name)

    def _check(self, body: Body, before: Body | None) -> None:
        category_id = body.get("category_id")
        if category_id is not None and category_id not in self.categories:
            raise Refusal(422, "invalid", "category_id")
        self._own("products", "sku", body.get("sku"), before["id"] if before else None)

    def _moved(
        self, product: Body, quantity: int, reason: str, ask: Ask, note: str | None = None
    ) -> "tuple[Body, Stockroom]":
        """Return the product with its new stock, and the state with the movement in the ledger."""
        id, after = product["id"], product["stock"] + quantity
        at = max(product["updated_at"], stamp(self.now))
        movement = {
            **self._new(id), "created_at": at, "updated_at": at, "product_id": id,
            "quantity": quantity, "reason": reason, "note": note, "stock_after": after,
            "created_by": ask.by.public,
        }  # fmt: skip
        ledgers = {**self.ledgers, id: (*self.ledgers[id], movement)}
        return {**product, "stock": after}, replace(self, ledgers=ledgers)

    def _with_reorder(self, before: Body | None, after: Body) -> "Stockroom":
        """Return the state with a reorder task created or completed if the need has changed."""
        needed, needs = _needs_reorder(before), _needs_reorder(after)
        id, tasks = after["id"], self.tasks
        if needed and not needs:
            tasks = tuple(
                {**task, "completed": True} if task["product_id"] == id else task for task in tasks
            )
        open_one = any(task["product_id"] == id and not task["completed"] for task in tasks)
        if needs and not needed and not open_one:
            title = f"Reorder {after['name']}"
            title = title if len(title) <= 100 else f"{title[:99]}…"
            new = {"title": title, "created_at": after["updated_at"], "product_id": id}
            tasks = (*tasks, {**new, "completed": False})
        return replace(self, tasks=tasks)

    def _changed(self, before: Body, after: Body) -> "tuple[Stockroom, Told]":
        if after == before:
            return self, Told(200, self.shown("products", before["id"]))
        at = max(before["updated_at"], stamp(self.now))
        after = {**after, "version": before["version"] + 1, "updated_at": at}
        return self._with_reorder(before, after)._with_product(after, 200)

    def _with_product(self, product: Body, status: int) -> "tuple[Stockroom, Told]":
        there = replace(self, products={**self.products, product["id"]: product})
        return there, Told(status, there.shown("products", product["id"]))

    def _with_category(self, category: Body, status: int) -> "tuple[Stockroom, Told]":
        there = replace(self, categories={**self.categories, category["id"]: category})
        return there, Told(status, category)


def _needs_reorder(product: Body | None) -> bool:
    if product is None or product["archived"]:
        return False
    low: bool = product["stock"] <= product["reorder_level"]
    return low


def _without(there: Mapping[str, T], id: str) -> Mapping[str, T]:
    return {other: body for other, body in there.items() if other != id}


def orders(room: Stockroom, asks: Sequence[Ask], answers: Sequence[Told]) -> Iterator[Stockroom]:
    """Yield the possible states after concurrent requests, one per order that explains them.

    The category in a product's representation is read slightly later, so it is not compared.
    """
    explained = []
    for number, (ask, told) in enumerate(zip(asks, answers, strict=True)):
        new_id = told.body["id"] if told.status == 201 else None
        after, expected = room.after(ask, new_id)
        if without_category(expected) == without_category(told):
            explained.append((after, number))
    # A request without effect commutes with the others, so it is tried first only.
    explained = [one for one in explained if one[0] is room][:1] or explained
    for after, number in explained:
        yield from orders(
            after,
            [*asks[:number], *asks[number + 1 :]],
            [*answers[:number], *answers[number + 1 :]],
        )
    if not asks:
        yield room


def without_category(told: Told) -> Told:
    """Return a response without the category in a product."""
    if isinstance(told.body, dict) and "category" in told.body:
        return Told(told.status, {**told.body, "category": None})
    return told
