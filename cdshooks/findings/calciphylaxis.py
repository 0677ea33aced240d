"""Calciphylaxis: the settings in which a skin lesion may be it, the lesions that are coded, and the drugs that may add risk.

Source: Nigwekar, N Engl J Med 2018;378:1704 (settings and drugs); Yu, JAMA Dermatol 2017;153:309 (warfarin with good kidneys).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from fhir_mappings import History, Order

from .chart import Chart
from .kidney import CODED_KIDNEY_DISEASE, Kidney

# What the skin shows, the most telling first, in the words of a card.
SIGNS = {
    "calciphylaxis": "Coded calciphylaxis",
    "skin_necrosis": "Skin necrosis or gangrene",
    "livedo": "Livedo",
    "panniculitis": "Panniculitis",
    "skin_ulcer": "Skin ulcer",
}
ANTICOAGULANT = "vitamin_k_antagonist"
HARMFUL = frozenset({ANTICOAGULANT, "calcium_salt", "binder_calcium", "vitamin_d_active"})


@dataclass(frozen=True, slots=True)
class Calciphylaxis:
    """The skin signs that are not over, the risks in words, and why the absence of a risk is not certain ('' when it is)."""

    signs: tuple[History, ...]
    risks: tuple[str, ...]
    doubt: str
    harmful: tuple[Order, ...]

    @property
    def setting(self) -> bool:
        return bool(self.signs) and bool(self.risks)


def read_calciphylaxis(chart: Chart, kidney: Kidney) -> Calciphylaxis:
    """Look for a risk of calciphylaxis together with a coded skin sign. Laboratory values play no part but for kidney function."""
    return Calciphylaxis(
        signs=tuple(record for name in SIGNS for record in chart.records(name) if record.active),
        risks=tuple(_risks(chart, kidney)),
        doubt=_doubt(chart, kidney),
        harmful=tuple(order for order in chart.in_play if order.draft and order.drugs & HARMFUL),
    )


def is_anticoagulant(order: Order) -> bool:
    """Whether a drug may be a vitamin K antagonist, whose removal would leave a thrombosis untreated."""
    return ANTICOAGULANT in order.drugs


def _risks(chart: Chart, kidney: Kidney) -> Iterator[str]:
    if kidney.dialysis:
        yield "dialysis"
    if kidney.stage in ("G4", "G5"):
        yield f"CKD {kidney.stage}"
    elif _severe_by_one_value(chart, kidney) and chart.has(*CODED_KIDNEY_DISEASE):
        # The code tells that the disease is chronic, the value how severe it is.
        yield f"CKD with eGFR {_rounded(kidney.egfr)}"
    if kidney.transplant:
        yield "kidney transplant"
    if any(exposure.active and exposure.category == ANTICOAGULANT for exposure in chart.facts.exposures):
        yield "vitamin K antagonist"
    if chart.has("primary_hyperparathyroidism"):
        yield "primary hyperparathyroidism"


def _severe_by_one_value(chart: Chart, kidney: Kidney) -> bool:
    return kidney.egfr is not None and kidney.egfr < chart.thresholds.egfr["g4"] and not kidney.at_least


def _rounded(egfr: Decimal | None) -> str:
    return f"{egfr:.0f}"


def _doubt(chart: Chart, kidney: Kidney) -> str:
    if not chart.complete("conditions", "procedures"):
        return "Conditions or Procedures did not come whole"
    if not chart.complete("medication-requests", "medication-statements", "medication-administrations"):
        return "the drugs did not come whole"
    if kidney.egfr is None or not chart.complete("observations"):
        return "kidney function is not known for certain"
    return "a single eGFR below 30 may be CKD G4 or worse" if _severe_by_one_value(chart, kidney) else ""
