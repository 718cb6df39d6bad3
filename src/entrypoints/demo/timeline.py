"""Timeline of the demo: planned actions, executed in order of time, on working days."""

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
"""Number of working days in the history: twelve weeks without Sundays."""

SUNDAY = 6


def read(name: str) -> Any:
    """Return the content of a TOML file beside this module."""
    return tomllib.loads((resources.files(__package__) / f"{name}.toml").read_text("utf-8"))


class Timeline:
    """A simulation: actions are planned first, then executed in order of time.

    The random numbers have a fixed seed. Only actions on working days may draw them, because the
    order of these actions does not depend on the date. The demo is therefore always the same.
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
        """Return a time on a working day, in hours since midnight."""
        midnight = datetime.combine(self._days[day], time(), self.now.tzinfo)
        return midnight + timedelta(hours=hours)

    def any_time(self, day: int) -> datetime:
        """Return a random time within the opening hours of a working day."""
        return self.at(day, self.chance.uniform(9, 19))

    def plan(self, at: datetime, happening: Callable[[datetime], None]) -> None:
        """Plan an action."""
        heapq.heappush(self._planned, (at, next(self._order), happening))

    def plan_later(self, now: datetime, days: int, happening: Callable[[datetime], None]) -> None:
        """Plan an action on a later working day, unless that is after the end of the history."""
        day = self._days.index(now.date()) + days
        if day < DAYS:
            self.plan(self.any_time(day), happening)

    def play(self, step: Callable[[float], None]) -> None:
        """Execute all actions; after each, call `step` with the elapsed share of the time."""
        begin = self._planned[0][0]
        while self._planned:
            at, _, happening = heapq.heappop(self._planned)
            happening(at)
            step((at - begin) / (self.now - begin))

    def random_actor(self) -> Actor:
        """Return a random user who is active at this point."""
        return self.chance.choice(list(self.actors.values()))


def _days_of_work(today: date) -> list[date]:
    """Return the last working days before today."""
    before = (today - timedelta(days=n) for n in itertools.count(1))
    days = itertools.islice((day for day in before if day.weekday() != SUNDAY), DAYS)
    return list(days)[::-1]
