"""Daily doses of drugs, compared in the unit that thresholds have: mg, and for vitamin D international units."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from fhir_mappings import Dose

from ..thresholds import Thresholds

IN_UNITS = frozenset({"vitamin_d"})  # medication categories that are dosed in international units


def per_day(category: str, doses: Iterable[Dose | None], thresholds: Thresholds) -> Decimal | None:
    """All doses of a medication category together, in mg a day (vitamin D: IU a day); None when one of them is not known."""
    amounts = [_in_its_unit(category, dose, thresholds) if dose is not None else None for dose in doses]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(amounts) else None


def _in_its_unit(category: str, dose: Dose, thresholds: Thresholds) -> Decimal | None:
    if category in IN_UNITS:
        return dose.amount if dose.unit == "[iU]" else dose.amount * thresholds.dose["vitamin_d_iu_per_mg"]
    return dose.amount if dose.unit == "mg" else None
