"""FHIR resources to `Facts`: one small function a resource type; each resource stands alone.

A reader returns nothing only when no code is mapped (then the code is counted); what is mapped and cannot be used becomes a `Problem`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Any

from msgspec import Raw, Struct

from . import wire
from .doses import daily_dose, given_dose, length_in_days
from .facts import Dose, Encounter, Exposure, Facts, History, Lab, Moment, Order, Patient, Problem, Reason, Report, paired
from .mappings import Analyte, Mappings, OrderCode, ResultCode
from .ranges import limits_of, years_between
from .times import days, moment
from .units import COMPARATORS, Measured, UnitError, measure
from .wire import Coding, Concept, Concepts, Reference, codings, each, text_of

USABLE = frozenset({"final", "amended", "corrected"})
PRELIMINARY = frozenset({"preliminary", "registered", "partial"})
NOT_TRUE = frozenset({"refuted", "entered-in-error"})
OVER = frozenset({"inactive", "remission", "resolved"})
DONE = frozenset({"completed", "in-progress", "active", "unknown", ""})
TAKEN = frozenset({"active", "completed", "stopped", "on-hold", "intended", "unknown", "in-progress", "recorded", ""})
TAKING = frozenset({"active", "intended", "in-progress", "on-hold", "recorded"})
INPATIENT = frozenset({"IMP", "ACUTE", "NONAC", "EMER", "OBSENC", "SS", "inpatient", "emergency"})
OUTPATIENT = frozenset({"AMB", "VR", "HH", "FLD", "PRENC", "ambulatory", "outpatient", "home", "field", "daytime", "virtual", "other"})
REFERRED_TO = frozenset({wire.Condition, wire.Medication, wire.Location, wire.Specimen})  # what references are followed to
MAX_DEPTH = 16
FUTURE = timedelta(hours=24)
# A prescription that ended without saying when may have been taken for as long as one is usually valid.
PRESCRIPTION = timedelta(days=365)
NO_CODING = Coding()
NO_FLAGS: frozenset[str] = frozenset()
ATC_SUBSTANCE = 7  # an ATC code of seven characters names its substance


def read_facts(
    chart: Iterable[bytes | wire.WholeBundle],
    mappings: Mappings,
    *,
    patient: str,
    now: datetime,
    drafts: Iterable[bytes] = (),
) -> Facts:
    """Read a patient's chart and the session's draft orders.

    `chart` and `drafts` are JSON resources or Bundles (as bytes, or Bundles already decoded), in any order; `patient` is the logical id of
    the patient they must belong to; `now` decides what lies in the future. Never raises: what cannot be read is a `Problem`.
    """
    reading = _Reading(mappings, patient, now)
    for raw in chart:
        reading.open(raw, draft=False)
    for raw in drafts:
        reading.open(raw, draft=True)
    return reading.facts()


class _Item(Struct, gc=False):
    """One resource to be read: where it came from, and the resource that contains it."""

    resource: Any
    draft: bool
    container: _Item | None = None

    @property
    def kind(self) -> str:
        return str(self.resource.__struct_config__.tag)

    @property
    def name(self) -> str:
        """`Type/id`; of a contained resource the container's, with the fragment."""
        if self.container is not None:
            return f"{self.container.name}#{self.resource.id or '?'}"
        return f"{self.kind}/{self.resource.id or '?'}"


class _Pending(Struct, gc=False):
    """A laboratory value whose limits wait for the patient's birth date, which may come later in the input."""

    observation: wire.Observation
    source: wire.Observation | wire.Component
    name: str
    result: ResultCode
    code: Coding
    analyte: Analyte
    measured: Measured
    when: Moment
    hours_to_receipt: Decimal | None


