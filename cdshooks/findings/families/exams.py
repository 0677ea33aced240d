"""Imaging that shows the calcification instead of the disease."""

from __future__ import annotations

from ..exams import DRUG_LISTS
from ..state import State
from .naming import Named


def exam(state: State) -> Named:
    chart, exams = state.chart, state.exams
    yield "exam.dxa_spine", bool(exams.dxa_spine)
    obscured = bool(exams.overlays)
    whole = chart.complete("conditions", *DRUG_LISTS)
    yield "exam.spine_obscured", obscured if obscured or whole else "Conditions or drugs did not come whole"
    yield "exam.bone_scan", bool(exams.bone_scan)
    yield "exam.parathyroid", bool(exams.parathyroid)
    yield "exam.contrast_ct", bool(exams.contrast_ct)
    yield "exam.with_parathyroidectomy", any("proc-ptx" in order.categories for order in chart.facts.drafts)
