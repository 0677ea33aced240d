"""Drugs that disturb an assay or a level, and the stores of vitamin D."""

from __future__ import annotations

from .. import pth
from ..state import State
from .naming import Named

MEDICATIONS = ("medication-requests", "medication-statements", "medication-administrations")


def drug(state: State) -> Named:
    chart, biotin = state.chart, state.biotin
    whole = chart.complete(*MEDICATIONS)
    for name, value in (
        ("biotin", biotin.taken),
        ("biotin_interferes", biotin.interferes),
        ("raises_calcium", bool(pth.raising_calcium(chart))),
    ):
        yield f"drug.{name}", value if value or whole else "the medications did not come whole"


def vitamin_d(state: State) -> Named:
    known = state.chart.fresh("vitamin_d_25oh") is not None or "vitamin_d_25oh" in state.requested
    certain = state.chart.complete("observations", "service-requests")
    yield "vitamin_d.stores_known", known if known or certain else "results or orders did not come whole"
