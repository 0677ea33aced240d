"""FHIR resources to `Facts`: one small function a resource type; each resource stands alone.

A reader returns nothing only when no code is mapped (then the code is counted); what is mapped and cannot be used becomes a `Problem`.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Any

from msgspec import Raw, Struct
from msgspec.structs import replace

from . import wire
from .doses import daily_dose, given_dose, length_in_days
from .facts import Dose, Encounter, Exposure, Facts, History, Lab, Moment, Order, Patient, Problem, Reason, Report
from .mappings import ICD10, ICD10CM, Analyte, Mappings, OrderCode, ResultCode
from .pregnancy import TERM, Gestation, still, trimesters
from .pregnancy import UNITS as UNITS_OF_GESTATION
from .ranges import ages_at, limits_of, years_between
from .times import days, moment
from .units import COMPARATORS, Measured, UnitError, fold, measure, number_of, shown
from .wire import Coding, Concept, Concepts, Reference, codings, each, text_of

USABLE = frozenset({"final", "amended", "corrected"})
PRELIMINARY = frozenset({"preliminary", "registered", "partial"})
NOT_TRUE = frozenset({"refuted", "entered-in-error"})
OVER = frozenset({"inactive", "remission", "resolved"})
DONE = frozenset({"completed", "in-progress", "active", "unknown", ""})
CORRECTIONS = frozenset({"amended", "corrected"})
# A drug was never taken with these; after those of `ENDED` it is not taken any more. Any other status, known or not, means that it may be.
NEVER_TAKEN = frozenset({"entered-in-error", "cancelled", "draft", "not-taken", "not-done"})
ENDED = frozenset({"completed", "stopped", "ended"})
NEVER_ORDERED = frozenset({"revoked", "entered-in-error", "draft", "unknown"})
NEVER_HAPPENED = frozenset({"cancelled", "entered-in-error", "noshow"})
INPATIENT = frozenset({"IMP", "ACUTE", "NONAC", "EMER", "OBSENC", "SS", "inpatient", "emergency"})
OUTPATIENT = frozenset({"AMB", "VR", "HH", "FLD", "PRENC", "ambulatory", "outpatient", "home", "field", "daytime", "virtual", "other"})
REFERRED_TO = frozenset({wire.Condition, wire.Medication, wire.Location, wire.Specimen})  # what references are followed to
MAX_DEPTH = 16
FUTURE = timedelta(hours=24)
DAY = timedelta(hours=24)
HALF = Decimal(50)  # percent
# A prescription that ended without saying when may have been taken for as long as one is usually valid.
PRESCRIPTION = timedelta(days=365)
ICD = frozenset({ICD10, ICD10CM})
NO_CODING = Coding()
NOBODY = Patient("")
NO_TRIMESTERS: frozenset[int] = frozenset()
NO_FLAGS: frozenset[str] = frozenset()
# Words by which the reference to a specimen says that it is not of blood, serum or plasma.
OTHER_SPECIMEN = re.compile(
    r"\b(urin\w+|urine|csf|cerebrospinal|dialysate|dialysis|sweat|saliva|stool|f(a)?eces|ascit\w+|pleural|synovial|amniotic|cord blood|fluid)\b",
    re.IGNORECASE | re.ASCII,
)
CHILDHOOD = 10  # years; a gestational age of a younger patient is the one of birth


def read_facts(
    chart: Iterable[bytes | wire.WholeBundle],
    mappings: Mappings,
    *,
    patient: str,
    now: datetime,
    drafts: Iterable[bytes] = (),
    server: str = "",
) -> Facts:
    """Read a patient's chart and the session's draft orders.

    `chart` and `drafts` are JSON resources or Bundles (as bytes, or Bundles already decoded), in any order; `patient` is the logical id of
    the patient they must belong to; `now` decides what lies in the future. With the base URL of their `server`, an absolute reference is
    the patient's only under it. Never raises: what cannot be read is a `Problem`.
    """
    reading = _Reading(mappings, patient, now, server.rstrip("/"))
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
    specimen: str
    hours_to_receipt: Decimal | None


@dataclass
class _Reading:
    """The state of one reading; thrown away with it."""

    mappings: Mappings
    patient_id: str
    now: datetime
    server: str
    items: list[_Item] = field(default_factory=list)
    targets: list[tuple[_Item, str]] = field(default_factory=list)  # what references may point at, with its fullUrl
    patient: Patient = NOBODY
    own_urls: set[str] = field(default_factory=set)
    pending: list[_Pending] = field(default_factory=list)
    gestations: list[Gestation] = field(default_factory=list)
    histories: dict[str, list[History]] = field(default_factory=lambda: defaultdict(list))
    drafts: list[Order] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    exposures: list[Exposure] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    resulted: dict[str, Moment | None] = field(default_factory=dict)
    encounters: list[tuple[bool, Encounter]] = field(default_factory=list)  # with whether it is going on
    specialties: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    passed_over: list[tuple[str, str, str]] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    moments: dict[tuple[str, bool], Moment | None] = field(default_factory=dict)
    patients: list[Patient] = field(default_factory=list)

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
            elif not wire.succeeded(entry.response):
                self._tell_empty(whole)

    def _open_pieces(self, waiting: list[tuple[bytes, str, int]], draft: bool) -> None:
        while waiting:
            body, url, depth = waiting.pop()
            resource = self._decode(body)
            if isinstance(resource, wire.Bundle):
                waiting.extend(reversed(list(self._entries(resource, depth))))
            elif resource is not None:
                self._keep(resource, url, draft)

    def _decode(self, body: bytes, container: _Item | None = None) -> Any:
        try:
            return wire.decode(body)
        except wire.UNREADABLE as error:
            self._unreadable(body, error, container)
            return None

    def _tell_next(self, bundle: wire.Bundle | wire.WholeBundle) -> None:
        if wire.has_next(bundle.link):
            self.problem(f"Bundle/{bundle.id or '?'}", "link", "incomplete-bundle", "has a next page")

    def _tell_empty(self, bundle: wire.Bundle | wire.WholeBundle) -> None:
        self.problem(f"Bundle/{bundle.id or '?'}", "entry", "incomplete-bundle", "an entry has no resource")

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
            elif not wire.succeeded(entry.response):
                self._tell_empty(bundle)

    def _keep(self, resource: Any, url: str, draft: bool) -> None:
        item = _Item(resource, draft)
        kind = type(resource)
        if kind in READERS:
            self.items.append(item)
        if kind in REFERRED_TO:
            self.targets.append((item, url))
        elif kind is wire.Patient:
            _patient(item, self, url)
        elif kind in OTHERS:
            OTHERS[kind](item, self)

    def _unreadable(self, body: bytes, error: Exception, container: _Item | None) -> None:
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
        name = f"{container.name}#{peeked.id or '?'}" if container is not None else f"{peeked.resourceType}/{peeked.id or '?'}"
        self.problem(name, element, "unreadable", "does not have the shape of its type", analyte=analyte, when=when)

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
        self.patient = self._the_patient()
        own = f"Patient/{self.patient_id}"
        for item in self.items:
            resource = item.resource
            subject = resource.subject
            if (subject is not None and subject.reference == own) or self._owned(item):
                READERS[type(resource)](item, self)
        labs, contradictions = self._labs()
        self.problems.extend(contradictions)
        return Facts(
            patient=self.patient,
            labs=labs,
            histories={name: _distinct(records) for name, records in sorted(self.histories.items())},
            drafts=_distinct(self.drafts),
            orders=_distinct(self.orders),
            exposures=_distinct(self.exposures),
            reports=_distinct(self.reports),
            resulted=dict(sorted(self.resulted.items())),
            encounter=max(self.encounters, key=_weight_of_encounter)[1] if self.encounters else None,
            specialties=frozenset(self.specialties),
            problems=_distinct(self.problems),
            passed_over=tuple(self.passed_over),
            fhir_version=self._version(),
        )

    def _the_patient(self) -> Patient:
        """The patient; in what several copies of the resource disagree, nothing is known."""
        copies = self.patients or [Patient(self.patient_id)]
        first = copies[0]
        for element, name in (("birthDate", "born"), ("gender", "sex")):
            if any(getattr(copy, name) != getattr(first, name) for copy in copies):
                self.problem(f"Patient/{self.patient_id}", element, "contradictory", "two copies of the patient disagree")
        return Patient(
            self.patient_id,
            born=first.born if all(copy.born == first.born for copy in copies) else None,
            sex=first.sex if all(copy.sex == first.sex for copy in copies) else "",
            deceased=any(copy.deceased for copy in copies),
        )

    def _version(self) -> str:
        return next((version for version in ("DSTU2", "R5", "STU3", "R4") if version in self.versions), "")

    def _labs(self) -> tuple[dict[str, tuple[Lab, ...]], list[Problem]]:
        patient = self.patient
        by_analyte: dict[str, list[Lab]] = defaultdict(list)
        for pending in self.pending:
            if patient.born is not None and pending.when.until.date() < patient.born[0]:
                self.problem(
                    pending.name,
                    "effective",
                    "before-birth",
                    analyte=pending.analyte.id,
                    when=pending.when,
                    shown=pending.measured.shown,
                    status=pending.observation.status or "",
                )
                continue
            by_analyte[pending.analyte.id].append(self._limited(pending, patient))
        labs = {analyte: _in_order(values) for analyte, values in sorted(by_analyte.items())}
        problems: list[Problem] = []
        for analyte, values in labs.items():
            if len(values) > 1 and (contradictions := list(_contradictions(values, self.mappings.analytes[analyte]))):
                problems.extend(_contradiction(earlier, later, detail) for earlier, later, detail in contradictions)
                labs[analyte] = _marked(values, contradictions)
        return labs, problems

    def _limited(self, pending: _Pending, patient: Patient) -> Lab:
        """The laboratory value, with the limits that apply to it."""
        source, observation, measured, analyte = pending.source, pending.observation, pending.measured, pending.analyte
        pregnant = self._trimesters(pending.when) if "pregnancy" in self.histories else NO_TRIMESTERS
        limits, discarded = limits_of(source.reference_range or (), measured.unit, analyte, self.mappings, patient, pending.when, pregnant)
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
            specimen=pending.specimen,
            code=f"{pending.code.system}|{pending.code.code}",
            attributes=pending.result.attributes,
            resource=pending.name,
            issued=issued.at if issued else None,
            status=observation.status or "",
            hours_to_receipt=pending.hours_to_receipt,
        )

    def _trimesters(self, when: Moment) -> frozenset[int]:
        return trimesters(when, self.gestations, self.histories["pregnancy"])

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
        number: Decimal | None = None,
        flags: frozenset[str] = NO_FLAGS,
        status: str = "",
    ) -> None:
        self.problems.append(Problem(resource, element, reason, detail, analyte, category, when, shown, below, number, flags, status))

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
        if self.key(reference, item) in (f"Patient/{self.patient_id}", f"urn:uuid:{self.patient_id}"):
            return True
        self.problem(item.name, "subject", "another-patient")
        return False

    def foreign(self, url: str) -> bool:
        """Whether an absolute URL lies outside the server of the request; where that is not known, none does."""
        return bool(self.server) and "://" in url and not url.startswith(f"{self.server}/")

    def key(self, reference: str | None, item: _Item) -> str:
        """What a reference points at, in one spelling: `Type/id`, without base and version; of another server the URL itself.

        A contained resource is named with its container, and has no name in one without an id: "#1" means another thing in each.
        """
        if not reference:
            return ""
        if reference.startswith("#"):
            container = item.container or item
            return f"{container.name}{reference}" if container.resource.id else ""
        return reference if self.foreign(reference) else _local(reference)

    def resolve(self, reference: Reference | str | None, item: _Item) -> Any:
        """The resource behind a reference: contained, in a Bundle by its URL, or by type and id; None when it did not come."""
        text = reference.reference if isinstance(reference, Reference) else reference
        if not text:
            return None
        if text.startswith("#"):
            return next((found.resource for found in self.contained(item.container or item) if found.resource.id in (text, text[1:])), None)
        found_item = self.by_reference.get(text) or self.by_reference.get(self.key(text, item))
        return found_item.resource if found_item is not None else None

    @cached_property
    def by_reference(self) -> dict[str, _Item]:
        """What references may point at, by `Type/id` and by fullUrl; of several the first. Asked for when all is unpacked, and seldom."""
        named = {item.name: item for item, url in reversed(self.targets) if not self.foreign(url)}
        return {url: item for item, url in reversed(self.targets)} | named

    def contained(self, item: _Item) -> Iterator[_Item]:
        for raw in item.resource.contained or ():
            resource = self._decode(raw, item)
            if resource is not None:
                yield _Item(resource, item.draft, container=item)

    def pass_over(self, kind: str, concept: Concept | None) -> None:
        """Count the codes of a concept of which none is mapped or read; words alone count as one thing without a code."""
        coded = False
        for coding in codings(concept):
            if coding.code:
                self.passed_over.append((kind, coding.system or "", coding.code))
                coded = True
        if not coded and text_of(concept):
            self.passed_over.append((kind, "", ""))

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
        known = [site for coding in sent if (site := self.mappings.site(coding.system, coding.code))]
        regions = {site.region for site in known}
        for coding in codings(concept):
            system = self.mappings.canonical(coding.system)
            if system in ICD:
                regions |= {self.mappings.icd_region(system, (coding.code or "").replace(".", "").upper())} - {""}
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


def _patient(item: _Item, reading: _Reading, url: str) -> None:
    resource: wire.Patient = item.resource
    if resource.id != reading.patient_id or reading.foreign(url):
        reading.problem(item.name, "id", "another-patient")
        return
    if url:
        reading.own_urls.add(url)
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
    reading.patients.append(Patient(reading.patient_id, born, sex, bool(resource.deceased_boolean or resource.deceased_date_time)))


def _outcome(item: _Item, reading: _Reading) -> None:
    if any(issue.severity in ("error", "fatal") for issue in item.resource.issue or ()):
        reading.problem("OperationOutcome", "issue", "incomplete-bundle", "the sender reports an error")


def _practitioner_role(item: _Item, reading: _Reading) -> None:
    resource: wire.PractitionerRole = item.resource
    for concept in each(resource.specialty):
        for coding in codings(concept):
            known = reading.mappings.meaning(coding.system, coding.code)
            if known.startswith("specialty:"):
                reading.specialties.add(known)


def _encounter(item: _Item, reading: _Reading) -> None:
    resource: wire.Encounter = item.resource
    if resource.status in NEVER_HAPPENED:
        reading.problem(item.name, "status", "status", resource.status)
        return
    code = _class_code(resource.class_)
    setting = "inpatient" if code in INPATIENT else "ambulatory" if code in OUTPATIENT else ""
    locations = set()
    for entry in resource.location or ():
        location = reading.resolve(entry.location, item)
        if isinstance(location, wire.Location):
            known = {reading.mappings.meaning(coding.system, coding.code) for concept in each(location.type) for coding in codings(concept)}
            locations |= {name for name in known if name.startswith("location:")}
    encounter = Encounter(item.name, setting, code, frozenset(locations))
    reading.encounters.append((resource.status in ("in-progress", "arrived", "triaged", "onleave"), encounter))


def _weight_of_encounter(known: tuple[bool, Encounter]) -> tuple[bool, bool, str]:
    # Of several that are going on an inpatient one decides: its values must be fresher.
    going_on, encounter = known
    return going_on, encounter.setting == "inpatient", encounter.resource


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
    if resource.contained:
        _read_contained(item, reading)
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

    def refuse(element: str, reason: str, detail: str = "", below: bool = False) -> None:
        quantity = source.value_quantity
        reading.problem(
            item.name,
            element,
            reason,
            detail,
            analyte=result.analyte,
            category="pregnancy" if result.analyte in OF_PREGNANCY else "",
            when=when,
            shown=shown(quantity) if quantity is not None else "",
            below=below,
            number=_number(quantity),
            flags=_flags(source.interpretation),
            status=observation.status or "",
        )

    if result.excluded:
        # Known, and not what it could be mistaken for: it says nothing about the analyte.
        reading.problem(item.name, "code", "excluded", result.excluded, category=result.analyte, when=when)
        return
    status = observation.status or ""
    if status not in USABLE and status not in PRELIMINARY:
        refuse("status", "status", status if status in KNOWN_STATUS else "not a status")
    elif source.data_absent_reason is not None:
        refuse("dataAbsentReason", "withdrawn" if status in CORRECTIONS else "data-absent")
    elif not analyte.factors:
        _unmeasured(source, item, reading, observation, analyte.id, when)
    elif source.value_quantity is None and not analyte.coded:
        other = bytes(source.value_string) or source.value_codeable_concept is not None or source.value_boolean is not None
        refuse("value", "value-type" if other else "withdrawn" if status in CORRECTIONS else "no-value")
    elif observation.specimen is not None and (other_specimen := _other_specimen(observation.specimen, item, reading)):
        refuse("specimen", "specimen-conflict", other_specimen)
    elif when is None:
        refuse("effective", "no-time")
    elif when.at > reading.now + FUTURE:
        refuse("effective", "future")
    elif analyte.coded:
        _answer(source, item, reading, observation, result, code, analyte, when, refuse)
    else:
        _lab(source, item, reading, observation, result, code, analyte, when, refuse)


def _unmeasured(
    source: wire.Observation | wire.Component, item: _Item, reading: _Reading, observation: wire.Observation, analyte: str, when: Moment | None
) -> None:
    """Read a recognised result that is no measurement: what it says of a pregnancy, else only that it is there."""
    if analyte == "gestational_age":
        _gestational_age(source, item, reading, when)
    elif not _pregnancy(source, item, reading, observation):
        if analyte == "pregnancy_status" and _answers(source, reading) != {"answer:not_pregnant"}:
            reading.problem(item.name, "value", "answer-unknown", analyte=analyte, category="pregnancy", when=when)
        _resulted(reading, analyte, when)
        reading.pass_over("Observation", source.code)


def _resulted(reading: _Reading, analyte: str, when: Moment | None) -> None:
    """Note that a test whose result is not read was done: of several the newest."""
    known = reading.resulted.get(analyte)
    if analyte not in reading.resulted or (when is not None and (known is None or when.until > known.until)):
        reading.resulted[analyte] = when


OF_PREGNANCY = frozenset({"pregnancy_status", "gestational_age"})
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
    refuse: Callable[..., None],
) -> None:
    quantity = source.value_quantity
    assert quantity is not None
    if quantity.comparator and quantity.comparator not in COMPARATORS:
        refuse("valueQuantity.comparator", "value-type", "not a comparator")
        return
    try:
        measured = measure(quantity, analyte, result, reading.mappings, source.code)
    except UnitError as error:
        refuse("valueQuantity", error.reason, error.detail, error.below)
        return
    name, hours = _specimen_name(observation, item, reading), _hours_to_receipt(observation, item, reading)
    reading.pending.append(_Pending(observation, source, item.name, result, code, analyte, measured, when, name, hours))


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
    refuse: Callable[..., None],
) -> None:
    """Read an answer as 1 (present) or 0 (absent); one that is not known, or contradicts itself, is refused."""
    said = _flags(source.interpretation) | _interpretations(source.value_codeable_concept, reading)
    present, absent = not said.isdisjoint(PRESENT) or source.value_boolean is True, not said.isdisjoint(ABSENT) or source.value_boolean is False
    if present is absent:
        refuse("value", "value-type", "its answer is not known")
        return
    measured = Measured(Decimal(present), analyte.unit, text_of(source.value_codeable_concept) or ("present" if present else "absent"))
    reading.pending.append(
        _Pending(observation, source, item.name, result, code, analyte, measured, when, _specimen_name(observation, item, reading), None)
    )


def _interpretations(concept: Concept | None, reading: _Reading) -> frozenset[str]:
    """The interpretation codes that the codings of a value stand for."""
    named = (reading.mappings.meaning(coding.system, coding.code) for coding in codings(concept))
    return frozenset(name.removeprefix("interpretation:") for name in named if name.startswith("interpretation:"))


def _specimen_name(observation: wire.Observation, item: _Item, reading: _Reading) -> str:
    return reading.key(observation.specimen.reference, item) if observation.specimen is not None else ""


def _other_specimen(reference: Reference, item: _Item, reading: _Reading) -> str:
    """What a specimen is, where that is known to be none of blood, serum or plasma; else ''."""
    if reference.display and OTHER_SPECIMEN.search(reference.display):
        return reference.display
    specimen = reading.resolve(reference, item)
    types = each(specimen.type) if isinstance(specimen, wire.Specimen) else []
    known = (reading.mappings.meaning(coding.system, coding.code) for concept in types for coding in codings(concept))
    return next((name.removeprefix("specimen:") for name in known if name.startswith("specimen:")), "")


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


def _number(quantity: wire.Quantity | None) -> Decimal | None:
    """The number of a quantity that is refused, as it was sent, in whatever unit; a bound is none."""
    try:
        return number_of(bytes(quantity.value)) if quantity is not None and not quantity.comparator else None
    except UnitError:
        return None


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
    if told is None:
        told = next(iter(codings(source.value_codeable_concept)), NO_CODING)
    said = "pregnancy" in categories or "answer:pregnant" in _answers(source, reading)
    if not said or observation.status not in USABLE | PRELIMINARY:
        return False
    _note_pregnancy(item, reading, told, _effective(observation, reading))
    return True


def _answers(source: wire.Observation | wire.Component, reading: _Reading) -> set[str]:
    return {reading.mappings.meaning(coding.system, coding.code) for coding in codings(source.value_codeable_concept)}


def _note_pregnancy(item: _Item, reading: _Reading, told: Coding, when: Moment | None) -> None:
    # What was observed once is not said to be over, as a Condition is: it ends by itself.
    record = History("pregnancy", item.name, f"{told.system}|{told.code}", active=still(when, reading.now), recorded=when)
    reading.histories["pregnancy"].append(record)


def _gestational_age(source: wire.Observation | wire.Component, item: _Item, reading: _Reading, when: Moment | None) -> None:
    """A gestational age: a pregnancy with its trimester; in a child, the one that it was born at."""
    ages = ages_at(reading.patient, when or Moment(reading.now, reading.now))
    if ages and ages[-1].years < CHILDHOOD:
        reading.pass_over("Observation", source.code)
        return
    code = next(iter(codings(source.code)), NO_CODING)
    _note_pregnancy(item, reading, code, when)
    age = _span_of(source.value_quantity)
    if age is None:
        detail = "not a number of weeks or days"
        reading.problem(item.name, "value", "answer-unknown", detail, analyte="gestational_age", category="pregnancy", when=when)
    elif when is not None:
        reading.gestations.append(Gestation(when, age))


def _span_of(quantity: wire.Quantity | None) -> timedelta | None:
    unit = UNITS_OF_GESTATION.get(fold(quantity.code or quantity.unit or "")) if quantity is not None and not quantity.comparator else None
    if quantity is None or unit is None:
        return None
    try:
        weeks = number_of(bytes(quantity.value))
    except UnitError:
        return None
    return unit * float(weeks) if 0 < unit.days * weeks <= TERM.days else None


def _in_order(labs: list[Lab]) -> tuple[Lab, ...]:
    """Values of one analyte oldest first, those that a correction replaced left out."""
    if len(labs) < 2:
        return tuple(labs)
    labs.sort(key=_until)
    corrected = any(lab.status in CORRECTIONS for lab in labs)
    if not corrected and all(one.when.until != other.when.until for one, other in pairwise(labs)):
        return tuple(labs)  # no two of one moment: none can replace another
    return tuple(sorted(_not_replaced(_once(labs)) if corrected else _once(labs), key=_oldest_first))


def _once(labs: Iterable[Lab]) -> list[Lab]:
    """Each value once; a preliminary one only while its moment has no final one."""
    groups: dict[tuple[str, datetime, datetime], list[Lab]] = defaultdict(list)
    for lab in labs:
        groups[lab.code, lab.when.at, lab.when.until].append(lab)
    return [lab for group in groups.values() for lab in (_final(_copies_left_out(group)) if len(group) > 1 else group)]


def _copies_left_out(group: list[Lab]) -> list[Lab]:
    distinct = {(lab.value, lab.comparator, lab.status, lab.specimen, lab.flags, lab.issued): lab for lab in sorted(group, key=_oldest_first)}
    return list(distinct.values())


def _final(group: list[Lab]) -> list[Lab]:
    return [lab for lab in group if lab.final] or group


def _not_replaced(labs: list[Lab]) -> list[Lab]:
    """Leave out what a correction of the same code and moment, or the same code and specimen, replaced.

    Of several corrections the latest issued stays, and every one that does not say when it was issued: that may be the latest.
    """
    latest: dict[tuple[Any, ...], datetime | None] = {}
    for lab in labs:
        if lab.status in CORRECTIONS:
            for key in _replaced_by(lab):
                known = latest.get(key)
                latest[key] = max(known, lab.issued) if known and lab.issued else known or lab.issued
    return [lab for lab in labs if not any(key in latest and _replaced(lab, latest[key]) for key in _replaced_by(lab))]


def _replaced_by(lab: Lab) -> Iterator[tuple[Any, ...]]:
    yield lab.code, lab.when.at, lab.when.until
    if lab.specimen:
        yield lab.code, lab.specimen


def _replaced(lab: Lab, latest: datetime | None) -> bool:
    if lab.status not in CORRECTIONS:
        return True
    return lab.issued is not None and latest is not None and lab.issued < latest


Contradiction = tuple[Lab, Lab, str]  # the earlier (or less extreme) value, the later one, and in which way they contradict each other


def _contradictions(labs: tuple[Lab, ...], analyte: Analyte) -> Iterator[Contradiction]:
    """Finals of one moment or specimen that differ more than they may, and total calcium that changes by more than half within a day.

    The extremes are compared: values that lie in between do not reconcile them.
    """
    percent = analyte.differ_percent
    finals = [lab for lab in labs if lab.final and not lab.comparator]
    if percent is None or not _differ(finals, percent):
        return
    for group in _together(finals):
        if _differ(group, percent):
            earlier, later = sorted((min(group, key=_amount), max(group, key=_amount)), key=group.index)
            yield earlier, later, f"differs from {earlier.shown} of the same moment by more than {percent} %"
    if analyte.id == "calcium_total" and _differ(finals, HALF):
        for extremes in _extremes_of_a_day([lab for lab in finals if lab.when.exact]):
            if _differ(extremes, HALF):
                earlier, later = sorted(extremes, key=_until)
                yield earlier, later, f"differs from {earlier.shown} within 24 hours by more than half"


def _differ(labs: Collection[Lab], percent: Decimal) -> bool:
    """Whether the highest value lies above the lowest by more than so many percent of it."""
    values = [lab.value for lab in labs]
    return len(values) > 1 and max(values) > min(values) * (1 + percent / 100)


def _together(labs: list[Lab]) -> Iterator[list[Lab]]:
    """Values of one exact moment, and values of one specimen."""
    groups: dict[datetime | str, list[Lab]] = defaultdict(list)
    for lab in labs:
        if lab.when.exact:
            groups[lab.when.at].append(lab)
        if lab.specimen:
            groups[lab.specimen].append(lab)
    return (group for group in groups.values() if len(group) > 1)


def _extremes_of_a_day(labs: list[Lab]) -> Iterator[tuple[Lab, Lab]]:
    """Of each value, oldest first, the lowest and the highest of the 24 hours that end with it.

    Two queues hold what may still become an extreme, so that the work grows with the number of values and not with its square.
    """
    falling: deque[Lab] = deque()
    rising: deque[Lab] = deque()
    for lab in labs:
        for queue, sign in ((rising, 1), (falling, -1)):
            while queue and lab.when.at - queue[0].when.at > DAY:
                queue.popleft()
            while queue and sign * (queue[-1].value - lab.value) >= 0:
                queue.pop()
            queue.append(lab)
        yield rising[0], falling[0]


def _amount(lab: Lab) -> Decimal:
    return lab.value


def _contradiction(earlier: Lab, later: Lab, detail: str) -> Problem:
    both = f"{earlier.shown} and {later.shown}"
    return Problem(later.resource, "value", "contradictory", detail, analyte=later.analyte, when=later.when, shown=both, status=later.status)


def _marked(labs: tuple[Lab, ...], contradictions: Iterable[Contradiction]) -> tuple[Lab, ...]:
    """The values again, those that contradict each other marked."""
    marked = {id(lab) for earlier, later, _ in contradictions for lab in (earlier, later)}
    return tuple(replace(lab, conflicting=True) if id(lab) in marked else lab for lab in labs)


# Histories


def _condition(item: _Item, reading: _Reading) -> None:
    resource: wire.Condition = item.resource
    _tell_condition_version(resource, reading)
    categories, told = reading.categories(resource.code)
    if not categories or told is None:
        _unmapped_history(resource.code, item, reading, "Condition")
        return
    for element, value in (("verificationStatus", resource.verification_status), ("clinicalStatus", resource.clinical_status)):
        untrue = NOT_TRUE.intersection(_codes(value))
        if untrue:
            reading.problem(item.name, element, "status", min(untrue), category=min(categories))
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
    return next(iter(_codes(value)), "")


def _codes(value: Concept | str | None) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [coding.code for coding in codings(value) if coding.code]


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
    if (resource.status or "") not in DONE or resource.not_done or resource.not_performed:
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
    _exposure(item, reading, "not-taken" if resource.do_not_perform else resource.status or "", ended, authored)


def _medication_statement(item: _Item, reading: _Reading) -> None:
    resource: wire.MedicationStatement = item.resource
    _tell_drug_version(resource, reading)
    period = resource.effective_period
    ended = reading.moment((period.end if period else None) or resource.effective_date_time, exact=False)
    status = resource.status or ""
    if period is not None and period.end and ended is not None and ended.until < reading.now and status not in NEVER_TAKEN:
        status = "completed"
    if resource.taken == "n" or resource.was_not_taken:
        status = "not-taken"
    since = reading.moment((period.start if period else None) or resource.effective_date_time, exact=False)
    _exposure(item, reading, status, ended, since)


def _medication_administration(item: _Item, reading: _Reading) -> None:
    resource: wire.MedicationAdministration = item.resource
    _tell_drug_version(resource, reading)
    period = resource.effective_period or resource.effective_time_period or resource.occurence_period
    text = resource.effective_date_time or resource.effective_time_date_time or resource.occurence_date_time or _last(period)
    status = "not-done" if resource.not_given or resource.was_not_given else resource.status or ""
    since = reading.moment(period.start if period is not None and period.start else text)
    # Whatever else the status says, what was begun has been given.
    _exposure(item, reading, status if status in NEVER_TAKEN | {"in-progress"} else "completed", reading.moment(text), since)


def _exposure(item: _Item, reading: _Reading, status: str, last: Moment | None, since: Moment | None) -> None:
    concept = _drug_concept(item.resource, item, reading)
    active = status not in ENDED
    found: frozenset[str] = frozenset()
    first: Coding | None = None
    for coding in codings(concept):
        more = reading.mappings.medication(coding.system, coding.code)
        if more and first is None:
            first = coding
        found |= more
    if status in NEVER_TAKEN:
        reading.problem(item.name, "status", "status", status, category=min(found, default=""), when=last)
        return
    for category in found:
        assert first is not None
        code = f"{first.system}|{first.code}"
        reading.exposures.append(Exposure(category, item.name, code, active, text_of(concept), last, _dose(item.resource), since))
    if not found:
        reading.pass_over(item.kind, concept)
        known = any(reading.mappings.names_another_drug(coding.system, coding.code) for coding in codings(concept))
        if not known and (active or last is None or last.until > reading.now - PRESCRIPTION):
            reading.problem(item.name, "medication", "unknown-drug", when=last)


def _dose(resource: Any) -> Dose | None:
    if isinstance(resource, wire.MedicationAdministration):
        return given_dose(resource.dosage)
    return daily_dose(_instructions(resource))


def _instructions(resource: Any) -> Raw:
    return resource.dosage_instruction if bytes(resource.dosage_instruction) else resource.dosage  # type: ignore[no-any-return]


# Orders


def _order_of_drug(item: _Item, reading: _Reading) -> None:
    if item.resource.do_not_perform:
        reading.problem(item.name, "doNotPerform", "status", "an order not to give it")
        return
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
    concepts = [resource.code, *(entry.code for entry in resource.item or ()), *each(resource.service_requested)]
    if resource.do_not_perform or (not item.draft and (resource.status or "") in NEVER_ORDERED):
        detail = "an order not to do it" if resource.do_not_perform else resource.status or ""
        reading.problem(item.name, "doNotPerform" if resource.do_not_perform else "status", "status", detail)
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
        label=_order_label(concepts, found, reading),
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


def _order_label(concepts: list[Concept | None], found: list[OrderCode], reading: _Reading) -> str:
    """What to call an order: the sender's own text, else the short name of the one analyte it brings, else a display."""
    own = next((concept.text for concept in concepts if concept is not None and concept.text), "")
    analytes = {analyte for code in found for analyte in code.analytes}
    short = reading.mappings.analytes[next(iter(analytes))].short if len(analytes) == 1 else ""
    return own or short or next((text for concept in concepts if (text := text_of(concept))), "") or next((code.display for code in found), "")


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


def _read_contained(item: _Item, reading: _Reading) -> None:
    """Read the Observations that a report or a panel contains."""
    for found in reading.contained(item):
        if isinstance(found.resource, wire.Observation) and reading._owned(found):
            _observation(found, reading)


def _diagnostic_report(item: _Item, reading: _Reading) -> None:
    resource: wire.DiagnosticReport = item.resource
    status = resource.status or ""
    if status not in USABLE | PRELIMINARY | {"appended"}:
        reading.problem(item.name, "status", "status", status)
        return
    _read_contained(item, reading)
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
