"""Where requests come from, as far as attempts are counted by it."""

import pytest

from entrypoints.web.dependencies import client_network


@pytest.mark.parametrize(
    ("client", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("a-socket", "a-socket"),
    ],
)
def test_attempts_are_counted_by_what_one_customer_of_a_network_is_given(
    client: str, counted: str
) -> None:
    assert client_network(client) == counted
