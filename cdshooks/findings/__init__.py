"""Facts to findings: the names that pitfalls speak, with their values; what is unknown is simply not bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from fhir_mappings import Facts, Lab, Mappings, Order, paired

from ..thresholds import Thresholds
from . import checklist, orders, scope
from .calcium import Calcium, read_calcium
from .chart import Chart, is_high, is_low, near_limit
from .kidney import Kidney, read_kidney
from .scope import Calcification
from .texts import TEXTS
from .vocabulary import VOCABULARY, Finding

__all__ = ["TEXTS", "VOCABULARY", "Finding", "Findings", "find"]

HOOKS = ("patient-view", "order-select", "order-sign")
MULTIFOCAL_ONLY = "single_site"


@dataclass(frozen=True, slots=True)
class State:
    """What the parts of findings read once and share: the chart and its derived values."""

    chart: Chart
    calcium: Calcium
    kidney: Kidney
    calcification: Calcification
    checklist: Mapping[str, str]
    workup_tests: tuple[Order, ...]
    extended_tests: tuple[Order, ...]
    questioned_drugs: tuple[Order, ...]
    baseline_lacking: tuple[str, ...]
    baseline_stale: tuple[str, ...]
    baseline_unpaired: bool
    kdigo_lacking: tuple[str, ...]
    requested: frozenset[str]


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings of one request.

    `values` binds every known finding (bool or float); `unknown` says of each unbound one why. `state` holds what cards print.
    """

    values: Mapping[str, bool | float]
    unknown: Mapping[str, str]
    state: State

    def text(self, name: str) -> str:
        """The words behind an interpolation name of `TEXTS`; '' when there is nothing to print."""
        return TEXTS[name](self.state)

    def orders(self, name: str) -> tuple[Order, ...]:
        """The orders that a suggestion may delete, by list name."""
        lists = {"workup": self.state.workup_tests, "extended": self.state.extended_tests, "drug": self.state.questioned_drugs}
        found = lists[name]
        return found if name == "drug" else orders.deletable(self.state.chart, found)

    def analytes(self, name: str) -> tuple[str, ...]:
        """The analytes that a suggestion proposes, by list name."""
        return {"baseline": self.state.baseline_lacking, "kdigo": self.state.kdigo_lacking}[name]


def find(
    facts: Facts,
    mappings: Mappings,
    thresholds: Thresholds,
    now: datetime,
    *,
    hook: str,
    selections: frozenset[str] = frozenset(),
    incomplete: frozenset[str] = frozenset(),
) -> Findings:
    """Turn the facts of one request into findings.

    `selections` are the `Type/id` of the selected drafts (order-select); `incomplete` the prefetch keys that did not come whole, without
    those about the user.
    """
    in_play = () if hook == "patient-view" else tuple(o for o in facts.drafts if hook != "order-select" or o.id in selections)
    state = _state(Chart(facts, mappings, thresholds, now, hook, in_play, incomplete))
    values: dict[str, bool | float] = {}
    unknown: dict[str, str] = {}
    for name, value in _all(state):
        if isinstance(value, str):
            unknown[name] = value
        else:
            values[name] = value
    return Findings(values, unknown, state)


def _state(chart: Chart) -> State:
    calcium, kidney, calcification = read_calcium(chart), read_kidney(chart), scope.read_calcification(chart)
    lacking, stale, unpaired = _baseline(chart)
    requested = orders.requested(chart)
    return State(
        chart=chart,
        calcium=calcium,
        kidney=kidney,
        calcification=calcification,
        checklist=checklist.check(chart, calcium, kidney, calcification),
        workup_tests=orders.questioned_tests(chart, calcification, "EXT", "MBIMG"),
        extended_tests=orders.questioned_tests(chart, calcification, "EXT"),
        questioned_drugs=orders.questioned_drugs(chart),
        baseline_lacking=lacking,
        baseline_stale=stale,
        baseline_unpaired=unpaired,
        requested=requested,
        kdigo_lacking=tuple(a for a in orders.KDIGO_SET if chart.fresh(a) is None and not orders.satisfied(a, requested)),
    )


Named = Iterator[tuple[str, bool | float | str]]  # a string is the reason why the finding is unknown


def _all(state: State) -> Named:
    yield from _hook(state)
    yield from _person(state)
    yield from _calcification(state)
    yield from _calcium(state)
    yield from _phosphate(state)
    yield from _kidney(state)
    yield from _history(state)
    yield from _orders(state)
    yield from _baseline_findings(state)
    yield from _reassurance(state)


def _hook(state: State) -> Named:
    for hook in HOOKS:
        yield f"hook.{hook.replace('-', '_')}", state.chart.hook == hook


def _person(state: State) -> Named:
    chart, facts = state.chart, state.chart.facts
    ages = chart.age_years()
    yield "patient.age", float(ages[0]) if ages is not None else "the birth date is unknown"
    yield "patient.adult", "the birth date does not tell" if ages is None or ages[0] < 18 <= ages[1] else ages[0] >= 18
    yield "patient.deceased", facts.patient.deceased
    # Being silent because of comfort care must rest on a record, so its absence is enough to say no.
    yield "care.comfort_only", chart.has("comfort_care")
    # Only a known specialty keeps a card back, so an unknown one is no.
    specialties = {specialty.removeprefix("specialty:") for specialty in facts.specialties}
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


