"""Kidney function, kidney disease, and what its guideline asks for."""

from __future__ import annotations

from ..state import State
from .naming import Named


def egfr(state: State) -> Named:
    egfr = state.kidney.egfr
    yield "egfr.known", egfr is not None
    yield "egfr.below_60", egfr < state.chart.thresholds.egfr["g3a"] if egfr is not None else "no fresh eGFR is known"


def ckd(state: State) -> Named:
    chart, kidney = state.chart, state.kidney
    history_whole = chart.complete("conditions", "procedures")
    certain = history_whole and kidney.egfr is not None and chart.complete("observations")
    why = "eGFR or history is not known for certain"
    yield "ckd.g3a_or_worse", kidney.g3a_or_worse if kidney.g3a_or_worse or certain else why
    yield "ckd.possible", kidney.possible if kidney.possible or certain else why
    unspecified = chart.has("ckd_unspecified")
    yield "ckd.unspecified", unspecified if unspecified or chart.complete("conditions") else "the Conditions did not come whole"
    severe = kidney.stage in ("G4", "G5")
    yield "ckd.g4_or_worse", severe if severe or certain else why
    yield "ckd.dialysis", kidney.dialysis if kidney.dialysis or history_whole else "Conditions or Procedures did not come whole"


def acute(state: State) -> Named:
    chart, kidney = state.chart, state.kidney
    certain = kidney.egfr is not None and chart.complete("conditions", "procedures", "observations")
    yield "kidney.acute_injury", kidney.acute if kidney.acute or certain else "eGFR or history is not known for certain"


def kdigo(state: State) -> Named:
    chart = state.chart
    lacking = bool(state.kdigo_lacking)
    yield "kdigo.incomplete", lacking if chart.complete("observations") or not lacking else "the results did not come whole"
