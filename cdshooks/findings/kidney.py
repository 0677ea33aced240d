"""Kidney function: eGFR as reported or computed, the CKD category, and acute injury."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from fhir_mappings import Lab

from .chart import Chart

STAGES = ("G1", "G2", "G3a", "G3b", "G4", "G5")
CODED_STAGE = {f"ckd_{stage.lower()}": stage for stage in STAGES}
CODED_KIDNEY_DISEASE = (*CODED_STAGE, "ckd_unspecified")
LOW_MUSCLE = ("neurologic", "immobilisation", "amputation", "malnutrition")
SAME_DAY = timedelta(hours=24)
ADULT_YEARS = 18
SCHWARTZ = Decimal("0.413")


@dataclass(frozen=True, slots=True)
class Kidney:
    """What is known of kidney function.

    `egfr` is the value to print and compare (unrounded mL/min/1.73 m2), with `at_least` true when only a lower bound is known ("> 60").
    `lowest` is the lowest of what is known freshly, for reassurance. `stage` is the CKD category proven by code or by two low values at
    least 90 days apart; `possible` that a single low eGFR or an unspecified code suggests it. A child's eGFR is computed with its `height`,
    to be shown and to warn: it is never among the `lowest`, so that nothing reassures by it.
    """

    egfr: Decimal | None
    at_least: bool
    lowest: Decimal | None
    stage: str
    stage_by: str
    possible: bool
    acute: bool
    dialysis: bool
    transplant: bool
    source: Lab | None
    computed: bool
    height: Lab | None = None  # what a child's eGFR was computed with

    def known_good(self, chart: Chart) -> bool:
        """Whether the eGFR is known to be 60 or more, with no sign of chronic or acute kidney disease."""
        known = self.egfr is not None and self.egfr >= chart.thresholds.egfr["g3a"]
        return known and not self.g3a_or_worse and not self.acute

    @property
    def g3a_or_worse(self) -> bool:
        return self.stage in STAGES[2:] or self.dialysis or self.transplant


def ckd_epi_2021(creatinine: Decimal, age: int, sex: str) -> Decimal:
    """eGFR in mL/min/1.73 m2 by CKD-EPI 2021 (race-free) from serum creatinine in mg/dL, for adults.

    Sex unknown gives the lower of the two results. Source: National Kidney Foundation, CKD-EPI creatinine equation (2021).
    """
    if sex not in ("female", "male"):
        return min(ckd_epi_2021(creatinine, age, "female"), ckd_epi_2021(creatinine, age, "male"))
    female = sex == "female"
    ratio = float(creatinine) / (0.7 if female else 0.9)
    value = 142 * min(ratio, 1.0) ** (-0.241 if female else -0.302) * max(ratio, 1.0) ** -1.2 * 0.9938**age * (1.012 if female else 1.0)
    return Decimal(repr(value))


def bedside_schwartz(creatinine: Decimal, height: Decimal) -> Decimal:
    """eGFR in mL/min/1.73 m2 by the bedside Schwartz equation from serum creatinine in mg/dL and height in cm, for children of 1-17 years.

    Source: Schwartz et al., J Am Soc Nephrol 2009 (factor 0.413, for enzymatic creatinine).
    """
    return SCHWARTZ * height / creatinine


def read_kidney(chart: Chart) -> Kidney:
    """Read kidney function from reported eGFR, creatinine and coded history."""
    acute = _acute(chart)
    dialysis, transplant = chart.has("dialysis"), chart.has("kidney_transplant")
    may_compute = not (acute or dialysis or chart.has("pregnancy"))
    value, at_least, source, computed = _current(chart, may_compute)
    history = [(when, egfr) for when, egfr in _history(chart, may_compute) if egfr < chart.thresholds.egfr["g3a"]]
    stage, by = _worst(_coded_stage(chart), _measured_stage(chart, history))
    return Kidney(
        egfr=value,
        at_least=at_least,
        lowest=_lowest(chart, value, may_compute),
        stage=stage,
        stage_by=by,
        possible=stage not in STAGES[2:] and (bool(history) or chart.has("ckd_unspecified")),
        acute=acute,
        dialysis=dialysis,
        transplant=transplant,
        source=source,
        computed=computed,
        height=_height(chart, source) if source is not None and computed and _child(chart, source) else None,
    )


def stage_of(chart: Chart, egfr: Decimal) -> str:
    """The KDIGO category of an eGFR, compared unrounded."""
    table = chart.thresholds.egfr
    for stage, limit in (("G5", table["g5"]), ("G4", table["g4"]), ("G3b", table["g3b"]), ("G3a", table["g3a"]), ("G2", Decimal(90))):
        if egfr < limit:
            return stage
    return "G1"


def proven_normal(chart: Chart, kidney: Kidney) -> str:
    """Say why kidney function is not proven good enough for reassurance, or '' when it is."""
    if kidney.g3a_or_worse:
        return f"CKD {kidney.stage or 'with dialysis or transplant'}"
    if kidney.possible:
        return "a single low eGFR or an unspecified CKD code: chronic kidney disease is possible"
    if kidney.acute:
        return "acute kidney injury"
    if kidney.lowest is None:
        return "no proven eGFR or creatinine"
    if kidney.lowest < chart.thresholds.egfr["reassure_min"]:
        return f"eGFR {kidney.lowest:.0f} is below 60"
    if chart.has(*LOW_MUSCLE):
        cystatin = chart.proven("egfr_cystatin")
        if cystatin is not None and not cystatin.comparator and cystatin.value >= chart.thresholds.egfr["reassure_min"]:
            return ""
        if kidney.lowest < chart.thresholds.egfr["reassure_min_low_muscle"]:
            return "low muscle mass flatters creatinine: eGFR 90 or more, or cystatin C, would be needed"
    return ""


def _adult(chart: Chart) -> bool:
    ages = chart.age_years()
    return ages is not None and ages[0] >= ADULT_YEARS


def _computed(chart: Chart, creatinine: Lab) -> Decimal | None:
    """The eGFR by the equation that holds for the age at the draw; None where none does, or a child's height is not known."""
    ages = chart.age_years(creatinine.when.at.date())
    if ages is None or creatinine.comparator or creatinine.value <= 0:
        return None
    if ages[0] >= ADULT_YEARS:
        return ckd_epi_2021(creatinine.value, ages[1], chart.facts.patient.sex)
    height = _height(chart, creatinine) if _child(chart, creatinine) else None
    return bedside_schwartz(creatinine.value, height.value) if height is not None else None


