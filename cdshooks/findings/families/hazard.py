"""Drugs in play that the mineral state makes unsafe, sub-code by sub-code."""

from __future__ import annotations

from collections.abc import Callable

from .. import hazard as hazard_module
from ..hazard import Answer
from ..state import State
from .naming import Named


def hazard(state: State) -> Named:
    chart, hazards = state.chart, state.hazards
    for name, found in hazards.items():
        yield f"hazard.{name}", found.answer

    def further(name: str, answer: Callable[[], Answer]) -> Answer:
        """A second answer about a sub-code, asked for only where the sub-code holds."""
        return answer() if hazards[name].answer is True else hazards[name].answer

    yield "hazard.calcium_load_severe", further("calcium_load", lambda: hazard_module.severe_load(state))
    yield "hazard.vitamin_d_high", bool(hazard_module.high_vitamin_d(chart))
    assumed = any("binder_calcium" not in order.drugs for order in hazards["calcium_binder"].orders)
    yield "hazard.calcium_binder_assumed", further("calcium_binder", lambda: assumed)
    yield "hazard.calcium_binder_controlled", further("calcium_binder", lambda: hazard_module.controlled_phosphate(chart))
    yield "hazard.aluminium_long", any(hazard_module.long_course(chart, order) for order in hazards["aluminium"].orders)
    yield "hazard.calcimimetic_severe", further("calcimimetic", lambda: hazard_module.severe_low_calcium(state))
    yield "hazard.antiresorptive_severe", further("antiresorptive_low_calcium", lambda: hazard_module.severe_low_calcium(state))
    denosumab = any("denosumab" in order.drugs for order in hazards["antiresorptive_kidney"].orders)
    yield "hazard.denosumab_kidney", further("antiresorptive_kidney", lambda: denosumab)
