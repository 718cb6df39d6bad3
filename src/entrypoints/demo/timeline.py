"""The stage of the demo: what was planned happens there, in the order of time, on days of work."""

import heapq
import itertools
import tomllib
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from importlib import resources
from random import Random
from typing import Any

from domain.actors import Actor
from domain.currencies import DEFAULT, Currency
from service_layer.unit_of_work import UnitOfWork

DAYS = 72
"""How many days of work the story has: twelve weeks, since nobody works on Sundays."""

SUNDAY = 6


def read(name: str) -> Any:
    """Return what is told in one of the files beside this module."""
    return tomllib.loads((resources.files(__package__) / f"{name}.toml").read_text("utf-8"))


class Stage:
    """Where the story is told: what happens is planned first, and then happens in its order.

    Chance is the same each time. It may be asked only by what happens on days of work, whose order
    does not depend on the date: so the same things happen whenever the story is told.
    """

    def __init__(self, uow: UnitOfWork, now: datetime, currency: Currency = DEFAULT) -> None:
        self.uow = uow
        self.now = now
        self.currency = currency
        self.chance = Random(20)
        self.actors: dict[str, Actor] = {}
        self._days = _days_of_work(now.date())
        self._planned: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._order = itertools.count()

    def at(self, day: int, hours: float) -> datetime:
        """Return a time on a day of work, in hours since midnight."""
        midnight = datetime.combine(self._days[day], time(), self.now.tzinfo)
        return midnight + timedelta(hours=hours)

    def any_time(self, day: int) -> datetime:
        """Return some time within the opening hours of a day of work."""
        return self.at(day, self.chance.uniform(9, 19))

    def plan(self, at: datetime, happening: Callable[[datetime], None]) -> None:
        """Have something happen at its time."""
        heapq.heappush(self._planned, (at, next(self._order), happening))

    def plan_later(self, now: datetime, days: int, happening: Callable[[datetime], None]) -> None:
        """Have something happen so many days of work later, unless the story is over by then."""
        day = self._days.index(now.date()) + days
        if day < DAYS:
            self.plan(self.any_time(day), happening)

    def play(self, step: Callable[[float], None]) -> None:
        """Let everything happen; after each step tell how much of the time has passed."""
        begin = self._planned[0][0]
        while self._planned:
            at, _, happening = heapq.heappop(self._planned)
            happening(at)
            step((at - begin) / (self.now - begin))

    def somebody(self) -> Actor:
        """Return one of those who are there."""
        return self.chance.choice(list(self.actors.values()))


def _days_of_work(today: date) -> list[date]:
    """Return the last days of work before today, so that all of them are over."""
    before = (today - timedelta(days=n) for n in itertools.count(1))
    days = itertools.islice((day for day in before if day.weekday() != SUNDAY), DAYS)
    return list(days)[::-1]