@dataclass
class _Reading:
    """The state of one reading; thrown away with it."""

    mappings: Mappings
    patient_id: str
    now: datetime
    items: list[_Item] = field(default_factory=list)
    targets: list[tuple[_Item, str]] = field(default_factory=list)  # what references may point at, with its fullUrl
    patient: Patient | None = None
    own_urls: set[str] = field(default_factory=set)
    pending: list[_Pending] = field(default_factory=list)
    histories: dict[str, list[History]] = field(default_factory=lambda: defaultdict(list))
    drafts: list[Order] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    exposures: list[Exposure] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    resulted: dict[str, Moment | None] = field(default_factory=dict)
    encounters: list[tuple[bool, Encounter]] = field(default_factory=list)
    specialties: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    passed_over: list[tuple[str, str, str]] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    moments: dict[tuple[str, bool], Moment | None] = field(default_factory=dict)
    patients: list[_Item] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.own_urls.add(f"Patient/{self.patient_id}")

    # Opening: Bundles are unpacked without recursion, every resource is decoded on its own

    def open(self, raw: bytes | wire.WholeBundle, draft: bool) -> None:
        """Unpack a resource or a Bundle; a Bundle whose resources all have their shape is decoded in one go, any other piece by piece."""
        whole = raw if isinstance(raw, wire.WholeBundle) else wire.whole_bundle(raw)
        if whole is None:
            assert not isinstance(raw, wire.WholeBundle)
            self._open_pieces([(raw, "", 0)], draft)
            return
        self._tell_next(whole)
        for entry in whole.entry or ():
            resource = entry.resource
            if type(resource) is wire.Bundle:
                self._open_pieces(list(self._entries(resource, 1)), draft)
            elif resource is not None:
                self._keep(resource, entry.full_url or "", draft)

    def _open_pieces(self, waiting: list[tuple[bytes, str, int]], draft: bool) -> None:
        while waiting:
            body, url, depth = waiting.pop()
            resource = self._decode(body)
            if isinstance(resource, wire.Bundle):
                waiting.extend(reversed(list(self._entries(resource, depth))))
            elif resource is not None:
                self._keep(resource, url, draft)

    def _decode(self, body: bytes) -> Any:
        try:
            return wire.decode(body)
        except wire.UNREADABLE as error:
            self._unreadable(body, error)
            return None

    def _tell_next(self, bundle: wire.Bundle | wire.WholeBundle) -> None:
        if wire.has_next(bundle.link):
            self.problem(f"Bundle/{bundle.id or '?'}", "link", "incomplete-bundle", "has a next page")

    def _entries(self, bundle: wire.Bundle, depth: int) -> Iterator[tuple[bytes, str, int]]:
        self._tell_next(bundle)
        if depth >= MAX_DEPTH:
            self.problem(f"Bundle/{bundle.id or '?'}", "entry", "too-deep", f"Bundles nested more than {MAX_DEPTH} deep")
            return
        for raw in bundle.entry or ():
            try:
                entry = wire.decode_entry(raw)
            except wire.UNREADABLE:
                self.problem(f"Bundle/{bundle.id or '?'}", "entry", "unreadable", "an entry is not one")
                continue
            if bytes(entry.resource) not in (b"", b"null"):
                yield entry.resource, entry.full_url if isinstance(entry.full_url, str) else "", depth + 1

    def _keep(self, resource: Any, url: str, draft: bool) -> None:
        item = _Item(resource, draft)
        kind = type(resource)
        if kind in READERS:
            self.items.append(item)
        if kind in REFERRED_TO:
            self.targets.append((item, url))
        elif kind is wire.Patient:
            self.patients.append(item)
            if resource.id == self.patient_id and url:
                self.own_urls.add(url)
        elif kind in OTHERS:
            OTHERS[kind](item, self)

    def _unreadable(self, body: bytes, error: Exception) -> None:
        """Tell of a resource that does not have the shape of its type, with its analyte and time where they can still be seen."""
        try:
            peeked = wire.peek(body)
        except wire.UNREADABLE:
            self.problem("?", "resourceType", "unreadable", "not a FHIR resource")
            return
        if peeked.resourceType not in wire.TYPES:
            return  # a type that is not read at all
        analyte, when = self._glimpse(body)
        element = str(error).rpartition("`")[0].rpartition("`")[2] if "`" in str(error) else "$"
        self.problem(
            f"{peeked.resourceType}/{peeked.id or '?'}", element, "unreadable", "does not have the shape of its type", analyte=analyte, when=when
        )

    def _glimpse(self, body: bytes) -> tuple[str, Moment | None]:
        try:
            document = wire.anything(body)
            found = document["code"]["coding"]
            analyte = next(
                (
                    result.analyte
                    for coding in found
                    if (result := self.mappings.result(str(coding.get("system")), str(coding.get("code")))) and not result.excluded
                ),
                "",
            )
        except (*wire.UNREADABLE, KeyError, TypeError, AttributeError):
            return "", None
        when = document.get("effectiveDateTime") or document.get("issued")
        return analyte, self.moment(when) if isinstance(when, str) else None

    # The result

    def facts(self) -> Facts:
        for item in self.patients:
            _patient(item, self)
        own = f"Patient/{self.patient_id}"
        for item in self.items:
            resource = item.resource
            subject = resource.subject
            if (subject is not None and subject.reference == own) or self._owned(item):
                READERS[type(resource)](item, self)
        labs, contradictions = self._labs()
        self.problems.extend(contradictions)
        return Facts(
            patient=self.patient or Patient(self.patient_id),
            labs=labs,
            histories={name: _distinct(records) for name, records in sorted(self.histories.items())},
            drafts=_distinct(self.drafts),
            orders=_distinct(self.orders),
            exposures=_distinct(self.exposures),
            reports=_distinct(self.reports),
            resulted=dict(sorted(self.resulted.items())),
            encounter=max(self.encounters, key=lambda pair: (pair[0], pair[1].resource))[1] if self.encounters else None,
            specialties=frozenset(self.specialties),
            problems=_distinct(self.problems),
            passed_over=tuple(self.passed_over),
            fhir_version=self._version(),
        )

    def _version(self) -> str:
        return next((version for version in ("DSTU2", "R5", "STU3", "R4") if version in self.versions), "")

    def _labs(self) -> tuple[dict[str, tuple[Lab, ...]], list[Problem]]:
        patient = self.patient or Patient(self.patient_id)
        by_analyte: dict[str, list[Lab]] = defaultdict(list)
        for pending in self.pending:
            if patient.born is not None and pending.when.until.date() < patient.born[0]:
                self.problem(pending.name, "effective", "before-birth", analyte=pending.analyte.id, when=pending.when)
                continue
            by_analyte[pending.analyte.id].append(self._limited(pending, patient))
        labs = {analyte: _in_order(values) for analyte, values in sorted(by_analyte.items())}
        several = {analyte: values for analyte, values in labs.items() if len(values) > 1}
        problems = [problem for analyte, values in several.items() for problem in _contradictions(values, self.mappings.analytes[analyte])]
        return labs, problems

    def _limited(self, pending: _Pending, patient: Patient) -> Lab:
        """The laboratory value, with the limits that apply to it."""
        source, observation, measured, analyte = pending.source, pending.observation, pending.measured, pending.analyte
        limits, discarded = limits_of(source.reference_range or (), measured.unit, analyte, self.mappings, patient, pending.when)
        for why in discarded:
            self.problem(pending.name, "referenceRange", "discarded-range", why, analyte=analyte.id, when=pending.when)
        issued = self.moment(observation.issued)
        return Lab(
            analyte=analyte.id,
            value=measured.value,
            shown=measured.shown,
            unit=measured.unit,
            when=pending.when,
            comparator=source.value_quantity.comparator or "" if source.value_quantity else "",
            final=observation.status in USABLE,
            limits=limits,
            flags=_flags(source.interpretation) if source.interpretation is not None else NO_FLAGS,
            specimen=_specimen_name(observation, pending.name),
            code=f"{pending.code.system}|{pending.code.code}",
            attributes=pending.result.attributes,
            resource=pending.name,
            issued=issued.at if issued else None,
            status=observation.status or "",
            hours_to_receipt=pending.hours_to_receipt,
        )

    # What readers share

    def problem(
        self,
        resource: str,
        element: str,
        reason: str,
        detail: str = "",
        *,
        analyte: str = "",
        category: str = "",
        when: Moment | None = None,
        shown: str = "",
        below: bool = False,
    ) -> None:
        self.problems.append(Problem(resource, element, reason, detail, analyte, category, when, shown, below))

    def moment(self, text: str | None, exact: bool = True) -> Moment | None:
        if not text:
            return None
        key = (text, exact)
        if key not in self.moments:
            self.moments[key] = moment(text, exact)
        return self.moments[key]

    def _owned(self, item: _Item) -> bool:
        """Whether a resource belongs to the patient of the request; a problem tells when it does not, or does not say."""
        resource = item.resource
        subject = resource.subject or getattr(resource, "patient", None)
        reference = subject.reference if subject is not None else None
        if reference in self.own_urls:
            return True
        if not reference:
            if item.draft or item.container is not None:
                return True
            self.problem(item.name, "subject", "no-subject")
            return False
        if _local(reference) == f"Patient/{self.patient_id}" or (reference.startswith("urn:uuid:") and reference[9:] == self.patient_id):
            return True
        self.problem(item.name, "subject", "another-patient")
        return False

    def resolve(self, reference: Reference | str | None, item: _Item) -> Any:
        """The resource behind a reference: contained, in a Bundle by its URL, or by type and id; None when it did not come."""
        text = reference.reference if isinstance(reference, Reference) else reference
        if not text:
            return None
        if text.startswith("#"):
            return next((found.resource for found in self.contained(item) if found.resource.id in (text, text[1:])), None)
        found_item = self.by_reference.get(text) or self.by_reference.get(_local(text))
        return found_item.resource if found_item is not None else None

    @cached_property
    def by_reference(self) -> dict[str, _Item]:
        """What references may point at, by `Type/id` and by fullUrl; of several the first. Asked for when all is unpacked, and seldom."""
        named = {item.name: item for item, _ in reversed(self.targets)}
        return {url: item for item, url in reversed(self.targets)} | named

    def contained(self, item: _Item) -> Iterator[_Item]:
        for raw in item.resource.contained or ():
            try:
                resource = wire.decode(raw)
            except wire.UNREADABLE:
                continue
            yield _Item(resource, item.draft, container=item)

    def pass_over(self, kind: str, concept: Concept | None) -> None:
        """Count the codes of a concept of which none is mapped."""
        for coding in codings(concept):
            if coding.code:
                self.passed_over.append((kind, coding.system or "", coding.code))

    def categories(self, concept: Concept | None) -> tuple[frozenset[str], Coding | None]:
        """The history categories of a concept, and the coding that told the first of them."""
        found: frozenset[str] = frozenset()
        told = None
        for coding in codings(concept):
            more = self.mappings.history(coding.system or "", coding.code or "")
            if more and told is None:
                told = coding
            found |= more
        return found, told

    def sites(self, body_sites: Concepts, concept: Concept | None) -> tuple[frozenset[str], frozenset[str], tuple[tuple[str, str, str], ...]]:
        """The named sites, their regions, and the body site codings as sent."""
        sent = [coding for site in each(body_sites) for coding in codings(site) if coding.code]
        known = [site for coding in sent if (site := self.mappings.body_sites.get((coding.system or "", coding.code or "")))]
        regions = {site.region for site in known}
        for coding in codings(concept):
            if "icd-10" in (coding.system or "") or "6.90" in (coding.system or ""):
                region = self.mappings.icd_region((coding.code or "").replace(".", "").upper())
                regions |= {region} - {""}
        return frozenset(site.id for site in known), frozenset(regions), tuple((c.system or "", c.code or "", c.display or "") for c in sent)


