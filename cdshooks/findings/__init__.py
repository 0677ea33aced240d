"""Facts to findings: the names that pitfalls speak, with their values; what is unknown is simply not bound."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from fhir_mappings import Facts, Mappings, Order

from ..thresholds import Thresholds
from . import orders
from .chart import Chart
from .families import FAMILIES
from .state import State
from .texts import TEXTS
from .vocabulary import VOCABULARY, Finding

__all__ = ["FAMILIES", "TEXTS", "VOCABULARY", "Finding", "Findings", "find"]


# What is ordered to repeat a value that is not ordered by its own name.
ORDERED_AS = {"egfr": "creatinine", "calcium_adjusted": "calcium_total"}


class Findings:
    """The findings of one request, worked out family by family (all of `calcium.` at once) when one of them is first asked for.

    Laziness changes no value: a finding depends on the chart alone, and never on another finding or on the order of asking.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._known: dict[str, bool | float] = {}
        self._unknown: dict[str, str] = {}
        self._asked: set[str] = set()

    def get(self, name: str) -> bool | float | None:
        """The value of a finding (bool or float), or None while it is unknown."""
        family = name.partition(".")[0]
        if family not in self._asked:
            self._work_out(family)
        return self._known.get(name)

    def _work_out(self, family: str) -> None:
        self._asked.add(family)
        for name, value in FAMILIES[family](self.state):
            if isinstance(value, str):
                self._unknown[name] = value
            else:
                self._known[name] = value

    def _work_out_all(self) -> None:
        for family in FAMILIES:
            if family not in self._asked:
                self._work_out(family)

    @property
    def values(self) -> Mapping[str, bool | float]:
        """Every known finding."""
        self._work_out_all()
        return self._known

    @property
    def unknown(self) -> Mapping[str, str]:
        """Every other finding, and why it is unknown."""
        self._work_out_all()
        return self._unknown

    def text(self, name: str) -> str:
        """The words behind an interpolation name of `TEXTS`; '' when there is nothing to print."""
        return TEXTS[name](self.state)

    def orders(self, name: str) -> tuple[Order, ...]:
        """The orders that a suggestion may delete, by list name."""
        if name == "drug":
            return self.state.questioned_drugs
        if name == "drug_for_a_level":
            return tuple(order for order in self.state.questioned_drugs if order.categories & orders.FOR_A_LEVEL)
        if name == "active_vitamin_d":
            return orders.deletable(self.state.chart, self.state.active_vitamin_d_tests)
        return orders.deletable(self.state.chart, self.state.workup_tests if name == "workup" else self.state.extended_tests)

    def analytes(self, name: str) -> tuple[str, ...]:
        """The analytes that a suggestion proposes, by list name."""
        if name == "unusable":
            return tuple(dict.fromkeys(ORDERED_AS.get(value.analyte, value.analyte) for value in self.state.unusable))
        return self.state.baseline.lacking if name == "baseline" else self.state.kdigo_lacking


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
