"""The calcium x phosphate product: a flag for a metastatic pattern, computed only from values that were drawn together."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fhir_mappings import Lab

from .calcium import Calcium
from .chart import Chart
from .scope import shift


@dataclass(frozen=True, slots=True)
class Product:
    """The product in mg2/dL2 with the two values it is made of; `calcium` is adjusted where it could be."""

    value: Decimal
    calcium: Lab
    phosphate: Lab


def read_product(chart: Chart, calcium: Calcium) -> Product | None:
    """Multiply adjusted (else total) calcium by the phosphate of the same draw, or of at most 24 hours apart; None where it must not be.

    A bound (">15") is no value to compute with, except a lower bound that alone takes the product over its limit. A phosphate that a
    shift between compartments may explain is not used. Source: KDOQI bone guideline 6 (2003).
    """
    measured = calcium.adjusted or calcium.total
    phosphate = chart.paired_with(measured, "phosphate", chart.thresholds.pair_hours["calcium_phosphate"]) if measured is not None else None
    if measured is None or phosphate is None or shift(chart, phosphate):
        return None
    product = Product(measured.value * phosphate.value, measured, phosphate)
    bound = measured.comparator or phosphate.comparator
    if not bound:
        return product
    limit = limit_of(chart)
    lower = all(not lab.comparator or lab.comparator.startswith(">") for lab in (measured, phosphate))
    return product if lower and limit is not None and product.value >= limit else None


def limit_of(chart: Chart) -> Decimal | None:
    """The product from which on it is high at this age (the lowest limit that the birth date allows); None: not to be judged."""
    table, ages = chart.thresholds.product, chart.age_years()
    oldest = ages[1] if ages is not None else table["adult_from_years"]
    if oldest >= table["adult_from_years"]:
        return table["adult"]
    return table["child"] if oldest >= table["child_from_years"] else None
