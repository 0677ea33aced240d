"""The limits of a value: the Observation's own range where it can be used, else the catalog's band for the patient's age, sex and pregnancy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import NamedTuple

from msgspec.structs import replace

from .facts import Limits, Moment, Patient
from .mappings import Analyte, Band, Mappings
from .units import UnitError, number_of, side
from .wire import Concept, Quantity, Range, ReferenceRange, codings, each

# A range of another kind (therapeutic, treatment, critical, recommended) is no reference range; nor is one whose kind is told in words.
NORMAL = "normal"
ADULT_YEARS = 18
UNITS_OF_AGE = {
    **dict.fromkeys(("a", "y", "yr", "yrs", "year", "years"), "years"),
    **dict.fromkeys(("mo", "month", "months"), "months"),
    **dict.fromkeys(("wk", "wks", "week", "weeks"), "weeks"),
    **dict.fromkeys(("d", "day", "days"), "days"),
}
# SNOMED CT, FHIR administrative gender, HL7 v2 table 0001.
SEXES = {"male": "male", "M": "male", "248153007": "male", "female": "female", "F": "female", "248152002": "female"}
Pair = tuple[Decimal | None, Decimal | None]


class Age(NamedTuple):
    """An age in completed years and in days."""

    years: int
    days: int

    def in_units(self, unit: str) -> int:
        return {"years": self.years, "months": int(self.days / 30.4375), "weeks": self.days // 7, "days": self.days}[unit]


ADULT = Age(ADULT_YEARS, ADULT_YEARS * 366)


class _Own(NamedTuple):
    """A range that came with the value. `fits`: True when it names the patient's age or sex, False when it names nobody, None when it
    names somebody and it is not clear whom."""

    fits: bool | None
    low: Decimal | None
    high: Decimal | None

    @property
    def two_sided(self) -> bool:
        return self.low is not None and self.high is not None


def ages_at(patient: Patient, when: Moment) -> tuple[Age, ...]:
    """The youngest and the oldest age at a moment that the birth date allows; empty when it is unknown."""
    if patient.born is None:
        return ()
    first, last = patient.born
    day = when.at.date()
    youngest = Age(years_between(last, day), (day - last).days)
    return (youngest,) if first == last else (youngest, Age(years_between(first, day), (day - first).days))


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
    trimesters: frozenset[int] = frozenset(),
) -> tuple[Limits | None, list[str]]:
    """Choose the limits for a value that came in `unit`; returns them (None: no range applies) and why ranges were set aside.

    Of several fitting ranges the one that names the patient's age or sex decides; else the narrower serves reassurance and the wider
    danger. The adults' range does not become a child's by standing beside the child's value: then the child's band goes first (see
    `_of_child`). `trimesters` are those of a pregnancy that the value may have been drawn in.
    """
    ages = ages_at(patient, when)
    if not ranges:
        return _fallback(analyte, patient, ages, trimesters), []
    own: list[_Own] = []
    discarded: list[str] = []
    for candidate in ranges:
        answers = _answers(candidate, patient, ages) if _is_normal(candidate) else [False]
        if False in answers:
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
            own.append(_Own(None if None in answers else bool(answers), *pair))
    return _chosen(own, analyte, ages, partial(_fallback, analyte, patient, ages, trimesters)), discarded


def adult_limits(analyte: Analyte) -> Limits | None:
    """The catalog's band for adults who are not pregnant."""
    return _fallback(analyte, Patient(""), (ADULT,), frozenset())


# Whom a range is for


def _is_normal(candidate: ReferenceRange) -> bool:
    kinds = [*each(candidate.type), *each(candidate.meaning)]
    return not kinds or any(coding.code == NORMAL for concept in kinds for coding in codings(concept))


def _answers(candidate: ReferenceRange, patient: Patient, ages: tuple[Age, ...]) -> list[bool | None]:
    """Of each person that a range names whether the patient is one: True, False, or None when that is not clear."""
    answers = [_sex_fits(concept, patient) for concept in each(candidate.applies_to)]
    if candidate.age is not None:
        fits = {_age_fits(candidate.age, age) for age in ages} or {None}
        answers.append(fits.pop() if len(fits) == 1 else None)
    return answers


def _sex_fits(concept: Concept, patient: Patient) -> bool | None:
    sex = next((SEXES[coding.code] for coding in codings(concept) if coding.code in SEXES), "")
    return sex == patient.sex if sex and patient.sex else None


def _age_fits(wanted: Range, age: Age) -> bool | None:
    if wanted.low is None and wanted.high is None:
        return None
    try:
        return (wanted.low is None or _beyond(wanted.low, age) >= 0) and (wanted.high is None or _beyond(wanted.high, age) <= 0)
    except UnitError:
        return None


def _beyond(limit: Quantity, age: Age) -> Decimal:
    """How far an age in completed units lies beyond a limit. Raises UnitError when the limit is not understood."""
    unit = UNITS_OF_AGE.get((limit.code or limit.unit or "").strip().lower())
    if unit is None:
        raise UnitError("unit-unknown")
    return age.in_units(unit) - number_of(bytes(limit.value))


