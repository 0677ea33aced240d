"""The numbers that findings compare with, as one frozen value read from `content/thresholds.toml` (and a site's overrides)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

Table = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Each field is a table of the file with the same name; see there for units and sources."""

    fresh_ambulatory: Table
    fresh_inpatient: Table
    lookback_days: Table
    pair_hours: Table
    guard_band: Table
    critical: Table
    albumin: Table
    adjustment: Table
    specimen: Table
    contrast: Table
    site: Table
    ionised_fraction: Table
    egfr: Table
    aki: Table
    reassurance: Table
    phosphate: Table
    product: Table
    infant: Table
    mask_days: Table
    mask_above: Table
    dose: Table
    hazard: Table
    budget: Table

    def fresh_days(self, analyte: str, inpatient: bool) -> int:
        """Return how many days a value of `analyte` stays fresh in this setting."""
        table = self.fresh_inpatient if inpatient else self.fresh_ambulatory
        return int(table.get(analyte, table["default"]))


def thresholds_from(document: Mapping[str, Any]) -> Thresholds:
    """Build thresholds from the parsed file; its shape has been checked against the schema before."""

    def table(name: str) -> Table:
        return MappingProxyType({key: Decimal(value) for key, value in document[name].items()})

    fresh = document["fresh_days"]
    return Thresholds(
        fresh_ambulatory=MappingProxyType({key: Decimal(value) for key, value in fresh["ambulatory"].items()}),
        fresh_inpatient=MappingProxyType({key: Decimal(value) for key, value in fresh["inpatient"].items()}),
        **{name: table(name) for name in Thresholds.__slots__ if not name.startswith("fresh_")},
    )
