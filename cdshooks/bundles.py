"""What fhir.resources and our readers make of a FHIR file: for people who ask why their data is not seen."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_mappings import Facts, Mappings, read_facts
from fhir_mappings.strict import check

Json = dict[str, Any]
SHOWN = 20  # lines of a kind


@dataclass(frozen=True, slots=True)
class Found:
    """One file: a summary, lines that tell more, and whether anything in it is not valid FHIR R4B."""

    summary: str
    lines: tuple[str, ...]
    invalid: bool


def look_into(raw: bytes, mappings: Mappings, now: datetime) -> Found:
    """Judge one file: a resource, or a Bundle of them."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        return Found(f"not JSON ({type(error).__name__})", (), True)
    resources = list(_resources(document))
    if not resources:
        return Found("no FHIR resource", (), True)
    faults = [f"{_name(resource)} {fault}" for resource in resources for fault in check(resource)]
    patients = sorted({str(r.get("id")) for r in resources if r.get("resourceType") == "Patient"})
    # A file may be about several patients, or name none: each is read as the one that a request would be about.
    readings = [read_facts([raw], mappings, patient=patient, now=now) for patient in patients] or [_of_whoever(raw, resources, mappings, now)]
    lines = [f"not valid R4B: {fault}" for fault in faults[:SHOWN]]
    lines += [f"... and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
    for facts in readings:
        lines += _told(facts)
    return Found(f"{len(resources)} resources, {len(faults)} not valid as R4B, {len(patients)} patient(s)", tuple(lines), bool(faults))


def _resources(document: Any) -> Iterator[Json]:
    """Every resource of a document, those of nested Bundles included, without recursion."""
    waiting = [document]
    while waiting:
        value = waiting.pop(0)
        if not isinstance(value, dict):
            continue
        if value.get("resourceType") == "Bundle":
            entries = value.get("entry")
            waiting += [entry.get("resource") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        elif isinstance(value.get("resourceType"), str):
            yield value


def _name(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource.get('id', '?')}"


def _of_whoever(raw: bytes, resources: list[Json], mappings: Mappings, now: datetime) -> Facts:
    """Read as a chart of the patient that the first reference names."""
    subjects = [(r.get("subject") or r.get("patient") or {}) for r in resources]
    reference = next((s["reference"] for s in subjects if isinstance(s, dict) and isinstance(s.get("reference"), str)), "")
    return read_facts([raw], mappings, patient=reference.rpartition("/")[2] or "nobody", now=now)


def _told(facts: Facts) -> Iterator[str]:
    yield f"as a chart of Patient/{facts.patient.id}:"
    for analyte, labs in facts.labs.items():
        yield f"  {analyte}: {len(labs)} usable value(s)"
    for category, records in facts.histories.items():
        yield f"  {category}: {len(records)} record(s)"
    for category, count in sorted(Counter(e.category for e in facts.exposures).items()):
        yield f"  drug {category}: {count}"
    problems = Counter((p.reason, p.element) for p in facts.problems)
    for (reason, element), count in sorted(problems.items()):
        yield f"  problem {reason} at {element}: {count}"
    yield f"  codes that are not mapped: {len(facts.unmapped)}, in {sum(facts.unmapped.values())} place(s)"
    for (kind, system, code), count in sorted(facts.unmapped.items(), key=lambda item: -item[1])[:5]:
        yield f"    {kind} {system}|{code}: {count}"
