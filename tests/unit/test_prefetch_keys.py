"""What the runner is told of use cases before they are done."""

from inspect import isfunction, signature
from pathlib import Path
from types import ModuleType
from uuid import UUID

import pytest

from bootstrap import Container, use_fast_lane
from domain.catalogue import Product
from service_layer import access, catalogue, devices, posts, stock, tasks, users
from service_layer.group_commit.job import prefetch_keys
from service_layer.group_commit.runner import GroupCommitRunner
from service_layer.idempotency import idempotently
from service_layer.prefetch import prefetched_by

ID = UUID(int=1)


def test_a_use_case_declares_the_aggregates_that_it_loads() -> None:
    assert prefetch_keys(stock.record_movement, (ID,)) == ((Product, ID),)
    assert prefetch_keys(tasks.create_task, ()) == ()


@pytest.mark.parametrize("module", [access, catalogue, devices, posts, stock, tasks, users])
def test_every_use_case_whose_first_argument_is_an_id_declares_what_it_loads(
    module: ModuleType,
) -> None:
    for use_case in vars(module).values():
        if not isfunction(use_case) or use_case.__name__.startswith("_"):
            continue
        parameters = list(signature(use_case).parameters.values())
        if len(parameters) > 1 and parameters[0].name == "uow" and parameters[1].annotation is UUID:
            declared = [entity.entity_name for entity in prefetched_by(use_case)]
            assert declared == [parameters[1].name.removesuffix("_id")], use_case.__name__


def test_what_is_to_be_done_once_names_what_it_does() -> None:
    assert prefetch_keys(idempotently, ("key", stock.record_movement, ID)) == ((Product, ID),)
    assert prefetch_keys(idempotently, ("key", tasks.create_task)) == ()


@pytest.mark.parametrize(
    ("url", "full_batch"), [("sqlite:///{}/x.db", 32), ("postgresql://localhost/x", 12)]
)
def test_the_database_determines_the_full_batch_of_group_commit(
    url: str, full_batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url.format(tmp_path))
    container = Container()
    use_fast_lane(container)
    runner = container.runner()
    assert isinstance(runner, GroupCommitRunner)
    try:
        assert runner.policy.full_batch == full_batch
    finally:
        runner.close()
