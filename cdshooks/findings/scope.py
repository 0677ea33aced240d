"""The calcification itself, and the history around it: what is calcified, where, since when, and what could explain it locally."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from fhir_mappings import Exposure, History, Lab

from .chart import BLOCKING, Chart
from .doses import per_day
from .neurologic import bone_after_injury

# Order of the words used for a local cause on a card when several are on record.
LOCAL_CAUSES = ("trauma", "tracheostomy", "surgery", "extravasation", "infection", "inflammation")
OTHER_LOCAL = ("connective_tissue_disease", "vascular_insufficiency", "neurologic", "neoplasm", "soft_tissue_mass", "neoplasm_histology")
UNREAD = BLOCKING | {"answer-unknown"}


@dataclass(frozen=True, slots=True)
class Calcification:
    """The index finding. `records` are the chart's active statements of it; `by_reason` that an order or a report names it."""

    records: tuple[History, ...]
    by_reason: bool
    regions: frozenset[str]
    sites: frozenset[str]

    @property
    def present(self) -> bool:
        return bool(self.records) or self.by_reason

    def of(self, *categories: str) -> bool:
        return any(record.category in categories for record in self.records)


def read_calcification(chart: Chart) -> Calcification:
    """Find the index finding: an active or recurrent coded Condition, a draft order's reason, or a report's coded conclusion."""
    index = chart.mappings.by_role["index"]
    records = tuple(record for record in chart.records(*index) if record.active)
    reasons = {category for order in chart.facts.drafts for reason in order.reasons for category in reason.categories}
    concluded = {category for report in chart.facts.reports for category in report.conclusions}
    return Calcification(
        records=records,
        by_reason=not (reasons | concluded).isdisjoint(index),
        regions=frozenset(region for record in records for region in record.regions),
        sites=frozenset(site for record in records for site in record.sites),
    )


def recorded_within(calcification: Calcification, chart: Chart, days: Decimal) -> bool:
    """Whether a calcification was recorded (or began, where no record date is given) within `days`."""
    limit = chart.ago(days)
    return any((moment := record.recorded or record.onset) is not None and moment.at >= limit for record in calcification.records)


def superficial(calcification: Calcification) -> bool:
    """Whether it is coded in skin or subcutis."""
    return calcification.of("calcification_skin") or bool(calcification.sites & {"skin", "subcutaneous"})


def in_muscle_or_joint(calcification: Calcification) -> bool:
    """Whether it is coded in muscle or around a joint, where bone forms after neurologic injury."""
    muscle = calcification.of("calcification_muscle", "heterotopic_ossification") or "skeletal_muscle" in calcification.sites
    return muscle or "periarticular" in calcification.regions


def multifocal(calcification: Calcification) -> bool:
    """Whether calcification is recorded at several places: "multiple sites", or sites in different regions or of different names."""
    if "multiple" in calcification.regions:
        return True
    return len(calcification.sites) > 1 or len(calcification.regions - {"any"}) > 1


def local_causes(chart: Chart, calcification: Calcification, categories: tuple[str, ...] = LOCAL_CAUSES) -> tuple[History, ...]:
    """Documented local causes of the given categories: not dated after the calcification, and not at another site where both sites are
    known. Resolved records count: an injury of twenty years ago does."""
    return tuple(record for record in chart.records(*categories) if _concordant(record, calcification) and not _after(record, calcification))


def _concordant(record: History, calcification: Calcification) -> bool:
    if record.category in ("neurologic", "paralysis"):
        return True  # its site is that of the nerves; the tissue that calcifies is elsewhere
    theirs, ours = calcification.regions - {"any", "multiple"}, record.regions - {"any", "multiple"}
    return not theirs or not ours or not theirs.isdisjoint(ours)


def same_site(record: History, calcification: Calcification) -> bool:
    """Whether both sites are known and agree."""
    return bool(record.regions - {"any"}) and bool(calcification.regions - {"any"}) and _concordant(record, calcification)


def _after(record: History, calcification: Calcification) -> bool:
    began = record.onset or record.recorded
    if began is None:
        return False
    index = [moment for other in calcification.records if (moment := other.onset or other.recorded) is not None]
    return bool(index) and len(index) == len(calcification.records) and all(began.at > moment.until for moment in index)


def skin_sign(chart: Chart) -> bool:
    """A coded ulcer, necrosis, livedo or panniculitis of the skin that is not said to be over, or calciphylaxis at any time."""
    return chart.has("skin_ulcer", "skin_necrosis", "livedo", "panniculitis", "calciphylaxis")


