"""Contrast media that disturb the measurement of calcium: two gadolinium agents lower it, iodixanol may raise it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from fhir_mappings import Exposure, Lab

from .calcium import Calcium
from .chart import Chart, in_range, is_low
from .kidney import Kidney

PRESCRIBED = ("MedicationRequest/", "MedicationOrder/")


@dataclass(frozen=True, slots=True)
class Given:
    """A contrast medium that was given, and how many hours before a draw."""

    exposure: Exposure
    hours: Decimal


@dataclass(frozen=True, slots=True)
class Contrast:
    """Contrast media given before calcium was drawn.

    `gadolinium` is gadodiamide or gadoversetamide within its window before the newest total calcium; `low` that calcium where it is low
    and no ionised calcium speaks against it. `iodinated` is an iodinated medium within its window. `critical` is the gadolinium before
    the critical calcium, where that is a low total or adjusted one.
    """

    gadolinium: Given | None
    low: Lab | None
    iodinated: bool
    critical: Given | None


def read_contrast(chart: Chart, calcium: Calcium, kidney: Kidney) -> Contrast:
    """Look for contrast media before the newest total calcium, and before the critical one."""
    hours = _gadolinium_hours(chart, kidney)
    totals = chart.for_danger("calcium_total")
    low = next((lab for lab in totals if is_low(lab) and _given_before(chart, "gadolinium_affecting", lab, hours)), None)
    newest = low or (totals[0] if totals else None)
    critical = calcium.critical
    explained = critical is not None and critical.analyte != "calcium_ionised" and is_low(critical)
    return Contrast(
        gadolinium=_given_before(chart, "gadolinium_affecting", newest, hours) if newest is not None else None,
        low=low if all(map(in_range, chart.for_danger("calcium_ionised"))) else None,
        iodinated=newest is not None and _given_before(chart, "iodinated_contrast", newest, chart.thresholds.contrast["iodinated_hours"]) is not None,
        critical=_given_before(chart, "gadolinium_affecting", critical, hours) if critical is not None and explained else None,
    )


def _gadolinium_hours(chart: Chart, kidney: Kidney) -> Decimal:
    """For how long the agents stay in the blood: longer while kidney function is low, or not known (Prince 2003)."""
    table = chart.thresholds.contrast
    return table["gadolinium_hours"] if kidney.known_good(chart) else table["gadolinium_hours_low_egfr"]


def _given_before(chart: Chart, category: str, drawn: Lab, hours: Decimal) -> Given | None:
    """The last medium of a category that was given within `hours` before a draw.

    A prescription does not say that it was given. Where the hour is not known, the least time that it can have been counts.
    """
    return min(_all_given(chart, category, drawn, hours), key=lambda given: given.hours, default=None)


def _all_given(chart: Chart, category: str, drawn: Lab, hours: Decimal) -> Iterator[Given]:
    for exposure in chart.facts.exposures:
        if exposure.category != category or exposure.last is None or exposure.resource.startswith(PRESCRIBED):
            continue
        if exposure.last.at <= drawn.when.until:
            least = max(Decimal(int((drawn.when.at - exposure.last.until).total_seconds())) / 3600, Decimal(0))
            if least <= hours:
                yield Given(exposure, least)
