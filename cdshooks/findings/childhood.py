"""A child's results and the ranges they came with: which of them the adults' limits would judge, and what is expected at that age."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_mappings import Lab
from fhir_mappings.mappings import Band
from fhir_mappings.ranges import ADULT_YEARS, is_adult_range

from .chart import Chart, is_high, is_low

# The results that decisions rest on, and whose ranges change with age.
DECISIVE = ("calcium_total", "calcium_adjusted", "phosphate", "alp", "pth", "albumin")


@dataclass(frozen=True, slots=True)
class Childhood:
    """A child's fresh results that have no range for their age, or came with the adults' range: `without_range`. Of these `adult_only` are
    out of the adults' limits, and not known to be out of the child's."""

    without_range: tuple[Lab, ...] = ()
    adult_only: tuple[Lab, ...] = ()


def read_childhood(chart: Chart) -> Childhood:
    """Look for a child's results that the adults' limits would judge; nothing for adults, and while the birth date does not tell."""
    ages = chart.age_years()
    if ages is None or ages[1] >= ADULT_YEARS:
        return Childhood()
    fresh = [lab for analyte in DECISIVE if (lab := chart.fresh(analyte)) is not None]
    without = tuple(lab for lab in fresh if lab.limits is None or lab.limits.source == "reported-adult")
    return Childhood(without, tuple(lab for lab in without if _beyond_adults(chart, lab) and not is_high(lab) and not is_low(lab)))


def has_band(chart: Chart, lab: Lab) -> bool:
    """Whether the limits of a value are those of the child's age, not the adults' that came with it."""
    return lab.limits is not None and not is_adult_range(lab.limits, chart.mappings.analytes[lab.analyte])


def _beyond_adults(chart: Chart, lab: Lab) -> bool:
    return not lab.comparator and any(_outside(lab, band) for band in chart.mappings.analytes[lab.analyte].bands if band.from_years >= ADULT_YEARS)


def _outside(lab: Lab, band: Band) -> bool:
    return (band.low is not None and lab.value < band.low) or (band.high is not None and lab.value > band.high)
