"""Pregnancy as the readers need it: when it was, and in which trimester, so that a value finds the limits of its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from .facts import History, Moment

TERM = timedelta(days=301)  # 43 weeks: no pregnancy lasts longer
SECOND, THIRD = timedelta(weeks=14), timedelta(weeks=28)
ANY = frozenset({1, 2, 3})
UNITS = {**dict.fromkeys(("wk", "week", "weeks"), timedelta(weeks=1)), **dict.fromkeys(("d", "day", "days"), timedelta(days=1))}


class Gestation(NamedTuple):
    """A gestational age, and when it was that."""

    when: Moment
    age: timedelta

    def at(self, instant: datetime) -> int:
        """The trimester at an instant; 0 outside this pregnancy."""
        age = self.age + (instant - self.when.until)
        if not timedelta(0) <= age <= TERM:
            return 0
        return 1 if age < SECOND else 2 if age < THIRD else 3


def trimesters(when: Moment, gestations: Iterable[Gestation], records: Iterable[History]) -> frozenset[int]:
    """The trimesters that a moment may lie in; empty when no pregnancy of that time is on record."""
    known = frozenset(_told(when, gestations))
    if known:
        return known
    return ANY if any(_about(when, record) for record in records) else frozenset()


def _told(when: Moment, gestations: Iterable[Gestation]) -> Iterator[int]:
    return (trimester for gestation in gestations for instant in (when.at, when.until) if (trimester := gestation.at(instant)))


def _about(when: Moment, record: History) -> bool:
    began = record.onset or record.recorded
    if began is None:
        return record.active
    return began.at - TERM <= when.until and when.at <= began.until + TERM


def still(when: Moment | None, now: datetime) -> bool:
    """Whether a pregnancy seen at `when` may still last."""
    return when is None or when.until >= now - TERM
