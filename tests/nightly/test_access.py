"""Guessed passwords, more of them than `tests/integration` has the time for."""

from integration.test_access import assert_guesses_are_counted, service
from support.service import Service

__all__ = ["service"]


def test_of_sixteen_hundred_guesses_five_are_judged_and_a_restart_changes_nothing(
    service: Service,  # the fixture of the same name
) -> None:
    assert_guesses_are_counted(service, 1_600)
