"""A real FHIR server with real (synthetic) patients, and a client that resolves prefetch templates against it as an EHR does."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import requests

from ..shared_data import SHARED

Json = dict[str, Any]
TYPES = "Patient,Observation,Condition,Procedure,MedicationRequest,Encounter,DiagnosticReport"
SECONDS = 120


@contextmanager
def fhir_server(*, empty: bool = False) -> Iterator[str]:
    """Start the server with all patients, or with none; yields its base URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    files = [] if empty else sorted(map(str, (SHARED / "fhir-data/dev").glob("*.json")))
    process = subprocess.Popen(
        [sys.executable, str(SHARED / "tools/fhir-server-sekmet/run.py"), "--port", str(port), "--types", TYPES, *files],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["refused"] == 0
        yield ready["base"]
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close() if process.stdout else None


def patients(base: str) -> list[str]:
    """The ids of all patients on the server."""
    return sorted(entry["resource"]["id"] for entry in _get(f"{base}/Patient?_count=100")["entry"])


def put(base: str, resource: Json) -> None:
    """Put one resource on the server."""
    reply = requests.put(
        f"{base}/{resource['resourceType']}/{resource['id']}", json=resource, timeout=SECONDS, headers={"Content-Type": "application/fhir+json"}
    )
    assert reply.ok, reply.text[:300]


def resolved(base: str, templates: Mapping[str, str], context: Mapping[str, Any]) -> Json:
    """The prefetch of a call: every template filled and fetched; a key that fails is left out, as the sandbox does."""
    prefetch: Json = {}
    for key, template in templates.items():
        filled = re.sub(r"\{\{context\.(\w+)\}\}", lambda match: quote(str(context.get(match[1], "")), safe=""), template)
        if "{{" in filled or filled.endswith("/"):
            continue  # a token that this client cannot fill
        reply = requests.get(f"{base}/{filled.replace('|', '%7C')}", timeout=SECONDS, headers={"Accept": "application/fhir+json"})
        if reply.ok:
            prefetch[key] = reply.json()
    return prefetch


def _get(url: str) -> Json:
    reply = requests.get(url, timeout=SECONDS)
    reply.raise_for_status()
    found: Json = reply.json()
    return found
