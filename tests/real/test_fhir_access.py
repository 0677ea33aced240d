"""What is fetched gives the answer of full prefetch, from two independent FHIR servers and under their faults (P04, P10, P11, P16, P18, P27)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from cdshooks.prefetch import read_prefetch
from cdshooks.request import parse_request
from tests.builders import content

from ..conformance.service import HOOKS, client, post, topics, vignette
from ..conformance.test_prefetch import AUTHORIZATION, CLASSIC, CRITICAL, LOW_YIELD
from ..shared_data import needs_shared
from .fhir_server import SECONDS, fhir_server, second_server

pytestmark = [needs_shared, pytest.mark.slow]
Json = dict[str, Any]
TOKEN = "token-of-the-call"
HELD = ("patient", "observations", "conditions", "procedures", "medication-requests", "reports")
CHARTS = {"classic": CLASSIC, "critical": CRITICAL}


def chart(name: str) -> Json:
    """A hook call about a patient of this name."""
    body = vignette(CHARTS[name])
    return json.loads(json.dumps(body).replace(body["context"]["patientId"], name))  # type: ignore[no-any-return]


def resources(body: Json) -> Iterator[Json]:
    for key in HELD:
        value = body["prefetch"].get(key) or {}
        yield from [value] if value.get("resourceType") == "Patient" else (entry["resource"] for entry in value.get("entry", ()))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The charts as Bundles to be loaded."""
    folder = tmp_path_factory.mktemp("charts")
    for name in CHARTS:
        entries = [
            {"resource": resource | {"id": f"{name}-{number}" if resource["resourceType"] != "Patient" else name}}
            for number, resource in enumerate(resources(chart(name)))
        ]
        (folder / f"{name}.json").write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    return sorted(folder.glob("*.json"))


@pytest.fixture(scope="module")
def servers(files: list[Path]) -> Iterator[Any]:
    """Start a server by name, with its faults, once: a function."""
    with ExitStack() as stack:
        started: dict[tuple[str, ...], str] = {}

        def base(name: str, *faults: str) -> str:
            key = (name, *faults)
            if key not in started:
                first = fhir_server(empty=True, token=TOKEN)
                served = first if name == "first" else second_server(*files, faults=["--token", TOKEN, *faults])
                started[key] = stack.enter_context(served)
                if name == "first":  # its own loading knows no token
                    load(started[key], files)
            return started[key]

        yield base


def load(base: str, files: list[Path]) -> None:
    """Put the charts on a server that asks for the token."""
    for file in files:
        for entry in json.loads(file.read_text())["entry"]:
            resource = entry["resource"]
            url = f"{base}/{resource['resourceType']}/{resource['id']}"
            reply = requests.put(url, json=resource, timeout=SECONDS, headers={"Authorization": f"Bearer {TOKEN}"})
            assert reply.ok, reply.text[:300]


def lacking(name: str, base: str, hook: str = "order-select", token: str = TOKEN) -> Json:
    """A call of a chart without what the server has."""
    body = chart(name)
    prefetch = {key: value for key, value in body["prefetch"].items() if key not in HELD} | {"user-role": None}
    return body | {"prefetch": prefetch, "fhirServer": base, "fhirAuthorization": AUTHORIZATION | {"access_token": token}}


def answered(name: str, base: str, budget_ms: int = 60_000, token: str = TOKEN) -> Any:
    return post(lacking(name, base, token=token), at=client(fhir_servers=base, budget_ms=budget_ms))


NO_FAULT = [
    ("first",),
    ("second",),
    ("second", "--no-total"),
    ("second", "--strict-accept"),
    ("second", "--delay-ms", "100"),
    ("second", "--max-count", "2"),
]


@pytest.mark.parametrize("server", NO_FAULT, ids=" ".join)
def test_P04_P10_P18_what_is_fetched_gives_the_answer_that_prefetch_gives(servers: Any, server: tuple[str, ...]) -> None:
    for name in CHARTS:
        assert topics(answered(name, servers(*server))) == topics(post(chart(name))) != []


@pytest.mark.parametrize("server", [("first",), ("second",)], ids=" ".join)
def test_P16_a_wrong_token_is_412(servers: Any, server: tuple[str, ...]) -> None:
    response = answered("classic", servers(*server), token="another")
    assert response.status_code == 412 and "denies access" in response.get_data(as_text=True)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_P16_a_required_query_that_fails_is_412(servers: Any, status: int) -> None:
    response = answered("classic", servers("second", "--fail", f"Observation:{status}"))
    assert response.status_code == 412 and "prefetch.observations" in response.get_data(as_text=True)


@pytest.mark.parametrize("kind", ["Procedure", "DiagnosticReport", "MedicationRequest", "/Patient/"])
def test_P16_an_optional_query_that_fails_reassures_nobody_and_silences_no_danger(servers: Any, kind: str) -> None:
    base = servers("second", "--fail", f"{kind}:500")
    assert LOW_YIELD not in topics(answered("classic", base))
    assert "critical-calcium-value" in topics(answered("critical", base))


def test_P10_P11_a_next_page_that_fails_reassures_nobody(servers: Any) -> None:
    base = servers("second", "--max-count", "2", "--fail", "_offset=2:500")
    assert LOW_YIELD not in topics(answered("classic", base))


def test_P27_who_is_too_slow_is_not_waited_for(servers: Any) -> None:
    response = answered("classic", servers("second", "--delay-ms", "60000"), budget_ms=500)
    assert response.status_code == 412 and "in time" in response.get_data(as_text=True)


@pytest.mark.parametrize("hook", HOOKS)
def test_an_open_server_serves_every_hook(files: list[Path], hook: str) -> None:
    with second_server(*files) as base:
        body = lacking("critical", base, hook) | {"hook": hook}
        del body["fhirAuthorization"]
        if hook != "order-select":
            del body["context"]["selections"]
        if hook == "patient-view":
            del body["context"]["draftOrders"]
        assert topics(post(body, at=client(fhir_servers=base, budget_ms=60_000))) == ["critical-calcium-value"]


def test_the_calls_of_this_module_lack_required_data() -> None:
    service = content().services["metabolic-workup-order-select"]
    body = lacking("classic", "https://ehr.test/fhir")
    parsed = parse_request(json.dumps(body).encode(), service.id, service.hook)
    with pytest.raises(Exception, match=r"prefetch\.observations"):
        read_prefetch(parsed, service.templates)
