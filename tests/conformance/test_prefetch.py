"""What came by prefetch and what it means, case by case (P01-P03, P05-P09, P11, P12, P14-P16, P20, P24, P26, P28); nothing is fetched."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from cdshooks.prefetch import read_prefetch
from cdshooks.request import parse_request
from tests.builders import ask, content

from .service import Json, call, cards, condition, example, issues, named, path_of, post, searchset, topics, vignette

CLASSIC = """
age: 26 female
history: calcification_muscle at masseter, trauma 22 y ago
labs 3 d ago: calcium 9.4 mg/dL, phosphate 3.5 mg/dL, albumin 4.2 g/dL, creatinine 0.8 mg/dL
orders: pth
"""
LOW_YIELD = "extended-metabolic-workup-low-yield"
CRITICAL = """
age: 61 female
history: calcification_skin
labs 1 d ago: calcium 15.0 mg/dL, albumin 4.0 g/dL
orders: pth
"""
AUTHORIZATION = {"access_token": "opaque-secret", "token_type": "Bearer", "expires_in": 240, "scope": "user/*.read", "subject": "us"}
ACCESS: Json = {"fhirServer": "https://ehr.test/fhir/r4", "fhirAuthorization": AUTHORIZATION}
FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout", "details": {"text": "Lab index did not answer"}}]}


@pytest.fixture(autouse=True)
def no_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a request asks for, nothing is called."""

    def refuse(*_: Any) -> None:
        raise AssertionError("an outbound call")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def state_of(value: Any, key: str = "procedures") -> str:
    """What a value of an advertised, optional key means; `...` is a key that is not sent."""
    body = call("order-select", prefetch={"observations": None, "conditions": None} | ({} if value is ... else {key: value}))
    request = parse_request(json.dumps(body).encode(), "s", "order-select")
    return read_prefetch(request, content().services["metabolic-workup-order-select"].templates).states[key]


def outcome_entry(severity: str) -> Json:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing", "details": {"text": "No rows matched"}}]}
    return {"resource": outcome, "search": {"mode": "outcome"}}


def test_P01_with_everything_sent_nothing_is_called() -> None:
    assert topics(post(vignette(CLASSIC) | ACCESS)) == [LOW_YIELD]


@pytest.mark.parametrize("key", ["observations", "conditions"])
def test_P02_a_missing_required_key_is_412_and_named(key: str) -> None:
    prefetch = {"observations": None, "conditions": None, "patient": None}
    del prefetch[key]
    response = post(call(prefetch=prefetch, **ACCESS))
    assert response.status_code == 412 and named(response) == {f"prefetch.{key}"}
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("prefetch", [..., {}, None], ids=["absent", "empty", "null"])
def test_P03_P28_no_prefetch_at_all_is_412_and_names_both(prefetch: Any) -> None:
    body = call()
    del body["prefetch"]
    response = post(body if prefetch is ... else body | {"prefetch": prefetch})
    assert response.status_code == 412 and named(response) == {"prefetch.observations", "prefetch.conditions"}


@pytest.mark.parametrize("prefetch", [[], "x", 5])
def test_a_prefetch_that_is_no_object_is_400(prefetch: Any) -> None:
    response = post(call() | {"prefetch": prefetch})
    assert response.status_code == 400 and named(response) == {"prefetch"}


def test_P05_null_means_none_on_file() -> None:
    assert state_of(None) == "empty" and cards(post(call(**ACCESS))) == []
    assert post(example(1)).status_code == 200


@pytest.mark.parametrize(
    "bundle",
    [
        searchset(),
        {"resourceType": "Bundle", "type": "searchset", "total": 0},
        {"resourceType": "Bundle", "entry": None},
    ],
)
def test_P06_an_empty_searchset_means_the_same(bundle: Json) -> None:
    assert state_of(bundle) == "empty"
    assert cards(post(call(prefetch={"observations": bundle, "conditions": bundle}))) == []


def test_P07_a_failed_required_query_is_412_with_its_text() -> None:
    response = post(call(prefetch={"observations": FAILED, "conditions": None}, **ACCESS))
    assert response.status_code == 412 and named(response) == {"prefetch.observations"}
    assert "Lab index did not answer" in issues(response)[0]["details"]["text"]


def test_P07_example_with_an_operation_outcome() -> None:
    response = post(example(2))
    assert response.status_code == 412 and "Lab index did not answer" in response.get_data(as_text=True)


def test_P07_what_a_client_says_is_passed_on_shortened() -> None:
    long = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": "x" * 10_000}] * 100}
    response = post(call(prefetch={"observations": long, "conditions": long}))
    assert response.status_code == 412 and len(response.data) < 5000


@pytest.mark.parametrize("issue", [None, [], [5], "x", [{"details": 5}], [{"severity": None, "details": {"text": ["x"]}}]])
def test_P07_an_outcome_that_says_nothing_is_a_failure_all_the_same(issue: Any) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": issue}
    assert state_of(outcome) == "unavailable"
    assert post(call(prefetch={"observations": outcome, "conditions": None})).status_code == 412


def test_P08_a_failed_optional_query_reassures_nobody_but_is_200() -> None:
    body = vignette(CLASSIC)
    assert topics(post(body)) == [LOW_YIELD]
    body["prefetch"]["procedures"] = FAILED
    assert LOW_YIELD not in topics(post(body))
    warned = vignette(CRITICAL)
    warned["prefetch"]["procedures"] = FAILED
    assert topics(post(warned)) == ["critical-calcium-value"]