def _child(chart: Chart, creatinine: Lab) -> bool:
    """Whether the patient was certainly between 1 and 17 years old at the draw."""
    ages = chart.age_years(creatinine.when.at.date())
    return ages is not None and ages[0] >= 1 and ages[1] < ADULT_YEARS


def _height(chart: Chart, creatinine: Lab) -> Lab | None:
    """The newest final height, if it is new enough for how fast children of that age grow, and was measured as near to the creatinine."""
    ages, table = chart.age_years(), chart.thresholds.lookback_days
    days = table["height_under_2_years" if ages is None or ages[0] < 2 else "height"]
    recent = [lab for lab in chart.within("body_height", days) if lab.final and not lab.comparator]
    near = recent and abs(recent[-1].when.at - creatinine.when.at) <= timedelta(days=float(days))
    return recent[-1] if near else None


def _current(chart: Chart, may_compute: bool) -> tuple[Decimal | None, bool, Lab | None, bool]:
    """The eGFR to show: a low race-specific one if it is the lowest, since it is a danger though it proves nothing; else the usual one."""
    usual = _race_free(chart, may_compute)
    low = min(_low_by_race(chart), key=lambda lab: lab.value, default=None)
    return (low.value, False, low, False) if low is not None and (usual[0] is None or low.value < usual[0]) else usual


def _low_by_race(chart: Chart) -> Iterator[Lab]:
    """Fresh estimates by a race-specific formula that are below 60 for certain."""
    return (lab for lab in chart.for_danger("egfr_race_specific") if (at_most := _at_most(lab)) and at_most < chart.thresholds.egfr["g3a"])


def _at_most(lab: Lab) -> Decimal | None:
    """The most that an estimate can be; None for an open lower bound."""
    if not lab.comparator:
        return lab.value
    return lab.value - Decimal("0.001") if lab.comparator.startswith("<") else None


