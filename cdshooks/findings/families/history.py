"""Local causes and other diseases on record."""

from __future__ import annotations

from .. import scope
from ..calciphylaxis import is_anticoagulant
from ..neurologic import injured_within
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
    yield told("paralysis", bool(scope.local_causes(chart, state.calcification, ("paralysis",))))
    injured = injured_within(chart, scope.local_causes(chart, state.calcification, ("neurologic",)))
    yield "history.neurologic_recent", "a neurologic injury is not dated" if injured is None else told("neurologic_recent", injured)[1]
    yield told("immobile", chart.has("immobilisation", "neurologic"))
    yield told("pregnancy", scope.pregnant(chart))
    yield told("paraprotein", chart.has("myeloma", "mgus"))
    yield told("systemic_disease", bool(scope.systemic_disease(chart)))
    yield told("parathyroid_disorder", chart.has(*PARATHYROID))
    yield told("diabetes", chart.has("diabetes"))
    yield told("tumoral_calcinosis", chart.has("tumoral_calcinosis"))
    yield told("mass", chart.has("neoplasm", "soft_tissue_mass"))
    yield told("mass_histology", chart.has("neoplasm_histology"))


def calciphylaxis(state: State) -> Named:
    chart, found = state.chart, state.calciphylaxis
    whole = chart.complete("conditions", "procedures")
    if found.setting:
        yield "calciphylaxis.setting", True
    elif whole and not found.signs:
        yield "calciphylaxis.setting", False
    else:
        yield "calciphylaxis.setting", found.doubt or False
    limit = chart.ago(chart.thresholds.lookback_days["view_condition"])
    recorded = [moment for sign in found.signs if (moment := sign.recorded or sign.onset) is not None]
    yield "calciphylaxis.recent_sign", any(moment.until >= limit for moment in recorded)
    yield "calciphylaxis.harmful_drug", bool(found.harmful)
    yield "calciphylaxis.harmful_anticoagulant", any(is_anticoagulant(order) for order in found.harmful)
