"""Patterns of calcification that point to an inherited disorder, although calcium and phosphate may be normal."""

from __future__ import annotations

from collections.abc import Mapping

from .chart import Chart, in_range
from .kidney import CODED_KIDNEY_DISEASE
from .scope import Calcification, arterial_before, local_causes

# Risks by which arteries calcify early without an inherited disorder.
ARTERIAL_RISKS = (
    *CODED_KIDNEY_DISEASE,
    "dialysis",
    "kidney_transplant",
    "diabetes",
    "atherosclerosis",
    "vascular_insufficiency",
)
SKIN = frozenset({"skin", "subcutaneous"})
GENE_DIAGNOSES = ("gnas_disorder", "pseudohypoparathyroidism", "progressive_osseous_heteroplasia", "fibrodysplasia_ossificans")
WORDS: Mapping[str, str] = {
    "child_skin": "Skin or subcutaneous calcification in childhood",
    "early_arterial": "Arterial calcification before 50",
    "joint_and_artery": "Periarticular and arterial calcification",
    "elastic": "Calcification with angioid streaks or PXE",
}


def patterns(chart: Chart, calcification: Calcification) -> Mapping[str, bool]:
    """Which of the patterns of `WORDS` the chart shows."""
    years = int(chart.thresholds.reassurance["arterial_calcification_age"])
    arterial = calcification.of("calcification_vascular") or "vascular" in calcification.regions
    return {
        "child_skin": _may_be_child(chart) and _in_skin(calcification) and not _explained(chart, calcification),
        "early_arterial": arterial_before(chart, calcification, years) and not chart.has(*ARTERIAL_RISKS),
        "joint_and_artery": arterial and "periarticular" in calcification.regions,
        "elastic": calcification.present and chart.has("angioid_streaks", "pseudoxanthoma_elasticum"),
    }


def baseline_in_range(chart: Chart) -> bool:
    """Whether calcium and phosphate are fresh and in range: the state in which nobody would look further."""
    calcium = chart.fresh("calcium_total") or chart.fresh("calcium_ionised")
    phosphate = chart.fresh("phosphate")
    return calcium is not None and phosphate is not None and in_range(calcium) and in_range(phosphate)


def _may_be_child(chart: Chart) -> bool:
    ages = chart.age_years()
    return ages is not None and ages[0] < chart.thresholds.reassurance["adult_years"]


def _in_skin(calcification: Calcification) -> bool:
    return calcification.of("calcification_skin") or bool(calcification.sites & SKIN)


def _explained(chart: Chart, calcification: Calcification) -> bool:
    return chart.has("connective_tissue_disease") or bool(local_causes(chart, calcification, ("trauma",)))