@pytest.mark.parametrize(
    ("severity", "alone", "with_data"),
    [
        ("warning", "empty", "present"),
        ("information", "empty", "present"),
        ("error", "unavailable", "incomplete"),
        ("fatal", "unavailable", "incomplete"),
    ],
)
def test_P09_outcome_entries_are_never_data(severity: str, alone: str, with_data: str) -> None:
    assert state_of({"resourceType": "Bundle", "total": 0, "entry": [outcome_entry(severity)]}) == alone
    assert state_of({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Procedure"}}, outcome_entry(severity)]}) == with_data


@pytest.mark.parametrize("url", ["https://ehr.test/fhir/r4?page=2", "https://evil.test/steal", "http://169.254.169.254/latest", ""])
def test_P11_P12_a_next_page_is_not_fetched_and_page_one_reassures_nobody(url: str) -> None:
    link = [{"relation": "self", "url": "https://ehr.test"}, {"relation": "next", "url": url}]
    for lines, with_all, with_page_one in ((CLASSIC, [LOW_YIELD], []), (CRITICAL, ["critical-calcium-value"], ["critical-calcium-value"])):
        body = vignette(lines) | ACCESS
        assert topics(post(body)) == with_all
        body["prefetch"]["observations"]["link"] = link
        assert [topic for topic in topics(post(body)) if topic in with_all] == with_page_one
        assert ask(body).findings.state.chart.incomplete >= {"observations"}


def test_P11_example_with_a_next_page() -> None:
    assert post(example(3)).status_code == 200


def test_P11_a_total_above_what_came_is_a_next_page_in_disguise() -> None:
    assert state_of(searchset({"resourceType": "Procedure"}, total=7)) == "incomplete"


def test_P14_a_key_that_was_not_advertised_is_ignored() -> None:
    body = vignette(CLASSIC)
    before = topics(post(body))
    body["prefetch"]["labs-of-a-neighbour"] = body["prefetch"]["observations"]
    assert topics(post(body)) == before == [LOW_YIELD]


@pytest.mark.parametrize(
    "value",
    [
        ...,
        {},
        "x",
        [],
        5,
        True,
        {"resourceType": "Patient"},
        {"resourceType": None},
        {"resourceType": "Bundle", "entry": {}},
        [None],
    ],
)
def test_P15_what_was_not_asked_for_counts_as_missing(value: Any) -> None:
    assert state_of(value) == "absent"
    body = call(prefetch={"conditions": None} | ({} if value is ... else {"observations": value}))
    response = post(body)
    assert response.status_code == 412 and named(response) == {"prefetch.observations"}


def test_P15_a_read_must_bring_its_own_type() -> None:
    assert state_of({"resourceType": "Patient", "id": "p"}, "patient") == "present"
    assert state_of({"resourceType": "Observation"}, "patient") == "absent"


@pytest.mark.parametrize("lifetime", [0, -5, 300])
def test_P16_P20_whatever_the_token_missing_data_is_412(lifetime: int) -> None:
    body = call(prefetch={"conditions": None}, **ACCESS) | {"fhirAuthorization": AUTHORIZATION | {"expires_in": lifetime}}
    assert post(body).status_code == 412


def test_P24_absolute_references_are_those_of_the_patient() -> None:
    body = vignette(CLASSIC)
    absolute = json.loads(json.dumps(body).replace('"reference": "Patient/', '"reference": "https://ehr.test/fhir/r4/Patient/'))
    assert absolute != body and topics(post(absolute)) == [LOW_YIELD]
    assert topics(post(absolute | {"fhirServer": "https://ehr.test/fhir/r4"})) == [LOW_YIELD]


def test_P24_of_another_server_the_same_id_is_another_patient() -> None:
    body = vignette(CLASSIC) | {"fhirServer": "https://ehr.test/fhir/r4"}
    calcium = next(entry["resource"] for entry in body["prefetch"]["observations"]["entry"])
    assert topics(post(body)) == [LOW_YIELD]
    calcium["subject"] = {"reference": f"https://other.test/fhir/r4/Patient/{body['context']['patientId']}"}
    assert LOW_YIELD not in topics(post(body))
    assert "another-patient" in {problem.reason for problem in ask(body).facts.problems}


def test_P26_a_required_bundle_of_other_patients_only_is_missing() -> None:
    response = post(call(prefetch={"observations": None, "conditions": searchset(condition("p-4171"), condition("p-41"))}))
    assert response.status_code == 412 and named(response) == {"prefetch.conditions"}
    for own in ("Patient/p-417", "https://ehr.test/fhir/Patient/p-417", "Patient/p-417/_history/2"):
        assert post(call(prefetch={"observations": None, "conditions": searchset(condition() | {"subject": {"reference": own}})})).status_code == 200


@pytest.mark.parametrize(
    ("subject", "status"),
    [
        ("Patient/p-417", 200),
        ("https://ehr.test/fhir/Patient/p-417", 200),
        ("https://ehr.test/fhir/Patient/p-417/_history/2", 200),
        ("https://other.test/fhir/Patient/p-417", 412),
        ("https://ehr.test/fhir/r5/Patient/p-417", 412),
    ],
)
def test_P26_the_patient_is_the_one_of_the_server_of_the_request(subject: str, status: int) -> None:
    prefetch = {"observations": None, "conditions": searchset(condition() | {"subject": {"reference": subject}})}
    response = post(call(prefetch=prefetch, fhirServer="https://ehr.test/fhir"))
    assert response.status_code == status


def test_a_dialect_with_other_keys_gets_a_clear_412() -> None:
    response = post(example(10))
    assert response.status_code == 412 and named(response) == {"prefetch.observations", "prefetch.conditions"}


def test_every_service_has_the_same_required_keys() -> None:
    for hook in ("patient-view", "order-select", "order-sign"):
        assert post(call(hook, prefetch={"patient": None})).status_code == 412, path_of(hook)
