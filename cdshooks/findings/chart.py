"""A chart as findings see it: the facts of one request with the clock, the setting, and the questions that every finding asks of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache

from fhir_mappings import Facts, History, Lab, Mappings, Order, Problem, paired, years_between

from ..thresholds import Thresholds

# Problems that say a value was sent which could not be used. The other reasons say that there was nothing to use (C9: cancelled, absent,
# another specimen) or that something beside the value was set aside (a reference range).
BLOCKING = frozenset(
    {
        "unreadable",
        "value-type",
        "withdrawn",
        "specimen-conflict",
        "unit-missing",
        "unit-unknown",
        "unit-conflict",
        "unit-ambiguous",
        "implausible",
        "no-time",
        "future",
        "before-birth",
        "contradictory",
        "no-subject",
    }
)
# Result flags of HL7 v2 table 0078 / v3 ObservationInterpretation that call a value abnormal.
HIGH_FLAGS = frozenset({"H", "HH", "HU", ">", "HX"})
LOW_FLAGS = frozenset({"L", "LL", "LU", "<", "LX"})
ABNORMAL_FLAGS = HIGH_FLAGS | LOW_FLAGS | {"A", "AA"}


@dataclass(frozen=True, slots=True)
class Chart:
    """One request's facts, and what the hook says about them.

    `in_play` are the draft orders that this hook asks about: the selected ones on order-select, all drafts on order-sign. `incomplete`
    names the prefetch keys whose data did not come whole, but for those about the user.
    """

    facts: Facts
    mappings: Mappings
    thresholds: Thresholds
    now: datetime
    hook: str
    in_play: tuple[Order, ...] = ()
    incomplete: frozenset[str] = frozenset()
    _fresh: dict[str, Lab | None] = field(default_factory=dict)
    _proven: dict[str, Lab | None] = field(default_factory=dict)
    adjusted: dict[int, tuple[Lab | None, Lab | None]] = field(default_factory=dict)  # what `calcium.adjusted_of` has computed

    @property
    def inpatient(self) -> bool:
        return self.facts.encounter is not None and self.facts.encounter.setting == "inpatient"

    def ago(self, days: Decimal | int) -> datetime:
        """The instant `days` before now."""
        return self.now - _span(days)

    def labs(self, analyte: str) -> tuple[Lab, ...]:
        """Usable values of an analyte, oldest first."""
        return self.facts.labs.get(analyte, ())

    def newest(self, analyte: str) -> Lab | None:
        """The newest usable value, however old."""
        labs = self.labs(analyte)
        return labs[-1] if labs else None

    def fresh(self, analyte: str) -> Lab | None:
        """The newest usable value if it is fresh for this setting; it may still be preliminary, or only a bound."""
        if analyte not in self._fresh:
            lab = self.newest(analyte)
            self._fresh[analyte] = lab if lab is not None and lab.when.until >= self._fresh_since(analyte) else None
        return self._fresh[analyte]

    def _fresh_since(self, analyte: str) -> datetime:
        return self.ago(self.thresholds.fresh_days(analyte, self.inpatient))

    def for_danger(self, analyte: str) -> tuple[Lab, ...]:
        """The fresh values that a danger may rest on, the newest first: all that no final value is known to be newer than.

        A preliminary result can raise an alarm and cannot call one off; nor can one whose time is so vague that it may be the older, or one
        of two results that contradict each other.
        """
        fresh_since = newer_than = self._fresh_since(analyte)
        found: list[Lab] = []
        for lab in reversed(self.labs(analyte)):
            if lab.when.until < fresh_since:
                break
            contradicts = bool(found) and lab.conflicting and found[0].conflicting
            if lab.when.until >= newer_than or contradicts:
                found.append(lab)
            if lab.final:
                newer_than = max(newer_than, lab.when.at)
        return tuple(found)

    def within(self, analyte: str, days: Decimal | int) -> Iterator[Lab]:
        """Usable values of the last `days`, oldest first."""
        limit = self.ago(days)
        return (lab for lab in self.labs(analyte) if lab.when.until >= limit)

    def blocked(self, analyte: str) -> Problem | None:
        """The problem that makes what is known of an analyte out of date: a value sent at the same time or later that could not be used.

        A newer unusable value beats an older usable one; without a time it may be the newest.
        """
        newest = self.newest(analyte)
        for problem in self.facts.problems:
            if problem.analyte != analyte or problem.reason not in BLOCKING:
                continue
            if problem.when is None or newest is None or problem.when.until >= newest.when.at:
                return problem
        return None

    def proven(self, analyte: str) -> Lab | None:
        """The newest value if reassurance may rest on it: fresh for certain, final, and not overtaken by a value that could not be used."""
        if analyte not in self._proven:
            lab = self.fresh(analyte)
            proven = lab is not None and lab.final and lab.when.at >= self._fresh_since(analyte) and self.blocked(analyte) is None
            self._proven[analyte] = lab if proven and not self._doubted(analyte, lab) else None
        return self._proven[analyte]

    def _doubted(self, analyte: str, newest: Lab | None) -> bool:
        """Whether a value of the very moment of the newest is not final, or only a bound. Two formulas of eGFR often stand side by side."""
        if newest is None or analyte == "egfr":
            return False
        beside = (lab for lab in self.labs(analyte)[:-1] if lab.when == newest.when)
        return any(not lab.final or lab.comparator for lab in beside)

    def paired_with(self, lab: Lab, analyte: str, hours: Decimal) -> Lab | None:
        """The value of `analyte` drawn together with `lab` (same specimen first, then the nearest within `hours`), or None."""
        candidates = [other for other in self.labs(analyte) if paired(lab, other, hours)]
        if not candidates:
            return None
        return min(candidates, key=lambda other: (not (lab.specimen and lab.specimen == other.specimen), abs(other.when.at - lab.when.at)))

    def age_years(self, on: date | None = None) -> tuple[int, int] | None:
        """Youngest and oldest completed age in years that the birth date allows; None when it is unknown."""
        born = self.facts.patient.born
        if born is None:
            return None
        day = on or self.now.date()
        return years_between(born[1], day), years_between(born[0], day)

    def age_days(self) -> tuple[int, int] | None:
        """Youngest and oldest age in days that the birth date allows; None when it is unknown."""
        born = self.facts.patient.born
        return None if born is None else ((self.now.date() - born[1]).days, (self.now.date() - born[0]).days)

    def records(self, *categories: str) -> tuple[History, ...]:
        """The records of history categories that count: those not said to be over, and all of a category whose past counts too."""
        histories = self.facts.histories
        if histories.keys().isdisjoint(categories):
            return ()  # as for nearly every question that is asked
        present = (name for name in categories if name in histories)
        return tuple(record for name in present for record in histories[name] if record.active or self.mappings.histories[name].resolved_counts)

    def has(self, *categories: str) -> bool:
        """Whether any of the history categories is on the chart, and counts."""
        return bool(self.records(*categories))

    def role(self, role: str) -> tuple[History, ...]:
        """The records that count of all categories with a role."""
        return self.records(*self.mappings.by_role[role])

    def complete(self, *keys: str) -> bool:
        """Whether all the named prefetch keys came whole."""
        return not self.incomplete.intersection(keys)


@cache
def _span(days: Decimal | int) -> timedelta:
    """A threshold as a span of time; there are few different ones."""
    return timedelta(days=float(days))


def bounds(lab: Lab) -> tuple[Decimal | None, Decimal | None]:
    """The interval a value stands for; a comparator opens one side (None)."""
    if not lab.comparator:
        return lab.value, lab.value
    return (lab.value, None) if lab.comparator.startswith(">") else (None, lab.value)


def is_high(lab: Lab) -> bool:
    """Whether the whole interval lies above the upper limit, or the laboratory that set no range of its own flags it high."""
    low, _ = bounds(lab)
    limit = lab.limits.wide_high if lab.limits else None
    if limit is not None and low is not None and (low > limit or (lab.comparator == ">" and low >= limit)):
        return True
    return _flag_decides(lab) and bool(lab.flags & HIGH_FLAGS)


def is_low(lab: Lab) -> bool:
    """Whether the whole interval lies below the lower limit, or the laboratory that set no range of its own flags it low."""
    _, high = bounds(lab)
    limit = lab.limits.wide_low if lab.limits else None
    if limit is not None and high is not None and (high < limit or (lab.comparator == "<" and high <= limit)):
        return True
    return _flag_decides(lab) and bool(lab.flags & LOW_FLAGS)


def _flag_decides(lab: Lab) -> bool:
    # Without a reported range the flag is the only trace of the laboratory's own limits; beside one, the number rules (C8.5). A flag by
    # the adults' range says nothing about a child.
    return lab.limits is None or not lab.limits.source.startswith("reported")


def in_range(lab: Lab) -> bool:
    """Whether a value is proven to lie inside the narrower limits, and is not flagged abnormal."""
    limits = lab.limits
    if limits is None or lab.comparator or lab.flags & ABNORMAL_FLAGS:
        return False
    return (limits.low is not None and limits.high is not None) and limits.low <= lab.value <= limits.high


def near_limit(lab: Lab, band: Decimal) -> bool:
    """Whether a value inside the limits lies within `band` of either of them."""
    limits = lab.limits
    if limits is None or not in_range(lab) or limits.low is None or limits.high is None:
        return False
    return lab.value - limits.low <= band or limits.high - lab.value <= band
