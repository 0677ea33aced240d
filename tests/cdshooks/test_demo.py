"""Sample patients: one a pitfall, one a kind of silence, valid on any FHIR server, and what stands wrong with them is told at the start."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cdshooks import demo
from cdshooks.app import create_app
from cdshooks.cli import main
from cdshooks.demo import Sample, samples, shown, transaction
from cdshooks.judging import NOW, words_of
from cdshooks.pitfalls.vignettes import request_of
from cdshooks.settings import Settings
from fhir_mappings import ContentError
from fhir_mappings.strict import check

from .. import sandbox
from ..builders import ask, content

ALL = samples(content(), NOW)
NAMED = {sample.name: sample for sample in ALL}
TESTER = (Path(__file__).parents[2] / "docs/tester.md").read_text(encoding="utf-8")
Json = dict[str, Any]
each = pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)


def test_every_active_pitfall_has_a_sample_that_expects_it() -> None:
    active = {pitfall.id for pitfall in content().pitfalls if pitfall.status == "active"}
    assert active - {sample.expect for sample in ALL} == set()


def test_samples_get_what_they_expect() -> None:
    assert list(demo.judge(content())) == []


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(datetime(2027, 1, 1, 0, 5, tzinfo=UTC), id="new year"),
        pytest.param(datetime(2028, 2, 29, 23, 55, tzinfo=UTC), id="leap day"),
        pytest.param(datetime(2026, 3, 31, 12, 0, tzinfo=UTC), id="after a short month"),
    ],
)
def test_samples_get_the_same_on_any_day(now: datetime) -> None:
    assert {s.name: shown(s.body, content(), now)[:1] for s in samples(content(), now)} == {s.name: [s.expect] if s.expect else [] for s in ALL}


# Each kind of silence: what is taken out of the sample, what is put in its place, and the pitfall that then speaks.
SILENCES = [
    pytest.param("silent-no-calcification", "labs", "history: calcification_skin\nlabs", "hypercalcaemia-is-not-dystrophic", id="no calcification"),
    pytest.param("silent-imaging", "orders: ct", "orders: pth", "baseline-panel-incomplete-or-stale", id="appropriate order: imaging first"),
    pytest.param("silent-borderline", "calcium 10.3", "calcium 9.4", "extended-metabolic-workup-low-yield", id="borderline value"),
    pytest.param("silent-unrelated-reason", " for osteoporosis", "", "extended-metabolic-workup-low-yield", id="unrelated reason"),
    pytest.param("silent-specialist", "author: endocrinology", "", "extended-metabolic-workup-low-yield", id="specialist author"),
    pytest.param("silent-comfort-care", ", comfort_care", "", "hypercalcaemia-is-not-dystrophic", id="comfort care"),
    pytest.param("silent-deceased", "died: 1 d ago", "", "hypercalcaemia-is-not-dystrophic", id="deceased"),
    pytest.param("silent-signing", "hook: order-sign", "", "baseline-panel-incomplete-or-stale", id="hook policy: information on signing"),
    pytest.param("silent-complete", ", pth 48 pg/mL", "", "ckd-vascular-calcification-distinct", id="order already complete"),
]


@pytest.mark.parametrize(("name", "old", "new", "pitfall"), SILENCES)
def test_each_kind_of_silence_is_silent_for_its_reason_alone(name: str, old: str, new: str, pitfall: str) -> None:
    given = demo.entries()[name]["given"]
    assert given.count(old) == 1
    assert ask(NAMED[name].body).cards == ()
    twin = request_of(given.replace(old, new), NOW, words_of(content()))
    assert pitfall in shown(twin, content(), NOW)


def test_every_silent_sample_is_of_a_kind() -> None:
    assert {sample.name for sample in ALL if not sample.expect} == {case.values[0] for case in SILENCES}


# On a FHIR server


@each
def test_every_resource_is_valid_r4(sample: Sample) -> None:
    assert {resource["id"]: faults for resource in demo.resources(sample) if (faults := check(resource))} == {}
    assert check(transaction(sample, "http://fhir.example/r4")) == []


def test_no_two_samples_put_different_resources_in_the_same_place() -> None:
    places: dict[str, Json] = {}
    for sample in ALL:
        for entry in transaction(sample, "http://fhir.example/r4")["entry"]:
            place = entry["request"]["url"]
            assert places.setdefault(place, entry["resource"]) == entry["resource"], place
            assert entry["request"]["method"] == "PUT" and re.fullmatch(r"[A-Za-z0-9.-]{1,64}", entry["resource"]["id"])


@each
def test_the_sandbox_finds_what_it_needs(sample: Sample) -> None:
    """Its user with a name, a patient with a given name, a text for each condition that may be the reason of an order, and no draft order."""
    found = {f"{r['resourceType']}/{r['id']}": r for r in demo.resources(sample)}
    assert found[sandbox.USER]["name"][0]["given"]
    assert found[f"Patient/demo-{sample.name}"]["name"][0]["given"]
    assert all(r["code"]["text"] for r in found.values() if r["resourceType"] == "Condition")
    assert not [r for r in found.values() if r.get("status") == "draft"]


def test_a_specialist_is_a_user_of_their_own() -> None:
    """A role of the sandbox's user would make every call of the sandbox that of a specialist."""
    sample = NAMED["silent-specialist"]
    roles = [resource for resource in demo.resources(sample) if resource["resourceType"] == "PractitionerRole"]
    assert sample.body["context"]["userId"] == f"Practitioner/{sample.user['id']}" == roles[0]["practitioner"]["reference"] != sandbox.USER
    assert sample.user in demo.resources(sample)


