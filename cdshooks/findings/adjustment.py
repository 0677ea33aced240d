"""Whether adjusting calcium for albumin can be trusted in this patient, and whether a decision rests on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fhir_mappings import Lab

from .calcium import Calcium, same_draw_ionised, side_of
from .chart import Chart
from .kidney import Kidney
from .scope import critically_ill, pregnant


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Doubts about the adjusted calcium.

    `reasons` are why the formula may mislead in this patient, in words; `disagreements` how the measures of one draw disagree. `alone` is
    true when the adjusted calcium is the only basis: no total calcium is known freshly. `ionised_agrees` when a final ionised calcium of
    the draw, or a later one, lies on the same side of its limits. `albumin_high` and `ph_unusual` are two of the reasons.
    """

    reasons: tuple[str, ...]
    disagreements: tuple[str, ...]
    alone: bool
    ionised_agrees: bool
    albumin_high: bool
    ph_unusual: bool

    @property
    def doubtful(self) -> bool:
        return bool(self.disagreements) or (self.alone and bool(self.reasons))


def read_adjustment(chart: Chart, calcium: Calcium, kidney: Kidney) -> Adjustment:
    """Read what makes the adjusted calcium doubtful."""
    albumin = calcium.albumin or chart.fresh("albumin")
    # That of the draw, and a newer one: either may tell that albumin is not where the formula holds.
    albumins = dict.fromkeys(lab for lab in (calcium.albumin, *chart.for_danger("albumin")) if lab is not None)
    return Adjustment(
        reasons=tuple(_reasons(chart, albumins, kidney)),
        disagreements=calcium.disagreements,
        alone=calcium.adjusted is not None and calcium.total is None,
        ionised_agrees=_ionised_agrees(chart, calcium),
        albumin_high=albumin is not None and albumin.value > chart.thresholds.albumin["haemoconcentration_above"],
        ph_unusual=_unusual_ph(chart) is not None,
    )


def _reasons(chart: Chart, albumins: Iterable[Lab], kidney: Kidney) -> Iterator[str]:
    """Settings in which adjusting for albumin is unreliable (Clase 2000, Lian 2018, Boyce)."""
    table = chart.thresholds.albumin
    for albumin in albumins:
        if not table["unreliable_below"] <= albumin.value <= table["haemoconcentration_above"]:
            yield f"albumin {albumin.shown}"
    if kidney.stage in ("G4", "G5") or kidney.dialysis:
        yield "dialysis" if kidney.dialysis else f"CKD {kidney.stage}"
    if critically_ill(chart):
        yield "critical illness"
    if chart.has("myeloma", "mgus"):
        yield "a paraprotein"
    if pregnant(chart):
        yield "pregnancy"
    if chart.has("cirrhosis"):
        yield "cirrhosis"
    if chart.has("nephrotic"):
        yield "nephrotic syndrome"
    ages = chart.age_years()
    if ages is not None and ages[0] < chart.thresholds.adjustment["infant_years"]:
        yield "infancy"
    ph = _unusual_ph(chart)
    if ph is not None:
        yield f"pH {ph.value.normalize():f}"
    if _citrate(chart):
        yield "citrate of a recent transfusion"


def _unusual_ph(chart: Chart) -> Lab | None:
    """A recent pH at which ionised calcium and the binding of calcium are not what they usually are."""
    lab, table = chart.newest("ph"), chart.thresholds.adjustment
    if lab is None or lab.when.until < chart.ago(chart.thresholds.lookback_days["ph"]):
        return None
    return None if table["ph_low"] <= lab.value <= table["ph_high"] else lab


def _citrate(chart: Chart) -> bool:
    """Whether blood was transfused recently. How much is not coded, so any transfusion counts; so does one without a date."""
    limit = chart.ago(chart.thresholds.lookback_days["citrate"])
    began = (record.onset or record.recorded for record in chart.records("transfusion"))
    return any(moment is None or moment.until >= limit for moment in began)


def _ionised_agrees(chart: Chart, calcium: Calcium) -> bool:
    decided = calcium.adjusted or calcium.total
    ionised = calcium.ionised
    if decided is None or ionised is None or not ionised.final:
        return False
    near = same_draw_ionised(chart, decided) is ionised or ionised.when.at >= decided.when.until
    return near and side_of(ionised) == side_of(decided) and not any("ionised" in words for words in calcium.disagreements)
