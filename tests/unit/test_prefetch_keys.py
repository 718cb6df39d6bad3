"""What the runner is told of use cases before they are done."""

from pathlib import Path
from uuid import UUID

import pytest

from bootstrap import Container
from service_layer import stock, tasks
from service_layer.group_commit.job import prefetch_keys
from service_layer.idempotency import idempotently
from service_layer.runner import Runner

ID = UUID(int=1)


def test_what_a_use_case_is_going_to_change_is_known_by_its_first_arguments() -> None:
    assert prefetch_keys(stock.record_movement, (ID,)) == (("product", ID),)
    assert prefetch_keys(tasks.create_task, ()) == ()


def test_what_is_to_be_done_once_names_what_it_does() -> None:
    assert prefetch_keys(idempotently, ("key", stock.record_movement, ID)) == (("product", ID),)
    assert prefetch_keys(idempotently, ("key", tasks.create_task)) == ()


@pytest.mark.parametrize(
    ("url", "enough"), [("sqlite:///{}/x.db", Runner.MAX_BATCH), ("postgresql://localhost/x", 12)]
)
def test_it_is_the_database_that_says_how_many_are_worth_a_commit(
    url: str, enough: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url.format(tmp_path))
    runner = Container().runner()
    try:
        assert runner.full_batch == enough
    finally:
        runner.close()
