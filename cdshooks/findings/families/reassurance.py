"""The checklist of reassurance."""

from __future__ import annotations

from .. import checklist as checklist_module
from ..state import State
from .naming import Named

MULTIFOCAL_ONLY = "single_site"


def checklist(state: State) -> Named:
    """Each item is proven or not; an item that is not proven is false, never unknown: reassurance is a claim, and this is its proof."""
    for item, why in state.checklist.items():
        yield f"checklist.{item}", not why


def minerals(state: State) -> Named:
    but_multifocal = checklist_module.proven(state, apart_from=(MULTIFOCAL_ONLY,))
    yield "minerals.normal_confirmed", but_multifocal and checklist_module.proven(state)
    yield "minerals.normal_but_multifocal", but_multifocal
    yield "minerals.normal_but_alp", checklist_module.proven_but_alp(state)
    yield "minerals.normal_enough_for_vitamin_d", checklist_module.proven_for_vitamin_d(state)
