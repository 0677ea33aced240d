"""The context of the three hooks, case by case (C01-C13, C22-C24); the guidance itself is asked of the real content."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import ask

from .service import HOOKS, Json, call, cards, draft, drafts, example, named, post, topics, vignette

HYPERCALCAEMIA = """
age: 54 female
history: calcification_skin at thigh
labs 3 d ago: calcium 10.9 mg/dL, albumin 4.0 g/dL, phosphate 2.6 mg/dL, creatinine 0.8 mg/dL
orders: pth
"""
CLASSIC = """
age: 26 female
history: calcification_muscle at masseter, trauma 22 y ago
labs 3 d ago: calcium 9.4 mg/dL, phosphate 3.5 mg/dL, albumin 4.2 g/dL, creatinine 0.8 mg/dL
orders: pth, calcium, phosphate
"""
BINDER = """
age: 45 female
history: calcification_muscle, trauma 5 y ago
labs: calcium 9.4 mg/dL, phosphate 3.4 mg/dL, albumin 4.2 g/dL, egfr 90
orders: rx-binder-nonca
"""


def changed(document: Any, change: Callable[[Json], Json]) -> Any:
    """A copy of a JSON document with every resource in it changed."""
    if isinstance(document, list):
        return [changed(item, change) for item in document]
    if isinstance(document, dict):
        inner = {key: changed(value, change) for key, value in document.items()}
        return change(inner) if "resourceType" in inner else inner
    return document


def selecting(body: Json, number: int) -> Json:
    """The same call with only one draft selected."""
    copied = copy.deepcopy(body)
    resource = copied["context"]["draftOrders"]["entry"][number]["resource"]
    copied["context"]["selections"] = [f"{resource['resourceType']}/{resource['id']}"]
    return copied


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("member", ["patientId", "userId"])
@pytest.mark.parametrize("value", [..., None, "", 5, []], ids=["absent", "null", "empty", "number", "array"])
def test_C01_patient_and_user_are_required(hook: str, member: str, value: Any) -> None:
    response = post(call(hook, context={member: value}))
    assert response.status_code == 400 and named(response) == {f"context.{member}"}


@pytest.mark.parametrize("value", ["enc-9", None, ...], ids=["given", "null", "absent"])
@pytest.mark.parametrize("hook", HOOKS)
def test_C02_the_encounter_is_optional(hook: str, value: Any) -> None:
    assert post(call(hook, context={"encounterId": value})).status_code == 200


@pytest.mark.parametrize("value", ["Patient/1", "https://ehr.test/Patient/1", "a b", "1\n", "é"])
@pytest.mark.parametrize("member", ["patientId", "encounterId"])
def test_C03_ids_are_plain(member: str, value: str) -> None:
    response = post(call(context={member: value}))
    assert response.status_code == 400 and named(response) == {f"context.{member}"}


@pytest.mark.parametrize("value", ["../../x?y", "..", "1/../2", "1?x=y", "1#a", "1%2f..", "a..b"])
def test_N06_an_id_that_would_change_a_path_is_refused(value: str) -> None:
    response = post(call(context={"patientId": value}))
    assert response.status_code == 400 and named(response) == {"context.patientId"}


def test_C03_longer_ids_than_fhir_allows_are_tolerated() -> None:
    assert post(call(context={"patientId": "x" * 200})).status_code == 200


@pytest.mark.parametrize("kind", ["Practitioner", "PractitionerRole", "Patient", "RelatedPerson"])
def test_C04_any_kind_of_user_may_open_a_chart(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cdshooks.event"):
        assert post(call(context={"userId": f"{kind}/1"})).status_code == 200
    assert "warnings" not in json.loads(caplog.messages[-1])


@pytest.mark.parametrize("value", ["123", "Practitioner", "Group/1"])
def test_C05_a_user_without_a_type_is_tolerated_with_a_warning(value: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cdshooks.event"):
        assert post(call(context={"userId": value})).status_code == 200
    assert json.loads(caplog.messages[-1])["warnings"][0].startswith("context.userId is not a reference")


def test_C06_drafts_of_every_kind_are_considered() -> None:
    body = example(9)
    body["prefetch"]["conditions"] = None
    assert cards(post(body)) == []
    seen = ask(body).facts
    assert {order.id for order in seen.drafts} | {problem.resource for problem in seen.problems} | {kind for kind, _, _ in seen.unmapped} >= {
        "MedicationRequest/draft-1",
        "ServiceRequest/draft-2",
    }


def test_C07_guidance_is_about_the_selected_order_only() -> None:
    body = vignette(CLASSIC)
    about_pth = post(selecting(body, 0))
    assert topics(about_pth) == ["extended-metabolic-workup-low-yield"]
    actions = [action for card in cards(about_pth) for suggestion in card["suggestions"] for action in suggestion.get("actions", ())]
    deleted = [action["resourceId"] for action in actions if action["type"] == "delete"]
    assert deleted == selecting(body, 0)["context"]["selections"]
    assert "extended-metabolic-workup-low-yield" not in topics(post(selecting(body, 1)))


def test_C08_selections_that_point_nowhere_select_nothing(caplog: pytest.LogCaptureFixture) -> None:
    body = vignette(CLASSIC)
    body["context"]["selections"] = ["ServiceRequest/none-such", "urn:uuid:1"]
    with caplog.at_level(logging.INFO, "cdshooks.event"):
        assert cards(post(body)) == []
    assert json.loads(caplog.messages[-1])["warnings"] == ["2 of 2 context.selections point at no draft order"]


@pytest.mark.parametrize("value", [..., None, [], "ServiceRequest/d1", [5], {}])
def test_C08_selections_must_be_there(value: Any) -> None:
    response = post(call("order-select", context={"selections": value}))
    assert response.status_code == 400 and all(name.startswith("context.selections") for name in named(response))


def test_C09_a_bundle_without_type_is_fine() -> None:
    body = vignette(CLASSIC)
    before = topics(post(body))
    del body["context"]["draftOrders"]["type"]
    assert topics(post(body)) == before != []


@pytest.mark.parametrize("kind", ["Flibbertigibbet", "NutritionOrder", "Task", "Goal"])
def test_C10_other_types_in_the_bundle_are_skipped(kind: str) -> None:
    body = vignette(CLASSIC)
    before = topics(post(body))
    body["context"]["draftOrders"]["entry"].append({"resource": {"resourceType": kind, "id": "f", "status": "draft"}})
    assert topics(post(body)) == before != []


@pytest.mark.parametrize(
    "entry",
    [
        5,
        None,
        "x",
        [],
        {"resource": None},
        {},
        {"resource": {"resourceType": 7, "id": []}},
        {"resource": {}},
        {"fullUrl": 5},
        {"resource": 5},
    ],
)
def test_C10_what_is_broken_in_the_bundle_silences_no_warning(entry: Any) -> None:
    body = vignette(HYPERCALCAEMIA)
    before = topics(post(body))
    body["context"]["draftOrders"]["entry"].append(entry)
    assert topics(post(body)) == before != []


def test_C11_a_medication_beside_the_request_is_resolved() -> None:
    body = vignette(BINDER)
    before = topics(post(body))
    entries = body["context"]["draftOrders"]["entry"]
    concept = entries[0]["resource"].pop("medicationCodeableConcept")
    entries[0]["resource"]["medicationReference"] = {"reference": "Medication/eMed.7"}
    entries.append({"resource": {"resourceType": "Medication", "id": "eMed.7", "code": concept}})
    assert topics(post(body)) == before == ["metabolic-drug-without-metabolic-disease"]


@pytest.mark.parametrize("value", [..., None, [], "x", {}, {"resourceType": "ServiceRequest"}, {"resourceType": "Bundle", "entry": {}}])
@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_C12_draftOrders_must_be_a_bundle(hook: str, value: Any) -> None:
    response = post(call(hook, context={"draftOrders": value}))
    assert response.status_code == 400 and all(name.startswith("context.draftOrders") for name in named(response))


def test_C12_a_bundle_of_no_orders_gets_no_cards() -> None:
    assert cards(post(call("order-sign", context={"draftOrders": {"resourceType": "Bundle"}}))) == []


def test_C13_orders_that_are_signed_again_are_fine() -> None:
    mixed = drafts(draft("d1"), draft("d2", status="active"), draft("d3", kind="MedicationRequest", status="on-hold"))
    assert post(call("order-sign", context={"draftOrders": mixed})).status_code == 200


def test_C22_stu3_shapes_get_the_same_guidance() -> None:
    assert post(example(4)).status_code == 200

    def stu3(resource: Json) -> Json:
        for element in ("clinicalStatus", "verificationStatus"):
            if element in resource:
                resource[element] = resource[element]["coding"][0]["code"]
        kind = {"ServiceRequest": "ProcedureRequest"}.get(resource["resourceType"], resource["resourceType"])
        return resource | {"resourceType": kind, "context": {"reference": "Encounter/enc-9"}}

    body = vignette(HYPERCALCAEMIA)
    old = changed(body, stu3)
    old["context"]["selections"] = [name.replace("ServiceRequest/", "ProcedureRequest/") for name in body["context"]["selections"]]
    assert topics(post(old)) == topics(post(body)) == ["hypercalcaemia-is-not-dystrophic"]


def test_C23_r5_shapes_get_the_same_guidance() -> None:
    body = example(5)
    assert post(body).status_code == 200

    def r5(resource: Json) -> Json:
        if resource["resourceType"] == "ServiceRequest":
            resource["code"] = {"concept": resource["code"]}
        if "medicationCodeableConcept" in resource:
            resource["medication"] = {"concept": resource.pop("medicationCodeableConcept")}
        return resource

    for lines, topic in ((HYPERCALCAEMIA, "hypercalcaemia-is-not-dystrophic"), (BINDER, "metabolic-drug-without-metabolic-disease")):
        body = vignette(lines)
        assert topics(post(changed(body, r5))) == topics(post(body)) == [topic]


def test_C24_another_patients_resource_is_dropped_and_told(caplog: pytest.LogCaptureFixture) -> None:
    def swapped(resource: Json) -> Json:
        codes = [coding.get("code") for coding in resource.get("code", {}).get("coding", ())] if isinstance(resource.get("code"), dict) else []
        if resource["resourceType"] == "Observation" and "17861-6" in codes:
            return resource | {"subject": {"reference": "Patient/somebody-else"}}
        return resource

    body = vignette(HYPERCALCAEMIA)
    other = changed(body, swapped)
    assert other != body
    with caplog.at_level(logging.INFO, "cdshooks.event"):
        assert "hypercalcaemia-is-not-dystrophic" not in topics(post(other))
    assert json.loads(caplog.messages[-1])["problems"]["another-patient"] == 1
