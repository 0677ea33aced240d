"""A service under test: the real application with the real content, asked over Flask's test client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cdshooks.app import create_app
from cdshooks.judging import NOW
from cdshooks.settings import Settings
from tests.builders import body, content

Json = dict[str, Any]
HOOKS = ("patient-view", "order-select", "order-sign")
EXAMPLES = Path(__file__).parents[3] / "shared" / "spec-examples"
PATIENT = "p-417"


def client(**settings: Any) -> FlaskClient:
    """A client of the service; without authentication unless a setting says otherwise."""
    made = Settings(_env_file=None, **{"auth": "none", **settings})  # type: ignore[call-arg]
    return create_app(made, content(), clock=lambda: NOW).test_client()


def path_of(hook: str) -> str:
    return f"/cds-services/metabolic-workup-{hook}"


def searchset(*resources: Json, **members: Any) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "total": len(resources), "entry": [{"resource": r} for r in resources], **members}


def condition(patient: str = PATIENT, **members: Any) -> Json:
    return {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
        **members,
    }


def draft(name: str = "d1", kind: str = "ServiceRequest", **members: Any) -> Json:
    return {
        "resourceType": kind,
        "id": name,
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "2731-8"}]},
        **members,
    }


def drafts(*orders: Json) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order} for order in orders]}


def call(hook: str = "patient-view", *, context: Json | None = None, prefetch: Any = None, **members: Any) -> Json:
    """A minimal valid hook call; `members` replace or add members, a value of `...` takes one away."""
    own: Json = {"userId": "Practitioner/dr-7", "patientId": PATIENT}
    if hook != "patient-view":
        own["draftOrders"] = drafts(draft())
    if hook == "order-select":
        own["selections"] = ["ServiceRequest/d1"]
    whole = {
        "hook": hook,
        "hookInstance": "0b8f7c1e-53b1-4d0a-9a51-6f1c2d3e4f01",
        "context": _kept(own | (context or {})),
        "prefetch": {"observations": None, "conditions": None} if prefetch is None else prefetch,
    }
    return _kept(whole | members)


def _kept(members: Json) -> Json:
    return {name: value for name, value in members.items() if value is not ...}


def post(request: Json | bytes | str, hook: str = "patient-view", *, at: FlaskClient | None = None, **options: Any) -> TestResponse:
    """Post a call (or raw bytes) to the service of its hook."""
    data = json.dumps(request) if isinstance(request, dict) else request
    if isinstance(request, dict):
        hook = options.pop("to", request.get("hook") if request.get("hook") in HOOKS else hook)
    return (at or client()).post(path_of(hook), data=data, **{"content_type": "application/json", **options})


def example(number: int) -> Json:
    """One of the example bodies that lie beside the checkout; skips visibly where they do not."""
    found = sorted(EXAMPLES.glob(f"{number:02}-*.json"))
    if not found:
        pytest.skip(f"no example bodies at {EXAMPLES}")
    document: Json = json.loads(found[0].read_text(encoding="utf-8"))
    return document


def issues(response: TestResponse) -> list[Json]:
    """The issues of an OperationOutcome; fails if the answer is none."""
    assert response.mimetype == "application/json"
    outcome = response.get_json()
    assert outcome["resourceType"] == "OperationOutcome" and outcome["issue"]
    assert all(issue["severity"] and issue["code"] and issue["details"]["text"] for issue in outcome["issue"])
    found: list[Json] = outcome["issue"]
    return found


def named(response: TestResponse) -> set[str]:
    """The elements that a refusal names."""
    return {expression for issue in issues(response) for expression in issue.get("expression", ())}


def cards(response: TestResponse) -> list[Json]:
    assert response.status_code == 200, response.get_data(as_text=True)
    found: list[Json] = response.get_json()["cards"]
    return found


def topics(response: TestResponse) -> list[str]:
    return [card["source"]["topic"]["code"] for card in cards(response)]


def vignette(lines: str) -> Json:
    """A hook request from vignette lines."""
    return body(lines)