@contextmanager
def answering(status: int, metadata: Json, transactions: Json) -> Iterator[tuple[str, list[Json]]]:
    """A server that knows two answers; yields its URL and what was posted to it."""
    posted: list[Json] = []

    class Handler(BaseHTTPRequestHandler):
        def _say(self, status: int, document: Json) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def do_GET(self) -> None:
            self._say(200, metadata)

        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._say(status, transactions)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", posted
        server.shutdown()


def loading(fhir: str) -> Result:
    return CliRunner().invoke(main, ["demo", "load", "--fhir", fhir])


R4 = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden", "diagnostics": "read only"}]}


def test_each_sample_is_loaded_as_one_transaction() -> None:
    with answering(200, R4, {"resourceType": "Bundle", "entry": [{"response": {"status": "201 Created"}}]}) as (url, posted):
        done = loading(f"{url}/")
    assert (done.exit_code, done.output) == (0, f"{len(ALL)} sample patients loaded into {url}/\n")
    assert [bundle["type"] for bundle in posted] == ["transaction"] * len(ALL)


@pytest.mark.parametrize(
    ("status", "metadata", "answer", "words"),
    [
        pytest.param(403, R4, OUTCOME, "low-yield: HTTP 403 for the transaction: read only", id="refused, with reasons"),
        pytest.param(302, R4, {}, "low-yield: HTTP 302 for the transaction", id="redirected"),
        pytest.param(
            200,
            R4,
            {"resourceType": "Bundle", "entry": [{"response": {"status": "422", "outcome": OUTCOME}}]},
            "low-yield: HTTP 422 for an entry of the transaction: read only",
            id="an entry refused",
        ),
        pytest.param(200, R4 | {"fhirVersion": "3.0.2"}, {}, "speaks FHIR 3.0.2; the sample patients are R4", id="another version"),
        pytest.param(200, {}, {}, "/metadata is no CapabilityStatement", id="no FHIR server"),
    ],
)
def test_what_a_server_says_against_the_samples_is_told(status: int, metadata: Json, answer: Json, words: str) -> None:
    with answering(status, metadata, answer) as (url, _):
        done = loading(url)
    assert (done.exit_code, words in done.output) == (1, True), done.output


def test_nobody_there_is_told() -> None:
    done = loading("http://127.0.0.1:1/fhir")
    assert (done.exit_code, "no FHIR server answers at http://127.0.0.1:1/fhir" in done.output) == (1, True)


# Faults of demo.toml

