"""Every synthetic patient through every hook, as a client sends it: templates resolved by a real FHIR server, labs and a calcification
planted where the data has none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cdshooks.answer import Answer, answer
from cdshooks.app import create_app
from cdshooks.prefetch import read_prefetch
from cdshooks.request import parse_request
from cdshooks.settings import Settings

from ..builders import content
from ..shared_data import needs_shared
from .fhir_server import fhir_server, patients, put, resolved

pytestmark = [needs_shared, pytest.mark.slow]
NOW = datetime.now(UTC).replace(microsecond=0)
Json = dict[str, Any]
LOINC = "http://loinc.org"


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with fhir_server() as url:
        yield url


def _planted(base: str, patient: str, labs: dict[str, tuple[float, str]], *, calcified: bool = True, injured: bool = False, days: int = 3) -> None:
    """Put a draw of labs, a calcification and an injury of long ago on the server; what was planted before is replaced."""
    drawn = (NOW - timedelta(days=days)).isoformat()
    for code in ("49765-1", "2777-1", "1751-7", "38483-4", "2160-0"):
        value, unit = labs.get(code, (1.0, "mg/dL"))
        put(
            base,
            {
                "resourceType": "Observation",
                "id": f"{patient[:8]}-{code}",
                "status": "final" if code in labs else "entered-in-error",
                "code": {"coding": [{"system": LOINC, "code": code}]},
                "subject": {"reference": f"Patient/{patient}"},
                "effectiveDateTime": drawn,
                "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
            },
        )
    for name, code, there, recorded in (("calc", "L94.2", calcified, 10), ("injury", "Z87.828", injured, 4000)):
        put(
            base,
            {
                "resourceType": "Condition",
                "id": f"{patient[:8]}-{name}",
                "subject": {"reference": f"Patient/{patient}"},
                "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]},
                "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
                "verificationStatus": {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed" if there else "entered-in-error"}
                    ]
                },
                "recordedDate": (NOW - timedelta(days=recorded)).date().isoformat(),
            },
        )


def _body(base: str, patient: str, hook: str, order: str = "2731-8") -> Json:
    service = next(service for service in content().services.values() if service.hook == hook)
    context: Json = {"userId": "Practitioner/COREPRACTITIONER1", "patientId": patient}
    prefetch = resolved(base, service.templates, context)
    if hook != "patient-view":
        context["draftOrders"] = {
            "resourceType": "Bundle",
            "entry": [
                {
                    "resource": {
                        "resourceType": "ServiceRequest",
                        "id": "d1",
                        "status": "draft",
                        "intent": "order",
                        "subject": {"reference": f"Patient/{patient}"},
                        "code": {"coding": [{"system": LOINC, "code": order}]},
                    }
                }
            ],
        }
    if hook == "order-select":
        context["selections"] = ["ServiceRequest/d1"]
    return {"hook": hook, "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "context": context, "prefetch": prefetch}


def _over_http(body: Json) -> list[str]:
    """The topics of the cards that come back over HTTP."""
    client = create_app(Settings(auth="none"), content()).test_client()
    service = next(service for service in content().services.values() if service.hook == body["hook"])
    reply = client.post(f"/cds-services/{service.id}", data=json.dumps(body), content_type="application/json")
    assert reply.status_code == 200, reply.get_data(as_text=True)
    return [card["source"]["topic"]["code"] for card in json.loads(reply.data)["cards"]]


def _explained(body: Json) -> Answer:
    service = next(service for service in content().services.values() if service.hook == body["hook"])
    request = parse_request(json.dumps(body).encode(), service.id, service.hook)
    return answer(request, read_prefetch(request, service.templates), content(), NOW, every_line=True)


HOOKS = ("patient-view", "order-select", "order-sign")
NORMAL = {"49765-1": (9.4, "mg/dL"), "2777-1": (3.5, "mg/dL"), "1751-7": (4.2, "g/dL"), "38483-4": (0.8, "mg/dL")}


def test_without_a_calcification_every_hook_is_silent_for_everybody(base: str) -> None:
    found = patients(base)
    assert len(found) == 15
    assert {(patient, hook): cards for patient in found for hook in HOOKS if (cards := _over_http(_body(base, patient, hook)))} == {}


def test_high_whole_blood_calcium_with_a_calcification_warns_on_every_hook(base: str) -> None:
    for patient in patients(base):
        _planted(base, patient, NORMAL | {"49765-1": (11.2, "mg/dL")})
        deceased = _explained(_body(base, patient, "patient-view")).facts.patient.deceased
        for hook in HOOKS:
            cards = _over_http(_body(base, patient, hook, order="46699-5"))
            assert cards[:1] == ([] if deceased else ["hypercalcaemia-is-not-dystrophic"]), (patient, hook)


def test_critical_calcium_is_the_one_card_on_opening_the_chart_of_the_living(base: str) -> None:
    for patient in patients(base):
        _planted(base, patient, NORMAL | {"49765-1": (14.6, "mg/dL")}, days=1)
        body = _body(base, patient, "patient-view")
        deceased = _explained(body).facts.patient.deceased
        assert _over_http(body) == ([] if deceased else ["critical-calcium-value"]), patient


def test_labs_of_years_ago_are_no_baseline(base: str) -> None:
    for patient in patients(base):
        _planted(base, patient, {})
        body = _body(base, patient, "order-select")
        given = _explained(body)
        topics = _over_http(body)
        if not given.facts.patient.deceased:
            assert "baseline-panel-incomplete-or-stale" in topics, patient


def test_high_phosphate_with_good_kidneys_warns(base: str) -> None:
    warned = 0
    for patient in patients(base):
        _planted(base, patient, NORMAL | {"2777-1": (6.0, "mg/dL")})
        given = _explained(_body(base, patient, "order-select"))
        topics = [card["source"]["topic"]["code"] for card in given.cards]
        kidneys = given.findings.values.get("ckd.possible") or given.findings.values.get("ckd.g3a_or_worse")
        expected = "ckd-vascular-calcification-distinct" if kidneys else "hyperphosphataemia-is-not-dystrophic"
        if not given.facts.patient.deceased:
            assert expected in topics or kidneys, (patient, topics)
            warned += expected in topics
    assert warned >= 10


def test_a_normal_baseline_reassures_exactly_those_whose_checklist_is_proven(base: str) -> None:
    reassured = []
    for patient in patients(base):
        _planted(base, patient, NORMAL, injured=True)
        given = _explained(_body(base, patient, "order-select"))
        unproven = [why for why in given.findings.state.checklist.values() if why]
        topics = [card["source"]["topic"]["code"] for card in given.cards]
        low_yield = "extended-metabolic-workup-low-yield" in topics
        assert low_yield is (not unproven and not given.facts.patient.deceased), (patient, unproven, topics)
        reassured += [patient] if low_yield else []
    assert reassured, "at least one chart of real shape must be able to prove the checklist"
