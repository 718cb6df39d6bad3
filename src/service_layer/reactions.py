"""What follows from an event, in the same transaction: one line for each event type."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.base import Event
from domain.stock import StockFell
from domain.users import PasswordChanged, UserDeactivated
from service_layer.access import end_access
from service_layer.planning import unassign_tasks
from service_layer.stockroom import plan_reorder
from service_layer.unit_of_work import UnitOfWork

Reactions = Mapping[type[Event], tuple[Callable[[UnitOfWork, Any], None], ...]]

REACTIONS: Reactions = {
    PasswordChanged: (end_access,),
    UserDeactivated: (end_access, unassign_tasks),
    StockFell: (plan_reorder,),
}
