"""The stockroom's model, tried more often than `tests/integration` has the time for."""

from pathlib import Path

from sqlalchemy import URL

from integration.test_stockroom import agrees_on_a_database, agrees_on_memory
from support.backends import Clock

EXAMPLES = 300


def test_the_stockroom_agrees_with_its_model_on_memory_in_300_runs(clock: Clock) -> None:
    agrees_on_memory(clock, EXAMPLES)


def test_the_stockroom_agrees_with_its_model_on_a_database_in_300_runs(
    place: Path | URL, clock: Clock
) -> None:
    agrees_on_a_database(place, clock, EXAMPLES)
