"""Phosphate, and its product with calcium."""

from __future__ import annotations

from ..chart import near_limit
from ..state import State
from .naming import Named

AROUND = ("conditions", "observations", "medication-requests", "medication-statements", "medication-administrations")


def phosphate(state: State) -> Named:
    chart, found = state.chart, state.phosphate
    lab = chart.fresh("phosphate")
    certain = chart.proven("phosphate") is not None and chart.complete("observations")
    why = "no fresh, final and usable phosphate is known for certain"
    high, low = bool(found.high), bool(found.low)
    yield "phosphate.high", high if high or certain else why
    yield "phosphate.low", low if low or certain else why
    border = lab is not None and near_limit(lab, chart.thresholds.guard_band["phosphate"])
    yield "phosphate.borderline", border if border or certain else why
    yield "phosphate.evening_mild", found.evening_mild
    # Without an abnormal value there is nothing to doubt; with one, a clue may be among what did not come.
    whole = chart.complete(*AROUND)
    hidden = "conditions, drugs or results around the draw did not come whole"
    for name, value, abnormal in (
        ("shifted", found.shifted, high),
        ("artefact_clue", found.artefact, high),
        ("in_doubt", found.in_doubt, high),
        ("lowered", bool(found.lowering), low),
    ):
        decided = value or (whole if abnormal else certain)
        yield f"phosphate.{name}", value if decided else hidden if abnormal else why


def product(state: State) -> Named:
    chart, found = state.chart, state.product
    known = chart.complete("observations") and chart.proven("phosphate") is not None and found is not None and found.final
    why = "no product: the phosphate is in doubt" if state.phosphate.in_doubt else "calcium and phosphate drawn together are not known for certain"
    high = found is not None and found.high
    severe = found is not None and found.severe(chart)
    yield "product.high", high if high or known else why
    yield "product.severe", severe if severe or known else why
    yield "product.preliminary", found is not None and not found.final
    limit = chart.ago(chart.thresholds.lookback_days["view_value"])
    yield "product.recent_for_view", found is not None and min(found.calcium.when.until, found.phosphate.when.until) >= limit
