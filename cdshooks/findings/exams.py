"""Imaging that shows the calcification instead of the disease: which exam is in play, and what lies in its way.

Sources: Smith, J Clin Densitom 1999;2:181 (aortic calcification and spine DXA); ACR Appropriateness Criteria: Soft-Tissue Masses (plain film
first); the rest is textbook knowledge. What an order images is told by its code's own name (`exam:` and `contrast:` in the code tables).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fhir_mappings import Exposure, Order

from .chart import Chart
from .orders import about_calcification, asked_for
from .scope import Calcification, multifocal, recorded_within, superficial

# Body sites (catalog names) whose calcification is projected on the lumbar spine, seen from the front.
AORTA = frozenset({"aorta", "abdominal_aorta", "descending_aorta"})
OVER_LUMBAR_SPINE = AORTA | {"abdominal_cross_sectional_segment_of_trunk", "abdominal_wall", "abdominal_wall_muscle", "back", "kidney", "pancreas"}
CONTRAST_CT = (frozenset({"modality:ct", "contrast:w"}), frozenset({"modality:ct", "contrast:wo_w"}))
DRUG_LISTS = ("medication-requests", "medication-statements", "medication-administrations")


@dataclass(frozen=True, slots=True)
class Exams:
    """The exams in play, by what is questioned of them, and what may overlie the spine (in words, the most telling first)."""

    dxa_spine: tuple[Order, ...]  # of the spine alone, without hip or forearm
    bone_scan: tuple[Order, ...]  # of the whole body, for one known calcification
    parathyroid: tuple[Order, ...]
    contrast_ct: tuple[Order, ...]  # to characterise a superficial calcification
    overlays: tuple[str, ...]


def read_exams(chart: Chart, calcification: Calcification) -> Exams:
    """Look for the exams in play that a calcification can distort, or that cannot answer the question asked of them."""
    return Exams(
        dxa_spine=_dxa_spine_alone(chart),
        bone_scan=tuple(order for order in _of(chart, "bone-scan-whole-body") if _for_one_calcification(order, chart, calcification)),
        parathyroid=_of(chart, "parathyroid"),
        contrast_ct=tuple(order for order in chart.in_play if _contrast_ct(order, chart, calcification)),
        overlays=tuple(_overlays(chart, calcification)),
    )


def _of(chart: Chart, exam: str) -> tuple[Order, ...]:
    return tuple(order for order in chart.in_play if f"exam:{exam}" in order.attributes)


def _dxa_spine_alone(chart: Chart) -> tuple[Order, ...]:
    """DXA of the spine, unless hip or forearm are measured as well: then the report can rest on those."""
    besides = any(order.attributes & {"exam:dxa-hip", "exam:dxa-forearm"} for order in asked_for(chart))
    return () if besides else _of(chart, "dxa-spine")


def _for_one_calcification(order: Order, chart: Chart, calcification: Calcification) -> bool:
    """A scan for the calcification, and that at one place. Without a stated reason a scan in malignancy is taken as staging."""
    recent = recorded_within(calcification, chart, chart.thresholds.lookback_days["calcification_recent"])
    staging = not order.reasons and chart.has("malignancy")
    return about_calcification(chart, order, recent) and not staging and not multifocal(calcification)


def _contrast_ct(order: Order, chart: Chart, calcification: Calcification) -> bool:
    """A CT with contrast for a superficial calcification: by its reason, or without one of the same body region."""
    if not any(wanted <= order.attributes for wanted in CONTRAST_CT) or "img-target" not in order.categories:
        return False
    same_region = not (order.regions - {"any"}).isdisjoint(calcification.regions)
    return superficial(calcification) and about_calcification(chart, order, unstated=same_region)


def _overlays(chart: Chart, calcification: Calcification) -> Iterator[str]:
    if calcification.sites & AORTA:
        yield "aortic calcification"
    elif calcification.sites & OVER_LUMBAR_SPINE:
        yield "calcification over the spine"
    if any(_taken(exposure, chart, "iodinated_contrast", "dxa_contrast") for exposure in chart.facts.exposures):
        yield "recent contrast"
    if any(_taken(exposure, chart, name, "dxa_calcium") for exposure in chart.facts.exposures for name in ("calcium_salt", "binder_calcium")):
        yield "calcium preparations"


def _taken(exposure: Exposure, chart: Chart, category: str, window: str) -> bool:
    """Whether a drug is taken now, or was within the window of days that is kept free before DXA."""
    if exposure.category != category:
        return False
    return exposure.active or (exposure.last is not None and exposure.last.until >= chart.ago(chart.thresholds.lookback_days[window]))
