"""Phosphate."""

from __future__ import annotations

from fhir_mappings import Lab

from .. import scope
from ..chart import is_high, is_low, near_limit
from ..state import State
from .naming import Named


def phosphate(state: State) -> Named:
    chart = state.chart
    lab = chart.fresh("phosphate")
    certain = chart.proven("phosphate") is not None and chart.complete("observations")
    why = "no fresh, final and usable phosphate is known for certain"
    high, low = any(map(is_high, chart.for_danger("phosphate"))), any(map(is_low, chart.for_danger("phosphate")))
    yield "phosphate.high", high if high or certain else why
    yield "phosphate.low", low if low or certain else why
    border = lab is not None and near_limit(lab, chart.thresholds.guard_band["phosphate"])
    yield "phosphate.borderline", border if border or certain else why
    yield "phosphate.evening_mild", high and lab is not None and _evening_mild(lab, state)
    shifted = scope.shift(chart, lab)
    yield "phosphate.shifted", shifted if shifted or chart.complete("conditions") else "the Conditions did not come whole"


def _evening_mild(lab: Lab, state: State) -> bool:
    table = state.chart.thresholds.phosphate
    hour, limit = lab.when.hour, lab.limits.wide_high if lab.limits else None
    if hour is None or limit is None or lab.comparator:
        return False
    late = hour >= table["evening_from_hour"] or hour < table["evening_to_hour"]
    return late and lab.value - limit <= table["evening_excess"]