def _race_free(chart: Chart, may_compute: bool) -> tuple[Decimal | None, bool, Lab | None, bool]:
    """The newest fresh reported eGFR (CKD-EPI 2021 first within a day), else computed from fresh creatinine."""
    fresh = chart.fresh("egfr")
    creatinine = chart.fresh("creatinine")
    if fresh is not None and (creatinine is None or creatinine.when.at - fresh.when.at <= SAME_DAY):
        same_day = [lab for lab in chart.labs("egfr") if abs(lab.when.at - fresh.when.at) <= SAME_DAY and "ckd-epi-2021" in lab.attributes]
        lab = same_day[-1] if same_day else fresh
        return lab.value, lab.comparator.startswith(">"), lab, False
    if creatinine is not None and may_compute:
        value = _computed(chart, creatinine)
        if value is not None:
            return value, False, creatinine, True
    return (fresh.value, fresh.comparator.startswith(">"), fresh, False) if fresh is not None else (None, False, None, False)


def _lowest(chart: Chart, current: Decimal | None, may_compute: bool) -> Decimal | None:
    """The lowest fresh, final estimate; an open upper bound ("< 60") counts as zero, an open lower one as its bound."""
    known: list[Decimal] = []
    for analyte in ("egfr", "egfr_cystatin"):
        if chart.proven(analyte) is None and chart.fresh(analyte) is not None:
            return None
        known += [Decimal(0) if lab.comparator.startswith("<") else lab.value for lab in chart.for_danger(analyte)]
    creatinine = chart.proven("creatinine")
    if creatinine is not None and may_compute and _adult(chart) and (value := _computed(chart, creatinine)) is not None:
        known.append(value)
    known += [lab.value for lab in _low_by_race(chart) if known]
    return min(known) if known and current is not None else None


def _history(chart: Chart, may_compute: bool) -> Iterator[tuple[datetime, Decimal]]:
    """Every eGFR of the look-back, reported or computed, oldest first; comparators count only where their whole interval is low."""
    days = chart.thresholds.lookback_days["stale"]
    for lab in (*chart.within("egfr", days), *chart.within("egfr_race_specific", days)):
        if (at_most := _at_most(lab)) is not None:
            yield lab.when.at, at_most
    if may_compute or not chart.labs("egfr"):
        for lab in chart.within("creatinine", days):
            value = _computed(chart, lab)
            if value is not None:
                yield lab.when.at, value


def _measured_stage(chart: Chart, low: list[tuple[datetime, Decimal]]) -> str:
    if not low:
        return ""
    low = sorted(low)
    span = timedelta(days=float(chart.thresholds.egfr["chronicity_days"]))
    return stage_of(chart, low[-1][1]) if low[-1][0] - low[0][0] >= span else ""


def _coded_stage(chart: Chart) -> str:
    if not chart.has(*CODED_STAGE):
        return ""
    coded = [stage for category, stage in CODED_STAGE.items() if chart.has(category)]
    return max(coded, key=STAGES.index, default="")


def _worst(coded: str, measured: str) -> tuple[str, str]:
    if not coded and not measured:
        return "", ""
    worst = max((stage for stage in (coded, measured) if stage), key=STAGES.index)
    return worst, "code" if worst == coded else "two low eGFR at least 90 days apart"


def _acute(chart: Chart) -> bool:
    """KDIGO 2012: creatinine at least 1.5 times the lowest of 90 days, or a rise of 0.3 mg/dL within 48 h; such a rise in the last
    seven days still counts."""
    if chart.has("acute_kidney_injury"):
        return True
    table, labs = chart.thresholds.aki, [lab for lab in chart.labs("creatinine") if not lab.comparator]
    recent_limit = chart.ago(chart.thresholds.lookback_days["aki_rise"])
    rise_span = timedelta(hours=float(table["rise_hours"]))
    for lab in labs:
        if lab.when.until < recent_limit:
            continue
        earlier = [other for other in labs if other.when.at < lab.when.at]
        if any(lab.when.at - other.when.at <= rise_span and lab.value - other.value >= table["rise"] for other in earlier):
            return True
    since = chart.ago(table["ratio_days"])
    recent = [lab.value for lab in labs if lab.when.until >= since]
    return bool(recent) and recent[-1] >= table["ratio"] * min(recent)