def _local(reference: str) -> str:
    """`Type/id` at the end of a reference, without base and version."""
    parts = reference.split("?")[0].rstrip("/").split("/")
    if len(parts) >= 4 and parts[-2] == "_history":
        parts = parts[:-2]
    return "/".join(parts[-2:])


def _distinct(values: list[Any]) -> tuple[Any, ...]:
    """Each value once, in an order that does not depend on that of the input."""
    return tuple(values) if len(values) < 2 else tuple(sorted(dict.fromkeys(values), key=repr))


def _until(lab: Lab) -> datetime:
    return lab.when.until


def _oldest_first(lab: Lab) -> tuple[Any, ...]:
    # Of two values of one moment the more extreme comes last, as the one that danger must see.
    limits = lab.limits
    middle = (limits.wide_low + limits.wide_high) / 2 if limits and limits.wide_low is not None and limits.wide_high is not None else lab.value
    return lab.when.until, lab.when.at, abs(lab.value - middle), lab.value, lab.final, lab.code, lab.resource


# Patient, author, encounter


def _patient(item: _Item, reading: _Reading) -> None:
    resource: wire.Patient = item.resource
    if resource.id != reading.patient_id:
        reading.problem(item.name, "id", "another-patient")
        return
    born: tuple[date, date] | None = None
    if resource.birth_date:
        try:
            born = days(resource.birth_date[:10])
        except ValueError:
            reading.problem(item.name, "birthDate", "no-time", "not a date")
    if born is not None and years_between(born[1], reading.now.date()) > 120:
        reading.problem(item.name, "birthDate", "implausible", "older than 120 years")
        born = None
    sex = resource.gender if resource.gender in ("male", "female") else ""
    reading.patient = Patient(resource.id, born, sex, bool(resource.deceased_boolean or resource.deceased_date_time))


