"""The stockroom does what a plain model of it does, whatever is asked and by how many at once."""

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import URL, delete

from adapters.memory.store import MemoryStore
from adapters.sql.schema.tables import categories, movements, products, tasks
from domain.catalogue import Product
from domain.categories import Category
from domain.stock import Movement
from domain.tasks import Task
from support.backends import Clock, database_at, memory_app, sql_app
from support.clients import Crowd
from support.stockroom_machine import StockroomMachine

EXAMPLES = 8
"""The number of runs of the machine; `tests/nightly` has 300."""


def agrees(app: FastAPI, clock: Clock, empty: Callable[[], None], examples: int) -> None:
    """Have the machine ask an application, the stockroom of which is emptied before each run."""
    with Crowd(app) as crowd:

        class Machine(StockroomMachine):
            def __init__(self) -> None:
                super().__init__(crowd, clock, empty)

        tried = settings(
            max_examples=examples, stateful_step_count=50, deadline=None, database=None
        )
        run_state_machine_as_test(Machine, settings=tried)


def test_the_stockroom_agrees_with_its_model_on_memory(clock: Clock) -> None:
    agrees_on_memory(clock, EXAMPLES)


def test_the_stockroom_agrees_with_its_model_on_a_database(place: Path | URL, clock: Clock) -> None:
    agrees_on_a_database(place, clock, EXAMPLES)


def agrees_on_memory(clock: Clock, examples: int) -> None:
    """Assert that the application on memory does what the model does."""
    store = MemoryStore()

    def empty() -> None:
        for kind in (Movement, Product, Category, Task):
            store.states[kind].clear()

    agrees(memory_app(clock, store), clock, empty, examples)


def agrees_on_a_database(place: Path | URL, clock: Clock, examples: int) -> None:
    """Assert that the application on a database does what the model does."""
    engine = database_at(place).engine

    def empty() -> None:
        with engine.begin() as connection:
            for table in (movements, products, categories, tasks):
                connection.execute(delete(table))

    agrees(sql_app(place, clock), clock, empty, examples)
    engine.dispose()
