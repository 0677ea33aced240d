"""Parathyroid hormone: what it says beside a high calcium, what it must be drawn with, and what disturbs its assay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from fhir_mappings import Exposure, Lab, Order, paired

from .calcium import Calcium
from .chart import Chart, bounds, is_low
from .doses import per_day
from .kidney import Kidney
from .orders import about_calcification

# What PTH is read with: a measure of calcium that albumin does not disturb, or calcium and albumin.
WITH = (frozenset({"calcium_ionised"}), frozenset({"calcium_adjusted"}), frozenset({"calcium_total", "albumin"}))
RAISE_CALCIUM = ("thiazide", "lithium")


@dataclass(frozen=True, slots=True)
class WithCalcium:
    """A PTH that goes with a high calcium. `low` is true when the calcium has suppressed it; `paired` when both were drawn within a day."""

    pth: Lab
    calcium: Lab
    low: bool
    paired: bool


@dataclass(frozen=True, slots=True)
class Biotin:
    """Biotin that may still be in a sample drawn now: `dose` in mg a day, None when it is not known; `taken` false without any."""

    taken: bool
    dose: Decimal | None
    interferes: bool


def with_high_calcium(chart: Chart, calcium: Calcium) -> WithCalcium | None:
    """The PTH that tells whether the parathyroids drive a high calcium: drawn with it if there is one, else the newest within 30 days of it.

    A PTH without a range, or a bound that does not tell whether it is suppressed, says nothing.
    """
    hours, days = chart.thresholds.pair_hours["calcium_pth"], chart.thresholds.lookback_days["recent_pth"]
    near = timedelta(days=float(days))
    found = [
        WithCalcium(pth, high, low, paired(high, pth, hours))
        for high in calcium.high
        for pth in chart.labs("pth")
        if abs(high.when.at - pth.when.at) <= near and (low := _suppressed(pth)) is not None
    ]
    return max(found, key=lambda each: (each.paired, each.pth.when.until, each.calcium.analyte == "calcium_total"), default=None)


def _suppressed(pth: Lab) -> bool | None:
    """Whether a PTH lies below its lower limit; None when that cannot be told."""
    if is_low(pth):
        return True
    lowest, _ = bounds(pth)
    limit = pth.limits.wide_low if pth.limits else None
    return False if lowest is not None and limit is not None and lowest >= limit else None


def ordered_for_calcification(chart: Chart) -> tuple[Order, ...]:
    """The orders in play that bring a PTH, for the calcification or without a reason."""
    return tuple(order for order in chart.in_play if "pth" in order.analytes and about_calcification(chart, order, unstated=True))


def context_known(chart: Chart) -> bool:
    """Whether calcium is, or will be, known with the PTH: by results of the last 24 hours, or orders of this session and those hours."""
    hours = chart.thresholds.pair_hours["calcium_pth"]
    since = chart.now - timedelta(hours=float(hours))
    asked = {analyte for order in chart.facts.drafts for analyte in order.analytes}
    asked |= {a for order in chart.facts.orders if order.status == "active" and order.when and order.when.at >= since for a in order.analytes}
    known = {analyte for needed in WITH for analyte in needed if (lab := chart.proven(analyte)) is not None and lab.when.at >= since}
    return any(needed <= asked | known for needed in WITH)


def read_biotin(chart: Chart, kidney: Kidney) -> Biotin:
    """Biotin taken now or in the last 72 hours: it disturbs from 5 mg a day on, in CKD G4 and worse at any dose, and while its dose is unknown."""
    taken = tuple(_taken(chart, ("biotin",), chart.thresholds.lookback_days["biotin"]))
    dose = per_day("biotin", (exposure.dose for exposure in taken), chart.thresholds)
    severe = kidney.stage in ("G4", "G5") or kidney.dialysis
    much = dose is None or severe or dose >= chart.thresholds.dose["biotin_mg"]
    return Biotin(bool(taken), dose, bool(taken) and much)


def raising_calcium(chart: Chart) -> tuple[Exposure, ...]:
    """Thiazide or lithium, taken now or stopped so recently that it may still raise calcium."""
    return tuple(exposure for category in RAISE_CALCIUM for exposure in _taken(chart, (category,), chart.thresholds.mask_days[category]))


def _taken(chart: Chart, categories: tuple[str, ...], days: Decimal) -> Iterator[Exposure]:
    """Exposures that are active or ended within `days`; without a known end they still count."""
    since = chart.ago(days)
    for exposure in chart.facts.exposures:
        if exposure.category in categories and (exposure.active or exposure.last is None or exposure.last.until >= since):
            yield exposure
