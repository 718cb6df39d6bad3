"""The stockroom does what a plain model of it does, whatever is asked and by how many at once."""

import os
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import URL, delete

from adapters.memory.store import MemoryStore
from adapters.sql.tables import categories, movements, products, tasks
from domain.catalogue import Product
from domain.categories import Category
from domain.stock import Movement
from domain.tasks import Task
from support.backends import Clock, database_at, memory_app, sql_app
from support.clients import Crowd
from support.stockroom_machine import StockroomMachine

# What takes minutes is for where all is tried; elsewhere some of it tells most.
RUNS = settings(
    max_examples=300 if os.environ.get("CI") else 50,
    stateful_step_count=50,
    deadline=None,
    database=None,
)


def agrees(app: FastAPI, clock: Clock, empty: Callable[[], None]) -> None:
    """Have the machine ask an application, the stockroom of which is emptied before each run."""
    with Crowd(app) as crowd:

        class Machine(StockroomMachine):
            def __init__(self) -> None:
                super().__init__(crowd, clock, empty)

        run_state_machine_as_test(Machine, settings=RUNS)


def test_the_stockroom_agrees_with_its_model_on_memory(clock: Clock) -> None:
    store = MemoryStore()

    def empty() -> None:
        for type in (Movement, Product, Category, Task):
            store.states[type].clear()

    agrees(memory_app(clock, store), clock, empty)


def test_the_stockroom_agrees_with_its_model_on_a_database(place: Path | URL, clock: Clock) -> None:
    engine = database_at(place).engine

    def empty() -> None:
        with engine.begin() as connection:
            for table in (movements, products, categories, tasks):
                connection.execute(delete(table))

    agrees(sql_app(place, clock), clock, empty)
    engine.dispose()