def red_flag(chart: Chart, calcification: Calcification) -> str:
    """Name the site or pattern that forbids reassurance, or ''.

    Around a joint it is a red flag unless it is bone formation after a neurologic injury.
    """
    if calcification.of("calcification_intracranial") or "intracranial" in calcification.regions:
        return "intracranial"
    if "visceral" in calcification.regions:
        return "lung, stomach or kidney"
    if _periarticular_mass(chart, calcification):
        return "periarticular"
    if calcification.of("calcification_tumoral"):
        return "tumoral calcinosis"
    if "eye" in calcification.regions:
        return "cornea or conjunctiva"
    if skin_sign(chart):
        return "skin ulcer, necrosis, livedo or panniculitis"
    return ""


def _periarticular_mass(chart: Chart, calcification: Calcification) -> bool:
    around_joints = [record for record in calcification.records if "periarticular" in record.regions]
    return not {record.resource for record in around_joints} <= bone_after_injury(chart, around_joints)


def arterial_before(chart: Chart, calcification: Calcification, years: int) -> bool:
    """Whether arterial calcification is on record in a patient who is, or may be, younger than `years`."""
    ages = chart.age_years()
    arterial = calcification.of("calcification_vascular") or "vascular" in calcification.regions
    return arterial and (ages is None or ages[0] < years)


def masking_drugs(chart: Chart) -> tuple[Exposure, ...]:
    """Drugs that may hide an abnormality: taken now, or stopped too recently; without a known end they still count, and without a known
    dose they count as a high one."""

    def recent(exposure: Exposure) -> bool:
        days = chart.thresholds.mask_days.get(exposure.category)
        if days is None:
            return False
        return exposure.active or exposure.last is None or exposure.last.until >= chart.ago(days)

    taken = tuple(exposure for exposure in chart.facts.exposures if recent(exposure))
    return tuple(exposure for exposure in taken if not _small(exposure.category, taken, chart))


def _small(category: str, taken: Iterable[Exposure], chart: Chart) -> bool:
    """Whether all that is taken of a category is known to be too little to hide anything."""
    limit = chart.thresholds.mask_above.get(category)
    if limit is None:
        return False
    amount = per_day(category, (exposure.dose for exposure in taken if exposure.category == category), chart.thresholds)
    return amount is not None and amount <= limit


def shift(chart: Chart, phosphate: Lab | None) -> bool:
    """Whether a condition that moves phosphate between compartments was there when the phosphate was drawn (72 h before it)."""
    drawn = phosphate.when.at if phosphate is not None else chart.now
    since = drawn - timedelta(hours=float(chart.thresholds.phosphate["shift_hours"]))
    names = chart.mappings.by_role["shift"]
    for record in (record for name in names for record in chart.facts.histories.get(name, ())):
        began = record.onset or record.recorded
        before_the_draw = began is None or began.at <= drawn
        if before_the_draw and (record.active or (began is not None and began.until >= since)):
            return True
    return False


def critically_ill(chart: Chart) -> bool:
    """Intensive care: by location, by coded critical illness that is active or of the last days, or by vasopressors."""
    limit = chart.ago(chart.thresholds.lookback_days["critical_illness"])
    encounter = chart.facts.encounter
    if encounter is not None and any(location.startswith("location:icu") for location in encounter.locations):
        return True
    if any(e.category == "vasopressor" and (e.active or e.last is None or e.last.until >= limit) for e in chart.facts.exposures):
        return True
    names = chart.mappings.by_role["critical-illness"]
    return any(
        record.active or ((began := record.onset or record.recorded) is not None and began.until >= limit)
        for name in names
        for record in chart.facts.histories.get(name, ())
    )


def pregnant(chart: Chart) -> bool:
    """Pregnancy on record that is active, or began so recently that the six weeks after it may not be over."""
    limit = chart.ago(chart.thresholds.lookback_days["pregnancy"])
    return any(
        record.active or ((began := record.onset or record.recorded) is not None and began.until >= limit)
        for record in chart.facts.histories.get("pregnancy", ())
    )


def pregnancy_not_read(chart: Chart) -> bool:
    """Whether something was sent about a pregnancy of late that could not be read."""
    limit = chart.ago(chart.thresholds.lookback_days["pregnancy"])
    return any(
        problem.category == "pregnancy" and problem.reason in UNREAD and (problem.when is None or problem.when.until >= limit)
        for problem in chart.facts.problems
    )


def systemic_disease(chart: Chart) -> tuple[History, ...]:
    """Diseases on record, not said to be over, that could drive calcification systemically."""
    return chart.role("systemic")
