"""Facts to findings: the names that pitfalls speak, with their values; what is unknown is simply not bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from fhir_mappings import Facts, Mappings, Order

from ..thresholds import Thresholds
from . import orders
from .chart import Chart
from .families import FAMILIES
from .hazard_texts import HAZARD_TEXTS
from .state import State
from .texts import TEXTS as COMMON_TEXTS
from .vocabulary import VOCABULARY, Finding

__all__ = ["DELETABLE", "FAMILIES", "LACKING", "TEXTS", "VOCABULARY", "Finding", "Findings", "find"]


TEXTS: Mapping[str, Callable[[State], str]] = {**COMMON_TEXTS, **HAZARD_TEXTS}
# What is ordered to repeat a value that is not ordered by its own name.
ORDERED_AS = {"egfr": "creatinine", "calcium_adjusted": "calcium_total"}
# The lists of analytes that a suggestion may propose one by one (`add_lacking`).
LACKING: Mapping[str, Callable[[State], tuple[str, ...]]] = {
    "baseline": lambda state: state.baseline.wanted,
    "kdigo": lambda state: state.kdigo_lacking,
    "brain": lambda state: state.brain.lacking,
    "hazard": lambda state: state.hazard_lacking,
    "unusable": lambda state: tuple(dict.fromkeys(ORDERED_AS.get(value.analyte, value.analyte) for value in state.unusable)),
}


def _not_for_another_reason(state: State, found: Iterable[Order]) -> tuple[Order, ...]:
    return tuple(order for order in found if orders.about_calcification(state.chart, order, unstated=True))


# The lists of orders that a suggestion may delete (`delete` of a pitfall's suggestion).
DELETABLE: Mapping[str, Callable[[State], tuple[Order, ...]]] = {
    "drug": lambda state: state.unindicated_drugs,
    "binder": lambda state: state.questioned_binders,
    "hazard": lambda state: state.removable_drugs,
    "drug_for_a_level": lambda state: orders.only_for_a_level(state.chart, state.questioned_drugs),
    "active_vitamin_d": lambda state: state.active_vitamin_d_tests,
    "workup": lambda state: state.workup_tests,
    "extended": lambda state: state.extended_tests,
    "pth_vitamin_d": lambda state: tuple(order for order in state.extended_tests if order.categories <= {"lab-pth", "lab-vitd125"}),
    "calciphylaxis_drug": lambda state: state.calciphylaxis.harmful,
    "dxa_spine": lambda state: _not_for_another_reason(state, state.exams.dxa_spine),
    "bone_scan": lambda state: _not_for_another_reason(state, state.exams.bone_scan),
    "parathyroid": lambda state: _not_for_another_reason(state, state.exams.parathyroid),
    "contrast_ct": lambda state: _not_for_another_reason(state, state.exams.contrast_ct),
}


class Findings:
    """The findings of one request, worked out family by family (all of `calcium.` at once) when one of them is first asked for.

    Laziness changes no value: a finding depends on the chart alone, and never on another finding or on the order of asking.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._told: dict[str, bool | float | str] = {}  # a string is the reason why a finding is unknown
        self._asked: set[str] = set()

    def get(self, name: str) -> bool | float | None:
        """The value of a finding (bool or float), or None while it is unknown."""
        value = self._told.get(name)
        if value is None and (family := name.partition(".")[0]) not in self._asked:
            self._work_out(family)
            value = self._told.get(name)
        return None if isinstance(value, str) else value

    def _work_out(self, family: str) -> None:
        self._asked.add(family)
        self._told.update(FAMILIES[family](self.state))

    def _all(self) -> Mapping[str, bool | float | str]:
        for family in FAMILIES:
            if family not in self._asked:
                self._work_out(family)
        return self._told

    @property
    def values(self) -> Mapping[str, bool | float]:
        """Every known finding."""
        return {name: value for name, value in self._all().items() if not isinstance(value, str)}

    @property
    def unknown(self) -> Mapping[str, str]:
        """Every other finding, and why it is unknown."""
        return {name: value for name, value in self._all().items() if isinstance(value, str)}

    def text(self, name: str) -> str:
        """The words behind an interpolation name of `TEXTS`; '' when there is nothing to print."""
        return TEXTS[name](self.state)

    def orders(self, name: str) -> tuple[Order, ...]:
        """The orders that a suggestion may delete, by list name."""
        return orders.deletable(self.state.chart, DELETABLE[name](self.state))

    def analytes(self, name: str) -> tuple[str, ...]:
        """The analytes that a suggestion proposes, by list name."""
        return LACKING[name](self.state)


def find(
    facts: Facts,
    mappings: Mappings,
    thresholds: Thresholds,
    now: datetime,
    *,
    hook: str,
    selections: frozenset[str] = frozenset(),
    incomplete: frozenset[str] = frozenset(),
) -> Findings:
    """Turn the facts of one request into findings.

    `selections` are the `Type/id` of the selected drafts (order-select); `incomplete` the prefetch keys that did not come whole, without
    those about the user.
    """
    in_play = () if hook == "patient-view" else tuple(o for o in facts.drafts if hook != "order-select" or o.id in selections)
    return Findings(State(Chart(facts, mappings, thresholds, now, hook, in_play, incomplete)))
