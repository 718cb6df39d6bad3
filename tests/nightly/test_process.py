"""Crashes, more often than `tests/integration` has the time for."""

from integration.test_process import assert_survives_kills, service
from support.service import Service

__all__ = ["service"]


def test_every_acknowledged_task_survives_ten_kills_amid_thirty_two_clients(
    service: Service,  # the fixture of the same name
) -> None:
    assert_survives_kills(service, 10)