def _outcome(item: _Item, reading: _Reading) -> None:
    if any(issue.severity in ("error", "fatal") for issue in item.resource.issue or ()):
        reading.problem("OperationOutcome", "issue", "incomplete-bundle", "the sender reports an error")


def _practitioner_role(item: _Item, reading: _Reading) -> None:
    resource: wire.PractitionerRole = item.resource
    for concept in each(resource.specialty):
        for coding in codings(concept):
            known = reading.mappings.context.get((coding.system or "", coding.code or ""), "")
            if known.startswith("specialty:"):
                reading.specialties.add(known)


def _encounter(item: _Item, reading: _Reading) -> None:
    resource: wire.Encounter = item.resource
    code = _class_code(resource.class_)
    setting = "inpatient" if code in INPATIENT else "ambulatory" if code in OUTPATIENT else ""
    locations = set()
    for entry in resource.location or ():
        location = reading.resolve(entry.location, item)
        if isinstance(location, wire.Location):
            known = {
                reading.mappings.context.get((reading.mappings.systems.get(c.system or "", c.system or ""), c.code or ""), "")
                for concept in each(location.type)
                for c in codings(concept)
            }
            locations |= {name for name in known if name.startswith("location:")}
    encounter = Encounter(item.name, setting, code, frozenset(locations))
    reading.encounters.append((resource.status in ("in-progress", "arrived", "triaged", "onleave"), encounter))


def _class_code(value: wire.EncounterClass | str | list[wire.EncounterClass] | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list):
        return next((code for entry in value if (code := _class_code(entry))), "")
    return value.code or next((coding.code for coding in value.coding or () if coding.code), "")


# Observations


def _observation(item: _Item, reading: _Reading) -> None:
    resource: wire.Observation = item.resource
    if resource.encounter is not None:
        reading.versions.add("R4")
    elif resource.context is not None:
        reading.versions.add("STU3")
    _value(resource, item, reading, resource)
    for component in resource.component or ():
        _value(component, item, reading, resource)


def _value(source: wire.Observation | wire.Component, item: _Item, reading: _Reading, observation: wire.Observation) -> None:
    """Read one coded value: the Observation's own, or that of a component."""
    result, code = _result_of(source.code, reading, item)
    if result is not None:
        _mapped_value(source, item, reading, observation, result, code)
    elif source.value_codeable_concept is None or not _pregnancy(source, item, reading, observation):
        reading.pass_over("Observation", source.code)


def _mapped_value(
    source: wire.Observation | wire.Component, item: _Item, reading: _Reading, observation: wire.Observation, result: ResultCode, code: Coding
) -> None:
    when = _effective(observation, reading)
    analyte = reading.mappings.analytes[result.analyte]

    def refuse(element: str, reason: str, detail: str = "") -> None:
        reading.problem(item.name, element, reason, detail, analyte=result.analyte, when=when)

    if result.excluded:
        # Known, and not what it could be mistaken for: it says nothing about the analyte.
        reading.problem(item.name, "code", "excluded", result.excluded, category=result.analyte, when=when)
        return
    if not analyte.factors:
        if not _pregnancy(source, item, reading, observation):
            _resulted(source, reading, observation, analyte.id, when)
        return
    status = observation.status or ""
    if status not in USABLE and status not in PRELIMINARY:
        refuse("status", "status", status if status in KNOWN_STATUS else "not a status")
    elif source.data_absent_reason is not None:
        refuse("dataAbsentReason", "data-absent")
    elif source.value_quantity is None and not analyte.coded:
        other = bytes(source.value_string) or source.value_codeable_concept is not None or source.value_boolean is not None
        refuse("value", "value-type" if other else "no-value")
    elif when is None:
        refuse("effective", "no-time")
    elif when.at > reading.now + FUTURE:
        refuse("effective", "future")
    elif analyte.coded:
        _answer(source, item, reading, observation, result, code, analyte, when, refuse)
    else:
        _lab(source, item, reading, observation, result, code, analyte, when, refuse)


