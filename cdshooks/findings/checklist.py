"""The checklist of reassurance: each item proven or not, and why not. Nothing else may let a card say that minerals are normal."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from decimal import Decimal
from typing import Protocol

from fhir_mappings import Lab, paired

from . import calcium as calcium_module
from . import kidney as kidney_module
from .adjustment import Adjustment
from .calcium import Calcium
from .chart import ABNORMAL_FLAGS, Chart, in_range, is_high, is_low, near_limit
from .contrast import Contrast
from .hazard import ANTIRESORPTIVES
from .kidney import Kidney
from .phosphate import artefact_clues
from .scope import (
    Calcification,
    arterial_before,
    critically_ill,
    masking_drugs,
    multifocal,
    pregnancy_not_read,
    pregnant,
    red_flag,
    shift,
    systemic_disease,
)
from .specimen import Specimen

LOST = frozenset({"another-patient", "no-subject", "too-deep", "incomplete-bundle", "unknown-drug"})
LOOKED_BACK = ("calcium_total", "calcium_adjusted", "calcium_ionised", "phosphate")
# What a diagnosis tells of calcium or phosphate that the results of the year may not show, also when it is said to be over.
ABNORMAL_BY_DIAGNOSIS = ("hypercalcaemia", "hypocalcaemia", "phosphate_disorder", "milk_alkali", "vitamin_d_toxicity")
# What must be proven before a card may question a test of active vitamin D, beside undisturbed results: unlike a card that speaks for a local
# cause, it may be given beside a drug that can hide a low value, an abnormal ALP or a high PTH, and several sites.
FOR_VITAMIN_D = frozenset({"adult", "fresh", "calcium", "phosphate", "paired", "kidney", "no_recent_abnormal", "site", "complete"})

# Drugs under which a high calcium or phosphate reads normal: what a test of active vitamin D is for may be hidden.
LOWERING = ANTIRESORPTIVES | {"binder_calcium", "binder_noncalcium", "binder_aluminium", "calcimimetic", "burosumab"}


class Proof(Protocol):
    """What the items are proven from (see `State`)."""

    @property
    def chart(self) -> Chart: ...
    @property
    def calcium(self) -> Calcium: ...
    @property
    def kidney(self) -> Kidney: ...
    @property
    def calcification(self) -> Calcification: ...
    @property
    def adjustment(self) -> Adjustment: ...
    @property
    def specimen(self) -> Specimen: ...
    @property
    def contrast(self) -> Contrast: ...


def proven(state: Proof, apart_from: Container[str] = ()) -> bool:
    """Whether every item is proven, or every item but those named. Stops at the first that is not."""
    return all(item in apart_from or not why_not(state) for item, why_not in ITEMS.items())


def proven_for_vitamin_d(state: Proof) -> bool:
    """Whether calcium, phosphate and kidney function are proven normal, as far as a test of active vitamin D depends on them."""
    return proven(state, apart_from=ITEMS.keys() - FOR_VITAMIN_D) and not _disturbed(state) and not _in_its_place(state.chart)


def _in_its_place(chart: Chart) -> bool:
    """Whether a test of active vitamin D may be the right one: PTH is low or cannot be used, or a drug lowers what it explains."""
    pth = _present(chart, "pth")
    low = pth == "unusable" or (isinstance(pth, Lab) and not in_range(pth) and not is_high(pth))
    return low or any(drug.category in LOWERING for drug in masking_drugs(chart))


def check(state: Proof) -> Mapping[str, str]:
    """Return each item of the checklist with the reason why it is not proven; '' means proven."""
    return {item: why_not(state) for item, why_not in ITEMS.items()}


def _adult(chart: Chart) -> str:
    ages = chart.age_years()
    if ages is None:
        return "the birth date is unknown"
    return "" if ages[0] >= chart.thresholds.reassurance["adult_years"] else "younger than 18 years, or possibly so"


def _fresh(chart: Chart) -> str:
    missing = [name for name in ("calcium_total", "phosphate", "albumin") if chart.proven(name) is None]
    creatinine = _present(chart, "creatinine")
    if creatinine == "unusable" or (creatinine is None and chart.proven("egfr") is None):  # a reported eGFR does not heal a creatinine
        missing.append("creatinine or eGFR")
    return f"not fresh, final and usable: {', '.join(missing)}" if missing else ""


def _adjusted(chart: Chart, adjustment: Adjustment) -> str:
    """Where adjustment for albumin is unreliable, a proven ionised calcium is needed besides.

    Asked after `calcium.proven_normal`, which judges the range of every measure that is there.
    """
    albumin = chart.proven("albumin")
    if albumin is None or albumin.comparator:
        return "albumin is not proven"
    if not adjustment.reasons:
        return ""
    if chart.proven("calcium_ionised") is not None:
        return ""
    return f"adjusted calcium is unreliable ({', '.join(adjustment.reasons)}), and no ionised calcium in range is known"


def _phosphate(chart: Chart) -> str:
    lab = chart.proven("phosphate")
    if lab is None:
        return "phosphate is not proven"
    if not in_range(lab):
        return f"phosphate {lab.shown} is not in range"
    return f"phosphate {lab.shown} is close to a limit" if near_limit(lab, chart.thresholds.guard_band["phosphate"]) else ""


def _paired(chart: Chart, calcium: Calcium) -> str:
    if calcium.total is None:
        return "no calcium to pair"
    hours = chart.thresholds.pair_hours
    phosphate = chart.newest("phosphate")
    if phosphate is None or not paired(calcium.total, phosphate, hours["calcium_phosphate"]):
        return "calcium and phosphate were not drawn within 24 hours of each other"
    albumin = chart.newest("albumin")
    if albumin is None or not paired(calcium.total, albumin, hours["calcium_albumin"]):
        return "calcium and albumin were not drawn together"
    return ""


def _disturbed(state: Proof) -> str:
    """Name what makes it doubtful that a calcium or phosphate in range is what it seems, or ''."""
    chart = state.chart
    if state.calcium.discordant:
        return "calcium measures disagree"
    if state.specimen.suspect:
        return f"a sample may be spoilt: {state.specimen.suspect}"
    if state.contrast.gadolinium is not None:
        return "a gadolinium agent that disturbs the measurement of calcium"
    phosphate = chart.newest("phosphate")
    if shift(chart, phosphate):
        return "a condition that shifts phosphate"
    if phosphate is not None and any(artefact_clues(chart, phosphate)):
        return "a clue that phosphate may be an artefact of the assay"
    if critically_ill(chart):
        return "critical illness"
    if pregnant(chart):
        return "pregnancy, or within six weeks of it"
    if pregnancy_not_read(chart):
        return "a pregnancy status that could not be read"
    return ""


def _confounder(state: Proof) -> str:
    chart, disturbed = state.chart, _disturbed(state)
    if disturbed:
        return disturbed
    drugs = masking_drugs(chart)
    if drugs:
        return f"masking drug: {', '.join(sorted({drug.category for drug in drugs}))}"
    diseases = systemic_disease(chart)
    if diseases:
        return f"systemic disease on record: {', '.join(sorted({disease.category for disease in diseases}))}"
    return ""


def _other_labs(chart: Chart) -> str:
    table = chart.thresholds.reassurance
    for analyte in ("pth", "magnesium"):
        lab = _present(chart, analyte)
        if lab == "unusable" or (isinstance(lab, Lab) and not in_range(lab)):
            return f"{analyte} is present and not proven in range"
    overdue = _abnormal_when_last_known(chart, "pth")
    if overdue is not None:
        return f"PTH {overdue.shown} was out of range when it was last known"
    vitamin_d = _present(chart, "vitamin_d_25oh")
    if vitamin_d == "unusable":
        return "25-OH-D is present and not usable"
    if vitamin_d is None and chart.has("vitamin_d_deficiency"):
        return "vitamin D deficiency is on record, and no 25-OH-D is known"
    if isinstance(vitamin_d, Lab) and (vitamin_d.comparator or not table["vitamin_d_min"] <= vitamin_d.value <= table["vitamin_d_max"]):
        return f"25-OH-D {vitamin_d.shown} is not between {table['vitamin_d_min']} and {table['vitamin_d_max']} ng/mL"
    return ""


def _abnormal_when_last_known(chart: Chart, analyte: str) -> Lab | None:
    """The newest value of the look-back, however old, if it was not in range: then a new one is due, and not of little use."""
    newest = max(chart.within(analyte, chart.thresholds.lookback_days["stale"]), key=lambda lab: lab.when.at, default=None)
    return newest if newest is not None and not in_range(newest) else None


def proven_but_alp(state: Proof) -> bool:
    """Whether every item but that of ALP is proven, and ALP, where it is known, is at most three times its upper limit (and above 30).

    Bone formation after a neurologic injury raises ALP; a low one may mean hypophosphatasia, and is never let through.
    """
    return proven(state, apart_from=("alp",)) and (not _alp(state.chart) or _alp_mildly_high(state.chart))


def _alp_mildly_high(chart: Chart) -> bool:
    lab, table = _present(chart, "alp"), chart.thresholds.reassurance
    if not isinstance(lab, Lab) or lab.comparator or lab.value <= table["alp_min"]:
        return False
    high = lab.limits.high if lab.limits else None
    return high is not None and lab.value <= table["alp_times_upper"] * high


def _alp(chart: Chart) -> str:
    lab = _present(chart, "alp")
    if lab == "unusable":
        return "ALP is present and not usable"
    if not isinstance(lab, Lab):
        return ""
    if lab.comparator or lab.value <= chart.thresholds.reassurance["alp_min"] or is_high(lab):
        return f"ALP {lab.shown} is not above 30 U/L and within its upper limit"
    high = lab.limits.high if lab.limits else None
    return "" if high is not None and lab.value <= high else f"ALP {lab.shown} has no upper limit to compare with, or exceeds it"


def _present(chart: Chart, analyte: str) -> Lab | str | None:
    """A lab that must be normal if it is there: the proven value, "unusable", or None when it is not there.

    Of several different values of which none is known to be the newest, none is proven.
    """
    if chart.fresh(analyte) is None:
        return "unusable" if chart.blocked(analyte) is not None else None
    if len({(lab.value, lab.comparator) for lab in chart.for_danger(analyte)}) > 1:
        return "unusable"
    return chart.proven(analyte) or "unusable"


def _recent_abnormal(chart: Chart) -> str:
    days: Decimal = chart.thresholds.lookback_days["abnormal_minerals"]
    for analyte in LOOKED_BACK:
        for lab in chart.within(analyte, days):
            if lab.limits is None:  # an ionised calcium from before the eighteenth birthday, say
                return f"{analyte} {lab.shown} within the last {days} days has no range to compare with"
            if is_high(lab) or is_low(lab) or lab.flags & ABNORMAL_FLAGS:
                return f"{analyte} {lab.shown} was out of range within the last {days} days"
    limit = chart.ago(days)
    for record in (record for category in ABNORMAL_BY_DIAGNOSIS for record in chart.facts.histories.get(category, ())):
        known = record.recorded or record.onset
        if known is None or known.until >= limit:
            return f"{record.display or record.category} was recorded within the last {days} days, or is not dated"
    return ""


def _arterial(chart: Chart, calcification: Calcification) -> str:
    years = int(chart.thresholds.reassurance["arterial_calcification_age"])
    return f"arterial calcification before the age of {years}" if arterial_before(chart, calcification, years) else ""


def _complete(chart: Chart) -> str:
    if chart.incomplete:
        return f"did not come whole: {', '.join(sorted(chart.incomplete))}"
    lost = {problem.reason for problem in chart.facts.problems if problem.reason in LOST or _unreadable_history(problem.reason, problem.analyte)}
    return f"not everything sent could be used: {', '.join(sorted(lost))}" if lost else ""


def _unreadable_history(reason: str, analyte: str) -> bool:
    # An unreadable resource that is no known laboratory value may be the CKD, the drug, or the second calcium that would block.
    return reason == "unreadable" and not analyte


def _single_site(chart: Chart, calcification: Calcification) -> str:
    return "calcification at several sites" if multifocal(calcification) and not chart.has("connective_tissue_disease") else ""


# The items are those of the clinical specification of the gate (design, after the sources that each threshold names).
ITEMS: Mapping[str, Callable[[Proof], str]] = {
    "adult": lambda state: _adult(state.chart),
    "fresh": lambda state: _fresh(state.chart),
    "calcium": lambda state: calcium_module.proven_normal(state.chart, state.calcium) or _adjusted(state.chart, state.adjustment),
    "phosphate": lambda state: _phosphate(state.chart),
    "paired": lambda state: _paired(state.chart, state.calcium),
    "kidney": lambda state: kidney_module.proven_normal(state.chart, state.kidney),
    "no_confounder": _confounder,
    "other_labs": lambda state: _other_labs(state.chart),
    "alp": lambda state: _alp(state.chart),
    "no_recent_abnormal": lambda state: _recent_abnormal(state.chart),
    "site": lambda state: red_flag(state.chart, state.calcification) or _arterial(state.chart, state.calcification),
    "single_site": lambda state: _single_site(state.chart, state.calcification),
    "complete": lambda state: _complete(state.chart),
}
