"""Results that could not be used, and results that adults' limits would misjudge."""

from __future__ import annotations

from ..state import State
from .naming import Named


def results(state: State) -> Named:
    whole = state.chart.complete("observations")
    for name, value in (
        ("unusable", bool(state.unusable)),
        ("unusable_maybe_critical", any(value.maybe_critical for value in state.unusable)),
        ("contradictory", any(value.reason == "contradictory" for value in state.unusable)),
    ):
        yield f"results.{name}", value if value or whole else "the results did not come whole"


def child(state: State) -> Named:
    ages, whole = state.chart.age_years(), state.chart.complete("observations")
    known = ages is not None and (whole or ages[0] >= 18)
    why = "the birth date is unknown" if ages is None else "the results did not come whole"
    for name, value in (("without_range", bool(state.childhood.without_range)), ("abnormal_for_adults_only", bool(state.childhood.adult_only))):
        yield f"child.{name}", value if value or known else why
