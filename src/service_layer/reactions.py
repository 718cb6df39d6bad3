"""Reactions to domain events, run in the same transaction; one line per event type."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.base import Event
from domain.catalogue import ProductArchived, ProductDeleted
from domain.stock import StockRanLow, StockRecovered
from domain.users import PasswordChanged, UserDeactivated
from service_layer.access import revoke_tokens_on
from service_layer.stock import complete_reorder, plan_reorder, release_reorders
from service_layer.tasks import unassign_tasks
from service_layer.unit_of_work import UnitOfWork

Reactions = Mapping[type[Event], tuple[Callable[[UnitOfWork, Any], None], ...]]

REACTIONS: Reactions = {
    PasswordChanged: (revoke_tokens_on,),
    UserDeactivated: (revoke_tokens_on, unassign_tasks),
    StockRanLow: (plan_reorder,),
    StockRecovered: (complete_reorder,),
    ProductArchived: (complete_reorder,),
    ProductDeleted: (release_reorders,),
}