def _nonsense(pair: Pair, analyte: Analyte) -> str:
    low, high = pair
    if low is not None and high is not None and low >= high:
        return "its low is not below its high"
    within = analyte.range_within
    if within and any(limit is not None and not within[0] <= limit <= within[1] for limit in pair):
        return f"it reaches outside {within[0]}-{within[1]} {analyte.unit}"
    return ""


# The choice


def _chosen(own: list[_Own], analyte: Analyte, ages: tuple[Age, ...], fallback: Callable[[], Limits | None]) -> Limits | None:
    """A range that is understood only in part may narrow what reassures, and never widens what is a danger."""
    clear = [one for one in own if one.fits is not None]
    full = [one for one in clear if one.two_sided]
    named = [one for one in full if one.fits]
    if named:
        return _limits(named, "reported")
    if full:
        return _of_child(_narrowed(_limits(full, "reported"), own), analyte, ages, fallback)
    if clear:
        return _of_child(_narrowed(_one_sided(clear, fallback()), own), analyte, ages, fallback)
    band = fallback()
    return _narrowed(band, own) if band is not None else None


def _limits(ranges: Sequence[_Own | Band], source: str) -> Limits:
    lows, highs = _lows(ranges), _highs(ranges)
    return _sane(
        Limits(
            low=max(lows, default=None),
            high=min(highs, default=None),
            wide_low=min(lows, default=None),
            wide_high=max(highs, default=None),
            source=source,
        )
    )


def _one_sided(ranges: list[_Own], fallback: Limits | None) -> Limits:
    """Limits of which the laboratory sent one side; danger gets the other from the catalog, so that it has a limit at all."""
    limits = _limits(ranges, "reported")
    if fallback is None:
        return limits
    return replace(
        limits,
        wide_low=fallback.wide_low if limits.wide_low is None else limits.wide_low,
        wide_high=fallback.wide_high if limits.wide_high is None else limits.wide_high,
    )


def _narrowed(limits: Limits, ranges: list[_Own]) -> Limits:
    return _sane(
        replace(
            limits,
            low=None if limits.low is None else max([limits.low, *_lows(ranges)]),
            high=None if limits.high is None else min([limits.high, *_highs(ranges)]),
        )
    )


def _sane(limits: Limits) -> Limits:
    """Ranges that have nothing in common leave nothing that would be normal."""
    if limits.low is None or limits.high is None or limits.low < limits.high:
        return limits
    return replace(limits, low=None, high=None)


def _lows(ranges: Iterable[_Own | Band]) -> list[Decimal]:
    return [one.low for one in ranges if one.low is not None]


def _highs(ranges: Iterable[_Own | Band]) -> list[Decimal]:
    return [one.high for one in ranges if one.high is not None]


def _of_child(limits: Limits, analyte: Analyte, ages: tuple[Age, ...], fallback: Callable[[], Limits | None]) -> Limits:
    """A child's limits: those reported, or the band of the child's age where the adults' range was reported.

    From the age on at which child and adult share a band (phosphate: 16 years), the adults' range is the child's, too.
    """
    if not ages or ages[0].years >= ADULT_YEARS or not is_adult_range(limits, analyte):
        return limits
    band = fallback()
    if band is not None and is_adult_range(band, analyte):
        return limits
    return replace(band or limits, source="reported-adult")


def is_adult_range(limits: Limits, analyte: Analyte) -> bool:
    """Whether limits are the adults' of the catalog, as far as they are given, to the decimals that those have: 0.80-1.50 mmol/L is the
    2.5-4.6 mg/dL of phosphate."""
    adults = [band for band in analyte.bands if band.from_years >= ADULT_YEARS and not band.trimester]
    return any(_same(limits.low, band.low) and _same(limits.high, band.high) for band in adults)


def _same(limit: Decimal | None, adult: Decimal | None) -> bool:
    return limit is None or (adult is not None and limit.quantize(adult) == adult)


# The catalog's bands


def expected_at(analyte: Analyte, patient: Patient, day: date) -> Limits | None:
    """The catalog's band for the patient's age on a day; None where it has none."""
    if patient.born is None:
        return None
    born = patient.born[1]
    return _fallback(analyte, patient, (Age(years_between(born, day), (day - born).days),), frozenset())


def _fallback(analyte: Analyte, patient: Patient, ages: tuple[Age, ...], trimesters: frozenset[int]) -> Limits | None:
    """The catalog's band. Without a birth date the adult's: a danger must be seen, and reassurance asks for the age by itself."""
    age = ages[0] if ages else ADULT
    adult = age.years >= ADULT_YEARS
    if not trimesters or not adult or not any(band.trimester for band in analyte.bands):
        band = next(_bands(analyte, patient, age, 0), None)
        return None if band is None else Limits(band.low, band.high, band.low, band.high, "adult" if adult else "child")
    found = [next(chain(_bands(analyte, patient, age, trimester), _bands(analyte, patient, age, 0))) for trimester in trimesters]
    return _limits(found, "pregnancy")


def _bands(analyte: Analyte, patient: Patient, age: Age, trimester: int) -> Iterator[Band]:
    years, days = age
    for band in analyte.bands:
        if (
            band.from_years <= years < band.to_years
            and band.from_days <= days < band.to_days
            and band.sex in ("", patient.sex)
            and band.trimester == trimester
        ):
            yield band
