"""Results that were sent and could not be used: the newest value of an analyte that the verdict needs, why it was rejected, what it may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fhir_mappings import Lab, Problem

from .calcium import CRITICAL_FLAGS, critical_limits, critical_since
from .chart import BLOCKING, Chart, bounds, is_high, is_low
from .kidney import Kidney

# What the verdict needs, in the order in which it is told.
NEEDED = ("calcium_total", "calcium_adjusted", "calcium_ionised", "phosphate", "albumin", "creatinine", "egfr")
CALCIUM = frozenset({"calcium_total", "calcium_adjusted", "calcium_ionised"})
OPTIONAL = frozenset({"calcium_adjusted", "calcium_ionised"})  # nothing waits for them: only a fresh one must be verified
# Either of these tells of kidney function, so that a usable one stands in for the other.
STAND_IN = {"creatinine": "egfr", "egfr": "creatinine"}
# The two units in which laboratories report an analyte: a number without a unit that is understood may be either.
READ_AS = {
    "calcium_total": ("mg/dL", "mmol/L"),
    "calcium_adjusted": ("mg/dL", "mmol/L"),
    "calcium_ionised": ("mmol/L", "mg/dL"),
    "phosphate": ("mg/dL", "mmol/L"),
    "albumin": ("g/dL", "g/L"),
    "creatinine": ("mg/dL", "umol/L"),
}
# Reasons for which a number may be right and its unit not.
UNIT_IN_DOUBT = frozenset({"unit-missing", "unit-unknown", "unit-conflict", "implausible"})
# In words, short enough for a summary.
REASONS = {
    "unit-missing": "it has no unit",
    "unit-unknown": "its unit is not understood",
    "unit-conflict": "its unit is contradictory",
    "unit-ambiguous": "it may be the mass of PO4",
    "implausible": "it is outside plausible limits",
    "contradictory": "two results differ",
    "straddles": "it is only a bound, and does not tell",
    "preliminary": "it is not final",
    "value-type": "it is no number with a unit",
    "no-time": "it has no usable time",
    "future": "its time lies in the future",
    "before-birth": "its time lies before birth",
    "unreadable": "it cannot be read",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to understand a number: in `unit`, which is `value` in the analyte's own unit."""

    unit: str
    value: Decimal
    plausible: bool


@dataclass(frozen=True, slots=True)
class Unusable:
    """The newest value of an analyte, which nothing may rest on.

    `reason` is a key of `REASONS`; `readings` are the ways to understand a number whose unit is in doubt; `maybe_critical` is true when
    one of them is a critical calcium of these days.
    """

    analyte: str
    reason: str
    shown: str
    when: datetime | None
    status: str
    number: Decimal | None = None
    readings: tuple[Reading, ...] = ()
    maybe_critical: bool = False


def read_unusable(chart: Chart, kidney: Kidney) -> tuple[Unusable, ...]:
    """The needed analytes whose newest value is unusable, those that may be critical first."""
    found = {analyte: value for analyte in NEEDED if (value := rejected(chart, analyte) or _not_reassuring(chart, analyte, kidney)) is not None}
    needed = [value for analyte, value in found.items() if not _stood_in_for(chart, value, STAND_IN.get(analyte, ""))]
    return tuple(sorted(needed, key=lambda value: not value.maybe_critical))


def rejected(chart: Chart, analyte: str) -> Unusable | None:
    """The newest value of an analyte, if it was sent and could not be used, and no usable one is at least as new.

    A value that was rejected longer ago than any value counts is no longer one to verify: the analyte is missing.
    """
    newest = chart.newest(analyte)
    problems = [problem for problem in chart.facts.problems if problem.analyte == analyte and problem.reason in BLOCKING & REASONS.keys()]
    problems = [problem for problem in problems if _recent(chart, problem) and not _overtaken(problem, newest)]
    return _of_problem(chart, max(problems, key=_newest_first)) if problems else None


def _newest_first(problem: Problem) -> tuple[bool, float, str]:
    return problem.when is None, problem.when.until.timestamp() if problem.when else 0.0, problem.resource


def _recent(chart: Chart, problem: Problem) -> bool:
    days = chart.thresholds.fresh_days(problem.analyte, chart.inpatient) if problem.analyte in OPTIONAL else chart.thresholds.lookback_days["stale"]
    return problem.when is None or problem.when.until >= chart.ago(days)


def _overtaken(problem: Problem, newest: Lab | None) -> bool:
    """Whether a usable value is at least as new; of two that contradict each other neither overtakes the other."""
    if newest is None or problem.when is None:
        return False
    return newest.when.at > problem.when.until or (newest.when.at == problem.when.until and problem.reason != "contradictory")


def _stood_in_for(chart: Chart, value: Unusable, other: str) -> bool:
    lab = chart.proven(other) if other else None
    return lab is not None and value.when is not None and lab.when.at >= value.when


def _of_problem(chart: Chart, problem: Problem) -> Unusable:
    readings = tuple(_readings(chart, problem))
    return Unusable(
        analyte=problem.analyte,
        reason=problem.reason,
        shown=problem.shown,
        when=problem.when.at if problem.when else None,
        status=problem.status,
        number=problem.number,
        readings=readings,
        maybe_critical=_maybe_critical(chart, problem, readings),
    )


def _readings(chart: Chart, problem: Problem) -> Iterator[Reading]:
    if problem.number is None or problem.reason not in UNIT_IN_DOUBT:
        return
    analyte = chart.mappings.analytes[problem.analyte]
    for unit in READ_AS.get(problem.analyte, ()):
        value = analyte.factors[unit].of(problem.number)
        yield Reading(unit, value, analyte.plausible[0] <= value <= analyte.plausible[1])


def _maybe_critical(chart: Chart, problem: Problem, readings: tuple[Reading, ...]) -> bool:
    """Whether a rejected calcium may be a critical one: in a plausible reading, as it was sent, or by the laboratory's flag."""
    if problem.analyte not in CALCIUM or (problem.when is not None and problem.when.until < critical_since(chart)):
        return False
    low, high = critical_limits(chart, problem.analyte)
    critical = any(reading.plausible and not low < reading.value < high for reading in readings)
    return critical or problem.reason == "implausible" or bool(problem.flags & CRITICAL_FLAGS)


def _not_reassuring(chart: Chart, analyte: str, kidney: Kidney) -> Unusable | None:
    """A fresh value that neither reassures nor warns: a bound that does not tell, or a preliminary result in range."""
    lab = chart.fresh(analyte)
    if lab is None:
        return None
    reason = "straddles" if _straddles(chart, lab) else "preliminary" if not lab.final and not _warns(chart, lab, kidney) else ""
    return Unusable(analyte, reason, lab.shown, lab.when.at, lab.status) if reason else None


def _straddles(chart: Chart, lab: Lab) -> bool:
    if not lab.comparator or lab.analyte == "creatinine":
        return bool(lab.comparator)  # no eGFR is computed from a bound
    if lab.analyte == "egfr":
        low, high = bounds(lab)
        limit = chart.thresholds.egfr["g3a"]
        return not ((low is not None and low >= limit) or (high is not None and high <= limit))
    return not (is_high(lab) or is_low(lab))


def _warns(chart: Chart, lab: Lab, kidney: Kidney) -> bool:
    """Whether a preliminary value is one that a danger rests on: then it is used, though only to warn."""
    if lab.analyte in STAND_IN:
        return kidney.egfr is not None and kidney.egfr < chart.thresholds.egfr["g3a"]
    return lab.analyte != "albumin" and (is_high(lab) or is_low(lab))
