"""The findings, family by family: each name of the vocabulary with its value, or with the reason why it is unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fhir_mappings import Lab

from . import checklist, orders, scope
from .chart import is_high, is_low, near_limit
from .state import State

HOOKS = ("patient-view", "order-select", "order-sign")
MULTIFOCAL_ONLY = "single_site"

Named = Iterator[tuple[str, bool | float | str]]  # a string is the reason why the finding is unknown


def _hook(state: State) -> Named:
    for hook in HOOKS:
        yield f"hook.{hook.replace('-', '_')}", state.chart.hook == hook


def _patient(state: State) -> Named:
    ages = state.chart.age_years()
    yield "patient.age", float(ages[0]) if ages is not None else "the birth date is unknown"
    yield "patient.adult", "the birth date does not tell" if ages is None or ages[0] < 18 <= ages[1] else ages[0] >= 18
    yield "patient.deceased", state.chart.facts.patient.deceased


def _care(state: State) -> Named:
    # Being silent because of comfort care must rest on a record, so its absence is enough to say no.
    yield "care.comfort_only", state.chart.has("comfort_care")


def _author(state: State) -> Named:
    # Only a known specialty keeps a card back, so an unknown one is no.
    specialties = {specialty.removeprefix("specialty:") for specialty in state.chart.facts.specialties}
    yield "author.metabolic_specialist", any(word in name for name in specialties for word in ("nephrology", "endocrinology", "genetics"))
    yield (
        "author.tumour_specialist",
        "surgical_oncology" in specialties or (any("oncology" in name for name in specialties) and any("orthopaed" in name for name in specialties)),
    )


def _calcification(state: State) -> Named:
    chart, calcification = state.chart, state.calcification
    whole = chart.complete("conditions")
    why = "the Conditions did not come whole"

    def told(name: str, value: bool) -> tuple[str, bool | str]:
        return f"calcification.{name}", value if value or whole else why

    yield told("present", calcification.present)
    yield told("skin", calcification.of("calcification_skin") or bool(calcification.sites & {"skin", "subcutaneous"}))
    regions = calcification.regions - {"any"}
    yield told("leg_or_unknown", not regions or "leg" in regions)
    yield told("multifocal", scope.multifocal(calcification))
    yield told("recent_record", scope.recorded_within(calcification, chart, chart.thresholds.lookback_days["view_condition"]))
    yield told("arterial_before_50", scope.arterial_before(chart, calcification, int(chart.thresholds.reassurance["arterial_calcification_age"])))


def _calcium(state: State) -> Named:
    chart, calcium = state.chart, state.calcium
    known = chart.proven("calcium_total") is not None or chart.proven("calcium_ionised") is not None
    why = "" if known and chart.complete("observations") else "no fresh, final and usable calcium is known for certain"

    def told(name: str, value: bool) -> tuple[str, bool | str]:
        return f"calcium.{name}", value if value or not why else why

    yield told("critical", calcium.critical is not None)
    yield "calcium.critical_ionised_normal", calcium.critical_ionised_normal
    yield "calcium.critical_preliminary", calcium.critical is not None and not calcium.critical.final
    yield told("high", bool(calcium.high))
    yield "calcium.high_uncertain", _high_uncertain(state)
    yield told("low", bool(calcium.low))
    yield told("discordant", calcium.discordant)
    yield told("borderline", calcium.border)
    speaking = [lab for lab in (*calcium.high, calcium.critical) if lab is not None]
    limit = chart.ago(chart.thresholds.lookback_days["view_value"])
    yield "calcium.recent_for_view", any(lab.when.until >= limit for lab in speaking)


def _pth(state: State) -> Named:
    chart = state.chart
    recent_pth = any(chart.within("pth", chart.thresholds.lookback_days["recent_pth"]))
    yield "pth.recent", recent_pth if recent_pth or chart.complete("observations") else "the results did not come whole"


def _high_uncertain(state: State) -> bool:
    """High by one measure only, and that one in doubt: total without the adjusted, or an adjustment that albumin makes unreliable."""
    calcium, table = state.calcium, state.chart.thresholds.albumin
    high = {lab.analyte for lab in calcium.high}
    if "calcium_ionised" in high or not high:
        return False
    if high == {"calcium_total"}:
        return calcium.adjusted is not None and not is_high(calcium.adjusted)
    albumin = calcium.albumin
    unreliable = albumin is not None and not table["unreliable_below"] <= albumin.value <= table["haemoconcentration_above"]
    return high == {"calcium_adjusted"} and unreliable


def _phosphate(state: State) -> Named:
    chart = state.chart
    lab = chart.fresh("phosphate")
    certain = chart.proven("phosphate") is not None and chart.complete("observations")
    why = "no fresh, final and usable phosphate is known for certain"
    high, low = any(map(is_high, chart.for_danger("phosphate"))), any(map(is_low, chart.for_danger("phosphate")))
    yield "phosphate.high", high if high or certain else why
    yield "phosphate.low", low if low or certain else why
    border = lab is not None and near_limit(lab, chart.thresholds.guard_band["phosphate"])
    yield "phosphate.borderline", border if border or certain else why
    yield "phosphate.evening_mild", high and lab is not None and _evening_mild(lab, state)
    shifted = scope.shift(chart, lab)
    yield "phosphate.shifted", shifted if shifted or chart.complete("conditions") else "the Conditions did not come whole"


def _evening_mild(lab: Lab, state: State) -> bool:
    table = state.chart.thresholds.phosphate
    hour, limit = lab.when.hour, lab.limits.wide_high if lab.limits else None
    if hour is None or limit is None or lab.comparator:
        return False
    late = hour >= table["evening_from_hour"] or hour < table["evening_to_hour"]
    return late and lab.value - limit <= table["evening_excess"]


def _egfr(state: State) -> Named:
    egfr = state.kidney.egfr
    yield "egfr.known", egfr is not None
    yield "egfr.below_60", egfr < state.chart.thresholds.egfr["g3a"] if egfr is not None else "no fresh eGFR is known"


def _ckd(state: State) -> Named:
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


def _acute(state: State) -> Named:
    chart, kidney = state.chart, state.kidney
    certain = kidney.egfr is not None and chart.complete("conditions", "procedures", "observations")
    yield "kidney.acute_injury", kidney.acute if kidney.acute or certain else "eGFR or history is not known for certain"


def _kdigo(state: State) -> Named:
    chart = state.chart
    lacking = bool(state.kdigo_lacking)
    yield "kdigo.incomplete", lacking if chart.complete("observations") or not lacking else "the results did not come whole"


HISTORY_LACKS = "Conditions or Procedures did not come whole"


def _local(state: State) -> Named:
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


def _history(state: State) -> Named:
    chart = state.chart
    whole = chart.complete("conditions", "procedures")

    def told(name: str, value: bool) -> tuple[str, bool | str]:
        return f"history.{name}", value if value or whole else HISTORY_LACKS

    yield told("connective_tissue", chart.has("connective_tissue_disease"))
    yield told("vascular_insufficiency", bool(scope.local_causes(chart, state.calcification, ("vascular_insufficiency",))))
    yield told("malignancy", chart.has("malignancy"))
    yield told("granulomatous", chart.has("granulomatous_disease"))
    yield told("immobile", chart.has("immobilisation", "neurologic"))
    yield told("diabetes", chart.has("diabetes"))
    yield told("mass", chart.has("neoplasm", "soft_tissue_mass"))
    yield told("mass_histology", chart.has("neoplasm_histology"))


def _calciphylaxis(state: State) -> Named:
    chart = state.chart
    whole = chart.complete("conditions", "procedures")
    setting = scope.skin_sign(chart) and scope.calciphylaxis_risk(chart, state.kidney.stage)
    certain = whole and chart.complete("observations", "medication-requests", "medication-statements")
    yield (
        "calciphylaxis.setting",
        setting if setting or certain or (whole and not scope.skin_sign(chart)) else "risk or skin signs are not known for certain",
    )


def _imaging(state: State) -> Named:
    chart, calcification = state.chart, state.calcification
    days = chart.thresholds.lookback_days["imaging"]
    final = orders.imaged(chart, calcification, days, final=True)
    yield "imaging.of_site", final if final or chart.complete("reports") else "the reports did not come whole"
    yield "imaging.of_site_preliminary", not final and orders.imaged(chart, calcification, days, final=False)


def _orders(state: State) -> Named:
    chart = state.chart
    groups = {group for order in chart.in_play for group in orders.groups_of(chart, order)}
    for name, group in (
        ("extended", "EXT"),
        ("imaging", "IMG"),
        ("metabolic_imaging", "MBIMG"),
        ("mineral_drug", "RX"),
        ("excision", "OP"),
        ("parathyroidectomy", "PTX"),
    ):
        yield f"order.{name}", group in groups
    yield "order.only_pth", orders.only_pth_or_adjusted(chart)
    yield "order.extended_for_calcification", bool(state.extended_tests)
    yield "order.workup_for_calcification", bool(state.workup_tests)
    drugs = {category for order in state.questioned_drugs for category in order.categories}
    yield "order.metabolic_drug", bool(state.questioned_drugs)
    yield "order.metabolic_drug_off_label", bool(drugs & orders.OFF_LABEL)
    yield "order.metabolic_drug_binder", bool(drugs & {"rx-binder-ca", "rx-binder-nonca", "rx-binder-al", "rx-calcimimetic", "rx-vitd-active"})
    yield "order.metabolic_drug_warfarin", "rx-warfarin" in drugs
    indicated = orders.other_indication(chart, drugs)
    yield "order.drug_has_other_indication", indicated if indicated or chart.complete("conditions") else "the Conditions did not come whole"


def _baseline(state: State) -> Named:
    chart, baseline = state.chart, state.baseline
    yield "baseline.incomplete", bool(baseline.lacking) or baseline.unpaired
    wanted = baseline.lacking or (("calcium_total", "phosphate") if baseline.unpaired else ())
    yield "baseline.requested", bool(wanted) and all(orders.satisfied(analyte, state.requested) for analyte in wanted)
    yield "baseline.received_whole", chart.complete("observations")


def _checklist(state: State) -> Named:
    """Each item is proven or not; an item that is not proven is false, never unknown: reassurance is a claim, and this is its proof."""
    for item, why in state.checklist.items():
        yield f"checklist.{item}", not why


def _minerals(state: State) -> Named:
    but_multifocal = checklist.proven(state, apart_from=(MULTIFOCAL_ONLY,))
    yield "minerals.normal_confirmed", but_multifocal and checklist.proven(state)
    yield "minerals.normal_but_multifocal", but_multifocal


FAMILIES: Mapping[str, Callable[[State], Named]] = {
    "hook": _hook,
    "patient": _patient,
    "care": _care,
    "author": _author,
    "calcification": _calcification,
    "calcium": _calcium,
    "pth": _pth,
    "phosphate": _phosphate,
    "egfr": _egfr,
    "ckd": _ckd,
    "kidney": _acute,
    "kdigo": _kdigo,
    "local": _local,
    "history": _history,
    "calciphylaxis": _calciphylaxis,
    "imaging": _imaging,
    "order": _orders,
    "baseline": _baseline,
    "checklist": _checklist,
    "minerals": _minerals,
}
