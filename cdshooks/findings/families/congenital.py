"""Calcification of the brain, tests for congenital causes, and patterns of inherited disorders."""

from __future__ import annotations

from .. import orders
from ..heritable import GENE_DIAGNOSES, baseline_in_range
from ..state import State
from .naming import Named

CONDITIONS_LACK = "the Conditions did not come whole"


def brain(state: State) -> Named:
    chart, found = state.chart, state.brain
    whole = chart.complete("conditions")
    for name, value in (("calcified", found.calcified), ("fetal_injury", found.fetal), ("coded", found.coded), ("in_pregnancy", found.in_pregnancy)):
        yield f"brain.{name}", value if value or whole else CONDITIONS_LACK
    # What did not come is lacking, too: here the danger is that the results are not looked at.
    yield "brain.labs_lacking", bool(found.lacking)
    yield "brain.labs_requested", all(orders.satisfied(analyte, state.requested) for analyte in found.lacking)


def infant(state: State) -> Named:
    found, window = state.brain, state.chart.thresholds.infant["cmv_window_days"]
    yield "infant.in_cmv_window", "the birth date is unknown" if found.days is None else 0 <= found.days[0] <= window
    # Known, or not known to have been done; who would not be sure would not be silent.
    yield "infant.cmv_test_known", found.cmv_test
    yield "infant.genetics_known", found.genetics


def heritable(state: State) -> Named:
    chart = state.chart
    whole = chart.complete("conditions")
    for name, value in state.patterns.items():
        yield f"heritable.{name}", value if value or whole else CONDITIONS_LACK
    yield "heritable.any", any(state.patterns.values()) or (False if whole else CONDITIONS_LACK)
    diagnosed = chart.has(*GENE_DIAGNOSES)
    yield "heritable.diagnosed", diagnosed if diagnosed or whole else CONDITIONS_LACK
    yield "heritable.baseline_in_range", baseline_in_range(chart)
