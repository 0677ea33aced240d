"""Phosphate: the values that speak, and the clues that one of them is an artefact of the assay or the passing trace of a shift."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from fhir_mappings import Exposure, History, Lab

from .chart import Chart, bounds, is_high, is_low
from .kidney import Kidney
from .specimen import haemolysis_of

PARAPROTEIN = ("myeloma", "mgus")
# Results that can disturb the phosphate assay when they are very high, with the words for it; the limits are thresholds of the same name.
DISTURBING = (("total_protein", "high total protein"), ("triglycerides", "very high triglycerides"), ("bilirubin", "very high bilirubin"))
# What lowers phosphate by moving it into cells; ketoacidosis does so while it is treated. All other states of the role "shift" raise it.
LOWERING = frozenset({"refeeding", "diabetic_ketoacidosis"})
NOT_RAISING = frozenset({"refeeding"})


@dataclass(frozen=True, slots=True)
class Clue:
    """One reason to doubt a phosphate value: an artefact of the assay, or a shift between compartments that passes.

    `name` says it in few words, `told` with the value or date behind it.
    """

    artefact: bool
    name: str
    told: str


@dataclass(frozen=True, slots=True)
class Phosphate:
    """The high and low values that a danger may rest on, and the clues around them.

    `clues` are those of the newest high value; `in_doubt` says that every high value has one, and nothing speaks against it. `lowering`
    are the reasons why the newest low value may be a shift into cells. `evening_mild`: high only mildly, and late in the day.
    """

    high: tuple[Lab, ...]
    low: tuple[Lab, ...]
    clues: tuple[Clue, ...]
    in_doubt: bool
    lowering: tuple[Clue, ...]
    evening_mild: bool

    @property
    def artefact(self) -> bool:
        return any(clue.artefact for clue in self.clues)

    @property
    def shifted(self) -> bool:
        return any(not clue.artefact for clue in self.clues)


def read_phosphate(chart: Chart, kidney: Kidney) -> Phosphate:
    """Read the fresh phosphate values with what was known around their draws."""
    speaking = chart.for_danger("phosphate")
    high, low = tuple(filter(is_high, speaking)), tuple(filter(is_low, speaking))
    return Phosphate(
        high=high,
        low=low,
        clues=clues_of(chart, high[0]) if high else (),
        in_doubt=bool(high) and all(_doubtful(chart, kidney, lab) for lab in high),
        lowering=tuple(_lowering(chart, low[0])) if low else (),
        evening_mild=bool(high) and all(_evening_mild(chart, lab) for lab in high),
    )


def clues_of(chart: Chart, lab: Lab) -> tuple[Clue, ...]:
    """Every clue that a phosphate value may be falsely, or only for some days, high."""
    return (*artefact_clues(chart, lab), *_raising(chart, lab))


def artefact_clues(chart: Chart, lab: Lab) -> Iterator[Clue]:
    """Clues that the assay may have been disturbed: paraprotein, protein, liposomal amphotericin B, lipaemia, icterus; or haemolysis.

    Sources: Larner 1995, Lane 2008 (paraprotein); Bohm 2015 (liposomal amphotericin B). A clue must be proven, as it takes the place of
    a danger: a drug whose formulation is not coded, or whose time is not known, is none.
    """
    for record in chart.records(*PARAPROTEIN):
        yield Clue(True, "paraprotein disease", _named(chart, record))
    hours = chart.thresholds.phosphate["clue_hours"]
    for analyte, name in DISTURBING:
        found = chart.fresh(analyte) if analyte == "total_protein" else chart.paired_with(lab, analyte, hours)
        if found is not None and found.final and _above(found, chart.thresholds.phosphate[analyte]):
            yield Clue(True, name, f"{chart.mappings.analytes[analyte].title.lower()} {found.shown} ({found.when.at.date()})")
    haemolysis = haemolysis_of(chart, lab)
    if haemolysis:
        yield Clue(True, "haemolysis", haemolysis)
    hours = chart.thresholds.phosphate["amphotericin_hours"]
    if any(e.category == "amphotericin_b_liposomal" and _taken_before(e, lab, hours, ongoing=True) for e in chart.facts.exposures):
        yield Clue(True, "liposomal amphotericin B", "liposomal amphotericin B before the draw")


def _raising(chart: Chart, lab: Lab) -> Iterator[Clue]:
    """States and doses that raise phosphate for some days: cell breakdown, acidosis, phosphate by vein, enema or bowel preparation."""
    names = (name for name in chart.mappings.by_role["shift"] if name not in NOT_RAISING)
    yield from (Clue(False, told, told) for told in _states(chart, lab, names))
    if _given(chart, "phosphate", lab, chart.thresholds.phosphate["shift_hours"]):
        yield Clue(False, "phosphate given before the draw", "a phosphate preparation in the 72 hours before the draw")


def _lowering(chart: Chart, lab: Lab) -> Iterator[Clue]:
    yield from (Clue(False, told, told) for told in _states(chart, lab, LOWERING))
    if _given(chart, "insulin", lab, chart.thresholds.phosphate["insulin_hours"]):
        yield Clue(False, "insulin", "insulin in the day before the draw")


def _states(chart: Chart, lab: Lab, names: Iterable[str]) -> Iterator[str]:
    """The coded states of these categories that were there when a value was drawn: begun in the hours before it, or lately and not over.

    An undated or old entry of the problem list is none: it does not show what was there at the draw.
    """
    table = chart.thresholds.phosphate
    begun_after = lab.when.at - timedelta(hours=float(table["shift_hours"]))
    lasts_from = lab.when.at - timedelta(days=float(table["shift_active_days"]))
    for record in (record for name in sorted(names) for record in chart.facts.histories.get(name, ())):
        began = record.onset or record.recorded
        if began is not None and began.at <= lab.when.until and began.until >= (lasts_from if record.active else begun_after):
            yield _named(chart, record)


def _named(chart: Chart, record: History) -> str:
    return record.display or chart.mappings.histories[record.category].title


def _given(chart: Chart, category: str, lab: Lab, hours: Decimal) -> bool:
    """Whether a drug of the category was given, or begun, in the hours before the draw; a therapy of long standing is no single load."""
    return any(e.category == category and _taken_before(e, lab, hours, ongoing=False) for e in chart.facts.exposures)


def _taken_before(exposure: Exposure, lab: Lab, hours: Decimal, ongoing: bool) -> bool:
    """Whether a drug is known to have been given or begun in the `hours` before a draw, or (`ongoing`) taken throughout them."""
    window = lab.when.at - timedelta(hours=float(hours))
    if exposure.since is None:
        return False
    # A day without an hour is read as its middle, whatever time zone it may mean: the day after the draw is not before it.
    begun = exposure.since.at + (exposure.since.until - exposure.since.at) / 2
    if begun > lab.when.until:
        return False
    if begun >= window:
        return True
    if ongoing and exposure.active:
        return True
    # The end of a prescription is when it would have run out, and tells nothing of when the drug was taken.
    told_by = ("MedicationAdministration/", "MedicationStatement/") if ongoing else ("MedicationAdministration/",)
    return exposure.resource.startswith(told_by) and exposure.last is not None and exposure.last.until >= window


def _above(lab: Lab, limit: Decimal) -> bool:
    """Whether a value, or the whole interval it stands for, lies above the limit."""
    low, _ = bounds(lab)
    return low is not None and (low > limit or (lab.comparator == ">" and low >= limit))


def _doubtful(chart: Chart, kidney: Kidney, lab: Lab) -> bool:
    """Whether a high value has a clue, and neither kidney disease nor an earlier high value without a clue shows that it is real."""
    return bool(clues_of(chart, lab)) and not _long_high(chart, kidney, lab) and not _high_without_clue(chart, lab)


def _long_high(chart: Chart, kidney: Kidney, lab: Lab) -> bool:
    """CKD G4 or G5, or dialysis, with phosphate high for long: then a high value is what must be expected."""
    if kidney.stage not in ("G4", "G5") and not kidney.dialysis:
        return False
    limit = lab.when.at - timedelta(days=float(chart.thresholds.phosphate["long_high_days"]))
    earlier = chart.within("phosphate", chart.thresholds.lookback_days["stale"])
    return any(other.final and is_high(other) and other.when.until <= limit for other in earlier)


def _high_without_clue(chart: Chart, lab: Lab) -> bool:
    """Whether the unbroken run of high values before this one holds a fresh final one without any clue."""
    days = chart.thresholds.fresh_days("phosphate", chart.inpatient)
    for other in reversed([other for other in chart.within("phosphate", days) if other.final and other.when.until < lab.when.at]):
        if not is_high(other):
            return False
        if not clues_of(chart, other):
            return True
    return False


def _evening_mild(chart: Chart, lab: Lab) -> bool:
    table = chart.thresholds.phosphate
    hour, limit = lab.when.hour, lab.limits.wide_high if lab.limits else None
    if hour is None or limit is None or lab.comparator:
        return False
    late = hour >= table["evening_from_hour"] or hour < table["evening_to_hour"]
    return late and lab.value - limit <= table["evening_excess"]
