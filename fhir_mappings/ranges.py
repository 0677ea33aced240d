"""The reference range of a value: the Observation's own where it can be used, else the catalog's band for the patient's age and sex."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

from .facts import Limits, Moment, Patient
from .mappings import Analyte, Mappings
from .units import UnitError, side
from .wire import Quantity, Range, ReferenceRange, codings, each

# A range of another kind (therapeutic, treatment, critical, recommended) is no reference range.
NORMAL = "normal"
ADULT_YEARS = 18
AGE_UNITS = {
    "a": Decimal("365.25"),
    "yr": Decimal("365.25"),
    "years": Decimal("365.25"),
    "year": Decimal("365.25"),
    "mo": Decimal("30.44"),
    "wk": Decimal(7),
    "d": Decimal(1),
}
Pair = tuple[Decimal | None, Decimal | None]


def age_at(patient: Patient, when: Moment) -> tuple[int, int] | None:
    """Age in completed years and in days at a moment, by the youngest that the birth date allows; None when it is unknown."""
    if patient.born is None:
        return None
    born, day = patient.born[1], when.at.date()
    return years_between(born, day), (day - born).days


def years_between(born: date, day: date) -> int:
    """Completed years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def limits_of(
    ranges: Sequence[ReferenceRange],
    unit: str,
    analyte: Analyte,
    mappings: Mappings,
    patient: Patient,
    when: Moment,
) -> tuple[Limits | None, list[str]]:
    """Choose the limits for a value that came in `unit`; returns them (None: no range applies) and why ranges were set aside.

    Of several fitting ranges the one that names the patient's age goes first; else the narrower serves reassurance and the wider danger.
    The adults' range does not become a child's by standing beside the child's value: then the child's band goes first (see `_of_child`).
    """
    age = age_at(patient, when)
    if not ranges:
        return _fallback(analyte, patient, age), []
    discarded: list[str] = []
    fitting: list[tuple[bool, Pair]] = []
    for candidate in ranges:
        if not _is_normal(candidate) or not _age_fits(candidate.age, age):
            continue
        try:
            pair = side(candidate.low, unit, analyte, mappings), side(candidate.high, unit, analyte, mappings)
        except UnitError as error:
            discarded.append(error.detail or error.reason)
            continue
        fault = _nonsense(pair, analyte)
        if fault:
            discarded.append(fault)
        elif pair != (None, None):
            fitting.append((candidate.age is not None, pair))
    if fitting:
        named = [pair for by_age, pair in fitting if by_age]
        limits = _limits(named or [pair for _, pair in fitting])
        return limits if named else _of_child(limits, analyte, patient, age), discarded
    return _fallback(analyte, patient, age), discarded


def _is_normal(candidate: ReferenceRange) -> bool:
    kinds = [coding.code for concept in (*each(candidate.type), *each(candidate.meaning)) for coding in codings(concept)]
    return not kinds or NORMAL in kinds


def _age_fits(wanted: Range | None, age: tuple[int, int] | None) -> bool:
    if wanted is None:
        return True
    if age is None:
        return False
    low, high = _age_days(wanted.low), _age_days(wanted.high)
    return (low is None or age[1] >= low) and (high is None or age[1] <= high)


def _age_days(quantity: Quantity | None) -> Decimal | None:
    if quantity is None:
        return None
    factor = AGE_UNITS.get(quantity.code or quantity.unit or "")
    try:
        return Decimal(bytes(quantity.value).decode()) * factor if factor else None
    except (InvalidOperation, UnicodeDecodeError):
        return None


def _nonsense(pair: Pair, analyte: Analyte) -> str:
    low, high = pair
    if low is not None and high is not None and low >= high:
        return "its low is not below its high"
    within = analyte.range_within
    if within and any(limit is not None and not within[0] <= limit <= within[1] for limit in pair):
        return f"it reaches outside {within[0]}-{within[1]} {analyte.unit}"
    return ""


def _limits(pairs: list[Pair]) -> Limits:
    lows, highs = [low for low, _ in pairs if low is not None], [high for _, high in pairs if high is not None]
    open_low, open_high = len(lows) < len(pairs), len(highs) < len(pairs)
    return Limits(
        low=max(lows, default=None),
        high=min(highs, default=None),
        wide_low=None if open_low else min(lows),
        wide_high=None if open_high else max(highs),
        source="reported",
    )


def _of_child(limits: Limits, analyte: Analyte, patient: Patient, age: tuple[int, int] | None) -> Limits:
    """A child's limits: those reported, or the band of the child's age where the adults' range was reported.

    From the age on at which child and adult share a band (phosphate: 16 years), the adults' range is the child's, too.
    """
    if age is None or age[0] >= ADULT_YEARS or not is_adult_range(limits, analyte):
        return limits
    band = _fallback(analyte, patient, age)
    if band is not None and is_adult_range(band, analyte):
        return limits
    found = band or limits
    return Limits(found.low, found.high, found.wide_low, found.wide_high, "reported-adult")


def is_adult_range(limits: Limits, analyte: Analyte) -> bool:
    """Whether limits are the adults' of the catalog, as far as they are given, to the decimals that those have: 0.80-1.50 mmol/L is the
    2.5-4.6 mg/dL of phosphate."""
    adults = [band for band in analyte.bands if band.from_years >= ADULT_YEARS]
    return any(_same(limits.low, band.low) and _same(limits.high, band.high) for band in adults)


def _same(limit: Decimal | None, adult: Decimal | None) -> bool:
    return limit is None or (adult is not None and limit.quantize(adult) == adult)


def expected_at(analyte: Analyte, patient: Patient, day: date) -> Limits | None:
    """The catalog's band for the patient's age on a day; None where it has none."""
    if patient.born is None:
        return None
    born = patient.born[1]
    return _fallback(analyte, patient, (years_between(born, day), (day - born).days))


def _fallback(analyte: Analyte, patient: Patient, age: tuple[int, int] | None) -> Limits | None:
    """The catalog's band. Without a birth date the adult's: a danger must be seen, and reassurance asks for the age by itself."""
    for low, high in _bands(analyte, patient, age or (ADULT_YEARS, ADULT_YEARS * 366)):
        return Limits(low, high, low, high, "adult" if age is None or age[0] >= ADULT_YEARS else "child")
    return None


def _bands(analyte: Analyte, patient: Patient, age: tuple[int, int]) -> Iterator[Pair]:
    years, days = age
    for band in analyte.bands:
        if band.from_years <= years < band.to_years and band.from_days <= days < band.to_days and band.sex in ("", patient.sex):
            yield band.low, band.high
