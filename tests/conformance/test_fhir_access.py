"""What is fetched from the caller's FHIR server, case by case (P01, P04-P07, P09-P13, P15-P28, N04, N05), over HTTP against a scripted server."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cdshooks.answer import answer
from cdshooks.explain import explain, in_words
from cdshooks.judging import NOW
from cdshooks.prefetch import judged, read_prefetch
from cdshooks.request import parse_request
from tests.builders import content
from tests.fhir_script import ROOT, Reply, Script, scripted

from .service import PATIENT, Json, call, client, condition, issues, named, post, searchset, topics, vignette
from .test_prefetch import AUTHORIZATION, CLASSIC, CRITICAL, FAILED, LOW_YIELD, outcome_entry

TOKEN = "opaque-secret-of-this-call"
KINDS = {
    "patient": "Patient",
    "observations": "Observation",
    "conditions": "Condition",
    "procedures": "Procedure",
    "medication-requests": "MedicationRequest",
    "medication-statements": "MedicationStatement",
    "medication-administrations": "MedicationAdministration",
    "service-requests": "ServiceRequest",
    "reports": "DiagnosticReport",
    "user-role": "PractitionerRole",
}


@pytest.fixture
def fhir() -> Iterator[Script]:
    with scripted() as script:
        yield script


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> list[Json]:
    """The events that were logged, read when the test reads them."""

    class Events(list[Json]):
        def __iter__(self) -> Iterator[Json]:
            return (json.loads(record.message) for record in caplog.records if record.name == "cdshooks.event")

    caplog.set_level(logging.INFO, logger="cdshooks.event")
    return Events()


def service(fhir: Script, **settings: Any) -> FlaskClient:
    return client(fhir_servers=fhir.base, budget_ms=20_000, **settings)


def access(fhir: Script, **members: Any) -> Json:
    return {"fhirServer": fhir.base, "fhirAuthorization": AUTHORIZATION | {"access_token": TOKEN} | members}


def without(body: Json, *keys: str, fhir: Script) -> Json:
    """A call that lacks these prefetch keys; the server has what they held."""
    kept = dict(body["prefetch"])
    for key in keys:
        value = kept.pop(key)
        if value is not None:
            fhir.replies[KINDS[key]] = Reply(200, value)
    return body | access(fhir) | {"prefetch": kept}


def last(events: list[Json]) -> Json:
    return list(events)[-1]


def filled(body: Json) -> Json:
    """The call with every key that its hook advertises, so that nothing is missing."""
    return body | {"prefetch": dict.fromkeys(KINDS) | body["prefetch"]}


def test_P01_with_everything_sent_nothing_is_called(fhir: Script) -> None:
    assert topics(post(filled(vignette(CLASSIC)) | access(fhir), at=service(fhir))) == [LOW_YIELD]
    assert fhir.asked == []


@pytest.mark.parametrize("keys", [["observations"], ["conditions"], ["observations", "conditions", "procedures"], list(KINDS)])
def test_P04_what_is_missing_is_fetched_and_nothing_else(fhir: Script, keys: list[str]) -> None:
    body = filled(vignette(CLASSIC))
    response = post(without(body, *keys, fhir=fhir), at=service(fhir))
    assert fhir.kinds() == sorted(
        KINDS[key] for key in keys if not (key == "user-role" and not body["context"]["userId"].startswith("Practitioner/"))
    )
    assert topics(response) == [LOW_YIELD]


def test_P04_the_query_is_that_of_the_template(fhir: Script) -> None:
    post(without(filled(vignette(CLASSIC)), "procedures", "patient", fhir=fhir), at=service(fhir))
    patient = vignette(CLASSIC)["context"]["patientId"]
    assert sorted(asked.path for asked in fhir.asked) == [f"Patient/{patient}", f"Procedure?patient={patient}&_sort=-date&_count=200"]


@pytest.mark.parametrize("value", [None, searchset()], ids=["null", "an empty searchset"])
def test_P05_P06_what_the_client_looked_for_in_vain_is_not_asked_again(fhir: Script, value: Any) -> None:
    body = filled(call(prefetch={"observations": value, "conditions": value})) | access(fhir)
    assert topics(post(body, at=service(fhir))) == []
    assert fhir.asked == []


def test_P06_P09_fetched_and_empty_is_none_on_file(fhir: Script) -> None:
    fhir.replies["Condition"] = Reply(200, {"resourceType": "Bundle", "entry": [outcome_entry("warning")]})
    assert topics(post(call(prefetch={}) | access(fhir), at=service(fhir))) == []


def test_P07_what_the_client_says_to_have_failed_is_not_asked_again(fhir: Script) -> None:
    response = post(filled(call(prefetch={"observations": FAILED, "conditions": None})) | access(fhir), at=service(fhir))
    assert response.status_code == 412 and "Lab index did not answer" in response.get_data(as_text=True)
    assert fhir.asked == []


@pytest.mark.parametrize("next_link", ["{base}/page?n=2", "{root}/page?n=2", "page?n=2"], ids=["absolute", "of the host", "relative"])
def test_P10_a_next_page_is_fetched_and_merged(fhir: Script, next_link: str) -> None:
    body = filled(vignette(CLASSIC)) | access(fhir)
    page_one, page_two = _halves(body, fhir, next_link)
    body["prefetch"]["observations"] = page_one
    fhir.replies["page"] = Reply(200, page_two)
    assert topics(post(body, at=service(fhir))) == [LOW_YIELD]
    (asked,) = fhir.asked
    assert (asked.path, asked.headers["Authorization"]) == ("page?n=2", f"Bearer {TOKEN}")


def test_P10_pages_of_what_is_fetched_are_followed_too(fhir: Script) -> None:
    body = without(filled(vignette(CLASSIC)), "observations", fhir=fhir)
    page_one, page_two = _halves(filled(vignette(CLASSIC)), fhir, "{base}/page?n=2")
    fhir.replies |= {"Observation": Reply(200, page_one), "page": Reply(200, page_two)}
    assert topics(post(body, at=service(fhir))) == [LOW_YIELD]
    assert fhir.kinds() == ["Observation", "page"]


def _halves(body: Json, fhir: Script, next_link: str) -> tuple[Json, Json]:
    """The observations of a call as two pages."""
    whole = body["prefetch"]["observations"]
    url = next_link.format(base=fhir.base, root=ROOT)
    total = len(whole["entry"])
    one = whole | {"total": total, "entry": whole["entry"][:2], "link": [{"relation": "self", "url": fhir.base}, {"relation": "next", "url": url}]}
    return one, whole | {"total": total, "entry": whole["entry"][2:]}


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(500, {}), "server-error"),
        (Reply(410, {}), "refused"),
        (Reply(200, FAILED), "operation-outcome"),
        (Reply(200, b"<html>"), "unusable"),
    ],
)
def test_P11_when_a_next_page_fails_page_one_reassures_nobody_but_warns(fhir: Script, events: list[Json], reply: Reply, outcome: str) -> None:
    for lines, expected in ((CLASSIC, []), (CRITICAL, ["critical-calcium-value"])):
        body = filled(vignette(lines)) | access(fhir)
        body["prefetch"]["observations"]["link"] = [{"relation": "next", "url": f"{fhir.base}/page?n=2"}]
        fhir.replies["page"] = reply
        shown = topics(post(body, at=service(fhir)))
        assert [topic for topic in shown if topic in (LOW_YIELD, *expected)] == expected
        assert last(events)["fhir"] == {outcome: 1} and last(events)["prefetch"]["incomplete"] == 1


ELSEWHERE = [
    "https://evil.test/steal",
    "http://169.254.169.254/latest",
    "http://127.0.0.1:1/fhir/r4?page=2",
    "{origin}/other?page=2",
    "{origin}/fhir/r45?page=2",
    "{base}/../admin?page=2",
    "{base}/%2e%2e/admin?page=2",
    "{base}/.%2E/admin",
    "{base}/..%2fadmin",
    "http://user:word@{host}/fhir/r4?page=2",
    "{base}\\@evil.test/",
    "{base}?page=2#x",
    "file:///etc/passwd",
    "//evil.test/fhir/r4",
    "",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_P12_a_next_page_elsewhere_is_not_called(fhir: Script, events: list[Json], url: str) -> None:
    body = filled(vignette(CLASSIC)) | access(fhir)
    origin = fhir.base.removesuffix(ROOT)
    url = url.format(base=fhir.base, origin=origin, host=origin.removeprefix("http://"))
    body["prefetch"]["observations"]["link"] = [{"relation": "next", "url": url}]
    assert LOW_YIELD not in topics(post(body, at=service(fhir)))
    assert fhir.asked == []
    assert last(events)["fhir"] == {"next-page-elsewhere": 1}


def test_P13_pages_that_lead_in_a_circle_end(fhir: Script, events: list[Json]) -> None:
    body = filled(vignette(CLASSIC)) | access(fhir)
    link = [{"relation": "next", "url": f"{fhir.base}/page?n=2"}]
    body["prefetch"]["observations"]["link"] = link
    fhir.replies["page"] = Reply(200, searchset(total=None, link=link))
    assert LOW_YIELD not in topics(post(body, at=service(fhir)))
    assert len(fhir.asked) == 1
    assert last(events)["fhir"] == {"data": 1, "next-page-again": 1}


def test_P13_at_most_ten_pages_are_read(fhir: Script, events: list[Json]) -> None:
    body = filled(vignette(CLASSIC)) | access(fhir)
    body["prefetch"]["observations"]["link"] = [{"relation": "next", "url": f"{fhir.base}/page?n=2"}]
    for number in range(2, 30):
        link = [{"relation": "next", "url": f"{fhir.base}/page?n={number + 1}"}]
        fhir.replies[f"page?n={number}"] = Reply(200, searchset(total=None, link=link))
    assert LOW_YIELD not in topics(post(body, at=service(fhir)))
    assert len(fhir.asked) == 9  # and the one that the client sent
    assert last(events)["fhir"] == {"data": 9, "too-many-pages": 1}


def test_P15_what_is_of_the_wrong_type_is_fetched(fhir: Script) -> None:
    body = filled(vignette(CLASSIC))
    observations = body["prefetch"]["observations"]
    fhir.replies["Observation"] = Reply(200, observations)
    body["prefetch"] |= {"observations": {"resourceType": "Patient"}}
    assert topics(post(body | access(fhir), at=service(fhir))) == [LOW_YIELD]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(401, {}), "no-access"),
        (Reply(403, {}), "no-access"),
        (Reply(404, {}), "refused"),
        (Reply(400, {}), "refused"),
        (Reply(406, {}), "refused"),
        (Reply(429, {}, {"Retry-After": "3600"}), "server-error"),
        (Reply(500, {}), "server-error"),
        (Reply(503, {}, {"Retry-After": "3600"}), "server-error"),
        (Reply(302, {}, {"Location": f"{ROOT}/elsewhere"}), "refused"),
        (Reply(200, b"not JSON"), "unusable"),
        (Reply(200, b""), "unusable"),
        (Reply(200, None), "unusable"),
        (Reply(200, []), "unusable"),
        (Reply(200, {"resourceType": "Observation"}), "unusable"),
        (Reply(200, FAILED), "operation-outcome"),
        (Reply(200, b"{}", {"Content-Encoding": "gzip"}), "unreachable"),
        (Reply(200, b"{", {"Content-Length": "10000000000"}), "timeout"),
    ],
)
def test_P16_a_server_that_fails_a_required_query_is_412_and_never_502(fhir: Script, events: list[Json], reply: Reply, outcome: str) -> None:
    fhir.replies["Observation"] = reply
    fhir_client = client(fhir_servers=fhir.base, budget_ms=2000 if outcome == "timeout" else 20_000)
    response = post(filled(call(prefetch={"conditions": None})) | {"prefetch": {"conditions": None}} | access(fhir), at=fhir_client)
    assert response.status_code == 412 and named(response) == {"prefetch.observations"}
    assert last(events)["fhir"][outcome] == 1
    assert last(events)["prefetch"]["unavailable"] >= 1
    assert all("elsewhere" not in asked.path for asked in fhir.asked)


@pytest.mark.parametrize("reply", [Reply(500, {}), Reply(403, {}), Reply(200, FAILED), Reply(200, b"x")])
def test_P16_a_failed_optional_query_is_unknown(fhir: Script, reply: Reply) -> None:
    for lines, expected in ((CLASSIC, []), (CRITICAL, ["critical-calcium-value"])):
        body = without(filled(vignette(lines)), "procedures", fhir=fhir)
        fhir.replies["Procedure"] = reply
        assert [topic for topic in topics(post(body, at=service(fhir))) if topic in (LOW_YIELD, *expected)] == expected


def test_P16_a_server_that_is_not_there_is_412(events: list[Json]) -> None:
    with scripted() as gone:
        pass
    response = post(call(prefetch={"conditions": None}) | access(gone), at=service(gone))
    assert response.status_code == 412 and "cannot be reached" in issues(response)[0]["details"]["text"]
    assert set(last(events)["fhir"]) == {"unreachable"}


@pytest.mark.parametrize("status", [404, 410])
def test_P17_a_read_of_what_is_not_there_is_none_on_file(fhir: Script, events: list[Json], status: int) -> None:
    fhir.replies["Encounter"] = Reply(status, {})
    body = filled(call(context={"encounterId": "e-1"})) | access(fhir)
    assert topics(post(body, at=service(fhir))) == []
    assert (fhir.kinds(), last(events)["fhir"]) == (["Encounter"], {"empty": 1})


def test_P18_how_a_call_looks(fhir: Script) -> None:
    post(call(prefetch={"conditions": None}) | access(fhir), at=service(fhir))
    assert len(fhir.asked) > 3
    for asked in fhir.asked:
        assert asked.method == "GET"
        assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
        assert asked.headers["Accept"] == "application/fhir+json"
        assert "Cookie" not in asked.headers


def test_P18_no_cookie_of_one_call_goes_with_another(fhir: Script) -> None:
    fhir.replies["Observation"] = Reply(200, searchset(), {"Set-Cookie": "session=of-a-patient; Path=/"})
    asked_twice = service(fhir)
    for _ in range(2):
        post(call(prefetch={"conditions": None}) | access(fhir), at=asked_twice)
    assert not [asked for asked in fhir.asked if "Cookie" in asked.headers]


@pytest.mark.parametrize("reply", [Reply(200, searchset()), Reply(500, {}), Reply(200, b"x"), Reply(302, {}, {"Location": "/x"})])
def test_P19_the_token_is_nowhere_afterwards(fhir: Script, caplog: pytest.LogCaptureFixture, reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    caplog.set_level(logging.DEBUG)
    fhir.replies["Observation"] = reply
    response = post(call(prefetch={"conditions": None}) | access(fhir), at=service(fhir))
    told = response.get_data(as_text=True) + caplog.text + written.getvalue()
    assert fhir.asked and TOKEN not in told
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith("cdshooks"))
    assert PATIENT not in ours and fhir.base not in ours


@pytest.mark.parametrize("expires_in", [0, -1, "0"])
def test_P20_an_expired_token_is_not_used(fhir: Script, events: list[Json], expires_in: Any) -> None:
    response = post(call(prefetch={"conditions": None}) | access(fhir, expires_in=expires_in), at=service(fhir))
    assert response.status_code == 412 and "expired" in issues(response)[0]["details"]["text"]
    assert fhir.asked == [] and last(events)["fhirNotAsked"] == "token-expired"


@pytest.mark.parametrize("token", ["a\r\nX-Other: b", "two words", "ключ", "a\x7f"])
def test_a_token_that_no_header_can_hold_is_not_used(fhir: Script, events: list[Json], token: str) -> None:
    response = post(call(prefetch={"conditions": None}) | access(fhir, access_token=token), at=service(fhir))
    assert response.status_code == 412 and last(events)["fhirNotAsked"] == "token-unusable" and fhir.asked == []


@pytest.mark.parametrize(("patient", "used"), [(PATIENT, True), (None, True), ("p-418", False), ("", False), (417, False), ([PATIENT], False)])
def test_P21_a_token_for_another_patient_is_not_used(fhir: Script, events: list[Json], patient: Any, used: bool) -> None:
    response = post(call(prefetch={"conditions": None}) | access(fhir, patient=patient), at=service(fhir))
    assert (response.status_code, bool(fhir.asked)) == ((200, True) if used else (412, False))
    assert ("fhirNotAsked" in last(events)) is not used


@pytest.mark.parametrize(
    "scope", ["", "Observation.Read (Labs) (R4), Condition.Search (Problems) (R4)", "whatever", "patient/Observation.rs Strange.One"]
)
def test_P22_a_scope_that_is_not_smart_is_no_reason_not_to_try(fhir: Script, scope: str) -> None:
    post(call(prefetch={"conditions": None}) | access(fhir, scope=scope), at=service(fhir))
    assert {"Observation", "Procedure", "Patient"} <= set(fhir.kinds())


@pytest.mark.parametrize(
    ("scope", "status", "asked"),
    [
        ("patient/Observation.rs", 200, {"Observation"}),
        ("launch openid fhirUser patient/Observation.read patient/Patient.read", 200, {"Observation", "Patient"}),
        ("user/*.read", 200, {"Observation", "Patient", "Procedure"}),
        ("system/*.cruds offline_access", 200, {"Observation", "Patient", "Procedure"}),
        ("patient/Observation.s patient/Patient.r", 200, {"Observation", "Patient"}),
        ("patient/Observation.r", 412, set()),
        ("patient/Condition.rs", 412, set()),
        ("patient/Observation.write", 412, set()),
    ],
)
def test_P23_smart_scopes_are_understood(fhir: Script, scope: str, status: int, asked: set[str]) -> None:
    response = post(call(prefetch={"conditions": None}) | access(fhir, scope=scope), at=service(fhir))
    assert response.status_code == status
    assert asked <= set(fhir.kinds()) and ("Observation" in fhir.kinds()) is (status == 200)
    assert ("Procedure" in fhir.kinds()) is ("Procedure" in asked)


def test_P23_what_a_scope_narrows_reassures_nobody(fhir: Script) -> None:
    for scope, expected in (("patient/*.rs", [LOW_YIELD]), ("patient/Condition.rs?category=problem-list-item", [])):
        body = without(filled(vignette(CLASSIC)), "conditions", fhir=fhir) | access(fhir, scope=scope)
        assert [topic for topic in topics(post(body, at=service(fhir))) if topic == LOW_YIELD] == expected


def test_P24_absolute_references_under_the_server_are_the_patients(fhir: Script) -> None:
    for base, expected in ((fhir.base, [LOW_YIELD]), ("https://other.test/fhir", [])):
        body = filled(vignette(CLASSIC))
        absolute = json.loads(json.dumps(body["prefetch"]).replace('"reference": "Patient/', f'"reference": "{base}/Patient/'))
        response = post(without(body | {"prefetch": absolute}, "observations", fhir=fhir), at=service(fhir))
        assert (topics(response) if response.status_code == 200 else []) == expected


def test_P25_nothing_is_asked_twice(fhir: Script) -> None:
    post(call("order-sign", prefetch={}) | access(fhir), at=service(fhir))
    assert len({asked.path for asked in fhir.asked}) == len(fhir.asked) >= 9


def test_P26_when_only_other_patients_data_came_ours_is_fetched(fhir: Script) -> None:
    body = filled(call(prefetch={"observations": None, "conditions": searchset(condition("p-418"))})) | access(fhir)
    fhir.replies["Condition"] = Reply(200, searchset(condition()))
    assert post(body, at=service(fhir)).status_code == 200
    fhir.replies["Condition"] = Reply(200, searchset(condition("p-418")))
    response = post(body, at=service(fhir))
    assert response.status_code == 412 and "none of its resources is about this patient" in issues(response)[0]["details"]["text"]
    assert fhir.kinds() == ["Condition", "Condition"]


def test_P27_pages_that_came_in_time_are_used_for_dangers(fhir: Script, events: list[Json]) -> None:
    body = without(filled(vignette(CRITICAL)), "observations", fhir=fhir)
    link = [{"relation": "next", "url": f"{fhir.base}/page?n=2"}]
    released = threading.Event()
    fhir.replies["Observation"] = Reply(200, vignette(CRITICAL)["prefetch"]["observations"] | {"link": link})
    fhir.replies["page"] = Reply(200, searchset(), before=released.wait)
    try:
        shown = topics(post(body, at=client(fhir_servers=fhir.base, budget_ms=2000)))
    finally:
        released.set()
    assert "critical-calcium-value" in shown and last(events)["fhir"] == {"data": 1, "timeout": 1}


@pytest.mark.parametrize(("kind", "status"), [("Observation", 412), ("Procedure", 200)])
def test_P27_who_does_not_answer_in_time_is_not_waited_for(fhir: Script, events: list[Json], kind: str, status: int) -> None:
    released = threading.Event()
    fhir.replies[kind] = Reply(200, searchset(), before=released.wait)
    try:
        response = post(call(prefetch={"conditions": None}) | access(fhir), at=client(fhir_servers=fhir.base, budget_ms=2000))
    finally:
        released.set()
    assert response.status_code == status
    assert last(events)["fhir"]["timeout"] == 1


def test_P28_an_empty_prefetch_is_fetched_whole(fhir: Script) -> None:
    body = vignette(CLASSIC)
    keys = [key for key in KINDS if key in body["prefetch"]]
    assert topics(post(without(body, *keys, fhir=fhir), at=service(fhir))) == [LOW_YIELD]


# Whom we call


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("https://ehr.test/fhir/r4", "not-allowed"),
        ("http://127.0.0.1:1/fhir/r4", "not-allowed"),
        ("http://localhost/fhir/r4", "not-allowed"),
        ("http://169.254.169.254/latest/meta-data", "not-allowed"),
        ("https://10.0.0.8/fhir/r4", "not-allowed"),
        ("{origin}", "not-allowed"),
        ("{origin}/fhir/r45", "not-allowed"),
        ("{origin}/fhir/r4/../r5", "not-allowed"),
        ("{origin}/fhir/r4/%2e%2e/r5", "not-allowed"),
        ("{origin}\\fhir/r4", "not-allowed"),
        (..., "no-server"),
    ],
)
def test_N04_only_servers_of_the_list_are_called(fhir: Script, events: list[Json], server: Any, reason: str) -> None:
    body = call(prefetch={"conditions": None}) | access(fhir)
    del body["fhirServer"]
    if server is ...:
        del body["fhirAuthorization"]
    else:
        body["fhirServer"] = server.format(origin=fhir.base.removesuffix(ROOT))
    assert post(body, at=service(fhir)).status_code == 412
    assert fhir.asked == [] and last(events)["fhirNotAsked"] == reason


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_N05_a_redirect_is_not_followed_and_the_token_goes_nowhere(fhir: Script, status: int) -> None:
    with scripted() as elsewhere:
        fhir.replies["Observation"] = Reply(status, {}, {"Location": f"{elsewhere.base}/Observation"})
        assert post(call(prefetch={"conditions": None}) | access(fhir), at=service(fhir)).status_code == 412
        assert elsewhere.asked == []


def test_a_base_below_one_of_the_list_may_be_called(fhir: Script) -> None:
    below = client(fhir_servers=fhir.base.removesuffix("/r4"), budget_ms=20_000)
    assert post(call(prefetch={"conditions": None}) | access(fhir), at=below).status_code == 200


def test_an_open_server_of_the_list_is_called_without_a_token(fhir: Script) -> None:
    body = call(prefetch={"conditions": None}) | {"fhirServer": fhir.base}
    assert post(body, at=service(fhir)).status_code == 200
    assert all("Authorization" not in asked.headers for asked in fhir.asked)


def test_an_answer_above_the_limit_is_given_up(fhir: Script, events: list[Json]) -> None:
    fhir.replies["Observation"] = Reply(200, searchset(condition() | {"note": "x" * 5000}))
    response = post(call(prefetch={"conditions": None}) | access(fhir), at=service(fhir, max_body_bytes=3000))
    assert response.status_code == 412 and last(events)["fhir"]["too-large"] >= 1


def test_a_gateway_that_says_nobody_answered_is_asked_once_more(fhir: Script) -> None:
    fhir.replies["Observation"] = Reply(503, {})
    assert post(call(prefetch={"conditions": None}) | access(fhir), at=service(fhir)).status_code == 412
    assert fhir.kinds().count("Observation") == 2


def test_a_server_that_keeps_failing_is_left_alone_and_that_is_said(fhir: Script, events: list[Json]) -> None:
    body = filled(call()) | access(fhir)
    del body["prefetch"]["observations"]
    fhir.replies["Observation"] = Reply(500, {})
    asked_often = service(fhir)
    for _ in range(5):
        assert "failed" in issues(post(body, at=asked_often))[0]["details"]["text"]
    asked = len(fhir.asked)
    response: TestResponse = post(body, at=asked_often)
    assert response.status_code == 412 and "left alone" in issues(response)[0]["details"]["text"]
    assert len(fhir.asked) == asked and last(events)["fhir"] == {"left-alone": 1}


def test_one_query_that_fails_is_no_reason_to_leave_a_server_alone(fhir: Script) -> None:
    fhir.replies["Procedure"] = Reply(500, {})
    asked_often = service(fhir)
    for _ in range(7):
        assert post(call(prefetch={"conditions": None}) | access(fhir), at=asked_often).status_code == 200


# Dialects


def test_keys_that_nobody_knows_are_told_by_the_type_of_what_they_hold() -> None:
    for lines, expected in ((CLASSIC, []), (CRITICAL, ["critical-calcium-value"])):
        body = vignette(lines)
        body["prefetch"]["lab-results"] = body["prefetch"].pop("observations")
        assert [topic for topic in topics(post(body)) if topic in (LOW_YIELD, *expected)] == expected


@pytest.mark.parametrize(
    "value", [searchset(), searchset(condition(), {"resourceType": "Observation"}), [], "x", {"resourceType": "Bundle", "entry": [5]}]
)
def test_a_key_that_nobody_knows_and_whose_type_is_not_told_is_ignored(value: Any) -> None:
    response = post(call(prefetch={"conditions": None, "lab-results": value}))
    assert response.status_code == 412 and named(response) == {"prefetch.observations"}


def test_a_category_that_is_an_object_is_read() -> None:
    body = vignette(CLASSIC)
    for value in body["prefetch"].values():
        for entry in (value or {}).get("entry", ()):
            entry["resource"]["category"] = {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]
            }
    assert topics(post(body)) == [LOW_YIELD]


def test_a_client_may_send_our_keys_under_names_of_its_own() -> None:
    body = vignette(CLASSIC)
    observations = body["prefetch"]["observations"]
    templates = content().services["metabolic-workup-order-select"].templates
    for sent, state in (({"lab-results": observations}, "present"), ({"lab-results": None}, "empty"), ({"labs": observations}, "absent")):
        request = parse_request(json.dumps(body | {"prefetch": sent}).encode(), "s", "order-select")
        assert judged(request, templates, {"lab-results": "observations"})["observations"].state == state


def test_what_came_under_our_own_name_goes_first() -> None:
    body = vignette(CLASSIC)
    body["prefetch"] |= {"lab-results": None}
    request = parse_request(json.dumps(body).encode(), "s", "order-select")
    templates = content().services["metabolic-workup-order-select"].templates
    assert judged(request, templates, {"lab-results": "observations"})["observations"].state == "present"


def test_explain_tells_what_became_of_each_key_and_why() -> None:
    body = vignette(CLASSIC)
    body["prefetch"] |= {"procedures": FAILED}
    service = content().services["metabolic-workup-order-select"]
    request = parse_request(json.dumps(body).encode(), service.id, service.hook)
    prefetch = read_prefetch(request, service.templates)
    document = explain(request, prefetch, answer(request, prefetch, content(), NOW, every_line=True))
    assert "  procedures: unavailable (Lab index did not answer)" in list(in_words(document))