def _resulted(source: wire.Observation | wire.Component, reading: _Reading, observation: wire.Observation, analyte: str, when: Moment | None) -> None:
    """Note that a test whose result is no number was done: of several the newest. What it found is not read."""
    if (observation.status or "") not in USABLE | PRELIMINARY or source.data_absent_reason is not None:
        return
    known = reading.resulted.get(analyte)
    if analyte not in reading.resulted or (when is not None and (known is None or when.until > known.until)):
        reading.resulted[analyte] = when


KNOWN_STATUS = frozenset({"registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"})


def _lab(
    source: wire.Observation | wire.Component,
    item: _Item,
    reading: _Reading,
    observation: wire.Observation,
    result: ResultCode,
    code: Coding,
    analyte: Analyte,
    when: Moment,
    refuse: Callable[[str, str, str], None],
) -> None:
    quantity = source.value_quantity
    assert quantity is not None
    if quantity.comparator and quantity.comparator not in COMPARATORS:
        refuse("valueQuantity.comparator", "value-type", "not a comparator")
        return
    try:
        measured = measure(quantity, analyte, result, reading.mappings, f"{code.display or ''} {source.code.text or '' if source.code else ''}")
    except UnitError as error:
        reading.problem(item.name, "valueQuantity", error.reason, error.detail, analyte=analyte.id, when=when, below=error.below)
        return
    reading.pending.append(
        _Pending(observation, source, item.name, result, code, analyte, measured, when, _hours_to_receipt(observation, item, reading))
    )


# What an answer says: interpretation codes (HL7 v3 ObservationInterpretation), sent as the value or beside it.
PRESENT = frozenset({"POS", "DET", "A", "AA", "H", "HH", "HU", "HX", ">"})
ABSENT = frozenset({"NEG", "ND", "N"})


def _answer(
    source: wire.Observation | wire.Component,
    item: _Item,
    reading: _Reading,
    observation: wire.Observation,
    result: ResultCode,
    code: Coding,
    analyte: Analyte,
    when: Moment,
    refuse: Callable[[str, str, str], None],
) -> None:
    """Read an answer as 1 (present) or 0 (absent); one that is not known, or contradicts itself, is refused."""
    said = _flags(source.interpretation) | _interpretations(source.value_codeable_concept, reading)
    present, absent = not said.isdisjoint(PRESENT) or source.value_boolean is True, not said.isdisjoint(ABSENT) or source.value_boolean is False
    if present is absent:
        refuse("value", "value-type", "its answer is not known")
        return
    measured = Measured(Decimal(present), analyte.unit, text_of(source.value_codeable_concept) or ("present" if present else "absent"))
    reading.pending.append(_Pending(observation, source, item.name, result, code, analyte, measured, when, None))


def _interpretations(concept: Concept | None, reading: _Reading) -> frozenset[str]:
    """The interpretation codes that the codings of a value stand for."""
    context = reading.mappings.context
    named = (context.get((coding.system or "", coding.code or ""), "") for coding in codings(concept))
    return frozenset(name.removeprefix("interpretation:") for name in named if name.startswith("interpretation:"))


def _specimen_name(observation: wire.Observation, name: str) -> str:
    """The reference of the specimen. That of a contained one holds within its own resource only, so it is named with it."""
    reference = (observation.specimen.reference or "") if observation.specimen is not None else ""
    return f"{name}{reference}" if reference.startswith("#") else reference


def _hours_to_receipt(observation: wire.Observation, item: _Item, reading: _Reading) -> Decimal | None:
    """Hours from the collection of the specimen to its receipt; None unless the Specimen came, is the patient's, and says both exactly."""
    if observation.specimen is None:
        return None
    specimen = reading.resolve(observation.specimen, item)
    if not isinstance(specimen, wire.Specimen) or specimen.collection is None:
        return None
    if specimen.subject is not None and not reading._owned(_Item(specimen, item.draft)):
        return None
    collected = reading.moment(specimen.collection.collected_date_time or _last(specimen.collection.collected_period))
    received = reading.moment(specimen.received_time)
    if collected is None or received is None or not collected.exact or not received.exact or received.at < collected.at:
        return None
    return Decimal(int((received.at - collected.at).total_seconds())) / 3600


def _flags(interpretation: Concepts) -> frozenset[str]:
    return frozenset(coding.code for concept in each(interpretation) for coding in codings(concept) if coding.code)


def _result_of(concept: Concept | None, reading: _Reading, item: _Item) -> tuple[ResultCode | None, Coding]:
    """What a coded value is. Codings of different analytes contradict each other: then it is a problem, and read as neither."""
    found: ResultCode | None = None
    told = NO_CODING
    for coding in codings(concept):
        result = reading.mappings.result(coding.system or "", coding.code or "")
        if result is None:
            continue
        if found is not None and (result.analyte, result.excluded) != (found.analyte, found.excluded):
            for analyte in {result.analyte, found.analyte}:
                reading.problem(
                    item.name,
                    "code",
                    "unit-conflict",
                    "its codes are of different quantities",
                    analyte=analyte,
                    when=_effective(item.resource, reading),
                )
            return ResultCode(found.analyte, excluded="codes disagree"), coding
        if found is None:
            found, told = result, coding
    return found, told


def _last(period: wire.Period | None) -> str | None:
    """The end of a period; its start while it has none."""
    return (period.end or period.start) if period is not None else None


