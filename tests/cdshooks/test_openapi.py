"""The description of the paths: every route is in it and nothing else, and the live service answers as it says."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from cdshooks.app import create_app
from cdshooks.judging import NOW
from cdshooks.request import HOOKS, request_schema
from cdshooks.settings import Settings

from ..builders import content, sample_bodies
from ..conformance.service import path_of, post
from .test_server import serving

METHODS = {"get", "post", "options", "put", "delete", "patch", "head", "trace"}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def app(demo: bool = False) -> Any:
    made = Settings(_env_file=None, auth="none")  # type: ignore[call-arg]
    return create_app(made, content(), clock=lambda: NOW, demo_requests=sample_bodies if demo else None)


def told(demo: bool = False) -> dict[str, Any]:
    reply = app(demo).test_client().get("/openapi.json")
    assert reply.status_code == 200 and reply.mimetype == "application/json"
    document: dict[str, Any] = reply.get_json()
    return document


@pytest.mark.parametrize("demo", [False, True], ids=["serving", "demo"])
def test_every_route_is_described_and_nothing_else(demo: bool) -> None:
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app(demo).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}  # which HTTP gives to whatever has GET
    }
    services = {(path, method) for path, method in routes if path == "/cds-services/{service_id}"}
    expected = routes - services | {(f"/cds-services/{service}", method) for service in content().services for _, method in services}
    assert {(path, method) for path, item in told(demo)["paths"].items() for method in METHODS & set(item)} == expected


def test_the_description_is_openapi_3_1_with_sound_schemas() -> None:
    document = told(demo=True)
    assert document["openapi"] == "3.1.0"
    for schema in schemas(document):
        jsonschema.Draft202012Validator.check_schema(schema)
    names = set(document["components"]["schemas"])
    assert set(re.findall(r"#/components/schemas/(\w+)", str(document))) <= names


def schemas(value: Any) -> Iterator[Any]:
    for name, member in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if name == "schema":
            yield member
        yield from schemas(member)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_call_is_described_by_the_schema_that_refusals_are_made_of(hook: str) -> None:
    described = told()["paths"][path_of(hook)]["post"]["requestBody"]["content"]["application/json"]["schema"]
    own = request_schema(hook)
    assert described["required"] == own["required"] and described["properties"]["context"] == own["properties"]["context"]
    assert {"observations", "conditions"} <= set(described["properties"]["prefetch"]["properties"])


def test_answers_to_all_samples_have_the_shape_that_is_described() -> None:
    document = told()
    validator = jsonschema.Draft202012Validator({"$ref": "#/components/schemas/Cards", "components": document["components"]})
    for body in sample_bodies().values():
        validator.validate(post(body).get_json())


@pytest.mark.slow
def test_the_live_server_answers_as_described_whatever_it_is_asked(tmp_path: Path) -> None:
    with serving(tmp_path, "--demo") as (url, process):
        threading.Thread(target=lambda: list(process.stderr or ()), daemon=True).start()  # a full pipe would hold the server up
        described = schemathesis.openapi.from_url(f"{url}/openapi.json")
        operations = [found.ok() for found in described.get_all_operations()]
        asked = {(operation.path, operation.method) for operation in operations} | {("/openapi.json", "get")}  # which it has just read
        assert asked == {(path, method) for path, item in told(demo=True)["paths"].items() for method in METHODS & set(item)}
        for operation in operations:
            ask_all(operation)


def ask_all(operation: Any) -> None:
    """Ask what the description allows and, of calls with a body, what it does not."""
    asked = operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)
    if operation.body:
        asked |= operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
    count = 60 if operation.body else 4

    @settings(max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=asked)
    def ask(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    ask()
