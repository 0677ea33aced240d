"""Figures for Prometheus, over all workers: what was asked, what the pitfalls came to, what could not be read, how long it took. No chart data.

A call only leaves notes; they are counted when no call is in hand, or when somebody asks for the figures. Workers count into files that all of them
can read (prometheus-client's multiprocess mode), so whichever worker is asked tells of all, and of those that have ended.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request

from fhir_mappings.mappings import LOINC, SNOMED

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client's own name: where the workers' files are
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
BYTES = (1_000, 10_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000)
MOST_CALLS = 1000  # noted and not counted yet
MOST_CODES = 200  # that one worker tells by name
OTHER = "other"

# What may be told of a code that is not mapped. A system's name and a code are the sender's own text, so a system is told only if it is one of these
# public ones, and a code only if it is one by its check digit.
SYSTEMS = {
    LOINC: "loinc",
    SNOMED: "snomed",
    "http://hl7.org/fhir/sid/icd-10-cm": "icd-10-cm",
    "http://hl7.org/fhir/sid/icd-10": "icd-10",
    "http://hl7.org/fhir/sid/icd-9-cm": "icd-9-cm",
    "http://hl7.org/fhir/sid/icd-10-pcs": "icd-10-pcs",
    "http://www.ama-assn.org/go/cpt": "cpt",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    "http://www.whocc.no/atc": "atc",
    "http://hl7.org/fhir/sid/ndc": "ndc",
    "http://unitsofmeasure.org": "ucum",
}
RESOURCES = frozenset(
    {"Observation", "Condition", "Procedure", "ServiceRequest", "DiagnosticReport", "Specimen", "Encounter", "PractitionerRole"}
    | {"MedicationRequest", "MedicationStatement", "MedicationAdministration", "Medication", "Patient", "Bundle"}
)
LOINC_CODE = re.compile(r"[0-9]{1,7}-[0-9]")
SNOMED_CONCEPT = re.compile(r"[0-9]{3,15}[01]0[0-9]")  # 00 or 10 before the check digit: a concept's id
TIMES = ("0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258")
PLUS = ("0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043", "8765932104", "9876543210")


class Figures:
    """The figures of one process. `create_app` makes them if nobody hands in any; a server makes them once, before it forks."""

    def __init__(self) -> None:
        # Imported here, as this library reads FOLDER when it is imported, and the server must have named the folder before.
        from prometheus_client import CollectorRegistry, Histogram
        from prometheus_client import Counter as Count

        self.registry = registry = CollectorRegistry()
        self.calls = Count("cdshooks_hook_calls", "Hook calls by service and HTTP status", ["service", "status"], registry=registry)
        self.others = Count(
            "cdshooks_other_requests", "Requests that are no hook calls, by route and HTTP status", ["route", "status"], registry=registry
        )
        self.results = Count(
            "cdshooks_pitfall_results", "What the conditions of a pitfall came to: fires, quiet or unknown", ["pitfall", "result"], registry=registry
        )
        self.cards = Count(
            "cdshooks_pitfall_cards", "Of a pitfall that fires: whether its card was shown or kept back", ["pitfall", "fate"], registry=registry
        )
        self.problems = Count("cdshooks_problems", "Values and resources that could not be used, by the kind of problem", ["kind"], registry=registry)
        self.unmapped = Count("cdshooks_unmapped_codes", "Codes that came and are not mapped", ["resource", "system", "code"], registry=registry)
        self.stages = Histogram("cdshooks_stage_seconds", "Time of each stage of a hook call", ["stage"], buckets=SECONDS, registry=registry)
        self.whole = Histogram(
            "cdshooks_hook_seconds", "Time of a hook call, from its body to its answer", ["service"], buckets=SECONDS, registry=registry
        )
        self.bodies = Histogram("cdshooks_body_bytes", "Size of the bodies of hook calls", ["direction"], buckets=BYTES, registry=registry)
        self._calls: list[tuple[Mapping[str, Any], int, int, float]] = []
        self._noted: dict[Count, Counter[tuple[str, ...]]] = {each: Counter() for each in (self.results, self.cards, self.problems, self.unmapped)}
        self._told: set[tuple[str, str]] = set()

    def note(self, noted: Mapping[str, Any], status: int, sent: int, ended: float) -> None:
        """Keep of what the views left of a call what is to be counted: names, sizes and times, nothing else of the chart."""
        if (given := noted.get("answer")) is not None:
            self._noted[self.results].update([(result.pitfall.id, result.outcome) for result in given.results])
            self._noted[self.cards].update([(result.pitfall.id, "shown") for result in given.spoken])
            self._noted[self.cards].update([(pitfall, "kept back") for pitfall in given.kept_back])
            self._noted[self.problems].update([(problem.reason,) for problem in given.facts.problems])
            self._noted[self.unmapped].update(given.facts.passed_over)
        kept = {name: noted[name] for name in ("service", "started", "stages", "size") if name in noted}
        self._calls.append((kept, status, sent, ended))
        if len(self._calls) >= MOST_CALLS:
            self.count()

    def count(self) -> None:
        """Count what was noted."""
        calls, self._calls = self._calls, []
        for call in calls:
            self._count_call(*call)
        for counter, noted in self._noted.items():
            for labels, often in noted.items():
                counter.labels(*(self._tellable(*labels) if counter is self.unmapped else labels)).inc(often)
            noted.clear()

    def _count_call(self, noted: Mapping[str, Any], status: int, sent: int, ended: float) -> None:
        service = noted["service"].id
        self.calls.labels(service, str(status)).inc()
        self.bodies.labels("out").observe(sent)
        if "size" in noted:
            self.bodies.labels("in").observe(noted["size"])
        for stage, began, end in noted.get("stages", ()):
            self.stages.labels(stage).observe(end - began)
        self.whole.labels(service).observe(ended - noted["started"])

    def _tellable(self, resource: str, system: str, code: str) -> tuple[str, str, str]:
        """What may be told of a code that is not mapped."""
        name = SYSTEMS.get(system, OTHER)
        if (name, code) not in self._told:
            if is_public(name, code) and len(self._told) < MOST_CODES:
                self._told.add((name, code))
            else:
                code = OTHER
        return resource if resource in RESOURCES else OTHER, name, code

    def told(self, digest: str) -> bytes:
        """All figures of all workers, in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        self.count()
        registry = self.registry
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(_Here(digest))