def _effective(resource: Any, reading: _Reading) -> Moment | None:
    """When a value was true: the instant, else the end of the period; else when it was issued, which pairs with nothing."""
    text = resource.effective_date_time or getattr(resource, "effective_instant", None) or _last(resource.effective_period)
    return reading.moment(text) if text else reading.moment(getattr(resource, "issued", None), exact=False)


def _pregnancy(source: wire.Observation | wire.Component, item: _Item, reading: _Reading, observation: wire.Observation) -> bool:
    """An Observation whose coded value is a state of history: a pregnancy status."""
    categories, told = reading.categories(source.value_codeable_concept)
    if "pregnancy" not in categories or told is None or observation.status not in USABLE | PRELIMINARY:
        return False
    reading.histories["pregnancy"].append(History("pregnancy", item.name, f"{told.system}|{told.code}", recorded=_effective(observation, reading)))
    return True


def _in_order(labs: list[Lab]) -> tuple[Lab, ...]:
    """Values of one analyte oldest first, those that a correction replaced left out."""
    if len(labs) < 2:
        return tuple(labs)
    labs.sort(key=_until)
    if all(one.when.until != other.when.until for one, other in pairwise(labs)):
        return tuple(labs)  # no two of one moment: none can replace another
    return tuple(sorted(_corrected(labs), key=_oldest_first))


def _corrected(labs: Iterable[Lab]) -> Iterator[Lab]:
    """Each value once, and without what a correction of the same code and moment replaced; of several corrections the latest issued stays."""
    groups: dict[tuple[str, datetime, datetime], list[Lab]] = defaultdict(list)
    for lab in labs:
        groups[lab.code, lab.when.at, lab.when.until].append(lab)
    for group in groups.values():
        if len(group) > 1:
            yield from _latest(
                {
                    (lab.value, lab.comparator, lab.status, lab.specimen, lab.flags, lab.issued): lab for lab in sorted(group, key=_oldest_first)
                }.values()
            )
        else:
            yield group[0]


def _latest(group: Iterable[Lab]) -> Iterable[Lab]:
    values = list(group)
    corrections = [lab for lab in values if lab.status in ("amended", "corrected")]
    if not corrections:
        return [lab for lab in values if lab.final] or values
    latest = max((lab.issued for lab in corrections if lab.issued), default=None)
    return [lab for lab in corrections if lab.issued == latest]


def _contradictions(labs: tuple[Lab, ...], analyte: Analyte) -> Iterator[Problem]:
    """Finals of one moment or specimen that differ more than they may, and total calcium that changes by more than half within a day."""
    percent = analyte.differ_percent
    finals = [lab for lab in labs if lab.final and not lab.comparator]
    if percent is None:
        return
    for earlier, later in pairwise(finals):
        together = (earlier.when == later.when and earlier.when.exact) or (earlier.specimen and earlier.specimen == later.specimen)
        smaller, larger = sorted((earlier.value, later.value))
        if together and larger - smaller > smaller * percent / 100:
            yield _contradiction(later, f"differs from {earlier.shown} of the same moment by more than {percent} %")
        elif analyte.id == "calcium_total" and paired(earlier, later, Decimal(24)) and larger - smaller > smaller / 2:
            yield _contradiction(later, f"differs from {earlier.shown} within 24 hours by more than half")


def _contradiction(lab: Lab, detail: str) -> Problem:
    return Problem(lab.resource, "value", "contradictory", detail, analyte=lab.analyte, when=lab.when, shown=lab.shown)


# Histories


def _condition(item: _Item, reading: _Reading) -> None:
    resource: wire.Condition = item.resource
    _tell_condition_version(resource, reading)
    categories, told = reading.categories(resource.code)
    if not categories or told is None:
        _unmapped_history(resource.code, item, reading, "Condition")
        return
    if _code(resource.verification_status) in NOT_TRUE:
        reading.problem(item.name, "verificationStatus", "status", _code(resource.verification_status), category=min(categories))
        return
    status = _code(resource.clinical_status)
    onset = reading.moment(resource.onset_date_time or (resource.onset_period.start if resource.onset_period else None), exact=False)
    recorded = reading.moment(resource.recorded_date or resource.asserted_date or resource.date_recorded, exact=False)
    _histories(categories, told, item, reading, resource.code, resource.body_site, status=status, onset=onset, recorded=recorded)


def _histories(
    categories: frozenset[str],
    told: Coding,
    item: _Item,
    reading: _Reading,
    concept: Concept | None,
    body_site: Concepts,
    *,
    status: str,
    onset: Moment | None,
    recorded: Moment | None,
) -> None:
    names, regions, sent = reading.sites(body_site, concept)
    display = told.display or text_of(concept)
    for category in categories:
        reading.histories[category].append(
            History(
                category,
                item.name,
                f"{told.system}|{told.code}",
                display,
                active=status not in OVER,
                status=status,
                onset=onset,
                recorded=recorded,
                sites=names,
                regions=regions,
                body_sites=sent,
            )
        )


def _tell_condition_version(resource: wire.Condition, reading: _Reading) -> None:
    if resource.patient is not None:
        reading.versions.add("DSTU2")
    elif isinstance(resource.clinical_status, str):
        reading.versions.add("STU3")
    elif resource.clinical_status is not None:
        reading.versions.add("R4")


def _code(value: Concept | str | None) -> str:
    if isinstance(value, str):
        return value
    return next((coding.code for coding in codings(value) if coding.code), "")


