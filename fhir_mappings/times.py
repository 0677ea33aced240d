"""FHIR dates and times to `Moment`: as exact as they were sent, never more."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, time, timedelta

from .facts import Moment

# A local time without an offset can be anywhere between the earliest and the latest time zone of the world.
EAST, WEST = timedelta(hours=14), timedelta(hours=12)
# The shape of a FHIR dateTime with a time. Python reads more (week dates, a space for the T), which FHIR does not know.
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)


def moment(text: str | None, exact: bool = True) -> Moment | None:
    """Read a FHIR date, dateTime or instant; None when there is none or it is not one.

    A year, month or day is an interval; a time without an offset is one, too. `exact` says whether a full instant states when the thing
    itself was true, and not only when it was reported.
    """
    if not text:
        return None
    try:
        if len(text) > 10:
            return _instant(text, exact)
        first, last = days(text)
        return Moment(datetime.combine(first, time(), UTC) - EAST, datetime.combine(last, time(23, 59, 59), UTC) + WEST)
    except (ValueError, OverflowError):
        return None


def _instant(text: str, exact: bool) -> Moment:
    if not INSTANT.fullmatch(text):
        raise ValueError(text)
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:  # without an offset not even the hour of day is certain: it may have been converted on the way
        naive = at.replace(tzinfo=UTC)
        return Moment(naive - EAST, naive + WEST)
    utc = at.astimezone(UTC)
    return Moment(utc, utc, exact=exact, hour=at.hour)


def days(text: str) -> tuple[date, date]:
    """The first and last day that a FHIR date means. Raises ValueError when it is none."""
    parts = text.split("-")
    if not all(part.isascii() and part.isdigit() for part in parts) or [len(part) for part in parts] not in ([4], [4, 2], [4, 2, 2]):
        raise ValueError(text)
    numbers = [int(part) for part in parts]
    year = numbers[0]
    if len(numbers) == 1:
        return date(year, 1, 1), date(year, 12, 31)
    month = numbers[1]
    if len(numbers) == 2:
        return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])
    day = date(year, month, numbers[2])
    return day, day
