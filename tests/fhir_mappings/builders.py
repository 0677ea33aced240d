"""FHIR resources with good defaults, and facts read from them by the real catalog."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

from fhir_mappings import Facts, Lab, Mappings, Problem, load_mappings, read_facts

Json = dict[str, Any]
NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
PATIENT = {"resourceType": "Patient", "id": "p", "birthDate": "1970-05-05", "gender": "female"}
LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"


@cache
def mappings() -> Mappings:
    return load_mappings()


def observation(code: str | Json = "17861-6", value: Any = 9.4, unit: str | None = "mg/dL", **changes: Any) -> Json:
    """An Observation of patient p; `changes` replace elements, None removes them."""
    quantity: Json = {"value": value}
    if unit is not None:
        quantity |= {"unit": unit, "system": UCUM, "code": unit}
    made: Json = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": code if isinstance(code, dict) else {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-06-13T08:00:00+00:00",
        "valueQuantity": quantity,
    }
    return {key: item for key, item in (made | changes).items() if item is not None}


def condition(code: str = "L94.2", system: str = ICD10CM, **changes: Any) -> Json:
    made: Json = {
        "resourceType": "Condition",
        "id": "c1",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/p"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "recordedDate": "2026-05-20",
    }
    return {key: item for key, item in (made | changes).items() if item is not None}


def bundle(*resources: Json, **changes: Any) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource} for resource in resources]} | changes


def read(*resources: Any, drafts: tuple[Any, ...] = (), patient: str = "p", with_patient: bool = True, server: str = "") -> Facts:
    """Read resources (or raw bytes) as one chart."""
    chart = [*([PATIENT] if with_patient else []), *resources]
    return read_facts([_bytes(item) for item in chart], mappings(), patient=patient, now=NOW, drafts=[_bytes(item) for item in drafts], server=server)


def _bytes(item: Any) -> bytes:
    return item if isinstance(item, bytes) else json.dumps(item).encode()


def lab(*resources: Any) -> Lab:
    """The one laboratory value that these resources give."""
    (value,) = [value for values in read(*resources).labs.values() for value in values]
    return value


def problem(*resources: Any) -> Problem:
    """The one problem that these resources give, with no laboratory value beside it."""
    facts = read(*resources)
    assert facts.labs == {}
    (found,) = facts.problems
    return found
