"""Crashes and many requests, more of them than `tests/integration` has the time for."""

from integration.test_process import assert_all_are_created, assert_survives_kills, service
from support.service import Service

__all__ = ["service"]


def test_thirty_two_clients_create_a_hundred_tasks_each_and_none_fails(
    service: Service,  # the fixture of the same name
) -> None:
    assert_all_are_created(service, 100)


def test_every_acknowledged_task_survives_ten_kills_amid_thirty_two_clients(
    service: Service,
) -> None:
    assert_survives_kills(service, 10)
