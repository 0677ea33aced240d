"""Real-world shapes: every file is read without a crash; what was not used is a problem or an unmapped count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_mappings import read_facts

from ..shared_data import SHARED, needs_shared
from .builders import NOW, mappings

FILES = sorted((SHARED / "fhir-data").rglob("*.json")) if SHARED.is_dir() else []


def _patients(document: Any) -> set[str]:
    """The ids of all patients that a document speaks of."""
    text = json.dumps(document)
    found = {part.split('"')[0].split("/")[0] for part in text.split("Patient/")[1:]}
    entries = document.get("entry", ()) if isinstance(document, dict) else ()
    named = {str(entry["resource"].get("id")) for entry in entries if (entry.get("resource") or {}).get("resourceType") == "Patient"}
    return named | {patient for patient in found if patient and patient.isprintable() and len(patient) < 65}


@needs_shared
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name[:40]}")
def test_every_file_is_read(file: Path) -> None:
    raw = file.read_bytes()
    document = json.loads(raw)
    for patient in sorted(_patients(document))[:3] or ["nobody"]:
        facts = read_facts([raw], mappings(), patient=patient, now=NOW, drafts=[raw])
        assert all(problem.reason for problem in facts.problems)


@needs_shared
def test_results_without_any_time_are_told_and_not_used() -> None:
    raw = (SHARED / "fhir-data/messy/r4-spec-examples/Bundle-72ac8493-52ac-41bd-8d5d-7258c289b5ea.json").read_bytes()
    facts = read_facts([raw], mappings(), patient=next(iter(_patients(json.loads(raw))), "nobody"), now=NOW)
    reasons = {problem.reason for problem in facts.problems if problem.analyte == "calcium_ionised"} | {p.reason for p in facts.problems}
    assert facts.labs == {}
    assert reasons & {"no-time", "another-patient", "no-subject"}


@needs_shared
def test_a_synthetic_chart_gives_whole_blood_calcium_and_counts_what_it_does_not_know() -> None:
    file = next((SHARED / "fhir-data/dev").glob("Beatriz_Salazar*.json"))
    document = json.loads(file.read_bytes())
    patient = next(entry["resource"]["id"] for entry in document["entry"] if entry["resource"]["resourceType"] == "Patient")
    facts = read_facts([file.read_bytes()], mappings(), patient=patient, now=NOW)
    assert len(facts.labs["calcium_total"]) == 16
    assert {lab.code for lab in facts.labs["calcium_total"]} == {"http://loinc.org|49765-1"}
    assert facts.unmapped
    assert not [problem for problem in facts.problems if problem.reason in ("another-patient", "no-subject", "unreadable")]
