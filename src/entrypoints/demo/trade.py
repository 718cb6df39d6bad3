"""Stock of the demo: sales, use, reorders, deliveries and stock counts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from domain.actors import Actor
from domain.base import Context
from domain.stock import Reason
from domain.tasks import TaskChanges
from entrypoints.demo.timeline import DAYS, Timeline, read
from service_layer import catalogue, tasks
from service_layer import stock as stock_use_cases

SEASON = (0.7, 0.8, 0.9, 1.0, 1.1, 0.5, 0.9, 1.1, 1.6, 1.1, 1.2, 1.5)
"""Relative demand per week: holidays in the sixth, an open day in the ninth."""

COUNTS = (30, 69)
"""The days of the stock counts."""

BUYER = "lukasz.wojcik"

NOTES = {
    Reason.SOLD: (None, None, None, "At the desk.", "Paid by card.", "On the member's account."),
    Reason.USED: (None, None, "For the course.", "Repair café.", "For our own machines."),
    Reason.RETURNED: ("Bought too many.", "The wrong size.", "Left over from the course."),
    Reason.LOST: ("Broken in the store.", "Fell behind the rack.", "Damp."),
}


@dataclass(eq=False)
class Article:
    """The simulation's own record of a product; its stock is always exact."""

    id: UUID
    name: str
    usual: int
    stock: int
    reorder_level: int
    weight: float
    archived: bool = False
    ordered: bool = False


def open_store(timeline: Timeline) -> None:
    """Plan all trade: catalogue, customers, stock counts and discontinued products."""
    store = Store(timeline)
    for number, category in enumerate(read("products")["categories"]):
        timeline.plan(timeline.at(0, 9 + number / 3), partial(store.fill, **category))
    for day in range(2, DAYS):
        customers = timeline.chance.uniform(4, 9) * SEASON[day * len(SEASON) // DAYS]
        for _ in range(round(customers)):
            timeline.plan(timeline.any_time(day), store.serve)
    for day in COUNTS:
        timeline.plan(timeline.at(day, 20), store.count)
    timeline.plan(timeline.at(55, 19.5), store.give_up)
    timeline.plan(timeline.at(DAYS - 4, 19.5), store.sell_out)


class Store:
    """The stock of the workshop, and the actions on it."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.articles: list[Article] = []

    @property
    def buyer(self) -> Actor:
        """The user who manages the stock."""
        return self.timeline.actors[BUYER]

    @property
    def offered(self) -> list[Article]:
        """The products that are not archived."""
        return [article for article in self.articles if not article.archived]

    def fill(self, now: datetime, name: str, prefix: str, products: list[Any]) -> None:
        """Create a category with its products."""
        uow, currency, buyer = self.timeline.uow, self.timeline.currency, self.buyer
        category = catalogue.create_category(uow, Context(buyer, now), name=name)
        for number, (product, price, stock, reorder_level, description) in enumerate(products):
            ctx = Context(buyer, now + timedelta(seconds=40 * number))
            id = catalogue.create_product(
                uow,
                ctx,
                name=product,
                sku=f"{prefix}-{1010 + 10 * number}",
                description=description or None,
                price=currency.amount(Decimal(price)),
                currency=currency,
                stock=stock,
                reorder_level=reorder_level,
                category_id=category.id,
            ).id
            # A few products are in constant demand, most of them are not.
            weight = min(self.timeline.chance.paretovariate(1.3), 12)
            self.articles.append(Article(id, product, stock, stock, reorder_level, weight))

    def serve(self, now: datetime) -> None:
        """Record a customer's purchases or returns."""
        chance, offered = self.timeline.chance, self.offered
        weights = [article.weight for article in offered]
        wanted = chance.choices(offered, weights, k=chance.choice((1, 1, 2, 2, 3, 4)))
        ctx = Context(self.timeline.random_actor(), now)
        for article in dict.fromkeys(wanted):
            (reason,) = chance.choices(list(NOTES), (60, 34, 4, 2))
            pieces = max(1, round(article.usual * chance.uniform(0.01, 0.09)))
            quantity = 1 if reason is Reason.RETURNED else -min(pieces, article.stock)
            self._move(article, quantity, reason, chance.choice(NOTES[reason]), ctx)

    def _move(
        self, article: Article, quantity: int, reason: Reason, note: str | None, ctx: Context
    ) -> None:
        """Record a movement, unless the quantity is zero."""
        if quantity:
            moved: Any = {"quantity": quantity, "reason": reason, "note": note}
            stock_use_cases.record_movement(self.timeline.uow, article.id, ctx, **moved)
            article.stock += quantity
            self._look_after(article, ctx.now)

    def count(self, now: datetime) -> None:
        """Adjust the stock of some products by count."""
        chance = self.timeline.chance
        for article in chance.sample(self.offered, 30):
            stock = max(0, article.stock + chance.choice((-2, -1, -1, 0, 0, 1)))
            ctx = Context(self.buyer, now)
            catalogue.edit_product(self.timeline.uow, article.id, {}, ctx, stock=stock)
            article.stock = stock
            self._look_after(article, now)

    def _look_after(self, article: Article, now: datetime) -> None:
        """Reorder a product that is low, unless a delivery is pending.

        Some deliveries arrive after the end of the history.
        """
        if article.stock > article.reorder_level or article.ordered:
            return
        article.ordered = True
        self.timeline.plan_later(now, 1, partial(self._order, article))
        if self.timeline.chance.random() < 0.7:
            days = self.timeline.chance.randint(4, 9)
            self.timeline.plan_later(now, days, partial(self._receive, article))

    def _order(self, article: Article, now: datetime) -> None:
        """Assign the reorder task, which the service has created, to the buyer."""
        due_on = (now + timedelta(days=14)).date()
        changes = TaskChanges(assignee_id=self.buyer.id, priority=5, due_on=due_on)
        task = self.timeline.uow.tasks.open_reorder(article.id)
        if task is not None:
            tasks.edit_task(self.timeline.uow, task.id, changes, Context(self.buyer, now))

    def _receive(self, article: Article, now: datetime) -> None:
        """Record a delivery, which completes the reorder task."""
        article.ordered = False
        note = f"Delivery {self.timeline.chance.randint(24_000, 25_000)}"
        self._move(article, article.usual, Reason.RECEIVED, note, Context(self.buyer, now))

    def give_up(self, now: datetime) -> None:
        """Archive a few products."""
        for article in self.timeline.chance.sample(self.offered, 7):
            article.archived = True
            catalogue.archive_product(self.timeline.uow, article.id, Context(self.buyer, now))

    def sell_out(self, now: datetime) -> None:
        """Reduce the stock of a few products to zero, shortly before the end."""
        left = [article for article in self.offered if article.stock]
        for article in self.timeline.chance.sample(left, 5):
            note = "All that was left, for the school's week."
            self._move(article, -article.stock, Reason.USED, note, Context(self.buyer, now))