def _unmapped_history(concept: Concept | None, item: _Item, reading: _Reading, kind: str) -> None:
    for coding in codings(concept):
        if reading.mappings.residual(coding.system or "", coding.code or ""):
            reading.problem(item.name, "code", "residual-code")
            return
    reading.pass_over(kind, concept)


def _procedure(item: _Item, reading: _Reading) -> None:
    resource: wire.Procedure = item.resource
    categories, told = reading.categories(resource.code)
    if not categories or told is None:
        _unmapped_history(resource.code, item, reading, "Procedure")
        return
    if (resource.status or "") not in DONE:
        reading.problem(item.name, "status", "status", "not done", category=min(categories))
        return
    period = resource.performed_period or resource.occurrence_period
    performed = reading.moment(resource.performed_date_time or resource.occurrence_date_time or _last(period), exact=False)
    _histories(categories, told, item, reading, resource.code, resource.body_site, status=resource.status or "", onset=performed, recorded=None)


# Drugs


def _drug_concept(resource: Any, item: _Item, reading: _Reading) -> Concept | None:
    if resource.medication is not None and (resource.medication.concept or resource.medication.coding):
        return resource.medication  # type: ignore[no-any-return]
    if resource.medication_codeable_concept is not None:
        return resource.medication_codeable_concept  # type: ignore[no-any-return]
    reference = resource.medication_reference or (resource.medication.reference if resource.medication else None)
    medication = reading.resolve(reference, item)
    return medication.code if isinstance(medication, wire.Medication) else None


def _tell_drug_version(resource: Any, reading: _Reading) -> None:
    if resource.medication is not None:
        reading.versions.add("R5")
    elif resource.patient is not None or isinstance(resource, wire.MedicationOrder):
        reading.versions.add("DSTU2")


def _medication_request(item: _Item, reading: _Reading) -> None:
    resource: wire.MedicationRequest = item.resource
    _tell_drug_version(resource, reading)
    if item.draft:
        _order_of_drug(item, reading)
        return
    authored = reading.moment(resource.authored_on or resource.date_written, exact=False)
    valid = resource.dispense_request.validity_period if resource.dispense_request else None
    ended = reading.moment(valid.end, exact=False) if valid else None
    if ended is None and authored is not None:
        ended = Moment(authored.at, authored.until + PRESCRIPTION)
    _exposure(item, reading, resource.status or "", ended, authored)


def _medication_statement(item: _Item, reading: _Reading) -> None:
    resource: wire.MedicationStatement = item.resource
    _tell_drug_version(resource, reading)
    period = resource.effective_period
    ended = reading.moment((period.end if period else None) or resource.effective_date_time, exact=False)
    status = resource.status or ""
    if period is not None and period.end and ended is not None and ended.until < reading.now and status in TAKING:
        status = "completed"
    since = reading.moment((period.start if period else None) or resource.effective_date_time, exact=False)
    _exposure(item, reading, status, ended, since)


def _medication_administration(item: _Item, reading: _Reading) -> None:
    resource: wire.MedicationAdministration = item.resource
    _tell_drug_version(resource, reading)
    period = resource.effective_period or resource.effective_time_period or resource.occurence_period
    text = resource.effective_date_time or resource.effective_time_date_time or resource.occurence_date_time or _last(period)
    _exposure(
        item,
        reading,
        "in-progress" if resource.status == "in-progress" else "completed" if resource.status in (None, "completed", "stopped") else "not-done",
        reading.moment(text),
        reading.moment(period.start if period is not None and period.start else text),
    )


def _exposure(item: _Item, reading: _Reading, status: str, last: Moment | None, since: Moment | None) -> None:
    if status not in TAKEN:
        return
    concept = _drug_concept(item.resource, item, reading)
    kind = item.kind
    active = status in TAKING or status in ("unknown", "")
    found: frozenset[str] = frozenset()
    first: Coding | None = None
    for coding in codings(concept):
        system = reading.mappings.systems.get(coding.system or "", coding.system or "")
        more = reading.mappings.medication_codes.get((system, coding.code or ""), frozenset())
        if more and first is None:
            first = coding
        found |= more
    for category in found:
        assert first is not None
        code = f"{first.system}|{first.code}"
        reading.exposures.append(Exposure(category, item.name, code, active, text_of(concept), last, _dose(item.resource), since))
    if not found:
        reading.pass_over(kind, concept)
        if not _names_its_substance(concept) and (active or last is None or last.until > reading.now - PRESCRIPTION):
            reading.problem(item.name, "medication", "unknown-drug", when=last)


def _dose(resource: Any) -> Dose | None:
    if isinstance(resource, wire.MedicationAdministration):
        return given_dose(resource.dosage)
    return daily_dose(_instructions(resource))


def _instructions(resource: Any) -> Raw:
    return resource.dosage_instruction if bytes(resource.dosage_instruction) else resource.dosage  # type: ignore[no-any-return]


def _names_its_substance(concept: Concept | None) -> bool:
    """Whether an ATC code tells which substance it is, so that it is known not to be one of the catalog's."""
    return any("atc" in (coding.system or "").lower() and len(coding.code or "") == ATC_SUBSTANCE for coding in codings(concept))


# Orders


def _order_of_drug(item: _Item, reading: _Reading) -> None:
    concept = _drug_concept(item.resource, item, reading)
    _add_order(item, reading, [concept], when=reading.moment(item.resource.authored_on, exact=False), body_site=None)