def _kidney(state: State) -> Named:
    chart, kidney = state.chart, state.kidney
    history_whole = chart.complete("conditions", "procedures")
    known = kidney.egfr is not None
    yield "egfr.known", known
    yield "egfr.below_60", kidney.egfr < chart.thresholds.egfr["g3a"] if kidney.egfr is not None else "no fresh eGFR is known"
    certain = history_whole and known and chart.complete("observations")
    why = "eGFR or history is not known for certain"
    yield "ckd.g3a_or_worse", kidney.g3a_or_worse if kidney.g3a_or_worse or certain else why
    yield "ckd.possible", kidney.possible if kidney.possible or certain else why
    unspecified = chart.has("ckd_unspecified")
    yield "ckd.unspecified", unspecified if unspecified or chart.complete("conditions") else "the Conditions did not come whole"
    severe = kidney.stage in ("G4", "G5")
    yield "ckd.g4_or_worse", severe if severe or certain else why
    yield "ckd.dialysis", kidney.dialysis if kidney.dialysis or history_whole else "Conditions or Procedures did not come whole"
    yield "kidney.acute_injury", kidney.acute if kidney.acute or certain else why
    lacking = bool(state.kdigo_lacking)
    yield "kdigo.incomplete", lacking if chart.complete("observations") or not lacking else "the results did not come whole"


def _history(state: State) -> Named:
    chart, calcification = state.chart, state.calcification
    whole = chart.complete("conditions", "procedures")
    why = "Conditions or Procedures did not come whole"

    def told(name: str, value: bool) -> tuple[str, bool | str]:
        return name, value if value or whole else why

    for name, categories in (
        ("trauma", ("trauma",)),
        ("surgery", ("surgery", "tracheostomy")),
        ("inflammation", ("inflammation",)),
        ("infection", ("infection",)),
        ("extravasation", ("extravasation",)),
    ):
        yield told(f"local.{name}", bool(scope.local_causes(chart, calcification, categories)))
    causes = scope.local_causes(chart, calcification)
    yield told("local.cause", bool(causes))
    yield told("local.any", bool(causes) or bool(scope.local_causes(chart, calcification, scope.OTHER_LOCAL)))
    yield "local.same_site", bool(causes) and scope.same_site(causes[0], calcification)
    yield told("history.connective_tissue", chart.has("connective_tissue_disease"))
    yield told("history.vascular_insufficiency", bool(scope.local_causes(chart, calcification, ("vascular_insufficiency",))))
    yield told("history.malignancy", chart.has("malignancy"))
    yield told("history.granulomatous", chart.has("granulomatous_disease"))
    yield told("history.immobile", chart.has("immobilisation", "neurologic"))
    yield told("history.diabetes", chart.has("diabetes"))
    yield told("history.mass", chart.has("neoplasm", "soft_tissue_mass"))
    yield told("history.mass_histology", chart.has("neoplasm_histology"))
    setting = scope.skin_sign(chart) and scope.calciphylaxis_risk(chart, state.kidney.stage)
    certain = whole and chart.complete("observations", "medication-requests", "medication-statements")
    yield (
        "calciphylaxis.setting",
        setting if setting or certain or (whole and not scope.skin_sign(chart)) else "risk or skin signs are not known for certain",
    )
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


def _baseline(chart: Chart) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Which baseline analytes are lacking (and which of those are only stale), and whether calcium and phosphate are unpaired.

    A fresh ionised calcium replaces calcium and albumin. An analyte whose newest value was sent but could not be used is not lacking: it
    is a value to verify.
    """
    ionised = chart.fresh("calcium_ionised")
    lacking = []
    for analyte in orders.BASELINE:
        replaced = ionised is not None and analyte in ("calcium_total", "albumin")
        known = chart.fresh(analyte) or (chart.fresh("egfr") if analyte == "creatinine" else None)
        if known is None and not replaced and chart.blocked(analyte) is None:
            lacking.append(analyte)
    stale = tuple(analyte for analyte in lacking if any(chart.within(analyte, chart.thresholds.lookback_days["stale"])))
    calcium, phosphate = chart.fresh("calcium_total") or ionised, chart.fresh("phosphate")
    unpaired = (
        calcium is not None
        and phosphate is not None
        and not any(
            paired(one, phosphate, chart.thresholds.pair_hours["calcium_phosphate"]) for one in (chart.fresh("calcium_total"), ionised) if one
        )
    )
    return tuple(lacking), stale, unpaired


def _baseline_findings(state: State) -> Named:
    chart = state.chart
    yield "baseline.incomplete", bool(state.baseline_lacking) or state.baseline_unpaired
    wanted = state.baseline_lacking or (("calcium_total", "phosphate") if state.baseline_unpaired else ())
    yield "baseline.requested", bool(wanted) and all(orders.satisfied(analyte, state.requested) for analyte in wanted)
    yield "baseline.received_whole", chart.complete("observations")


def _reassurance(state: State) -> Named:
    """Each item is proven or not; an item that is not proven is false, never unknown: reassurance is a claim, and this is its proof."""
    for item, why in state.checklist.items():
        yield f"checklist.{item}", not why
    unproven = {item for item, why in state.checklist.items() if why}
    yield "minerals.normal_confirmed", not unproven
    yield "minerals.normal_but_multifocal", unproven <= {MULTIFOCAL_ONLY}
