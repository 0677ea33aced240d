"""Figures: what is counted, over all workers, and how little may be told of codes."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from cdshooks.web.metrics import MOST_CODES, Figures, is_public

from ..builders import ask as answered
from ..builders import content, sample_bodies
from ..conformance.service import call, client, condition, post, searchset
from .test_server import SERVICE, ask, serving

Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(text: str) -> Samples:
    """Every sample of an exposition: its name and the values of its labels."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figures(at: FlaskClient) -> Samples:
    reply = at.get("/metrics")
    assert reply.status_code == 200 and reply.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return samples(reply.get_data(as_text=True))


def test_calls_are_counted_by_service_and_status() -> None:
    at = client()
    for body in (call(), call(), call(context={"patientId": ...}), call(prefetch={})):
        post(body, at=at)
    at.get("/nowhere")
    at.get("/healthz")
    told = figures(at)
    service = "metabolic-workup-patient-view"
    assert [told["cdshooks_hook_calls_total", (service, status)] for status in ("200", "400", "412")] == [2, 1, 1]
    assert told["cdshooks_other_requests_total", ("none", "404")] == told["cdshooks_other_requests_total", ("/healthz", "200")] == 1
    assert told["cdshooks_content", (content().digest,)] == 1


def test_pitfalls_problems_and_cards_are_counted_as_the_answers_have_them() -> None:
    at, expected = client(), Counter[tuple[str, tuple[str, ...]]]()
    for body in sample_bodies().values():
        assert post(body, at=at).status_code == 200
        given = answered(body)
        expected.update(("cdshooks_pitfall_results_total", (result.pitfall.id, result.outcome)) for result in given.results)
        expected.update(("cdshooks_pitfall_cards_total", ("shown", result.pitfall.id)) for result in given.spoken)
        expected.update(("cdshooks_pitfall_cards_total", ("kept back", pitfall)) for pitfall in given.kept_back)
        expected.update(("cdshooks_problems_total", (problem.reason,)) for problem in given.facts.problems)
    told = figures(at)
    names = {name for name, _ in expected}
    assert {key: value for key, value in told.items() if key[0] in names} == expected
    assert names == {"cdshooks_pitfall_results_total", "cdshooks_pitfall_cards_total", "cdshooks_problems_total"}


def test_stages_sizes_and_processes_are_told() -> None:
    at = client()
    sent = [json.dumps(body) for body in sample_bodies().values()]
    hooks = [body["hook"] for body in sample_bodies().values()]
    received = [len(post(body, hook, at=at).data) for body, hook in zip(sent, hooks, strict=True)]
    post(b"{", at=at)
    told = figures(at)
    for stage in ("parse", "prefetch", "answer", "encode"):
        assert told["cdshooks_stage_seconds_count", (stage,)] == len(sent) and told["cdshooks_stage_seconds_sum", (stage,)] > 0
    assert told["cdshooks_body_bytes_sum", ("in",)] == sum(map(len, sent)) + 1
    assert told["cdshooks_body_bytes_sum", ("out",)] > sum(received)
    assert sum(value for (name, _), value in told.items() if name == "cdshooks_hook_seconds_count") == len(sent) + 1
    if Path("/proc/self/stat").exists():
        assert [value > 0 for (name, _), value in told.items() if name == "process_resident_memory_bytes"] == [True]


LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"


@pytest.mark.parametrize(
    ("system", "code", "told"),
    [
        pytest.param(SNOMED, "73211009", ("73211009", "Condition", "snomed"), id="a code of SNOMED CT"),
        pytest.param(LOINC, "4548-4", ("4548-4", "Condition", "loinc"), id="a code of LOINC"),
        pytest.param(SNOMED, "73211008", ("other", "Condition", "snomed"), id="a number that is no code of SNOMED CT"),
        pytest.param(LOINC, "Smith, John", ("other", "Condition", "loinc"), id="words where a code should be"),
        pytest.param(
            "http://hl7.org/fhir/sid/icd-10-cm", "E11.9", ("other", "Condition", "icd-10-cm"), id="a public system whose codes bear no check"
        ),
        pytest.param("urn:oid:1.2.3.4", "417", ("other", "Condition", "other"), id="a site's own system"),
        pytest.param("Smith, John", "73211009", ("other", "Condition", "other"), id="words where a system should be"),
        pytest.param("", "73211009", ("other", "Condition", "other"), id="no system"),
    ],
)
def test_of_codes_that_are_not_mapped_only_public_ones_are_told(system: str, code: str, told: tuple[str, ...]) -> None:
    at = client()
    record = condition(code={"coding": [{"system": system, "code": code}]})
    assert post(call(prefetch={"observations": None, "conditions": searchset(record, {**record, "id": "c2"})}), at=at).status_code == 200
    assert {labels: value for (name, labels), value in figures(at).items() if name == "cdshooks_unmapped_codes_total"} == {told: 2}


