"""Dosage instructions to the amount of a drug that is meant for a day, and for how long; what does not say so completely says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import msgspec
from msgspec import Raw

from . import wire
from .facts import Dose
from .mappings import Factor
from .units import UnitError, fold, number_of
from .wire import codings

# Units of dose to the two that doses are kept in. A tablet, a drop or a millilitre is no amount of a drug.
UNITS: Mapping[str, tuple[str, Factor]] = {
    **dict.fromkeys(("mg",), ("mg", Factor(Decimal(1)))),
    **dict.fromkeys(("g",), ("mg", Factor(Decimal(1000)))),
    **dict.fromkeys(("ug", "mcg"), ("mg", Factor(Decimal(1), Decimal(1000)))),
    **dict.fromkeys(("[iU]", "[IU]", "IU", "iu"), ("[iU]", Factor(Decimal(1)))),
}
HOURS = {
    "s": Decimal(1) / 3600,
    "min": Decimal(1) / 60,
    "h": Decimal(1),
    "d": Decimal(24),
    "wk": Decimal(168),
    "mo": Decimal(730),
    "a": Decimal(8766),
}
# Times a day by code: HL7 v3 GTSAbbreviation, as FHIR's timing-abbreviation value set lists it.
TIMES_A_DAY = {
    "QD": Decimal(1),
    "BID": Decimal(2),
    "TID": Decimal(3),
    "QID": Decimal(4),
    "AM": Decimal(1),
    "PM": Decimal(1),
    "BED": Decimal(1),
    "QOD": Decimal(1) / 2,
    "Q1H": Decimal(24),
    "Q2H": Decimal(12),
    "Q3H": Decimal(8),
    "Q4H": Decimal(6),
    "Q6H": Decimal(4),
    "Q8H": Decimal(3),
    "WK": Decimal(1) / 7,
    "MO": Decimal(24) / 730,
}
UNUSABLE = (UnitError, ValueError, *wire.UNREADABLE)  # ValueError: a period that is no date

_decode = msgspec.json.Decoder(list[wire.Dosage] | wire.Dosage | None).decode


def daily_dose(raw: Raw) -> Dose | None:
    """The most that all instructions together give in a day, or None when any of them leaves it open.

    `raw` is `dosageInstruction` or `dosage` as sent: one Dosage or several, of any FHIR version. Ranges count with their upper end, and
    "as needed" as if it always were.
    """
    try:
        return _sum([_a_day(instruction) for instruction in _instructions(raw)])
    except UNUSABLE:
        return None  # a dose in words, or in another shape: the dose is unknown, the drug is not


def length_in_days(raw: Raw) -> Decimal | None:
    """For how many days a drug is to be taken, by the longest of its instructions; None when none of them says."""
    try:
        lengths = [_length(instruction.timing.repeat) for instruction in _instructions(raw) if instruction.timing and instruction.timing.repeat]
    except UNUSABLE:
        return None
    return max((length for length in lengths if length is not None), default=None)


def given_dose(raw: Raw) -> Dose | None:
    """The amount of one administration: what is known to have been given on its day."""
    try:
        found = _decode(raw) if bytes(raw) else None
        return _amount(found) if isinstance(found, wire.Dosage) else None
    except UNUSABLE:
        return None


def _instructions(raw: Raw) -> list[wire.Dosage]:
    found = _decode(raw) if bytes(raw) else None
    return found if isinstance(found, list) else [found] if found else []


def _length(repeat: wire.Repeat) -> Decimal | None:
    """The bounds of a repeat in days: a duration, or the days from the start to the end of a period."""
    duration, period = repeat.bounds_duration, repeat.bounds_period
    if duration is not None and (duration.code or duration.unit or "") in HOURS:
        return number_of(bytes(duration.value)) * HOURS[duration.code or duration.unit or ""] / 24
    if period is not None and period.start and period.end:
        return Decimal((date.fromisoformat(period.end[:10]) - date.fromisoformat(period.start[:10])).days)
    return None


def _sum(doses: list[Dose | None]) -> Dose | None:
    known = [dose for dose in doses if dose is not None]
    if not known or len(known) < len(doses) or len({dose.unit for dose in known}) > 1:
        return None
    return Dose(sum((dose.amount for dose in known), Decimal(0)), known[0].unit)


def _a_day(instruction: wire.Dosage) -> Dose | None:
    amount, times = _amount(instruction), _times_a_day(instruction.timing)
    return Dose(amount.amount * times, amount.unit) if amount is not None and times is not None else None


def _amount(instruction: wire.Dosage) -> Dose | None:
    """The amount of one dose; of a range its upper end."""
    rates = instruction.dose_and_rate or [instruction]
    doses = [_quantity(rate.dose_quantity or rate.dose or (rate.dose_range.high if rate.dose_range else None)) for rate in rates]
    return doses[0] if len(doses) == 1 else None


def _quantity(quantity: wire.Quantity | None) -> Dose | None:
    if quantity is None:
        return None
    known = UNITS.get(fold(quantity.code or quantity.unit or "")) or UNITS.get(fold(quantity.unit or ""))
    if known is None:
        return None
    unit, factor = known
    return Dose(factor.of(number_of(bytes(quantity.value))), unit)


def _times_a_day(timing: wire.Timing | None) -> Decimal | None:
    if timing is None:
        return None
    repeat = timing.repeat
    unit = (repeat.period_unit or repeat.period_units or "") if repeat is not None else ""
    if repeat is not None and bytes(repeat.period) and unit in HOURS:
        period = number_of(bytes(repeat.period))
        frequency = repeat.frequency_max or repeat.frequency or 1
        return Decimal(24) * frequency / (period * HOURS[unit]) if period > 0 else None
    return next((times for coding in codings(timing.code) if (times := TIMES_A_DAY.get((coding.code or "").upper())) is not None), None)
