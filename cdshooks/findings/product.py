"""The calcium-phosphate product: of one calcium and one phosphate that were drawn together, or none."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fhir_mappings import Lab, paired

from .calcium import adjusted_of
from .chart import Chart
from .phosphate import Phosphate


@dataclass(frozen=True, slots=True)
class Product:
    """Calcium x phosphate in mg2/dL2, of the adjusted calcium where there is one, else of total calcium.

    `at_least`: one of them is only a lower bound, so that the product is one, too. `high_from` is the limit for the age at the draw;
    None: below the age from which a product is judged.
    """

    calcium: Lab
    phosphate: Lab
    value: Decimal
    at_least: bool
    same_draw: bool
    high_from: Decimal | None

    @property
    def high(self) -> bool:
        return self.high_from is not None and self.value >= self.high_from

    def severe(self, chart: Chart) -> bool:
        return self.high and self.value >= chart.thresholds.product["severe"]

    @property
    def final(self) -> bool:
        return self.calcium.final and self.phosphate.final


def read_product(chart: Chart, phosphate: Phosphate) -> Product | None:
    """The highest product of the phosphate values that a danger may rest on, each with the calcium drawn with it; None without a pair.

    A phosphate in doubt makes no product. Sources: KDOQI 2003 guideline 6 (limits); pairing is design.
    """
    if phosphate.in_doubt:
        return None
    products = [product for lab in chart.for_danger("phosphate") if (product := _product(chart, lab)) is not None]
    return max(products, key=lambda product: product.value, default=None)


def _product(chart: Chart, phosphate: Lab) -> Product | None:
    calcium = _calcium_with(chart, phosphate)
    if calcium is None or "<" in calcium.comparator + phosphate.comparator:
        return None
    high_from = _limit(chart, phosphate)
    product = Product(
        calcium=calcium,
        phosphate=phosphate,
        value=calcium.value * phosphate.value,
        at_least=bool(calcium.comparator or phosphate.comparator),
        same_draw=paired(calcium, phosphate, chart.thresholds.pair_hours["calcium_albumin"]),
        high_from=high_from,
    )
    # A bound tells something only when it is beyond the limit by itself.
    return product if not product.at_least or product.high else None


def _calcium_with(chart: Chart, phosphate: Lab) -> Lab | None:
    """The calcium drawn with a phosphate: the laboratory's own adjusted one, else total calcium, adjusted where albumin was drawn with it."""
    hours = chart.thresholds.pair_hours["calcium_phosphate"]
    reported = chart.paired_with(phosphate, "calcium_adjusted", hours)
    total = chart.paired_with(phosphate, "calcium_total", hours)
    if reported is not None and (total is None or paired(total, reported, chart.thresholds.pair_hours["calcium_albumin"])):
        return reported
    if total is None:
        return reported
    return adjusted_of(chart, total)[0] or total


def _limit(chart: Chart, phosphate: Lab) -> Decimal | None:
    """The limit for the age at the draw; of the ages that a birth date allows the one with the lower limit, and without one the adult's."""
    table = chart.thresholds.product
    ages = chart.age_years(phosphate.when.at.date())
    if ages is None or ages[1] >= table["adult_from_years"]:
        return table["adult"]
    return table["child"] if ages[1] >= table["child_from_years"] else None
