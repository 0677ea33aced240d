"""Sample patients with dates relative to today: as ready hook requests, and as FHIR bundles for a server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests

from fhir_mappings import ContentError, Fault

from .answer import answer
from .content import FOLDER, Content
from .judging import NOW, words_of
from .pitfalls.loading import read_toml, shape_faults, validator
from .pitfalls.vignettes import VignetteError, Words, request_of
from .prefetch import ABOUT_THE_USER, read_prefetch
from .request import parse_request

Json = dict[str, Any]
SHOWN = "content/demo.toml"
# The CDS Hooks Sandbox names this user in every call, and reads it from the FHIR server.
PRACTITIONER: Json = {"resourceType": "Practitioner", "id": "COREPRACTITIONER1", "name": [{"family": "Core", "given": ["Casey"]}]}
TIMEOUT_SECONDS = 60
HEADERS = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
SAYS_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample patient: a hook request, the user who makes it, and the pitfall whose card it should get ('' for silence)."""

    name: str
    about: str
    expect: str
    body: Json
    user: Json


def entries() -> dict[str, Json]:
    """The sample patients as they are written, by name. Raises ContentError with every fault of their shape."""
    faults: list[Fault] = []
    document = read_toml(FOLDER / "demo.toml", SHOWN, faults)
    if not faults:
        faults = shape_faults(document, validator("demo"), SHOWN)
    if faults:
        raise ContentError(faults)
    return document


def samples(content: Content, now: datetime) -> tuple[Sample, ...]:
    """Make every sample patient, with its times counted back from `now`. Raises ContentError with every fault."""
    words = words_of(content)
    known = {pitfall.id for pitfall in content.pitfalls}
    faults: list[Fault] = []
    made = []
    for name, entry in entries().items():
        if entry["expect"] and entry["expect"] not in known:
            faults.append(Fault(f"{SHOWN}: {name}.expect", f"{entry['expect']!r} is no pitfall"))
        try:
            made.append(_sample(name, entry, now, words))
        except VignetteError as error:
            faults.append(Fault(f"{SHOWN}: {name}.given", str(error)))
    if faults:
        raise ContentError(faults)
    return tuple(made)


def _sample(name: str, entry: Json, now: datetime, words: Words) -> Sample:
    given, family = entry["name"]
    patient = {"id": f"demo-{name}", "active": True, "name": [{"given": [given], "family": family}]}
    body = request_of(entry["given"], now, words, patient)
    for condition in body["prefetch"].get("conditions", {}).get("entry", ()):
        concept = condition["resource"]["code"]  # the sandbox names a condition by its text alone, where it offers reasons of an order
        concept["text"] = concept["coding"][0].get("display") or concept["coding"][0]["code"]
    return Sample(name, entry["about"], entry["expect"], body, _user(name, body))


def _user(name: str, body: Json) -> Json:
    """Who makes the request. An author with a specialty is somebody else: given to the sandbox's own user, the role would count in all its calls."""
    roles = body["prefetch"].get(ABOUT_THE_USER, {}).get("entry", ())
    if not roles:
        return PRACTITIONER
    user = PRACTITIONER | {"id": f"demo-{name}-author"}
    reference = f"Practitioner/{user['id']}"
    for number, entry in enumerate(roles, start=1):
        entry["resource"] |= {"id": f"demo-{name}-role-{number}", "practitioner": {"reference": reference}}
    body["context"]["userId"] = reference
    return user


def judge(content: Content) -> Iterator[Fault]:
    """Answer every sample patient's request through the whole pipeline, and tell each whose answer is not what it expects."""
    for sample in samples(content, NOW):
        said = shown(sample.body, content, NOW)
        if said[:1] != ([sample.expect] if sample.expect else []):
            yield Fault(f"{SHOWN}: {sample.name}", f"expected {sample.expect or 'no card'} first, but what comes is {', '.join(said) or 'no card'}")