def _service_request(item: _Item, reading: _Reading) -> None:
    resource: wire.ServiceRequest = item.resource
    if isinstance(resource, wire.DiagnosticOrder):
        reading.versions.add("DSTU2")
    elif isinstance(resource, wire.ProcedureRequest | wire.ReferralRequest):
        reading.versions.add("STU3")
    elif resource.code is not None:
        reading.versions.add("R5" if resource.code.concept is not None else "R4")
    concepts = [resource.code, *(entry.code for entry in resource.item or ())]
    if not item.draft and (resource.status or "") in ("revoked", "entered-in-error", "draft", "unknown"):
        return
    _add_order(item, reading, concepts, when=reading.moment(resource.authored_on or resource.ordered_on, exact=False), body_site=resource.body_site)


def _add_order(item: _Item, reading: _Reading, concepts: list[Concept | None], when: Moment | None, body_site: Concepts) -> None:
    found: list[OrderCode] = []
    told: Coding | None = None
    for concept in concepts:
        for coding in codings(concept):
            known = reading.mappings.order(coding.system or "", coding.code or "")
            if known is not None:
                found.append(known)
                told = told or coding
    if not found:
        for concept in concepts:
            reading.pass_over(item.kind, concept)
    _, regions, _ = reading.sites(body_site, None)
    drug = bool(found) and isinstance(item.resource, wire.MedicationRequest)
    order = Order(
        id=item.name,
        categories=frozenset().union(*(code.categories for code in found)),
        analytes=frozenset().union(*(code.analytes for code in found)),
        label=next((text for concept in concepts if (text := text_of(concept))), "") or next((code.display for code in found), ""),
        status=item.resource.status or "",
        draft=item.draft,
        reasons=tuple(_reasons(item, reading)),
        regions=regions | {code.region for code in found if code.region},
        attributes=frozenset().union(*(code.attributes for code in found)),
        when=when,
        code=f"{told.system}|{told.code}" if told else "",
        panel=any(code.panel for code in found),
        drugs=frozenset().union(*(code.drugs for code in found)),
        dose=_dose(item.resource) if drug else None,
        days=length_in_days(_instructions(item.resource)) if drug else None,
    )
    (reading.drafts if item.draft else reading.orders).append(order)


def _reasons(item: _Item, reading: _Reading) -> Iterator[Reason]:
    resource = item.resource
    for concept in (*each(resource.reason_code), *each(resource.reason_codeable_concept)):
        yield _reason(concept, reading)
    for concept in each(resource.reason):
        if concept.reference is not None and concept.concept is None:
            yield _reason_by_reference(concept.reference, item, reading)
        else:
            yield _reason(concept, reading)
    references = resource.reason_reference
    for reference in references if isinstance(references, list) else [references] if references else []:
        yield _reason_by_reference(reference, item, reading)


def _reason(concept: Concept | None, reading: _Reading) -> Reason:
    categories, _ = reading.categories(concept)
    if categories:
        return Reason("mapped", categories)
    return Reason("unmapped" if codings(concept) else "text")


def _reason_by_reference(reference: Reference | str, item: _Item, reading: _Reading) -> Reason:
    target = reading.resolve(reference, item)
    if target is None:
        return Reason("dangling")
    return _reason(getattr(target, "code", None), reading)


# Reports


def _diagnostic_report(item: _Item, reading: _Reading) -> None:
    resource: wire.DiagnosticReport = item.resource
    for found in reading.contained(item):
        if isinstance(found.resource, wire.Observation) and reading._owned(found):
            _observation(found, reading)
    status = resource.status or ""
    if status not in USABLE | PRELIMINARY | {"appended"}:
        return
    when = _effective(resource, reading)
    conclusions = frozenset(
        category for concept in (*each(resource.conclusion_code), *each(resource.coded_diagnosis)) for category in reading.categories(concept)[0]
    )
    codes = [known for coding in codings(resource.code) if (known := reading.mappings.order(coding.system or "", coding.code or ""))]
    if not codes and not conclusions:
        reading.pass_over("DiagnosticReport", resource.code)
        return
    reading.reports.append(
        Report(
            item.name,
            frozenset().union(*(code.categories for code in codes)),
            frozenset(code.region for code in codes if code.region),
            final=status not in PRELIMINARY,
            when=when,
            conclusions=conclusions,
        )
    )


READERS: dict[type, Callable[[_Item, _Reading], None]] = {
    wire.Observation: _observation,
    wire.Condition: _condition,
    wire.Procedure: _procedure,
    wire.MedicationRequest: _medication_request,
    wire.MedicationOrder: _medication_request,
    wire.MedicationStatement: _medication_statement,
    wire.MedicationUsage: _medication_statement,
    wire.MedicationAdministration: _medication_administration,
    wire.ServiceRequest: _service_request,
    wire.ProcedureRequest: _service_request,
    wire.ReferralRequest: _service_request,
    wire.DiagnosticOrder: _service_request,
    wire.DiagnosticReport: _diagnostic_report,
    wire.Encounter: _encounter,
}
# Not about the patient: noted while the input is unpacked, whoever the subject is.
OTHERS: dict[type, Callable[[_Item, _Reading], None]] = {
    wire.PractitionerRole: _practitioner_role,
    wire.OperationOutcome: _outcome,
}
