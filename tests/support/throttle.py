"""Failed sign-ins for tests of the login throttle, without password hashing."""

from domain.login_throttle import address_counters
from service_layer.login_throttle import register_failure
from support.backends import NOON
from support.clients import Client


def fail_from_address(client: Client, number: int, address: str = "testclient") -> None:
    """Register failed sign-ins from an address."""
    runner = client.http.app.state.ports.runner  # type: ignore[attr-defined]
    for _ in range(number):
        runner.perform(register_failure, address_counters(address), now=NOON)