def is_public(system: str, code: str) -> bool:
    """Whether a code of LOINC or SNOMED CT is one by its form and check digit, so that hardly any number of a patient could pass for one."""
    if system == "loinc":
        return bool(LOINC_CODE.fullmatch(code)) and _luhn(code.replace("-", ""))
    return system == "snomed" and bool(SNOMED_CONCEPT.fullmatch(code)) and _verhoeff(code)


def _luhn(digits: str) -> bool:
    doubled = (2 * int(digit) if place % 2 else int(digit) for place, digit in enumerate(reversed(digits)))
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


def _verhoeff(digits: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(PLUS[check][int(TIMES[place % 8][int(digit)])])
    return check == 0


class _Here:
    """What is true at the moment of asking: the content of the worker that answers, and what each process uses."""

    def __init__(self, digest: str) -> None:
        self.digest = digest

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import GaugeMetricFamily

        content = GaugeMetricFamily("cdshooks_content", "The content that the answering worker has", labels=["digest"])
        content.add_metric([self.digest], 1)
        yield content
        yield from _processes(_workers())


def _processes(pids: Iterable[int]) -> Iterator[Metric]:
    """CPU time, memory, open files and start of each process (Linux)."""
    from prometheus_client import ProcessCollector
    from prometheus_client.metrics_core import Metric

    merged: dict[str, Metric] = {}
    for pid in pids:
        for found in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
            metric = merged.setdefault(found.name, Metric(found.name, found.documentation, found.type))
            for sample in found.samples:
                metric.add_sample(sample.name, {"pid": str(pid)}, sample.value)
    yield from merged.values()


def _workers() -> list[int]:
    """The workers that live: those that have a file and this worker's parent."""
    own = os.getpid()
    if FOLDER not in os.environ:
        return [own]
    counting = {int(found[1]) for file in Path(os.environ[FOLDER]).glob("*.db") if (found := re.search(r"_(\d+)\.db$", file.name))}
    return sorted({own} | {pid for pid in counting if _parent(pid) == os.getppid()})


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def register(app: Flask, figures: Figures, digest: str) -> None:
    """Note every request, and serve GET /metrics."""

    @app.after_request
    def note(response: Response) -> Response:
        noted = vars(g)
        if "service" in noted:
            figures.note(noted, response.status_code, response.content_length or 0, time.perf_counter())
        else:
            figures.others.labels(request.url_rule.rule if request.url_rule is not None else "none", str(response.status_code)).inc()
        return response

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(figures.told(digest), content_type="text/plain; version=0.0.4; charset=utf-8", headers={"Cache-Control": "no-store"})
