"""Spoilt samples, and contrast media that disturb the measurement of calcium."""

from __future__ import annotations

from ..chart import is_high
from ..state import State
from .naming import Named

DRUGS = ("medication-administrations", "medication-statements")


def specimen(state: State) -> Named:
    chart, found = state.chart, state.specimen
    whole = chart.complete("observations")

    def told(name: str, value: bool, why: str = "") -> tuple[str, bool | str]:
        return f"specimen.{name}", value or why or (value if whole else "the results did not come whole")

    known = chart.proven("calcium_total") is not None or chart.proven("calcium_adjusted") is not None
    yield told("edta", found.edta is not None, found.edta_unknown or ("" if known else "no fresh, final and usable calcium is known for certain"))
    yield "specimen.edta_unmeasurable", found.edta is not None and found.edta.calcium is None
    yield told("haemolysis", bool(found.haemolysis))
    yield told("haemolysis_any", bool(found.haemolysis_any))
    yield told("late", found.late is not None)
    hours = chart.thresholds.pair_hours["edta"]
    potassium = (chart.paired_with(lab, "potassium", hours) for lab in found.labs)
    yield told("potassium_high", any(lab is not None and is_high(lab) for lab in potassium))
    limit = chart.ago(chart.thresholds.lookback_days["view_value"])
    yield "specimen.recent_for_view", any(lab.when.until >= limit for lab in found.labs)


def contrast(state: State) -> Named:
    chart, found = state.chart, state.contrast

    def told(name: str, value: bool) -> tuple[str, bool | str]:
        whole = chart.complete(*DRUGS)
        return f"contrast.{name}", value if value or whole else "the drugs that were given did not come whole"

    yield told("gadolinium", found.gadolinium is not None)
    yield told("low_calcium", found.low is not None)
    yield told("iodinated", found.iodinated)
