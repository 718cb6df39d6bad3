"""Crashes amid sales, more often than `tests/integration` has the time for."""

from integration.test_stock import assert_sales_survive_kills, service
from support.service import Service

__all__ = ["service"]


def test_every_acknowledged_sale_is_in_the_ledger_after_ten_kills(
    service: Service,  # the fixture of the same name
) -> None:
    assert_sales_survive_kills(service, 10)
