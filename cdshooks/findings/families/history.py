"""Local causes and other diseases on record."""

from __future__ import annotations

from .. import scope
from ..state import State
from .naming import Named

HISTORY_LACKS = "Conditions or Procedures did not come whole"
# What explains a PTH that a high calcium does not suppress.
PARATHYROID = ("primary_hyperparathyroidism", "tertiary_hyperparathyroidism", "familial_hypocalciuric_hypercalcaemia")


def local(state: State) -> Named:
    chart, calcification = state.chart, state.calcification
    whole = chart.complete("conditions", "procedures")

    def told(name: str, value: bool) -> tuple[str, bool | str]:
        return f"local.{name}", value if value or whole else HISTORY_LACKS

    for name, categories in (
        ("trauma", ("trauma",)),
        ("surgery", ("surgery", "tracheostomy")),
        ("inflammation", ("inflammation",)),
        ("infection", ("infection",)),
        ("extravasation", ("extravasation",)),
    ):
        yield told(name, bool(scope.local_causes(chart, calcification, categories)))
    causes = scope.local_causes(chart, calcification)
    yield told("cause", bool(causes))
    yield told("any", bool(causes) or bool(scope.local_causes(chart, calcification, scope.OTHER_LOCAL)))
    yield "local.same_site", bool(causes) and scope.same_site(causes[0], calcification)


def history(state: State) -> Named:
    chart = state.chart
    whole = chart.complete("conditions", "procedures")

    def told(name: str, value: bool) -> tuple[str, bool | str]:
        return f"history.{name}", value if value or whole else HISTORY_LACKS

    yield told("connective_tissue", chart.has("connective_tissue_disease"))
    yield told("vascular_insufficiency", bool(scope.local_causes(chart, state.calcification, ("vascular_insufficiency",))))
    yield told("malignancy", chart.has("malignancy"))
    yield told("granulomatous", chart.has("granulomatous_disease"))
    yield told("immobile", chart.has("immobilisation", "neurologic"))
    yield told("systemic_disease", bool(scope.systemic_disease(chart)))
    yield told("parathyroid_disorder", chart.has(*PARATHYROID))
    yield told("diabetes", chart.has("diabetes"))
    yield told("mass", chart.has("neoplasm", "soft_tissue_mass"))
    yield told("mass_histology", chart.has("neoplasm_histology"))


def calciphylaxis(state: State) -> Named:
    chart = state.chart
    whole = chart.complete("conditions", "procedures")
    setting = scope.skin_sign(chart) and scope.calciphylaxis_risk(chart, state.kidney.stage)
    certain = whole and chart.complete("observations", "medication-requests", "medication-statements")
    yield (
        "calciphylaxis.setting",
        setting if setting or certain or (whole and not scope.skin_sign(chart)) else "risk or skin signs are not known for certain",
    )
