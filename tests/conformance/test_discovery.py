"""Discovery, case by case (D01-D18). What does not apply to this version is listed in README.md."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest

from cdshooks.app import create_app
from cdshooks.settings import Settings
from tests.builders import content

from .service import HOOKS, call, client, path_of, post

TOKENS = {"context.patientId", "context.encounterId", "context.userId", "userPractitionerId"}
# FHIR R4 search parameters of the types that our templates ask for (hl7.org/fhir/R4, "Search Parameters" of each page), those of use here.
R4_PARAMETERS = {
    "Observation": {"patient", "subject", "code", "date", "category", "status"},
    "Condition": {"patient", "subject", "code", "clinical-status", "category", "recorded-date", "onset-date"},
    "Procedure": {"patient", "subject", "code", "date", "status", "category"},
    "MedicationRequest": {"patient", "subject", "code", "status", "intent", "authoredon"},
    "MedicationStatement": {"patient", "subject", "code", "status", "effective"},
    "MedicationAdministration": {"patient", "subject", "code", "status", "effective-time"},
    "ServiceRequest": {"patient", "subject", "code", "status", "intent", "authored"},
    "DiagnosticReport": {"patient", "subject", "code", "status", "date", "category"},
    "PractitionerRole": {"practitioner", "specialty", "role", "active"},
}


def services() -> list[dict[str, object]]:
    found: list[dict[str, object]] = client().get("/cds-services").get_json()["services"]
    return found


def all_templates() -> list[tuple[str, str, str]]:
    return [(s.hook, key, template) for s in content().services.values() for key, template in s.templates.items()]


each_template = pytest.mark.parametrize(("hook", "key", "template"), all_templates(), ids=[f"{h}-{k}" for h, k, _ in all_templates()])


def query_of(template: str) -> tuple[str, list[tuple[str, str]]]:
    kind, _, query = template.partition("?")
    return kind, [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))] if query else []


def test_D01_discovery_is_an_object_with_services() -> None:
    response = client().get("/cds-services")
    assert response.status_code == 200 and response.mimetype == "application/json"
    assert isinstance(response.get_json()["services"], list)


def test_D02_every_service_says_hook_description_and_id() -> None:
    assert len(services()) == 3
    for service in services():
        assert all(isinstance(service[name], str) and str(service[name]).strip() for name in ("hook", "description", "id"))


def test_D03_no_services_is_an_empty_array() -> None:
    app = create_app(Settings(_env_file=None, auth="none"), SimpleNamespace(services={}, digest="none"))  # type: ignore[call-arg,arg-type]
    assert app.test_client().get("/cds-services").get_json() == {"services": []}


def test_D04_prefetch_maps_strings_to_strings() -> None:
    for service in services():
        assert isinstance(service["prefetch"], dict) and all(isinstance(value, str) for value in service["prefetch"].values())


def test_D05_what_is_empty_is_left_out() -> None:
    bare = SimpleNamespace(id="bare", hook="patient-view", title="", description="does nothing", usage_requirements="", templates={})
    app = create_app(Settings(_env_file=None, auth="none"), SimpleNamespace(services={"bare": bare}, digest="none"))  # type: ignore[call-arg,arg-type]
    assert app.test_client().get("/cds-services").get_json()["services"] == [{"hook": "patient-view", "description": "does nothing", "id": "bare"}]


def test_D06_every_listed_service_answers() -> None:
    assert {post(call(str(service["hook"]))).status_code for service in services()} == {200}


@each_template
def test_D07_templates_hold_known_tokens_only(hook: str, key: str, template: str) -> None:
    assert set(re.findall(r"\{\{(.*?)\}\}", template)) <= TOKENS
    assert "{" not in re.sub(r"\{\{.*?\}\}", "", template) and "}" not in re.sub(r"\{\{.*?\}\}", "", template)


@each_template
def test_D08_templates_keep_to_the_query_subset(hook: str, key: str, template: str) -> None:
    kind, query = query_of(template)
    assert re.fullmatch(r"[A-Z][A-Za-z]+(/\{\{[A-Za-z.]+\}\})?", kind)
    names = [name for name, _ in query]
    assert len(names) == len(set(names)), "a repeated parameter is joined by commas in browser clients"
    assert not [name for name in names if ":" in name or "." in name or (name.startswith("_") and name not in ("_sort", "_count"))]


@each_template
def test_D09_templates_use_parameters_that_R4_knows(hook: str, key: str, template: str) -> None:
    kind, query = query_of(template)
    for name, value in query:
        searched = value.lstrip("-") if name == "_sort" else name
        assert name == "_count" or searched in R4_PARAMETERS[kind]


def test_D11_members_of_version_3_are_not_sent() -> None:
    assert not any({"version", "hookVersion"} & service.keys() for service in services())


def test_D12_the_order_of_prefetch_keys_is_kept() -> None:
    told = json.loads(client().get("/cds-services").data)["services"]
    assert [list(service["prefetch"]) for service in told] == [list(service.templates) for service in content().services.values()]
    assert list(told[0]["prefetch"]) != sorted(told[0]["prefetch"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_D13_other_methods_are_405_and_told_what_is_allowed(method: str) -> None:
    response = client().open("/cds-services", method=method)
    assert response.status_code == 405 and "GET" in response.headers["Allow"]
    assert response.get_json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("header", ["Bearer eyJhbGciOiJFUzM4NCJ9.e30.x", "Bearer", "garbage \x7f", ""], ids=["jwt", "empty", "garbage", "blank"])
@pytest.mark.parametrize("auth", ["none", "jwt"])
def test_D14_D15_discovery_is_open_whatever_is_in_authorization(header: str, auth: str) -> None:
    assert client(auth=auth).get("/cds-services", headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize("path", ["/cds-services/", "//cds-services", "/cds-services//"])
def test_D17_slashes_are_tolerated_without_redirect(path: str) -> None:
    assert client().get("/", environ_overrides={"PATH_INFO": path}).status_code == 200  # the test client takes //x for a host


@pytest.mark.parametrize("hook", HOOKS)
def test_D17_a_doubled_slash_before_a_service_is_collapsed(hook: str) -> None:
    response = client().post(path_of(hook).replace("services/", "services//") + "/", json=call(hook))
    assert response.status_code == 200


def test_discovery_may_be_cached_and_asked_by_head() -> None:
    response = client().head("/cds-services")
    assert (response.status_code, response.data, response.headers["Cache-Control"]) == (200, b"", "max-age=300")
