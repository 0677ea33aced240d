"""Calcium: total, albumin-adjusted and ionised, read together, because each of them can be the one that tells the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from fhir_mappings import Lab, Limits, adult_limits, paired

from .chart import ABNORMAL_FLAGS, Chart, bounds, in_range, is_high, is_low, near_limit

CRITICAL_FLAGS = frozenset({"HH", "LL", "AA"})
COMPUTED = frozenset({"computed"})
MEASURES = ("calcium_total", "calcium_adjusted", "calcium_ionised")


@dataclass(frozen=True, slots=True)
class Calcium:
    """The newest fresh value of each calcium measure, and what they say together.

    `adjusted` is the laboratory's own where it reported one for the draw, else computed from total calcium and albumin of the same draw;
    `albumin` is the albumin it rests on. `critical` is the value that decides CA_CRIT. `disagreements` say which measures of one draw do
    not agree.
    """

    total: Lab | None
    adjusted: Lab | None
    ionised: Lab | None
    albumin: Lab | None
    high: tuple[Lab, ...]
    low: tuple[Lab, ...]
    critical: Lab | None
    critical_ionised_normal: bool
    disagreements: tuple[str, ...]
    border: bool

    @property
    def discordant(self) -> bool:
        return bool(self.disagreements)

    @property
    def measures(self) -> tuple[Lab, ...]:
        return tuple(lab for lab in (self.total, self.adjusted, self.ionised) if lab is not None)


def read_calcium(chart: Chart) -> Calcium:
    """Read all calcium measures of a chart together."""
    total, ionised = chart.fresh("calcium_total"), chart.fresh("calcium_ionised")
    reported = chart.fresh("calcium_adjusted")
    computed, albumin = adjusted_of(chart, total) if total is not None else (None, None)
    adjusted = _the_adjusted(chart, total, reported, computed)
    speaking = _speaking(chart, adjusted)
    high = tuple(lab for lab in speaking if is_high(lab) and not _overruled(chart, lab))
    low = tuple(
        lab
        for lab in speaking
        if is_low(lab) and not _overruled(chart, lab) and (lab.analyte != "calcium_total" or _low_total_counts(chart, albumin))
    )
    critical = _critical(chart)
    return Calcium(
        total=total,
        adjusted=adjusted,
        ionised=ionised,
        albumin=albumin,
        high=high,
        low=low,
        critical=critical,
        critical_ionised_normal=critical is not None and _ionised_says_normal(chart, critical),
        disagreements=tuple(_disagreements(chart, total, reported, computed)),
        border=any(near_limit(lab, guard_band(chart, lab)) for lab in (total, adjusted, ionised) if lab),
    )


def _speaking(chart: Chart, adjusted: Lab | None) -> tuple[Lab, ...]:
    """The values that a danger may rest on, total first; an earlier final one speaks while the newest is preliminary."""
    totals = chart.for_danger("calcium_total")
    earlier = [found for lab in totals[1:] if (found := adjusted_of(chart, lab)[0])]
    return (
        *totals,
        *([adjusted] if adjusted is not None else []),
        *earlier,
        *chart.for_danger("calcium_adjusted")[1:],
        *chart.for_danger("calcium_ionised"),
    )


def guard_band(chart: Chart, lab: Lab) -> Decimal:
    """The guard band beside the limits of this calcium measure, in its unit."""
    return chart.thresholds.guard_band["calcium_ionised" if lab.analyte == "calcium_ionised" else "calcium"]


def adjusted_of(chart: Chart, total: Lab) -> tuple[Lab | None, Lab | None]:
    """Adjust a total calcium for the albumin of the same draw: Ca + 0.8 x (4.0 - albumin), computed in mg/dL and g/dL.

    Returns the adjusted calcium and the albumin; (None, albumin) or (None, None) where it must not be computed (no pair, a comparator).
    """
    known = chart.adjusted.get(id(total))
    if known is None:
        known = chart.adjusted[id(total)] = _adjust(chart, total)
    return known


def _adjust(chart: Chart, total: Lab) -> tuple[Lab | None, Lab | None]:
    albumin = chart.paired_with(total, "albumin", chart.thresholds.pair_hours["calcium_albumin"])
    if albumin is None or albumin.comparator or total.comparator:
        return None, albumin
    table = chart.thresholds.albumin
    value = total.value + table["slope"] * (table["reference"] - albumin.value)
    in_its_unit = chart.mappings.analytes["calcium_total"].factors[total.unit].back(value)
    shown = f"{in_its_unit.quantize(Decimal('0.01'))} {total.unit}"
    return replace(
        total,
        analyte="calcium_adjusted",
        value=value,
        limits=_limits_adjusted(chart, total),
        shown=shown,
        flags=frozenset(),
        attributes=COMPUTED,
        final=total.final and albumin.final,
        conflicting=total.conflicting or albumin.conflicting,
        specimen=total.specimen,
    ), albumin


def _limits_adjusted(chart: Chart, total: Lab) -> Limits | None:
    # Total calcium falls in pregnancy because albumin does; adjusted for albumin it does not.
    of_pregnancy = total.limits is not None and total.limits.source == "pregnancy"
    return adult_limits(chart.mappings.analytes["calcium_adjusted"]) if of_pregnancy else total.limits


def _the_adjusted(chart: Chart, total: Lab | None, reported: Lab | None, computed: Lab | None) -> Lab | None:
    # A laboratory's own adjustment of the draw is used and not adjusted again: slopes differ between laboratories.
    if reported is None:
        return computed
    if computed is None or total is None or paired(total, reported, chart.thresholds.pair_hours["calcium_albumin"]):
        return reported
    return reported if reported.when.at >= total.when.at else computed


def same_draw_ionised(chart: Chart, lab: Lab) -> Lab | None:
    """The ionised calcium of the draw of another calcium, or None."""
    return chart.paired_with(lab, "calcium_ionised", chart.thresholds.pair_hours["calcium_ionised"])


def _ionised_says_normal(chart: Chart, lab: Lab) -> bool:
    if lab.analyte == "calcium_ionised":
        return False
    ionised = same_draw_ionised(chart, lab)
    return ionised is not None and ionised.final and in_range(ionised)


def _overruled(chart: Chart, lab: Lab) -> bool:
    """Whether an ionised calcium of the same draw lies in range, so that an abnormal total or adjusted calcium is discordant instead."""
    return _ionised_says_normal(chart, lab)


def opposed(chart: Chart, lab: Lab) -> bool:
    """Whether the ionised calcium of the same draw lies beyond the other limit: citrate raises the total and lowers the ionised, and calcium may
    then be the treatment."""
    ionised = same_draw_ionised(chart, lab) if lab.analyte != "calcium_ionised" else None
    if ionised is None or not ionised.final or ionised.conflicting:
        return False
    return (side_of(lab), side_of(ionised)) in {("high", "low"), ("low", "high")}


def _low_total_counts(chart: Chart, paired_albumin: Lab | None) -> bool:
    albumin = paired_albumin or chart.fresh("albumin")
    if albumin is None:
        return True
    _, high = bounds(albumin)
    return high is None or high >= chart.thresholds.albumin["total_calcium_low_counts_from"]


def side_of(lab: Lab) -> str:
    """On which side of its limits a value lies: "high", "low", or "" for neither."""
    return "high" if is_high(lab) else "low" if is_low(lab) else ""


def _disagreements(chart: Chart, total: Lab | None, reported: Lab | None, computed: Lab | None) -> Iterator[str]:
    """Say how the measures of one draw disagree: on the side of a limit, or by more than two measures of one thing may differ."""
    hours = chart.thresholds.pair_hours
    adjusted = [lab for lab in (reported, computed) if lab is not None]
    if total is not None and any(paired(total, lab, hours["calcium_albumin"]) and side_of(lab) != side_of(total) for lab in adjusted):
        yield "total and adjusted calcium lie on different sides of a limit"
    if any(_ionised_differs(chart, lab) for lab in adjusted or ([total] if total is not None else [])):
        yield "the ionised calcium of the draw lies on another side of a limit"
    if reported is not None and computed is not None and _adjusted_twice(chart, reported, computed):
        yield "the laboratory's adjusted calcium differs from the one computed from total calcium and albumin"
    if total is not None and not total.comparator and _unusual_share(chart, total):
        yield "ionised calcium is an unusual share of total calcium"


def _adjusted_twice(chart: Chart, reported: Lab, computed: Lab) -> bool:
    together = paired(reported, computed, chart.thresholds.pair_hours["calcium_albumin"])
    return together and abs(reported.value - computed.value) > chart.thresholds.albumin["reported_adjusted_differs"]


def _ionised_differs(chart: Chart, lab: Lab) -> bool:
    ionised = same_draw_ionised(chart, lab)
    return ionised is not None and ionised.final and side_of(ionised) != side_of(lab)


def _unusual_share(chart: Chart, total: Lab) -> bool:
    ionised = same_draw_ionised(chart, total)
    if ionised is None or ionised.comparator:
        return False
    in_mmol = chart.mappings.analytes["calcium_total"].factors["mmol/L"].back(total.value)
    share, table = ionised.value / in_mmol if in_mmol else Decimal(0), chart.thresholds.ionised_fraction
    return not table["low"] <= share <= table["high"]


def critical_limits(chart: Chart, measure: str) -> tuple[Decimal, Decimal]:
    """The critical limits of a calcium measure, in its unit."""
    table = chart.thresholds.critical
    return (table["ionised_low"], table["ionised_high"]) if measure == "calcium_ionised" else (table["calcium_low"], table["calcium_high"])


def critical_since(chart: Chart) -> datetime:
    """Since when a critical calcium still counts in this setting."""
    table = chart.thresholds.critical
    return chart.now - (timedelta(hours=float(table["hours_inpatient"])) if chart.inpatient else timedelta(days=float(table["days_ambulatory"])))


def is_critical(chart: Chart, lab: Lab) -> bool:
    """Whether a calcium value is critical: at or beyond the critical limits, or flagged HH, LL or AA by the laboratory."""
    low_limit, high_limit = critical_limits(chart, lab.analyte)
    low, high = bounds(lab)
    return (low is not None and low >= high_limit) or (high is not None and high <= low_limit) or bool(lab.flags & CRITICAL_FLAGS)


def _critical(chart: Chart) -> Lab | None:
    """The newest critical calcium of the window, unless a newer usable calcium is not critical any more."""
    since = critical_since(chart)
    recent = [lab for measure in MEASURES for lab in chart.labs(measure) if lab.when.until >= since]
    recent += [adjusted for lab in chart.labs("calcium_total") if lab.when.until >= since and (adjusted := adjusted_of(chart, lab)[0])]
    found = max((lab for lab in recent if is_critical(chart, lab)), key=_time_and_weight, default=None)
    return None if found is None or any(_supersedes(chart, lab, found) for lab in recent) else found


def _time_and_weight(lab: Lab) -> tuple[float, bool, Decimal]:
    # Of one draw the measured value goes before the computed one, then the more extreme.
    return lab.when.until.timestamp(), lab.attributes is not COMPUTED, abs(lab.value - 9)


def _supersedes(chart: Chart, lab: Lab, critical: Lab) -> bool:
    """Whether `lab` is a later, final calcium that is not critical. An ionised value of the same draw never is, nor one that is contradicted."""
    if lab.when.at <= critical.when.until or not lab.final or lab.comparator or is_critical(chart, lab) or lab.attributes is COMPUTED:
        return False
    if lab.conflicting:
        return False
    if lab.analyte == "calcium_ionised":
        return not paired(lab, critical, chart.thresholds.pair_hours["calcium_ionised"])
    adjusted, _ = adjusted_of(chart, lab) if lab.analyte == "calcium_total" else (None, None)
    return adjusted is None or not is_critical(chart, adjusted)


def proven_normal(chart: Chart, calcium: Calcium) -> str:
    """Say why calcium is not proven normal for reassurance, or '' when it is (every measure in range, none near a limit)."""
    total = chart.proven("calcium_total")
    if total is None:
        return "total calcium is not proven: missing, stale, preliminary or not usable"
    if calcium.discordant:
        return "the calcium measures of one draw disagree"
    for name in (*MEASURES, "calcium_ionised_ph74"):
        if chart.fresh(name) is not None and chart.proven(name) is None:
            return f"{name} is preliminary or was overtaken by a value that could not be used"
        if chart.blocked(name) is not None:
            return f"{name} was sent and could not be used"
    for lab in calcium.measures:
        if not in_range(lab):
            return f"{lab.analyte} {lab.shown} is not in range"
        if near_limit(lab, guard_band(chart, lab)):
            return f"{lab.analyte} {lab.shown} is close to a limit"
    ph74 = chart.fresh("calcium_ionised_ph74")
    if ph74 is not None and ((ph74.limits is not None and not in_range(ph74)) or ph74.flags & ABNORMAL_FLAGS):
        return "pH-adjusted ionised calcium is not in range"
    return ""