def shown(body: Json, content: Content, now: datetime) -> list[str]:
    """The pitfalls whose cards a request gets, in the order of the cards."""
    service = next(service for service in content.services.values() if service.hook == body["hook"])
    request = parse_request(json.dumps(body).encode(), service.id, service.hook)
    given = answer(request, read_prefetch(request, service.templates), content, now)
    return [card["source"]["topic"]["code"] for card in given.cards]


# On a FHIR server


def transaction(sample: Sample, fhir: str) -> Json:
    """A sample patient's chart as a FHIR R4 transaction that can be loaded again and again (every resource is a PUT). Draft orders stay out."""
    return {"resourceType": "Bundle", "type": "transaction", "entry": [_put(resource, fhir) for resource in resources(sample)]}


def resources(sample: Sample) -> list[Json]:
    """What must stand on the server before the hook can be fired: who calls, and the chart."""
    users = [PRACTITIONER] if sample.user is PRACTITIONER else [PRACTITIONER, sample.user]
    return [*users, *_chart(sample.body["prefetch"])]


def _put(resource: Json, fhir: str) -> Json:
    place = f"{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": f"{fhir.rstrip('/')}/{place}", "resource": resource, "request": {"method": "PUT", "url": place}}


def _chart(prefetch: Mapping[str, Json]) -> Iterator[Json]:
    for value in prefetch.values():
        if value["resourceType"] == "Bundle":
            yield from (entry["resource"] for entry in value.get("entry", ()))
        else:
            yield value


def why_not_usable(fhir: str, seconds: int) -> str:
    """Wait until a FHIR R4 server tells its capabilities; '' when it does, what stands against it when it has not after `seconds`."""
    deadline = time.monotonic() + seconds
    while (reason := _against(fhir)) and time.monotonic() < deadline:
        time.sleep(1)
    return reason


def _against(fhir: str) -> str:
    try:
        reply = requests.get(f"{fhir.rstrip('/')}/metadata", timeout=TIMEOUT_SECONDS, allow_redirects=False, headers=HEADERS)
    except requests.RequestException as error:
        return f"no FHIR server answers at {fhir} ({type(error).__name__})"
    if reply.status_code != 200:
        return f"no FHIR server answers at {fhir}: HTTP {reply.status_code} for /metadata"
    document = _document(reply)
    if document.get("resourceType") != "CapabilityStatement":
        return f"no FHIR server answers at {fhir}: /metadata is no CapabilityStatement"
    version = str(document.get("fhirVersion"))
    return "" if version.startswith("4.") else f"the server at {fhir} speaks FHIR {version}; the sample patients are R4"


def load(content: Content, now: datetime, fhir: str) -> Iterator[tuple[Sample, str]]:
    """Put every sample patient on a FHIR server; yields each with '' or with what the server said against it."""
    for sample in samples(content, now):
        body = json.dumps(transaction(sample, fhir))
        try:
            reply = requests.post(fhir.rstrip("/"), data=body, timeout=TIMEOUT_SECONDS, allow_redirects=False, headers=HEADERS)
        except requests.RequestException as error:
            yield sample, f"no answer to the transaction ({type(error).__name__})"
            continue
        yield sample, _refused(reply)


def _refused(reply: requests.Response) -> str:
    """What a server says against a transaction; some answer 200, and say of single entries that they were refused."""
    document = _document(reply)
    if reply.status_code not in (200, 201):
        return f"HTTP {reply.status_code} for the transaction{_diagnostics(document)}"
    for entry in document.get("entry") or ():
        response = entry.get("response") or {}
        if not str(response.get("status", "200")).startswith("2"):
            return f"HTTP {response['status']} for an entry of the transaction{_diagnostics(response.get('outcome') or {})}"
    return ""


def _document(reply: requests.Response) -> Json:
    try:
        document = reply.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _diagnostics(outcome: Json) -> str:
    issues = outcome.get("issue") or ()
    texts = [str(issue.get("diagnostics") or (issue.get("details") or {}).get("text") or issue.get("code")) for issue in issues]
    return f": {'; '.join(texts)[:SAYS_LIMIT]}" if texts else ""