def loinc_codes(count: int) -> list[str]:
    numbers = (f"{number}-{digit}" for number in range(10000, 99999) for digit in range(10))
    return [code for code, _ in zip(filter(lambda code: is_public("loinc", code), numbers), range(count), strict=False)]


def test_the_number_of_codes_that_are_told_is_bounded() -> None:
    at = client()
    records = [
        condition(id=f"c{number}", code={"coding": [{"system": LOINC, "code": code}]}) for number, code in enumerate(loinc_codes(MOST_CODES + 50))
    ]
    assert post(call(prefetch={"observations": None, "conditions": searchset(*records)}), at=at).status_code == 200
    found = {labels: value for (name, labels), value in figures(at).items() if name == "cdshooks_unmapped_codes_total"}
    assert len(found) == MOST_CODES + 1 and found["other", "Condition", "loinc"] == 50


@pytest.mark.parametrize(("system", "code"), [("loinc", "2731-8"), ("loinc", "17861-6"), ("snomed", "44054006"), ("snomed", "900000000000003001")])
def test_one_wrong_digit_makes_a_code_none(system: str, code: str) -> None:
    assert is_public(system, code)
    for place, digit in enumerate(code):
        assert digit == "-" or not any(is_public(system, code[:place] + other + code[place + 1 :]) for other in "0123456789" if other != digit)


def test_codes_of_the_catalog_pass_for_codes() -> None:
    rows = {(row.system, row.code) for row in content().mappings.rows if row.origin.startswith("catalog/")}
    assert all(is_public("loinc", code) for system, code in rows if system == LOINC and re.fullmatch(r"\d+-\d", code))
    assert all(is_public("snomed", code) for system, code in rows if system == SNOMED)


def test_nothing_of_a_chart_is_kept_until_it_is_counted() -> None:
    kept = Figures()
    given = answered(sample_bodies()["hypercalcaemia"])
    kept.note({"service": content().services[SERVICE], "started": 0.0, "answer": given, "hook_request": "Smith"}, 200, 10, 1.0)
    assert "answer" not in kept._calls[0][0] and "hook_request" not in kept._calls[0][0]
    kept.count()
    assert not kept._calls and not any(kept._noted.values())


def test_figures_are_of_all_workers_and_of_those_that_ended(tmp_path: Path) -> None:
    with serving(tmp_path, "--demo", "--workers", "2") as (url, process):
        body = ask(f"{url}/demo/requests/hypercalcaemia.json")[1]
        for _ in range(20):  # each on its own connection, which the system gives to either worker
            assert ask(f"{url}/cds-services/{SERVICE}", body)[0] == 200

        def counted() -> Samples:
            with urllib.request.urlopen(f"{url}/metrics", timeout=20) as reply:
                return samples(reply.read().decode())

        def until(calls: float) -> Samples:
            for _ in range(200):
                if (told := counted())["cdshooks_hook_calls_total", (SERVICE, "200")] == calls:
                    return told
                time.sleep(0.05)
            pytest.fail(f"not counted: {told['cdshooks_hook_calls_total', (SERVICE, '200')]} of {calls}")

        told = until(20)
        assert sum(name == "process_resident_memory_bytes" for name, _ in told) == 2
        process.send_signal(signal.SIGHUP)  # both workers are replaced
        assert process.stderr is not None
        while "taken over" not in process.stderr.readline():
            pass
        for _ in range(5):
            assert ask(f"{url}/cds-services/{SERVICE}", body)[0] == 200
        until(25)
