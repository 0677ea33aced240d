"""The baseline before any further workup: calcium, phosphate, albumin and creatinine, fresh and drawn together."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_mappings import paired

from .chart import Chart
from .unusable import rejected

BASELINE = ("calcium_total", "phosphate", "albumin", "creatinine")


@dataclass(frozen=True, slots=True)
class Baseline:
    """The four baseline tests: those that are `lacking`, those of them that are only `stale`, and whether fresh calcium and phosphate
    are `unpaired`."""

    lacking: tuple[str, ...]
    stale: tuple[str, ...]
    unpaired: bool

    @property
    def wanted(self) -> tuple[str, ...]:
        """What would complete it: what is lacking, else calcium and phosphate of one draw."""
        return self.lacking or (("calcium_total", "phosphate") if self.unpaired else ())


def read_baseline(chart: Chart) -> Baseline:
    """Look for the baseline tests on a chart.

    A fresh ionised calcium replaces calcium and albumin. An analyte whose newest value was sent but could not be used is not lacking: it
    is a value to verify. On dialysis creatinine says nothing of kidney function, and is not wanted.
    """
    ionised = chart.fresh("calcium_ionised")
    lacking = []
    for analyte in BASELINE:
        replaced = (ionised is not None and analyte in ("calcium_total", "albumin")) or (analyte == "creatinine" and chart.has("dialysis"))
        known = chart.fresh(analyte) or (chart.fresh("egfr") if analyte == "creatinine" else None)
        if known is None and not replaced and rejected(chart, analyte) is None:
            lacking.append(analyte)
    stale = tuple(analyte for analyte in lacking if any(chart.within(analyte, chart.thresholds.lookback_days["stale"])))
    calcium, phosphate = chart.fresh("calcium_total") or ionised, chart.fresh("phosphate")
    unpaired = (
        calcium is not None
        and phosphate is not None
        and not any(
            paired(one, phosphate, chart.thresholds.pair_hours["calcium_phosphate"]) for one in (chart.fresh("calcium_total"), ionised) if one
        )
    )
    return Baseline(tuple(lacking), stale, unpaired)
