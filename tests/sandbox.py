"""A client that calls a service as the CDS Hooks Sandbox does: its orders, its prefetch, its headers, its preflight."""

from __future__ import annotations

import base64
import copy
import json
import re
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

import requests

Json = dict[str, Any]
ORIGIN = "http://127.0.0.1:8081"
USER = "Practitioner/COREPRACTITIONER1"
SECONDS = 120
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SEVELAMER = ("749206", "sevelamer carbonate 800 MG Oral Tablet")
STUDY = {
    "code": "73700",
    "display": "Computed tomography, lower extremity; without contrast material",
    "system": "http://www.ama-assn.org/go/cpt",
}

# What a tester may do in the sandbox, in the order in which one comes to it: how it is told, the hook, and the order that is drafted.
OPEN, SELECT, SIGN, IMAGE = "open the chart", "Rx View: sevelamer", "Rx Sign: sevelamer", "PAMA Imaging: any study"
STEPS = {OPEN: "patient-view", SELECT: "order-select", SIGN: "order-sign", IMAGE: "order-select"}


def medication(patient: str, chosen: tuple[str, str] | None = SEVELAMER) -> Json:
    """The MedicationRequest of Rx View; before anything is chosen it has neither medication nor intent. Its category is an object, wrongly."""
    order: Json = {
        "resourceType": "MedicationRequest",
        "id": "request-123",
        "status": "draft",
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": datetime.now(UTC).date().isoformat(),
    }
    if chosen is None:
        return order
    code, name = chosen
    ucum = "http://unitsofmeasure.org"
    return order | {
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": 1, "system": ucum, "code": "{pill}"}}],
            }
        ],
        "dispenseRequest": {"expectedSupplyDuration": {"value": 30, "unit": "days", "system": ucum, "code": "d"}},
        "intent": "order",
        "category": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/medicationrequest-category", "code": "community"}]},
        "medicationCodeableConcept": {"text": name, "coding": [{"display": name, "system": RXNORM, "code": code}]},
    }


def imaging(patient: str, study: Mapping[str, str]) -> Json:
    """The ServiceRequest of PAMA Imaging; before anything is chosen its one coding is empty."""
    code: Json = {"coding": [dict(study)]} | ({"text": study["display"]} if study else {})
    return {
        "resourceType": "ServiceRequest",
        "id": "example-request-id",
        "status": "draft",
        "intent": "plan",
        "code": code,
        "subject": {"reference": f"Patient/{patient}"},
        "reasonCode": [],
    }


def context(patient: str, hook: str, order: Json | None) -> Json:
    """The context of a call: never an encounterId."""
    made: Json = {"patientId": patient, "userId": USER}
    if order is not None:
        made["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": order}]}
        if hook == "order-select":
            made["selections"] = [f"{order['resourceType']}/{order['id']}"]
    return made


def order_of(step: str, patient: str) -> Json | None:
    """What is drafted at a step."""
    return {OPEN: None, IMAGE: imaging(patient, STUDY)}.get(step, medication(patient))


def body_at(step: str, patient: str, prefetch: Json, fhir: str = "http://127.0.0.1:8080/fhir") -> Json:
    """The whole call at a step."""
    hook = STEPS[step]
    made: Json = {"hookInstance": str(uuid.uuid4()), "hook": hook, "fhirServer": fhir, "context": context(patient, hook, order_of(step, patient))}
    return made | ({"prefetch": prefetch} if prefetch else {})


def without_what_it_never_asks(prefetch: Json) -> Json:
    """A sample's chart as the sandbox would send it: no encounter, and nothing of another user's role."""
    return copy.deepcopy({key: value for key, value in prefetch.items() if key not in ("encounter", "user-role")})


def reached(cards: Mapping[str, list[str]], expect: str) -> str:
    """Where in the sandbox the expected card comes first of all, or that it stays silent throughout; '-' for neither."""
    if not expect:
        return "whatever is done" if not any(cards.values()) else "-"
    return next((step for step in (OPEN, SELECT, SIGN, IMAGE) if cards[step][:1] == [expect]), "-")


# Over HTTP


def prefetched(fhir: str, templates: Mapping[str, str], given: Json) -> Json:
    """Resolve the templates against a server: searches are posted first, one page is taken, and what fails is left out."""
    prefetch: Json = {}
    for key, template in templates.items():
        filled = _filled(template, given)
        if "{{" in filled:
            continue
        found = _fetched(fhir, filled)
        if found:
            prefetch[key] = found
    return prefetch


def _filled(template: str, given: Json) -> str:
    tokens = {f"context.{name}": value for name, value in given.items() if isinstance(value, str)}
    tokens["userPractitionerId"] = given["userId"].partition("/")[2]
    filled = re.sub(r"\{\{\s*([\w.]+)\s*\}\}", lambda match: tokens.get(match[1], match[0]), template)
    path, _, query = filled.partition("?")
    if not query:
        return path
    # Repeated parameters are joined by commas, and all are sorted by name.
    joined = {name: ",".join(values) for name, values in sorted(parse_qs(query, keep_blank_values=True).items())}
    return f"{path}?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in joined.items())


def _fetched(fhir: str, filled: str) -> Json | None:
    path, _, query = filled.partition("?")
    headers = {"Accept": "application/json+fhir", "Origin": ORIGIN}
    if not query:
        return _document(requests.get(f"{fhir}/{path}", headers=headers, timeout=SECONDS))
    form = urlencode([tuple(unquote(part) for part in pair.split("=", 1)) for pair in query.split("&")])
    as_form = headers | {"Content-Type": "application/x-www-form-urlencoded"}
    posted = _document(requests.post(f"{fhir}/{path}/_search", data=form, headers=as_form, timeout=SECONDS))
    return posted or _document(requests.get(f"{fhir}/{path}?{form}", headers=headers, timeout=SECONDS))


def _document(reply: requests.Response) -> Json | None:
    return reply.json() if reply.ok else None


def discovered(discovery: str) -> dict[str, Json]:
    """The services by hook, as a browser of another origin reads them."""
    reply = requests.get(discovery, headers={"Accept": "application/json", "Origin": ORIGIN}, timeout=SECONDS)
    assert reply.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)
    return {service["hook"]: service for service in reply.json()["services"]}


def called(url: str, body: Json) -> Json:
    """Call a service as a browser does: preflight first; the answer counts only if CORS lets the page read it."""
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = requests.options(url, headers=asked, timeout=SECONDS)
    allowed = preflight.headers.get("Access-Control-Allow-Headers", "").lower()
    assert preflight.ok and preflight.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)
    assert "authorization" in allowed and "content-type" in allowed
    headers = {"Origin": ORIGIN, "Accept": "application/json", "Content-Type": "application/json", "Authorization": f"Bearer {_jwt(url)}"}
    reply = requests.post(url, data=json.dumps(body), headers=headers, timeout=SECONDS)
    assert reply.headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)
    assert reply.status_code == 200, reply.text
    answered: Json = reply.json()
    return answered


def _jwt(audience: str) -> str:
    """The sandbox's JWT in shape. Its private key is public, so that a signature would prove nothing: this one is none."""
    now = int(time.time())
    header = {"alg": "ES384", "typ": "JWT", "kid": "44823f3d", "jku": "https://sandbox.cds-hooks.org/.well-known/jwks.json"}
    claims = {"iss": "https://sandbox.cds-hooks.org", "aud": audience, "exp": now + 300, "iat": now, "jti": str(uuid.uuid4())}
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), bytes(96)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
