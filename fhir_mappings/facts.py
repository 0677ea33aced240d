"""The frozen values that a patient's chart becomes: labs, histories, orders, exposures, and every problem met on the way.

A fact is what a resource says, in the catalog's terms and units; whether it is fresh, high or dangerous is decided by the reader of
facts, who knows the clock and the thresholds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct, field


class Moment(Struct, frozen=True, gc=False):
    """When something was true, as exactly as the resource says it: a dateTime of FHIR may be a year, a month, a day or an instant.

    `at` and `until` are the earliest and the latest instant it can mean, both in UTC. `exact` is true only for an instant with a time
    zone that states when the specimen was taken; only exact moments may be paired. `hour` is the hour of day as it was sent with an offset.
    """

    at: datetime
    until: datetime
    exact: bool = False
    hour: int | None = None


class Limits(Struct, frozen=True, gc=False):
    """A reference range in the analyte's canonical unit; either side may be open (None).

    `source` is "reported" (came with the value), "reported-adult" (a child's value came with the adults' range: then the limits are those of
    the child's band where there is one), or "adult", "child", "pregnancy" (the catalog's fallback bands).
    `low`/`high` are the narrower choice, for reassurance; `wide_low`/`wide_high` the wider one, for danger. They differ where several ranges
    fit equally well, where it is not clear whom a range is for, and where a range has one side only: that proves nothing, and the side it
    lacks is the band's.
    """

    low: Decimal | None
    high: Decimal | None
    wide_low: Decimal | None
    wide_high: Decimal | None
    source: str


class Lab(Struct, frozen=True, gc=False):
    """One usable laboratory value.

    `value` is exact, in the canonical unit of the analyte (catalog/analytes); with a `comparator` it is a bound, never a value to
    compute with. `shown` is value and unit as they were sent, for print. `final` is false for preliminary and registered results.
    `limits` is None where no reference range applies (NO_RANGE). `flags` are the HL7 interpretation codes as sent (H, L, HH, N, ...).
    `specimen` names the specimen in one spelling, for pairing, and `hours_to_receipt` how long it was on its way from collection to the laboratory,
    where the Specimen came and says both. `code` is the code that was mapped, as `system|code`, `attributes`
    what the catalog remarks on it (blood, ckd-epi-2021, computed). `conflicting` is true when another final result of the same moment
    contradicts it: no reassurance, and a danger only as an unverified one.
    """

    analyte: str
    value: Decimal
    shown: str
    unit: str
    when: Moment
    comparator: str = ""
    final: bool = True
    limits: Limits | None = None
    flags: frozenset[str] = frozenset()
    specimen: str = ""
    code: str = ""
    attributes: frozenset[str] = frozenset()
    resource: str = ""
    issued: datetime | None = None
    status: str = "final"
    conflicting: bool = False
    hours_to_receipt: Decimal | None = None


class Draw(Struct, frozen=True, gc=False):
    """A draw by itself, to be compared with those of laboratory values: when it was, and its specimen."""

    when: Moment
    specimen: str = ""


class History(Struct, frozen=True, gc=False):
    """One coded statement of history: a Condition, a Procedure, or an Observation that names a state (pregnancy).

    `status` is the clinical status as sent ("active", "resolved", ..., "" when absent); `active` is false only when the status says so.
    `sites` are body regions and site ids from coded bodySite and ICD-10-CM site characters; empty when unknown.
    """

    category: str
    resource: str
    code: str
    display: str = ""
    active: bool = True
    status: str = ""
    onset: Moment | None = None
    recorded: Moment | None = None
    sites: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    body_sites: tuple[tuple[str, str, str], ...] = ()  # (system, code, display) as sent, to be copied into a suggestion


class Reason(Struct, frozen=True, gc=False):
    """One reason of an order: its history categories when coded and mapped, else what is known of it.

    `kind` is "mapped" (categories hold), "unmapped" (coded, but no category of ours), "text" (free text only) or "dangling" (a
    reference that did not come with the request).
    """

    kind: str
    categories: frozenset[str] = frozenset()


class Dose(Struct, frozen=True, gc=False):
    """How much of a drug is meant for a day: the amount, in "mg" or in "[iU]" (international units)."""

    amount: Decimal
    unit: str


class Order(Struct, frozen=True, gc=False):
    """One order: a draft of this session, or an order already on the chart.

    `categories` are order categories (catalog/orders); `analytes` the measurements it would bring, panels expanded. `region` is the body
    region of an imaging order or ''. `attributes` are the catalog's remarks on the code (modality, contrast, exam). `drugs` are the medication
    categories of a drug; `dose` is its daily dose and `days` for how long it is to be taken (None: not said).
    """

    id: str
    categories: frozenset[str]
    analytes: frozenset[str] = frozenset()
    label: str = ""
    status: str = ""
    draft: bool = False
    reasons: tuple[Reason, ...] = ()
    regions: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    when: Moment | None = None
    code: str = ""
    panel: bool = False
    drugs: frozenset[str] = frozenset()
    dose: Dose | None = None
    days: Decimal | None = None


class Exposure(Struct, frozen=True, gc=False):
    """One drug the patient takes or was given: medication categories, and when it was last known to be taken.

    `active` is true while it is on the list as active; otherwise `last` tells when it stopped, or was given (None: unknown).
    `since` is when it was begun, prescribed or given (None: unknown); of a prescription that is over, `last` is only when it would have run out.
    `dose` is the daily dose (of an administration: the dose given); None: not said.
    """

    category: str
    resource: str
    code: str
    active: bool
    display: str = ""
    last: Moment | None = None
    dose: Dose | None = None
    since: Moment | None = None


class Report(Struct, frozen=True, gc=False):
    """One diagnostic report of imaging: what was imaged, when, and whether it is final."""

    resource: str
    categories: frozenset[str]
    regions: frozenset[str]
    final: bool
    when: Moment | None
    conclusions: frozenset[str] = frozenset()  # history categories from conclusionCode


class Patient(Struct, frozen=True, gc=False):
    """Who the chart is about. `born` is the earliest and latest day the birth date can mean; None when unknown."""

    id: str
    born: tuple[date, date] | None = None
    sex: str = ""  # "male", "female", "" (other, unknown, absent)
    deceased: bool = False


class Encounter(Struct, frozen=True, gc=False):
    """The encounter of the hook: its class ("ambulatory", "inpatient", "" unknown) and its location types (catalog context)."""

    resource: str
    setting: str = ""
    class_code: str = ""
    locations: frozenset[str] = frozenset()
    specialties: frozenset[str] = frozenset()


class Problem(Struct, frozen=True, gc=False):
    """Something that came and was not used: where it was, which element, and why.

    `reason` is one of `REASONS`. `analyte` and `when` are kept where they could be read, so that a newer unreadable value can beat an
    older readable one. `category` is the history, medication or order category where one is known. `below` marks a value that lies below
    the plausible limits: as a value it is not believed, but it tells of a spoilt sample. Of a rejected value, `shown` is value and unit as
    they were sent, `number` the number alone, `flags` the interpretation codes, `status` the status of the Observation.
    """

    resource: str
    element: str
    reason: str
    detail: str = ""
    analyte: str = ""
    category: str = ""
    when: Moment | None = None
    shown: str = ""
    below: bool = False
    number: Decimal | None = None
    flags: frozenset[str] = frozenset()
    status: str = ""


REASONS: Mapping[str, str] = {
    "unreadable": "the resource does not have the shape of its type",
    "another-patient": "the resource belongs to another patient",
    "no-subject": "the resource does not say which patient it belongs to",
    "status": "the status excludes it from use",
    "excluded": "the code names another specimen or another quantity (urine, fluid, dialysate, ratio)",
    "no-value": "no value was sent",
    "withdrawn": "a correction took the value away",
    "answer-unknown": "the coded answer is not known",
    "specimen-conflict": "the specimen is not the one that the code measures",
    "value-type": "the value is not a number with a unit",
    "data-absent": "the sender says the value is absent",
    "unit-missing": "the value has no unit",
    "unit-unknown": "the unit is not one that is accepted for this analyte",
    "unit-conflict": "unit, unit code and the code's own property disagree",
    "unit-ambiguous": "unit or display suggest another quantity (phosphate given as PO4)",
    "implausible": "the value is outside the plausible limits",
    "no-time": "there is no usable time",
    "future": "the time lies in the future",
    "before-birth": "the time lies before the birth date",
    "contradictory": "two results of the same moment differ more than they may",
    "discarded-range": "the reference range cannot be used",
    "unknown-drug": "the drug's code is not known: it cannot be excluded that it hides an abnormality",
    "residual-code": "a residual code decides nothing by itself",
    "incomplete-bundle": "the Bundle has a next page, an error, or an entry without a resource: it is not complete",
    "too-deep": "nested deeper than is read",
}


class Facts(Struct, frozen=True, gc=False):
    """All that was read from one request, ready for findings. Collections are ordered so that the same input in any order gives equal
    facts (labs oldest first, ties by content)."""

    patient: Patient
    labs: Mapping[str, tuple[Lab, ...]] = field(default_factory=dict)
    histories: Mapping[str, tuple[History, ...]] = field(default_factory=dict)
    drafts: tuple[Order, ...] = ()
    orders: tuple[Order, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    reports: tuple[Report, ...] = ()
    resulted: Mapping[str, Moment | None] = field(default_factory=dict)  # recognised tests without a number that have a result, with when
    encounter: Encounter | None = None
    specialties: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()
    passed_over: tuple[tuple[str, str, str], ...] = ()  # (resourceType, system, code) of every coding that is not mapped or not read
    fhir_version: str = ""  # "R4", "STU3", "DSTU2", "R5" as told from shapes; "" when nothing told

    @property
    def unmapped(self) -> Mapping[tuple[str, str, str], int]:
        """How often each (resourceType, system, code) came that is not mapped, or whose value is not read; words alone count as no code."""
        return Counter(self.passed_over)


def paired(one: Lab | Draw, other: Lab | Draw, hours: Decimal) -> bool:
    """Whether two values were drawn together: from one specimen, or at exact times at most `hours` apart."""
    if one.specimen and one.specimen == other.specimen:
        return True
    if not (one.when.exact and other.when.exact):
        return False
    return abs((one.when.at - other.when.at).total_seconds()) <= float(hours) * 3600
