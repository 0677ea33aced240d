"""The calcification itself."""

from __future__ import annotations

from .. import scope
from ..state import State
from .naming import Named


def calcification(state: State) -> Named:
    chart, calcification = state.chart, state.calcification
    whole = chart.complete("conditions")
    why = "the Conditions did not come whole"

    def told(name: str, value: bool) -> tuple[str, bool | str]:
        return f"calcification.{name}", value if value or whole else why

    yield told("present", calcification.present)
    yield told("skin", scope.superficial(calcification))
    yield told("muscle_or_joint", scope.in_muscle_or_joint(calcification))
    regions = calcification.regions - {"any"}
    yield told("leg_or_unknown", not regions or "leg" in regions)
    yield told("multifocal", scope.multifocal(calcification))
    yield told("periarticular", "periarticular" in regions)
    yield told("recent_record", scope.recorded_within(calcification, chart, chart.thresholds.lookback_days["view_condition"]))
    yield told("arterial_before_50", scope.arterial_before(chart, calcification, int(chart.thresholds.reassurance["arterial_calcification_age"])))
