"""Sales by many at once and crashes, more often than `tests/integration` has the time for."""

from integration.test_stock import (
    assert_all_pieces_are_sold,
    assert_sales_survive_kills,
    service,
)
from support.service import Service

__all__ = ["service"]


def test_of_two_hundred_clients_a_hundred_get_the_hundred_pieces_five_times(
    service: Service,  # the fixture of the same name
) -> None:
    assert_all_pieces_are_sold(service, 5)


def test_every_acknowledged_sale_is_in_the_ledger_after_ten_kills(service: Service) -> None:
    assert_sales_survive_kills(service, 10)
