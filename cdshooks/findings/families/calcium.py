"""Calcium, and the PTH that goes with it."""

from __future__ import annotations

from .. import pth as pth_module
from ..calcium import COMPUTED, MEASURES
from ..chart import in_range, is_high, is_low
from ..state import State
from .naming import Named


def calcium(state: State) -> Named:
    chart, calcium = state.chart, state.calcium
    known = chart.proven("calcium_total") is not None or chart.proven("calcium_ionised") is not None
    why = "" if known and chart.complete("observations") else "no fresh, final and usable calcium is known for certain"

    def told(name: str, value: bool) -> tuple[str, bool | str]:
        return f"calcium.{name}", value if value or not why else why

    yield told("critical", calcium.critical is not None)
    yield "calcium.critical_ionised_normal", calcium.critical_ionised_normal
    yield "calcium.critical_preliminary", calcium.critical is not None and not calcium.critical.final
    yield "calcium.critical_suspect", bool(state.specimen.critical) or state.contrast.critical is not None
    yield told("high", bool(calcium.high))
    yield "calcium.high_uncertain", _high_uncertain(state)
    yield told("low", bool(calcium.low))
    yield "calcium.low_uncertain", _low_uncertain(state)
    yield told("discordant", calcium.discordant)
    yield "calcium.doubtful", _doubtful(state)
    yield "calcium.ph_unusual", state.adjustment.ph_unusual
    yield "calcium.albumin_high", state.adjustment.albumin_high
    yield "calcium.ionised_agrees", state.adjustment.ionised_agrees
    yield told("borderline", calcium.border)
    yield "calcium.in_range", _in_range(state)
    speaking = [lab for lab in (*calcium.high, *calcium.low, calcium.critical) if lab is not None]
    limit = chart.ago(chart.thresholds.lookback_days["view_value"])
    yield "calcium.recent_for_view", any(lab.when.until >= limit for lab in speaking)


def _doubtful(state: State) -> bool | str:
    certain = state.chart.complete("observations") and any(state.chart.proven(measure) is not None for measure in MEASURES)
    doubtful = state.adjustment.doubtful
    return doubtful if doubtful or certain else "no fresh, final and usable calcium is known for certain"


def pth(state: State) -> Named:
    chart = state.chart
    recent_pth = any(chart.within("pth", chart.thresholds.lookback_days["recent_pth"]))
    whole = chart.complete("observations")
    why = "the results did not come whole"
    yield "pth.recent", recent_pth if recent_pth or whole else why
    done = chart.fresh("pth") is not None
    certain = whole and chart.blocked("pth") is None
    yield "pth.known", done if done or certain else "the results did not come whole, or a PTH was sent that could not be used"
    found = state.pth_with_calcium
    yield "pth.with_high_calcium", True if found is not None else False if whole else why
    for name, value in (
        ("suppressed", found is not None and found.low),
        ("not_suppressed", found is not None and not found.low),
        ("same_day_as_calcium", found is not None and found.paired),
    ):
        yield f"pth.{name}", value if found is not None or whole else why
    known = pth_module.context_known(chart)
    yield "pth.context_known", known if known or (whole and chart.complete("service-requests")) else "results or orders did not come whole"


def _in_range(state: State) -> bool | str:
    """In range by every measure, which a card may then call so: not by an adult's range where the age is unknown."""
    chart, calcium = state.chart, state.calcium
    if calcium.high or calcium.low:
        return False
    measures = calcium.measures
    guessed = chart.age_years() is None and any(lab.limits is not None and lab.limits.source != "reported" for lab in measures)
    proven = bool(measures) and all(chart.proven(lab.analyte) is not None for lab in measures if lab.attributes is not COMPUTED)
    if not proven or guessed or calcium.discordant or not all(map(in_range, measures)) or not chart.complete("observations"):
        return "calcium is not proven in range by every measure"
    return True


def _high_uncertain(state: State) -> bool:
    """High by one measure only, and that one in doubt: total without the adjusted, or an adjustment that is unreliable in this patient; or
    high by one measure and low by another."""
    calcium = state.calcium
    if calcium.high and calcium.low:
        return True
    high = {lab.analyte for lab in calcium.high}
    if high == {"calcium_total"}:
        return calcium.adjusted is not None and not is_high(calcium.adjusted)
    return high == {"calcium_adjusted"} and bool(state.adjustment.reasons)


def _low_uncertain(state: State) -> bool:
    """Low by one measure only, and that one in doubt: the mirror image of `_high_uncertain`."""
    calcium = state.calcium
    if calcium.high and calcium.low:
        return True
    low = {lab.analyte for lab in calcium.low}
    if low == {"calcium_total"}:
        return calcium.adjusted is not None and not is_low(calcium.adjusted)
    return low == {"calcium_adjusted"} and bool(state.adjustment.reasons)
