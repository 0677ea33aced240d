"""The sample patients as the CDS Hooks Sandbox meets them: loaded into a real FHIR server, asked of the real service over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from cdshooks.cli import main

from .. import sandbox
from ..cdshooks.test_demo import ALL, NAMED, rows
from ..cdshooks.test_server import serving
from ..shared_data import needs_shared
from .fhir_server import fhir_server

pytestmark = [needs_shared, pytest.mark.slow]
Json = dict[str, Any]


@pytest.fixture(scope="module")
def fhir() -> Iterator[str]:
    with fhir_server(empty=True) as base:
        _load(base)
        yield base


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Json]]:
    """What discovery says of each hook's service, and where it is called."""
    folder: Path = tmp_path_factory.mktemp("served")
    with serving(folder, "--demo") as (url, _):
        discovery = f"{url}/cds-services"
        yield {hook: service | {"url": f"{discovery}/{service['id']}"} for hook, service in sandbox.discovered(discovery).items()}


def _load(base: str) -> None:
    done = CliRunner().invoke(main, ["demo", "load", "--fhir", base])
    assert done.exit_code == 0, done.output


def _topics(fhir: str, services: dict[str, Json], step: str, patient: str, order: Json | None = None) -> list[str]:
    """The pitfalls whose cards the sandbox gets at a step, in the order of the cards."""
    service = services[sandbox.STEPS[step]]
    body = sandbox.body_at(step, patient, {}, fhir)
    if order is not None:
        body["context"] = sandbox.context(patient, body["hook"], order)
    body["prefetch"] = sandbox.prefetched(fhir, service["prefetch"], body["context"])
    return [card["source"]["topic"]["code"] for card in sandbox.called(service["url"], body)["cards"]]


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_the_sandbox_gets_the_card_where_testers_are_told_that_it_does(fhir: str, services: dict[str, Json], sample: Any) -> None:
    cards = {step: _topics(fhir, services, step, f"demo-{sample.name}") for step in sandbox.STEPS}
    assert sandbox.reached(cards, sample.expect) == rows()[sample.name][-1], cards


def test_an_order_before_anything_is_chosen_is_answered(fhir: str, services: dict[str, Json]) -> None:
    """The first call of a tab: a medication request without medication, an imaging order whose one coding is empty."""
    patient = "demo-critical-calcium"
    assert _topics(fhir, services, sandbox.SELECT, patient, sandbox.medication(patient, None)) == ["critical-calcium-value"]
    assert _topics(fhir, services, sandbox.IMAGE, patient, sandbox.imaging(patient, {})) == ["critical-calcium-value"]


def test_a_tab_that_is_clicked_again_sends_no_order_and_is_told_what_is_missing(fhir: str, services: dict[str, Json]) -> None:
    service = services["order-select"]
    body = {"hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "hook": "order-select", "fhirServer": fhir}
    body |= {"context": sandbox.context("demo-low-yield", "order-select", None)}
    reply = requests.post(service["url"], json=body, headers={"Origin": sandbox.ORIGIN}, timeout=sandbox.SECONDS)
    assert (reply.status_code, reply.headers["Access-Control-Allow-Origin"]) == (400, "*")
    assert "draftOrders" in reply.text


def test_loading_again_changes_no_count(fhir: str) -> None:
    def counts() -> dict[str, int]:
        kinds = ("Patient", "Practitioner", "PractitionerRole", "Observation", "Condition", "MedicationStatement", "ServiceRequest")
        return {kind: requests.get(f"{fhir}/{kind}?_count=1", timeout=sandbox.SECONDS).json()["total"] for kind in kinds}

    before = counts()
    _load(fhir)
    assert counts() == before
    assert before["Patient"] == len(NAMED)


def test_the_sandboxs_user_is_there_and_no_specialist(fhir: str) -> None:
    user = requests.get(f"{fhir}/{sandbox.USER}", timeout=sandbox.SECONDS).json()
    assert user["name"][0]["given"]
    roles = requests.get(f"{fhir}/PractitionerRole?practitioner={user['id']}", timeout=sandbox.SECONDS).json()
    assert roles["total"] == 0
