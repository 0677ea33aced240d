"""The few FHIR elements that are read, as structs: R4 first, with the shapes of STU3, DSTU2 and R5 as unions.

Each resource is decoded on its own and by its type; elements that are not named here are skipped without being looked at.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, Union, get_args

import msgspec
from msgspec import Raw, Struct

NOTHING = Raw(b"")


class Element(Struct, rename="camel", gc=False):
    """Any struct of this module: camelCase on the wire."""


class Coding(Element):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class Reference(Element):
    reference: str | None = None
    display: str | None = None


class Concept(Element):
    """A CodeableConcept, and the CodeableReference of R5 (its `concept` or `reference`)."""

    coding: list[Coding] | None = None
    text: str | None = None
    concept: Concept | None = None
    reference: Reference | str | None = None


Concepts: TypeAlias = list[Concept] | Concept | None


class Quantity(Element):
    value: Raw = NOTHING  # the number's own text, so that it stays exact
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Period(Element):
    start: str | None = None
    end: str | None = None


class Range(Element):
    low: Quantity | None = None
    high: Quantity | None = None


class ReferenceRange(Element):
    low: Quantity | None = None
    high: Quantity | None = None
    type: Concepts = None
    meaning: Concepts = None  # DSTU2, STU3
    applies_to: Concepts = None
    age: Range | None = None


class Resource(Element, tag_field="resourceType"):
    """What every resource may carry."""

    id: str | None = None
    contained: list[Raw] | None = None


class Component(Element):
    code: Concept | None = None
    value_quantity: Quantity | None = None
    value_codeable_concept: Concept | None = None
    value_string: Raw = NOTHING
    value_boolean: bool | None = None
    data_absent_reason: Concept | None = None
    interpretation: Concepts = None
    reference_range: list[ReferenceRange] | None = None


class Observation(Resource, tag="Observation"):
    status: str | None = None
    code: Concept | None = None
    subject: Reference | None = None
    context: Reference | None = None  # STU3
    encounter: Reference | None = None
    effective_date_time: str | None = None
    effective_instant: str | None = None
    effective_period: Period | None = None
    issued: str | None = None
    value_quantity: Quantity | None = None
    value_codeable_concept: Concept | None = None
    value_string: Raw = NOTHING
    value_boolean: bool | None = None
    data_absent_reason: Concept | None = None
    interpretation: Concepts = None
    reference_range: list[ReferenceRange] | None = None
    specimen: Reference | None = None
    component: list[Component] | None = None


class Collection(Element):
    collected_date_time: str | None = None
    collected_period: Period | None = None


class Specimen(Resource, tag="Specimen"):
    type: Concepts = None
    subject: Reference | None = None
    received_time: str | None = None
    collection: Collection | None = None


class Condition(Resource, tag="Condition"):
    clinical_status: Concept | str | None = None
    verification_status: Concept | str | None = None
    code: Concept | None = None
    body_site: Concepts = None
    subject: Reference | None = None
    patient: Reference | None = None  # DSTU2
    onset_date_time: str | None = None
    onset_period: Period | None = None
    recorded_date: str | None = None
    asserted_date: str | None = None  # STU3
    date_recorded: str | None = None  # DSTU2


class Procedure(Resource, tag="Procedure"):
    status: str | None = None
    code: Concept | None = None
    body_site: Concepts = None
    subject: Reference | None = None
    performed_date_time: str | None = None
    performed_period: Period | None = None
    occurrence_date_time: str | None = None  # R5
    occurrence_period: Period | None = None
    not_done: bool | None = None  # STU3
    not_performed: bool | None = None  # DSTU2


class Repeat(Element):
    frequency: int | None = None
    frequency_max: int | None = None
    period: Raw = NOTHING
    period_unit: str | None = None
    period_units: str | None = None  # DSTU2
    bounds_duration: Quantity | None = None
    bounds_period: Period | None = None


class Timing(Element):
    repeat: Repeat | None = None
    code: Concept | None = None


class DoseRate(Element):
    dose_quantity: Quantity | None = None
    dose_range: Range | None = None
    dose: Quantity | None = None  # MedicationAdministration


class Dosage(DoseRate):
    """How a drug is to be taken. Before R4 the dose stands in it; since R4 in `doseAndRate`."""

    timing: Timing | None = None
    dose_and_rate: list[DoseRate] | None = None


class Supply(Element):
    validity_period: Period | None = None


class _Drug(Resource):
    """The elements by which the medication resources name a drug."""

    status: str | None = None
    subject: Reference | None = None
    patient: Reference | None = None  # DSTU2
    medication_codeable_concept: Concept | None = None
    medication_reference: Reference | None = None
    medication: Concept | None = None  # R5
    reason_code: Concepts = None
    reason_codeable_concept: Concepts = None  # DSTU2
    reason_reference: list[Reference] | Reference | None = None
    reason: Concepts = None  # R5
    dosage_instruction: Raw = NOTHING  # read where the amount matters, so that one in words is no unreadable resource
    dosage: Raw = NOTHING


class MedicationRequest(_Drug, tag="MedicationRequest"):
    authored_on: str | None = None
    date_written: str | None = None  # DSTU2
    dispense_request: Supply | None = None
    do_not_perform: bool | None = None


class MedicationOrder(MedicationRequest, tag="MedicationOrder"):
    """DSTU2."""


class MedicationStatement(_Drug, tag="MedicationStatement"):
    effective_date_time: str | None = None
    effective_period: Period | None = None
    taken: str | None = None  # STU3
    was_not_taken: bool | None = None  # DSTU2


class MedicationUsage(MedicationStatement, tag="MedicationUsage"):
    """An early R5 name."""


class MedicationAdministration(_Drug, tag="MedicationAdministration"):
    effective_date_time: str | None = None
    effective_period: Period | None = None
    effective_time_date_time: str | None = None  # DSTU2
    effective_time_period: Period | None = None
    occurence_date_time: str | None = None  # R5 spells it so
    occurence_period: Period | None = None
    not_given: bool | None = None  # STU3
    was_not_given: bool | None = None  # DSTU2


class Medication(Resource, tag="Medication"):
    code: Concept | None = None


class OrderItem(Element):
    code: Concept | None = None


class ServiceRequest(Resource, tag="ServiceRequest"):
    status: str | None = None
    code: Concept | None = None
    subject: Reference | None = None
    patient: Reference | None = None
    authored_on: str | None = None
    ordered_on: str | None = None  # DSTU2
    body_site: Concepts = None
    reason_code: Concepts = None
    reason_codeable_concept: Concepts = None
    reason_reference: list[Reference] | Reference | None = None
    reason: Concepts = None
    item: list[OrderItem] | None = None  # DSTU2 DiagnosticOrder
    service_requested: Concepts = None  # STU3 and DSTU2 ReferralRequest
    do_not_perform: bool | None = None


class ProcedureRequest(ServiceRequest, tag="ProcedureRequest"):
    """STU3 and DSTU2."""


class ReferralRequest(ServiceRequest, tag="ReferralRequest"):
    """STU3 and DSTU2."""


class DiagnosticOrder(ServiceRequest, tag="DiagnosticOrder"):
    """DSTU2."""


class DiagnosticReport(Resource, tag="DiagnosticReport"):
    status: str | None = None
    code: Concept | None = None
    subject: Reference | None = None
    effective_date_time: str | None = None
    effective_period: Period | None = None
    issued: str | None = None
    conclusion_code: Concepts = None
    coded_diagnosis: Concepts = None  # STU3


class EncounterLocation(Element):
    location: Reference | None = None


class EncounterClass(Element):
    """A Coding (R4) or a CodeableConcept (R5)."""

    system: str | None = None
    code: str | None = None
    coding: list[Coding] | None = None


class Encounter(Resource, tag="Encounter"):
    status: str | None = None
    class_: EncounterClass | str | list[EncounterClass] | None = msgspec.field(default=None, name="class")
    subject: Reference | None = None
    patient: Reference | None = None
    location: list[EncounterLocation] | None = None


class Location(Resource, tag="Location"):
    type: Concepts = None


class Patient(Resource, tag="Patient"):
    birth_date: str | None = None
    gender: str | None = None
    deceased_boolean: bool | None = None
    deceased_date_time: str | None = None


class PractitionerRole(Resource, tag="PractitionerRole"):
    specialty: Concepts = None


class Issue(Element):
    severity: str | None = None


class OperationOutcome(Resource, tag="OperationOutcome"):
    issue: list[Issue] | None = None


class Link(Element):
    relation: str | None = None
    url: Any = None


class Entry(Element):
    full_url: Any = None
    resource: Raw = NOTHING
    response: Any = None


class Bundle(Resource, tag="Bundle"):
    """A Bundle whose entries are decoded one by one, so that a broken one is alone."""

    link: Any = None
    entry: list[Raw] | None = None


READ: TypeAlias = Union[  # noqa: UP007 - a name for the types, which `TYPES` lists
    Observation,
    Specimen,
    Condition,
    Procedure,
    MedicationRequest,
    MedicationOrder,
    MedicationStatement,
    MedicationUsage,
    MedicationAdministration,
    Medication,
    ServiceRequest,
    ProcedureRequest,
    ReferralRequest,
    DiagnosticOrder,
    DiagnosticReport,
    Encounter,
    Location,
    Patient,
    PractitionerRole,
    OperationOutcome,
    Bundle,
]


class WholeEntry(Element):
    full_url: str | None = None
    resource: READ | None = None
    response: Any = None


class WholeBundle(Element):
    """A Bundle of which every resource has the shape of its type: decoded in one go."""

    link: list[Link] | None = None
    entry: list[WholeEntry] | None = None
    resource_type: Literal["Bundle"] | None = None
    id: str | None = None
    total: Any = None


class Peek(Struct):
    """Just enough of a resource to name it."""

    resourceType: str
    id: Any = None


decode = msgspec.json.Decoder(READ).decode
decode_entry = msgspec.json.Decoder(Entry).decode
decode_whole = msgspec.json.Decoder(WholeBundle).decode
peek = msgspec.json.Decoder(Peek).decode
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
TYPES = frozenset(cls.__struct_config__.tag for cls in get_args(READ))


def whole_bundle(raw: bytes) -> WholeBundle | None:
    """Decode a Bundle in one go; None if it is none, or if any of its resources does not have the shape of its type."""
    try:
        bundle = decode_whole(raw)
    except UNREADABLE:
        return None
    return bundle if bundle.resource_type == "Bundle" else None


def has_next(links: Any) -> bool:
    """Whether the links of a Bundle, of whatever shape, name a next page."""
    if not isinstance(links, list):
        return False
    return any((link.get("relation") if isinstance(link, dict) else getattr(link, "relation", None)) == "next" for link in links)


def succeeded(response: Any) -> bool:
    """Whether the response of a batch entry says that there was nothing to bring: any status of success."""
    return isinstance(response, dict) and str(response.get("status")).startswith("2")


def codings(concept: Concept | None) -> list[Coding]:
    """The codings of a concept, of whatever version."""
    if concept is None:
        return []
    if concept.concept is not None:
        return codings(concept.concept)
    return concept.coding or []


def each(concepts: Concepts) -> list[Concept]:
    """One concept or several, as a list."""
    if concepts is None:
        return []
    return concepts if isinstance(concepts, list) else [concepts]


def text_of(concept: Concept | None) -> str:
    """The words of a concept: its text, else its first display."""
    if concept is None:
        return ""
    if concept.concept is not None:
        return text_of(concept.concept)
    return concept.text or next((coding.display for coding in concept.coding or () if coding.display), "")


def words_of(concept: Concept | None) -> str:
    """All the words of a concept: its text and every display."""
    return " ".join([text_of(concept), *(coding.display for coding in codings(concept) if coding.display)])


def anything(raw: bytes) -> Any:
    """Any JSON, for looking into a resource that does not have the shape of its type."""
    return msgspec.json.decode(raw)