GOOD = 'name = ["A", "B"]\nabout = "x"\nexpect = ""\ngiven = """\nage: 40 male\nlabs: calcium 9.4 mg/dL\n"""\n'
BROKEN = [
    pytest.param("[a\n", "content/demo.toml: cannot be read", id="no TOML"),
    pytest.param("", "content/demo.toml: file", id="empty"),
    pytest.param(f"[A_b]\n{GOOD}", "content/demo.toml: file: 'A_b' does not match", id="a name that is no part of a FHIR id"),
    pytest.param("[a]\n" + GOOD.replace('about = "x"\n', ""), "content/demo.toml: a: 'about' is a required property", id="a key is missing"),
    pytest.param("[a]\n" + GOOD.replace('["A", "B"]', '["A"]'), "content/demo.toml: a.name", id="no family name"),
    pytest.param("[a]\n" + GOOD.replace('expect = ""', 'expect = "pitfal"'), "content/demo.toml: a.expect: 'pitfal' is no pitfall", id="no pitfall"),
    pytest.param("[a]\n" + GOOD.replace("labs:", "lab:"), "content/demo.toml: a.given: 'lab: calcium", id="a line that is no statement"),
]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of content in which demo.toml may be written."""
    real = demo.FOLDER
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    (tmp_path / "demo.toml").write_text((real / "demo.toml").read_text(encoding="utf-8"))
    return tmp_path / "demo.toml"


@pytest.mark.parametrize(("text", "words"), BROKEN)
def test_check_tells_what_is_wrong_with_the_file(written: Path, text: str, words: str) -> None:
    written.write_text(text)
    done = CliRunner().invoke(main, ["check"])
    assert (done.exit_code, words in done.output) == (1, True), done.output


@pytest.mark.parametrize(("text", "words"), BROKEN)
def test_a_service_with_a_broken_file_is_not_made(written: Path, text: str, words: str) -> None:
    written.write_text(text)
    with pytest.raises(ContentError, match=re.escape(words)):
        create_app(Settings(auth="none"), content(), demo_requests=lambda now: {s.name: s.body for s in samples(content(), now)})


def test_a_start_with_a_broken_file_is_refused_and_says_why(written: Path) -> None:
    written.write_text("[a\n")
    done = CliRunner().invoke(main, ["serve", "--demo"])
    assert done.exit_code == 1
    assert "cdshooks: content/demo.toml: cannot be read" in done.output


def test_check_names_the_sample_whose_answer_is_another(written: Path) -> None:
    written.write_text(written.read_text().replace("calcium 10.9 mg/dL, albumin 4.0 g/dL, phosphate 2.6", "calcium 9.4 mg/dL, phosphate 3.1", 1))
    done = CliRunner().invoke(main, ["check"])
    assert done.exit_code == 1
    assert "content/demo.toml: hypercalcaemia: expected hypercalcaemia-is-not-dystrophic first, but what comes is" in done.output


# What testers are told


def rows() -> dict[str, list[str]]:
    """The table of samples in docs/tester.md by name."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in TESTER.splitlines() if line.startswith("| `demo-")]
    return {cells[0].strip("`").removeprefix("demo-"): cells[1:] for cells in lines}


@each
def test_testers_are_told_of_every_sample_and_where_the_sandbox_reaches_its_card(sample: Sample) -> None:
    """The last cell is where, in the sandbox, the expected card comes first; `-` where its orders cannot reach it."""
    patient = f"demo-{sample.name}"
    prefetch = sandbox.without_what_it_never_asks(sample.body["prefetch"])
    cards = {step: shown(sandbox.body_at(step, patient, prefetch), content(), NOW) for step in sandbox.STEPS}
    expected = [sample.about, f"`{sample.expect}`" if sample.expect else "none", sandbox.reached(cards, sample.expect)]
    assert rows().get(sample.name) == expected, f"docs/tester.md: | `{patient}` | {' | '.join(expected)} |"


def test_testers_are_told_of_no_sample_that_is_not_there() -> None:
    assert set(rows()) == set(NAMED)
