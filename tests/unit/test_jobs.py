"""What the runner is told of a use case before it is done."""

from uuid import UUID

from service_layer import planning, stockroom
from service_layer.jobs import named_by
from service_layer.receipts import once

ID = UUID(int=1)


def test_what_a_use_case_is_going_to_change_is_known_by_its_first_arguments() -> None:
    assert named_by(stockroom.move_stock, (ID,)) == (("product", ID),)
    assert named_by(planning.add_task, ()) == ()


def test_what_is_to_be_done_once_names_what_it_does() -> None:
    assert named_by(once, ("key", stockroom.move_stock, ID)) == (("product", ID),)
    assert named_by(once, ("key", planning.add_task)) == ()
