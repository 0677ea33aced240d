"""Sample patients with dates relative to today: as ready hook requests, and as FHIR bundles for a server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests

from .content import FOLDER, Content
from .judging import words_of
from .pitfalls.loading import read_toml
from .pitfalls.vignettes import request_of

Json = dict[str, Any]
# The CDS Hooks Sandbox names this user in every call, and reads it from the FHIR server.
PRACTITIONER: Json = {"resourceType": "Practitioner", "id": "COREPRACTITIONER1", "name": [{"family": "Core", "given": ["Casey"]}]}
TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample patient: a hook request, and the pitfall whose card it should get ('' for silence)."""

    name: str
    about: str
    expect: str
    body: Json


def samples(content: Content, now: datetime) -> tuple[Sample, ...]:
    """Make every sample patient, with its times counted back from `now`."""
    words = words_of(content)
    document = read_toml(FOLDER / "demo.toml", "content/demo.toml", [])
    return tuple(
        Sample(name, entry["about"], entry["expect"], request_of(entry["given"], now, words, _patient(name, entry["name"])))
        for name, entry in document.items()
    )


def _patient(name: str, called: list[str]) -> Json:
    return {"id": f"demo-{name}", "active": True, "name": [{"given": [called[0]], "family": called[1]}]}


def transaction(sample: Sample) -> Json:
    """A sample patient's chart as a FHIR R4 transaction that can be loaded again and again (every resource is a PUT). Draft orders stay out."""
    resources = [PRACTITIONER, *_resources(sample.body["prefetch"])]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:cdshooks-demo:{resource['resourceType']}:{resource['id']}",
                "resource": resource,
                "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
            }
            for resource in resources
        ],
    }


def _resources(prefetch: Mapping[str, Json]) -> Iterator[Json]:
    for value in prefetch.values():
        if value["resourceType"] == "Bundle":
            yield from (entry["resource"] for entry in value.get("entry", ()))
        else:
            yield value


def wait_for(fhir: str, seconds: int) -> bool:
    """Wait until a FHIR server tells its capabilities; False when it has not after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if requests.get(
                f"{fhir.rstrip('/')}/metadata", timeout=TIMEOUT_SECONDS, allow_redirects=False, headers={"Accept": "application/fhir+json"}
            ).ok:
                return True
        except requests.RequestException:
            pass
        if time.monotonic() >= deadline:
            return False
        time.sleep(1)


def load(content: Content, now: datetime, fhir: str) -> Iterator[tuple[Sample, str]]:
    """Put every sample patient on a FHIR server; yields each with '' or with what the server said against it."""
    for sample in samples(content, now):
        try:
            reply = requests.post(
                fhir.rstrip("/"),
                data=json.dumps(transaction(sample)),
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
                headers={"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"},
            )
        except requests.RequestException as error:
            yield sample, f"{type(error).__name__}: is a FHIR server at {fhir}?"
            continue
        yield sample, "" if reply.ok else f"HTTP {reply.status_code} for the transaction"
