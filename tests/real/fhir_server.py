"""Real FHIR servers with real (synthetic) patients, and a client that resolves prefetch templates against it as an EHR does."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from ..shared_data import SHARED

Json = dict[str, Any]
TYPES = "Patient,Observation,Condition,Procedure,MedicationRequest,Encounter,DiagnosticReport"
SECONDS = 120


@contextmanager
def fhir_server(*files: Path, empty: bool = False, token: str = "") -> Iterator[str]:
    """Start the server with all patients, with those of `files`, or with none; yields its base URL."""
    loaded = list(files) if files or empty else sorted((SHARED / "fhir-data/dev").glob("*.json"))
    command = [sys.executable, str(SHARED / "tools/fhir-server-sekmet/run.py"), "--types", TYPES, *(["--token", token] if token else [])]
    with _started(command, loaded) as ready:
        assert ready["refused"] == 0
        yield ready["base"]


@contextmanager
def second_server(*files: Path, faults: Iterable[str] = ()) -> Iterator[str]:
    """Start the second, independent server with the patients of `files`, and with faults; yields its base URL."""
    with _started(["node", str(_installed() / "server.mjs"), *faults], files) as ready:
        yield ready["base"]


@cache
def _installed() -> Path:
    """The second server with its packages, installed once; skips visibly where that is not possible."""
    source = SHARED / "tools/fhir-server-medplum"
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("the second FHIR server is a Node program, and node and npm are not installed")
    digest = hashlib.sha256(b"".join((source / name).read_bytes() for name in ("package.json", "server.mjs"))).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"cdshooks-second-fhir-server-{digest}"
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in ("package.json", "server.mjs"):
            (folder / name).write_bytes((source / name).read_bytes())
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"the second FHIR server cannot be installed: {done.stderr[-200:]}")
        (folder / "installed").touch()
    return folder


@contextmanager
def _started(command: list[str], files: Iterable[Path]) -> Iterator[Json]:
    """Run a server on a free port; yields what it says when it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([*command, "--port", str(port), *map(str, files)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
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
