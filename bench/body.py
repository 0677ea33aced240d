"""The request body of the benchmark: order-select, about 50 kB, 30 Observations and 20 Conditions, with a calcification and a card to give."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]
LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
PATIENT = "4f7a1c7e-6c0b-4b5e-9c35-bench0000001"
BASE = "https://ehr.example.org/fhir/R4"
# A third of what an EHR sends is of use to the service; the rest are vital signs and other results, as in real charts.
MAPPED = (
    ("17861-6", "Calcium [Mass/volume] in Serum or Plasma", 10.9, "mg/dL"),
    ("1751-7", "Albumin [Mass/volume] in Serum or Plasma", 4.0, "g/dL"),
    ("2777-1", "Phosphate [Mass/volume] in Serum or Plasma", 3.1, "mg/dL"),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", 0.8, "mg/dL"),
    ("6298-4", "Potassium [Moles/volume] in Blood", 4.1, "mmol/L"),
    ("38483-4", "Creatinine [Mass/volume] in Blood", 0.82, "mg/dL"),
    ("49765-1", "Calcium [Mass/volume] in Blood", 9.8, "mg/dL"),
    ("33914-3", "Glomerular filtration rate/1.73 sq M.predicted", 92, "mL/min/{1.73_m2}"),
)
UNMAPPED = (
    ("8480-6", "Systolic blood pressure", 128, "mm[Hg]"),
    ("8462-4", "Diastolic blood pressure", 81, "mm[Hg]"),
    ("8867-4", "Heart rate", 72, "/min"),
    ("9279-1", "Respiratory rate", 14, "/min"),
    ("72514-3", "Pain severity - 0-10 verbal numeric rating", 2, "{score}"),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", 13.4, "g/dL"),
    ("4544-3", "Hematocrit [Volume Fraction] of Blood", 41, "%"),
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", 6.4, "10*3/uL"),
    ("777-3", "Platelets [#/volume] in Blood", 240, "10*3/uL"),
    ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", 190, "mg/dL"),
    ("39156-5", "Body Mass Index", 24.1, "kg/m2"),
)
CONDITIONS = ("Viral sinusitis", "Acute bronchitis", "Prediabetes", "Essential hypertension", "Sprain of ankle", "Normal pregnancy")


def observation(number: int, now: datetime) -> Json:
    """One Observation as a US EHR sends it: every third one mapped, one draw a day."""
    code, display, value, unit = MAPPED[(number // 3) % len(MAPPED)] if number % 3 == 0 else UNMAPPED[number % len(UNMAPPED)]
    # The first draw holds the values that decide; the later ones are older.
    drawn = (now - timedelta(days=2 + number // 24)).replace(hour=8, minute=0, second=0, microsecond=0)
    return {
        "resourceType": "Observation",
        "id": f"bench-observation-{number:06d}",
        "meta": {
            "versionId": "1",
            "lastUpdated": drawn.isoformat(),
            "profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"],
        },
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory", "display": "laboratory"}]}
        ],
        "code": {"coding": [{"system": LOINC, "code": code, "display": display}], "text": display},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "encounter": {"reference": f"Encounter/bench-encounter-{number // 24:05d}"},
        "effectiveDateTime": drawn.isoformat(),
        "issued": drawn.isoformat(),
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
    }


def condition(number: int, now: datetime) -> Json:
    """One Condition; the first is the calcification."""
    codings = (
        [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "L94.2", "display": "Calcinosis cutis"}]
        if number == 0
        else [{"system": SNOMED, "code": str(444814009 + 10 * number), "display": CONDITIONS[number % len(CONDITIONS)]}]
    )
    recorded = (now - timedelta(days=20 + 40 * number)).replace(hour=9, minute=0, second=0, microsecond=0)
    return {
        "resourceType": "Condition",
        "id": f"bench-condition-{number:06d}",
        "meta": {"versionId": "1", "lastUpdated": recorded.isoformat()},
        "clinicalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active" if number % 3 == 0 else "resolved"}]
        },
        "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]},
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/condition-category",
                        "code": "encounter-diagnosis",
                        "display": "Encounter Diagnosis",
                    }
                ]
            }
        ],
        "code": {"coding": codings, "text": codings[0]["display"]},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "encounter": {"reference": f"Encounter/bench-encounter-{number:05d}"},
        "onsetDateTime": recorded.isoformat(),
        "recordedDate": recorded.isoformat(),
    }


def bundle(resources: list[Json]) -> Json:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(resources),
        "entry": [{"fullUrl": f"{BASE}/{r['resourceType']}/{r['id']}", "resource": r, "search": {"mode": "match"}} for r in resources],
    }


def request(observations: int = 30, conditions: int = 20, now: datetime | None = None) -> Json:
    """An order-select request with a fully supplied prefetch."""
    now = now or datetime.now(UTC)
    draft = {
        "resourceType": "ServiceRequest",
        "id": "draft-1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "code": {"coding": [{"system": LOINC, "code": "46699-5", "display": "Fibroblast growth factor 23"}]},
    }
    empty = bundle([])
    del empty["entry"]
    return {
        "hook": "order-select",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {
            "userId": "Practitioner/example",
            "patientId": PATIENT,
            "selections": ["ServiceRequest/draft-1"],
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}]},
        },
        "prefetch": {
            "patient": {
                "resourceType": "Patient",
                "id": PATIENT,
                "birthDate": "1970-05-05",
                "gender": "female",
                "name": [{"family": "Bench", "given": ["Bea"]}],
            },
            "observations": bundle([observation(number, now) for number in range(observations)]),
            "observations-2": empty,  # the second query for results, where the codes do not fit one URL
            "conditions": bundle([condition(number, now) for number in range(conditions)]),
            **dict.fromkeys(
                ("procedures", "medication-requests", "medication-statements", "medication-administrations", "service-requests", "reports"), empty
            ),
        },
    }


def encoded(observations: int = 30, conditions: int = 20) -> bytes:
    """The request as bytes, without blanks, as EHRs send it."""
    return json.dumps(request(observations, conditions), separators=(",", ":")).encode()
