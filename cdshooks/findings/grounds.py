"""What each finding rests on beside the data it must see: the thresholds it compares with, and what it takes from the person.

Whoever reviews a card reads these on its pitfall's page. `tests/cdshooks/test_grounds.py` watches what findings really read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fhir_mappings import Mappings

from .checklist import FOR_VITAMIN_D
from .vocabulary import VOCABULARY

# Finding, or family -> thresholds (`table.name`, or a whole `table`) that it compares with. How long a value stays fresh is told by the
# analytes that a finding must see.
ADJUSTMENT = ("pair_hours.calcium_albumin", "albumin.slope", "albumin.reference")
CRITICAL = ("critical", "pair_hours.calcium_ionised", *ADJUSTMENT)
ABNORMAL_CALCIUM = ("pair_hours.calcium_ionised", *ADJUSTMENT)
ACUTE_INJURY = ("aki", "lookback_days.aki_rise")
CHILDS_HEIGHT = ("lookback_days.height", "lookback_days.height_under_2_years")
ESTIMATED = (*ACUTE_INJURY, *CHILDS_HEIGHT)  # in acute injury no eGFR is computed
WITH_CALCIUM = ("lookback_days.recent_pth", "pair_hours.calcium_pth", *ABNORMAL_CALCIUM)
UNUSABLE = ("lookback_days.stale", "egfr.g3a", *ESTIMATED)
LOW_CALCIUM = ("albumin.total_calcium_low_counts_from", *ABNORMAL_CALCIUM)
VITAMIN_D = ("hazard.vitamin_d", "dose")
CATEGORY = ("egfr.g3a", "egfr.g3b", "egfr.g4", "egfr.g5", "egfr.chronicity_days", "lookback_days.stale", *ESTIMATED)

EDTA = ("specimen.edta_potassium", "specimen.edta_gross_potassium", "specimen.edta_gross_calcium", "pair_hours.edta")
HAEMOLYSIS = ("pair_hours.edta", *CATEGORY)
LATE = ("specimen.receipt_hours",)
SAMPLE = (*EDTA, *HAEMOLYSIS, *LATE)
GADOLINIUM = ("contrast.gadolinium_hours", "contrast.gadolinium_hours_low_egfr", *CATEGORY)
UNRELIABLE = (
    "albumin.unreliable_below",
    "albumin.haemoconcentration_above",
    "adjustment",
    "lookback_days.ph",
    "lookback_days.citrate",
    "lookback_days.critical_illness",
    "lookback_days.pregnancy",
    *CATEGORY,
)
DISAGREE = ("ionised_fraction", "albumin.reported_adjusted_differs", *ABNORMAL_CALCIUM)
SHIFT = ("phosphate.shift_hours", "phosphate.shift_active_days")
DISTURBED = (
    "pair_hours.edta",
    "phosphate.clue_hours",
    "phosphate.total_protein",
    "phosphate.triglycerides",
    "phosphate.bilirubin",
    "phosphate.amphotericin_hours",
)
DOUBT = (*SHIFT, *DISTURBED, "phosphate.long_high_days", *CATEGORY)
PRODUCT = (
    "product.adult",
    "product.child",
    "product.adult_from_years",
    "product.child_from_years",
    "pair_hours.calcium_phosphate",
    *ADJUSTMENT,
    *DOUBT,
)

THRESHOLDS: Mapping[str, tuple[str, ...]] = {
    "patient.under_40": ("phosphate.tumoral_age",),
    "calcification.recent_record": ("lookback_days.view_condition",),
    "calcification.arterial_before_50": ("reassurance.arterial_calcification_age",),
    "calcium.critical": CRITICAL,
    "calcium.critical_ionised_normal": CRITICAL,
    "calcium.critical_preliminary": CRITICAL,
    "calcium.critical_suspect": (*CRITICAL, *SAMPLE, *GADOLINIUM),
    "calcium.high": ABNORMAL_CALCIUM,
    "calcium.high_uncertain": (*UNRELIABLE, *ABNORMAL_CALCIUM),
    "calcium.low_uncertain": ("albumin.total_calcium_low_counts_from", *UNRELIABLE, *ABNORMAL_CALCIUM),
    "calcium.doubtful": (*UNRELIABLE, *DISAGREE),
    "calcium.ionised_agrees": DISAGREE,
    "calcium.ph_unusual": ("adjustment.ph_low", "adjustment.ph_high", "lookback_days.ph"),
    "calcium.albumin_high": ("albumin.haemoconcentration_above", "pair_hours.calcium_albumin"),
    "specimen.edta": EDTA,
    "specimen.edta_unmeasurable": EDTA,
    "specimen.haemolysis": HAEMOLYSIS,
    "specimen.haemolysis_any": HAEMOLYSIS,
    "specimen.late": LATE,
    "specimen.potassium_high": SAMPLE,
    "specimen.recent_for_view": ("lookback_days.view_value", *SAMPLE),
    "contrast.gadolinium": GADOLINIUM,
    "contrast.low_calcium": GADOLINIUM,
    "contrast.iodinated": ("contrast.iodinated_hours",),
    "site.prefers_ionised": ("site.prefer_ionised",),
    "history.pregnancy": ("lookback_days.pregnancy",),
    "calcium.low": ("albumin.total_calcium_low_counts_from", *ABNORMAL_CALCIUM),
    "calcium.discordant": ("ionised_fraction", "albumin.reported_adjusted_differs", *ABNORMAL_CALCIUM),
    "calcium.in_range": ("ionised_fraction", "albumin.reported_adjusted_differs", "albumin.total_calcium_low_counts_from", *ABNORMAL_CALCIUM),
    "calcium.borderline": ("guard_band.calcium", "guard_band.calcium_ionised", *ADJUSTMENT),
    "calcium.recent_for_view": ("lookback_days.view_value", "albumin.total_calcium_low_counts_from", *CRITICAL),
    "pth.recent": ("lookback_days.recent_pth",),
    "pth.with_high_calcium": WITH_CALCIUM,
    "pth.suppressed": WITH_CALCIUM,
    "pth.not_suppressed": WITH_CALCIUM,
    "pth.same_day_as_calcium": WITH_CALCIUM,
    "pth.context_known": ("pair_hours.calcium_pth",),
    "vitamin_d.stores_known": ("lookback_days.pending_order",),
    "drug.biotin": ("lookback_days.biotin",),
    "drug.biotin_interferes": ("lookback_days.biotin", "dose.biotin_mg", *CATEGORY),
    "drug.raises_calcium": ("mask_days.thiazide", "mask_days.lithium"),
    "results.unusable": UNUSABLE,
    "results.unusable_maybe_critical": ("critical", *UNUSABLE),
    "results.contradictory": UNUSABLE,
    "phosphate.borderline": ("guard_band.phosphate",),
    "phosphate.evening_mild": ("phosphate.evening_excess", "phosphate.evening_from_hour", "phosphate.evening_to_hour"),
    "phosphate.shifted": SHIFT,
    "phosphate.artefact_clue": DISTURBED,
    "phosphate.in_doubt": DOUBT,
    "phosphate.lowered": (*SHIFT, "phosphate.insulin_hours"),
    "product.high": PRODUCT,
    "product.severe": ("product.severe", *PRODUCT),
    "product.preliminary": PRODUCT,
    "product.recent_for_view": ("lookback_days.view_value", *PRODUCT),
    "infant.in_cmv_window": ("infant.cmv_window_days",),
    "infant.cmv_test_known": ("lookback_days.pending_order",),
    "brain.in_pregnancy": ("lookback_days.pregnancy",),
    "brain.labs_requested": ("lookback_days.pending_order",),
    "heritable.any": ("reassurance.arterial_calcification_age", "reassurance.adult_years"),
    "heritable.child_skin": ("reassurance.adult_years",),
    "heritable.early_arterial": ("reassurance.arterial_calcification_age",),
    "egfr.known": ESTIMATED,
    "egfr.below_60": ("egfr.g3a", *ESTIMATED),
    "ckd.g3a_or_worse": CATEGORY,
    "ckd.possible": CATEGORY,
    "ckd.g4_or_worse": CATEGORY,
    "kidney.acute_injury": ACUTE_INJURY,
    "kdigo.incomplete": ("lookback_days.pending_order",),
    "imaging.of_site": ("lookback_days.imaging",),
    "imaging.of_site_preliminary": ("lookback_days.imaging",),
    "calciphylaxis.setting": CATEGORY,
    "calciphylaxis.recent_sign": ("lookback_days.view_condition",),
    "history.neurologic_recent": ("lookback_days.neurologic_injury",),
    "exam.dxa_spine": ("lookback_days.pending_order",),
    "exam.spine_obscured": ("lookback_days.dxa_contrast", "lookback_days.dxa_calcium"),
    "exam.bone_scan": ("lookback_days.calcification_recent",),
    "order.extended_for_calcification": ("lookback_days.calcification_recent",),
    "order.workup_for_calcification": ("lookback_days.calcification_recent",),
    "hazard.calcium_load": (*VITAMIN_D, "product", "pair_hours.calcium_phosphate", "phosphate.shift_hours", *ABNORMAL_CALCIUM),
    "hazard.calcium_load_severe": (
        "hazard.calcium_severe",
        *VITAMIN_D,
        "product",
        "pair_hours.calcium_phosphate",
        "phosphate.shift_hours",
        *ABNORMAL_CALCIUM,
    ),
    "hazard.vitamin_d_high": VITAMIN_D,
    "hazard.granuloma": VITAMIN_D,
    "hazard.calcium_binder": CATEGORY,
    "hazard.calcium_binder_assumed": CATEGORY,
    "hazard.calcium_binder_controlled": CATEGORY,
    "hazard.aluminium": ("hazard.aluminium_days", *CATEGORY),
    "hazard.aluminium_long": ("hazard.aluminium_days",),
    "hazard.calcimimetic": LOW_CALCIUM,
    "hazard.calcimimetic_severe": ("hazard.adjusted_calcium_severe", *LOW_CALCIUM),
    "hazard.antiresorptive_low_calcium": LOW_CALCIUM,
    "hazard.antiresorptive_severe": ("hazard.adjusted_calcium_severe", *LOW_CALCIUM),
    "hazard.antiresorptive_kidney": ("hazard.egfr_zoledronate", "hazard.egfr_antiresorptive", *CATEGORY),
    "hazard.denosumab_kidney": ("hazard.egfr_antiresorptive", *CATEGORY),
    "hazard.low_alp": ("reassurance.alp_min", "hazard.alp_occasions", "lookback_days.stale"),
    "hazard.phosphate_load": CATEGORY,
    "hazard.thiazide_lithium": ABNORMAL_CALCIUM,
    "hazard.warfarin": CATEGORY,
    "baseline.incomplete": ("lookback_days.stale", "pair_hours.calcium_phosphate"),
    "baseline.lacking": ("lookback_days.stale",),
    "baseline.stale": ("lookback_days.stale",),
    "baseline.requested": ("lookback_days.stale", "lookback_days.pending_order", "pair_hours.calcium_phosphate"),
    "checklist.adult": ("reassurance.adult_years",),
    "checklist.calcium": ("guard_band.calcium", "guard_band.calcium_ionised", "albumin", *UNRELIABLE, *DISAGREE),
    "checklist.phosphate": ("guard_band.phosphate",),
    "checklist.paired": ("pair_hours.calcium_phosphate", "pair_hours.calcium_albumin"),
    "checklist.kidney": ("egfr", *CATEGORY),
    "checklist.no_confounder": (
        "mask_days",
        "mask_above",
        "dose",
        "phosphate.shift_hours",
        *DISTURBED,
        "lookback_days.critical_illness",
        "lookback_days.pregnancy",
        *DISAGREE,
        *SAMPLE,
        *GADOLINIUM,
    ),
    "checklist.other_labs": ("reassurance.vitamin_d_min", "reassurance.vitamin_d_max", "lookback_days.stale"),
    "checklist.alp": ("reassurance.alp_min",),
    "minerals.normal_but_alp": ("reassurance.alp_min", "reassurance.alp_times_upper"),
    "checklist.no_recent_abnormal": ("lookback_days.abnormal_minerals",),
    "checklist.site": ("reassurance.arterial_calcification_age",),
}
CHECKLIST = tuple(name for name in VOCABULARY if name.startswith("checklist."))
# Findings that are made of others.
MADE_OF: Mapping[str, tuple[str, ...]] = {
    "minerals.normal_confirmed": CHECKLIST,
    "minerals.normal_but_multifocal": tuple(name for name in CHECKLIST if name != "checklist.single_site"),
    "minerals.normal_but_alp": ("minerals.normal_but_alp", *(name for name in CHECKLIST if name != "checklist.alp")),
    "minerals.normal_enough_for_vitamin_d": (*(f"checklist.{item}" for item in sorted(FOR_VITAMIN_D)), "checklist.no_confounder"),
}

# What findings take from the person. Creatinine is turned into an eGFR by age and sex; a range is chosen by them; a birth date also tells
# which results lie before it, and who is adult.
BIRTH_DATE, SEX, HEALTH_STATUS = "date of birth", "sex", "health status assessments"
SEEN_BY_AGE_AND_SEX = frozenset({"creatinine"})
# Pregnancy is a health status assessment of the United States Core Data for Interoperability; so is disability (paralysis, immobility).
HEALTH_STATUS_FINDINGS = frozenset(
    {
        "brain.in_pregnancy",
        "checklist.no_confounder",
        "checklist.kidney",
        "checklist.calcium",
        "history.immobile",
        "history.pregnancy",
        "calcium.high_uncertain",
        "calcium.low_uncertain",
        "calcium.doubtful",
        "history.neurologic_recent",
        "history.paralysis",
    }
)


def thresholds_of(names: Iterable[str]) -> tuple[str, ...]:
    """The thresholds, as `table` or `table.name`, that any of these findings compares with; each once, in their order."""
    return tuple(dict.fromkeys(threshold for name in parts_of(names) for threshold in THRESHOLDS.get(name, ())))


def parts_of(names: Iterable[str]) -> tuple[str, ...]:
    """These findings, those that are made of others taken apart; each once."""
    return tuple(dict.fromkeys(part for name in names for part in MADE_OF.get(name, (name,))))


def taken_from_the_person(names: Iterable[str], mappings: Mappings) -> frozenset[str]:
    """Which personal attributes any of these findings may depend on: `BIRTH_DATE`, `SEX`, `HEALTH_STATUS`."""
    return frozenset(attribute for name in parts_of(names) for attribute in _taken(name, mappings))


def _taken(name: str, mappings: Mappings) -> Iterable[str]:
    finding = VOCABULARY[name]
    bands = [band for analyte in finding.analytes for band in mappings.analytes[analyte].bands]
    if finding.analytes or "patient" in finding.resources:
        yield BIRTH_DATE  # a result before the birth date is refused
    if finding.analytes & SEEN_BY_AGE_AND_SEX or any(band.sex for band in bands):
        yield SEX
    if name in HEALTH_STATUS_FINDINGS or finding.analytes & SEEN_BY_AGE_AND_SEX:
        yield HEALTH_STATUS  # in pregnancy no eGFR is computed
