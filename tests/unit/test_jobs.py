"""What the runner is told of use cases before they are done."""

from pathlib import Path
from uuid import UUID

import pytest

from bootstrap import Container
from service_layer import stockroom, tasks
from service_layer.group_commit.job import named_by
from service_layer.idempotency import once
from service_layer.runner import Runner

ID = UUID(int=1)


def test_what_a_use_case_is_going_to_change_is_known_by_its_first_arguments() -> None:
    assert named_by(stockroom.move_stock, (ID,)) == (("product", ID),)
    assert named_by(tasks.add_task, ()) == ()


def test_what_is_to_be_done_once_names_what_it_does() -> None:
    assert named_by(once, ("key", stockroom.move_stock, ID)) == (("product", ID),)
    assert named_by(once, ("key", tasks.add_task)) == ()


@pytest.mark.parametrize(
    ("url", "enough"), [("sqlite:///{}/x.db", Runner.TOGETHER), ("postgresql://localhost/x", 12)]
)
def test_it_is_the_database_that_says_how_many_are_worth_a_commit(
    url: str, enough: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url.format(tmp_path))
    runner = Container().runner()
    try:
        assert runner.enough == enough
    finally:
        runner.close()
