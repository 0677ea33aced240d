"""The envelope of a hook call, case by case (R01-R28)."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest

from cdshooks.app import create_app
from cdshooks.settings import Settings
from tests.builders import content

from .service import HOOKS, call, cards, client, example, issues, named, path_of, post, topics, vignette

AUTHORIZATION = {"access_token": "opaque-secret", "token_type": "Bearer", "expires_in": 240, "scope": "user/*.read", "subject": "us"}
SERVER = "https://ehr.test/fhir/r4"
CLASSIC = """
age: 26 female
history: calcification_muscle at masseter, trauma 22 y ago
labs 3 d ago: calcium 9.4 mg/dL, phosphate 3.5 mg/dL, albumin 4.2 g/dL, creatinine 0.8 mg/dL
orders: pth
"""


@pytest.mark.parametrize("hook", HOOKS)
def test_R01_a_minimal_call_gets_cards(hook: str) -> None:
    response = post(call(hook))
    assert cards(response) == [] and response.headers["Cache-Control"] == "no-store" and response.mimetype == "application/json"


def test_R02_a_broken_body_is_400() -> None:
    response = post(b"{")
    assert response.status_code == 400 and issues(response)[0]["code"] == "structure"


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"", b"5", b"true"])
def test_R03_a_body_that_is_no_object_is_400(body: bytes) -> None:
    assert post(body).status_code == 400


@pytest.mark.parametrize("member", ["hook", "hookInstance", "context"])
def test_R04_R05_R09_a_missing_member_is_400_and_named(member: str) -> None:
    body = call()
    del body[member]
    response = post(body)
    assert response.status_code == 400 and named(response) == {member}


def test_R05_example_without_hookInstance() -> None:
    response = post(example(6))
    assert response.status_code == 400 and named(response) == {"hookInstance"}


@pytest.mark.parametrize("value", ["", " ", None, 5, [], {}])
def test_R06_hookInstance_must_be_a_text(value: Any) -> None:
    response = post(call(hookInstance=value))
    assert response.status_code == 400 and named(response) == {"hookInstance"}


def test_R07_a_hookInstance_that_is_no_uuid_is_tolerated_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cdshooks.event"):
        assert post(call(hookInstance="session-42/click-3")).status_code == 200
    event = json.loads(caplog.messages[-1])
    assert event["warnings"] == ["hookInstance is not a UUID"] and "hookInstance" not in event


@pytest.mark.parametrize("value", ["9c1f0a7e-2b54-11ef-8a3d-325096b39f47", "F3A1C2D4-77AA-11EE-B962-0242AC120002"], ids=["v1", "upper case"])
def test_R08_any_uuid_is_fine(value: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cdshooks.event"):
        assert post(call(hookInstance=value)).status_code == 200
    event = json.loads(caplog.messages[-1])
    assert event["hookInstance"] == value and "warnings" not in event


@pytest.mark.parametrize("value", [{}, [], "x", 3, None])
def test_R09_context_must_be_an_object_with_content(value: Any) -> None:
    response = post(call(context=None) | {"context": value})
    assert response.status_code == 400 and all(name.startswith("context") for name in named(response))


@pytest.mark.parametrize("hook", ["order-sign", "Patient-View", "patient-view ", 7])
def test_R10_another_hook_than_the_service_has_is_400(hook: Any) -> None:
    response = client().post(path_of("patient-view"), json=call(hook="patient-view") | {"hook": hook})
    assert response.status_code == 400 and "hook" in named(response)


@pytest.mark.parametrize("path", ["/cds-services/none-such", "/cds-services/a/b", "/nowhere"])
def test_R11_an_unknown_service_is_404_in_json(path: str) -> None:
    response = client().post(path, json=call())
    assert response.status_code == 404 and issues(response)[0]["code"] == "not-found"


@pytest.mark.parametrize("hook", HOOKS)
def test_F14_feedback_that_is_not_offered_is_404(hook: str) -> None:
    response = client().post(f"{path_of(hook)}/feedback", json={"feedback": []})
    assert response.status_code == 404 and issues(response)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_R12_only_post_calls_a_service(method: str) -> None:
    response = client().open(path_of("patient-view"), method=method)
    assert response.status_code == 405 and "POST" in response.headers["Allow"] and issues(response)


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data",
        "application/json; charset=utf-16",
        "application/x-www-form-urlencoded",
    ],
)
def test_R13_other_media_types_are_415(kind: str) -> None:
    response = post(call(), content_type=kind)
    assert response.status_code == 415 and issues(response)


def test_R13_a_compressed_body_is_415_and_told_so() -> None:
    response = post(call(), headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415 and "gzip" in issues(response)[0]["details"]["text"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/json;charset=UTF-8", "application/fhir+json", None])
def test_R14_json_by_any_of_its_names_is_fine(kind: str | None) -> None:
    assert post(call(), content_type=kind).status_code == 200


def test_R15_authorization_without_a_server_is_400() -> None:
    response = post(call(fhirAuthorization=AUTHORIZATION))
    assert response.status_code == 400 and named(response) == {"fhirServer"}


def test_R16_a_server_without_authorization_is_fine() -> None:
    assert post(call(fhirServer=SERVER + "/")).status_code == 200


def test_R16_example_with_an_open_server() -> None:
    assert post(example(8)).status_code == 200


def test_R17_expires_in_as_a_string_is_tolerated_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cdshooks.event"):
        assert post(call(fhirServer=SERVER, fhirAuthorization=AUTHORIZATION | {"expires_in": "300"})).status_code == 200
    assert json.loads(caplog.messages[-1])["warnings"] == ["fhirAuthorization.expires_in is a string"]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("token_type", "mac"),
        ("expires_in", "soon"),
        ("expires_in", 1.5),
        ("access_token", ""),
        ("scope", 5),
    ],
)
def test_R18_a_malformed_authorization_is_400_and_named(member: str, value: Any) -> None:
    response = post(call(fhirServer=SERVER, fhirAuthorization=AUTHORIZATION | {member: value}))
    assert response.status_code == 400 and named(response) == {f"fhirAuthorization.{member}"}


def test_R18_bearer_in_any_case_and_negative_lifetimes_are_fine() -> None:
    assert post(call(fhirServer=SERVER, fhirAuthorization=AUTHORIZATION | {"token_type": "bearer", "expires_in": -1})).status_code == 200


@pytest.mark.parametrize("value", [{"com.vendor.fhir-version": "R4"}, {}, [], "x", None])
def test_R19_extensions_are_ignored(value: Any) -> None:
    assert post(call(extension=value)).status_code == 200


def test_R20_unknown_members_are_ignored() -> None:
    assert post(call(context={"tomorrow": [1]}, hookVersion="9", user="Practitioner/1")).status_code == 200


def test_R21_a_body_over_the_limit_is_413() -> None:
    response = post(b" " * (11 * 1024 * 1024))
    assert response.status_code == 413 and issues(response)


def test_R21_the_limit_is_a_setting() -> None:
    small = client(max_body_bytes=1000)
    assert post(call(), at=small).status_code == 200
    assert post(b" " * 1001, at=small).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":01}',
        b'{"a":1,}',
        b'{/* */"a":1}',
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_R22_what_json_does_not_know_is_400(body: bytes) -> None:
    response = post(body)
    assert response.status_code == 400 and issues(response)


@pytest.mark.parametrize(
    "value",
    ["NaN", '"\\ud800"', "[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000],
    ids=["NaN", "lone surrogate", "deep arrays", "deep objects"],
)
@pytest.mark.parametrize("where", ["prefetch", "context", "extension"])
def test_R22_what_cannot_be_read_is_refused_wherever_it_stands(where: str, value: str) -> None:
    body = (
        json.dumps(call()).replace(f'"{where}": {{', f'"{where}": {{"x": {value}, ')
        if where != "extension"
        else (json.dumps(call())[:-1] + f', "extension": {{"x": {value}}}}}')
    )
    response = post(body)
    assert response.status_code == 400 and issues(response)


@pytest.mark.parametrize("number", ["1e400", "-1e-400", "9" * 5000, "0." + "1" * 5000])
def test_R22_odd_numbers_never_break_the_service(number: str) -> None:
    observation = (
        '{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/p-417"},'
        '"code":{"coding":[{"system":"http://loinc.org","code":"17861-6"}]},'
        f'"status":"final","effectiveDateTime":"2026-06-10","valueQuantity":{{"value":{number},"code":"mg/dL","system":"http://unitsofmeasure.org"}}}}'
    )
    bundle = f'{{"resourceType":"Bundle","type":"searchset","entry":[{{"resource":{observation}}}]}}'
    body = json.dumps(call()).replace('"observations": null', f'"observations": {bundle}')
    assert post(body).status_code == 200


def _crashing(*_: Any) -> Any:
    raise KeyError("Mrs Example, potassium 9.9")


def test_R23_a_crash_is_500_with_an_incident_and_no_data(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings(_env_file=None, auth="none", cors_origins=("*",)), content(), answer=_crashing)  # type: ignore[call-arg]
    with caplog.at_level(logging.INFO):
        response = post(call(), at=app.test_client(), headers={"Origin": "https://a.example"})
    assert response.status_code == 500 and response.headers["Access-Control-Allow-Origin"] == "*"
    text = issues(response)[0]["details"]["text"]
    assert "Example" not in caplog.text + response.get_data(as_text=True) and "Traceback" not in caplog.text
    crash = json.loads(next(record.getMessage() for record in caplog.records if record.name == "cdshooks.crash"))
    assert crash["incident"] in text and crash["exception"] == "KeyError" and "_crashing" in crash["at"][-1]


# R24 (every refusal is an OperationOutcome) is part of `issues`, which each refusal above goes through.


def test_R25_the_same_call_twice_is_answered_twice() -> None:
    first, second = post(vignette(CLASSIC)), post(vignette(CLASSIC))
    assert topics(first) == topics(second) != []
    assert cards(first)[0]["uuid"] != cards(second)[0]["uuid"], "cards are named afresh on every call"


def test_R26_a_hundred_warm_calls_stay_far_below_half_a_second() -> None:
    at, body = client(), vignette(CLASSIC)
    spans = []
    for _ in range(100):
        began = time.perf_counter()
        assert post(body, at=at).status_code == 200
        spans.append(time.perf_counter() - began)
    assert sorted(spans)[94] <= 0.5


def test_R27_text_of_any_script_comes_back_whole() -> None:
    body = vignette(CLASSIC)
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["code"]["text"] = "副甲状腺ホルモン 🧪"
    for coding in order["code"].get("coding", ()):
        coding["display"] = "副甲状腺ホルモン 🧪"
    response = post(body)
    assert topics(response) and "副甲状腺ホルモン 🧪" in json.dumps(response.get_json(), ensure_ascii=False)


def test_R28_everything_that_is_wrong_is_told_at_once() -> None:
    response = post(call(hookInstance=..., context={"userId": ..., "patientId": "Patient/1"}))
    assert response.status_code == 400 and named(response) == {"hookInstance", "context.userId", "context.patientId"}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"hook":"order-sign",' + json.dumps(call())[1:], "hook"),
        (json.dumps(call()).replace('"patientId"', '"patientId": "other", "patientId"'), "context.patientId"),
        (json.dumps(call()).replace('"patientId"', '"patient\\u0049d": "other", "patientId"'), "context.patientId"),
        (json.dumps(call()).replace('"conditions"', '"observations"'), "prefetch.observations"),
        (json.dumps(call())[:-1] + ', "context": {}}', "context"),
    ],
)
def test_a_member_given_twice_is_400_and_named(body: str, name: str) -> None:
    response = post(body)
    assert response.status_code == 400 and name in named(response)


def test_a_patient_id_never_reaches_log_or_refusal(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        response = post(call(context={"patientId": "Patient/secret-id"}))
        post(vignette(CLASSIC))
    assert "secret-id" not in response.get_data(as_text=True) + caplog.text
    event = json.loads(caplog.messages[-1])
    assert event["cards"] and event["status"] == 200 and "patient" not in json.dumps(event).replace("patient-view", "")


@pytest.mark.parametrize("hook", HOOKS)
def test_without_a_way_to_authenticate_every_hook_call_is_401(hook: str) -> None:
    response = post(call(hook), at=client(auth="jwt"), headers={"Authorization": "Bearer a.b.c"})
    assert response.status_code == 401 and response.headers["WWW-Authenticate"].startswith("Bearer") and issues(response)[0]["code"] == "login"


def test_health_and_readiness_are_open_and_name_the_content() -> None:
    locked = client(auth="jwt")
    assert locked.get("/healthz").get_json() == {"status": "ok"}
    assert locked.get("/readyz").get_json()["content"] == content().digest
