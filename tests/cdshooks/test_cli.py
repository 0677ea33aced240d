"""The command line: what each command says, and its exit code (0 done, 1 faults found, 2 usage)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cdshooks.auth import CHECKS
from cdshooks.cli import main
from cdshooks.judging import NOW
from fhir_mappings.loading import SITE_COLUMNS

from .. import trust
from ..builders import sample_bodies


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def explained(name: str, *options: str) -> Result:
    return run("explain", "-", "--now", NOW.isoformat(), *options, stdin=json.dumps(sample_bodies()[name]))


def test_check_finds_no_fault_in_what_ships() -> None:
    done = run("check")
    assert (done.exit_code, "no fault" in done.output) == (0, True)


def test_explain_says_why_a_pitfall_spoke_and_another_did_not() -> None:
    text = explained("hypercalcaemia").output
    assert "hypercalcaemia-is-not-dystrophic: fires - every condition holds" in text
    assert "when   holds   calcium.high" in text
    assert "extended-metabolic-workup-low-yield: quiet - decided by: minerals.normal_confirmed" in text
    assert "calcium: calcium_total 10.9 mg/dL is not in range" in text
    assert "[warning] Calcium is high" in text


def test_explain_names_the_finding_that_is_missing() -> None:
    body = sample_bodies()["hypercalcaemia"]
    for entry in body["prefetch"]["observations"]["entry"]:
        entry["resource"]["valueQuantity"].pop("unit")
        entry["resource"]["valueQuantity"].pop("code")
    text = run("explain", "-", "--now", NOW.isoformat(), stdin=json.dumps(body)).output
    assert "hypercalcaemia-is-not-dystrophic: unknown - not known: calcium.high" in text
    assert "missing calcium.high: no fresh, final and usable calcium is known for certain" in text
    assert "the value has no unit" in text


def test_explain_tells_of_another_patients_resource() -> None:
    body = sample_bodies()["low-yield"]
    entry = json.loads(json.dumps(body["prefetch"]["observations"]["entry"][0]))
    entry["resource"] |= {"id": "foreign", "subject": {"reference": "Patient/other"}}
    body["prefetch"]["observations"]["entry"].append(entry)
    body["prefetch"]["observations"]["total"] += 1
    text = run("explain", "-", "--now", NOW.isoformat(), stdin=json.dumps(body)).output
    assert "Observation/foreign subject: the resource belongs to another patient" in text
    assert "extended-metabolic-workup-low-yield: quiet" in text


def test_explain_as_json_is_one_document() -> None:
    document = json.loads(explained("low-yield", "--json").output)
    assert {"facts", "problems", "findings", "unknown", "checklist", "pitfalls", "cards"} <= set(document)


@pytest.mark.parametrize(
    ("raw", "code", "words"),
    [
        pytest.param("{", 1, "not JSON", id="not JSON"),
        pytest.param("[]", 1, "must be a JSON object", id="no object"),
        pytest.param('{"hook": "order-sign"}', 1, "hookInstance is required", id="members missing"),
        pytest.param('{"hook": "medication-refill"}', 1, "hook must be one of", id="another hook"),
        pytest.param('{"hook": ["x"]}', 1, "hook", id="a hook that is no text"),
    ],
)
def test_explain_says_what_is_wrong_with_a_request(raw: str, code: int, words: str) -> None:
    done = run("explain", "-", stdin=raw)
    assert (done.exit_code, words in done.output) == (code, True), done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain"],
        ["explain", "/nowhere.json"],
        ["check", "--site", "/nowhere"],
        ["nonsense"],
        ["mappings", "find"],
        ["explain", "-", "--now", "yesterday"],
    ],
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    assert run(*arguments, stdin=json.dumps(sample_bodies()["low-yield"])).exit_code == 2


def test_check_bundle_tells_what_is_used_and_what_is_not(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "1970-01-01"}
    condition = {
        "resourceType": "Condition",
        "id": "c",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "L94.2"}]},
    }
    good.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}, {"resource": condition}]}))
    bad.write_text("{")
    done = run("check-bundle", str(good))
    assert (done.exit_code, "calcification_skin: 1 record(s)" in done.output) == (0, True)
    assert (run("check-bundle", str(good), str(bad)).exit_code, "not JSON" in run("check-bundle", str(bad)).output) == (1, True)


def test_mappings_are_shown_and_found() -> None:
    assert "2777-1" in run("mappings", "show", "phosphate").output
    assert "connective_tissue_disease" in run("mappings", "find", "M34.81").output
    assert "calcification_muscle" in run("mappings", "find", "M61.421").output
    assert run("mappings", "show", "no_such_concept").exit_code == 1
    assert "analyte\tphosphate" in run("mappings", "show").output


def test_an_overlay_is_checked_whole_and_every_fault_is_told(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text(",".join(SITE_COLUMNS) + "\nurn:north,P,x,analyte,phosphat,use,,s,,add,why,by\n")
    (tmp_path / "thresholds.toml").write_text(
        '[critical]\ncalcium_hihg = { value = 13.0, why = "w", by = "b" }\ncalcium_low = { value = "x", why = "w", by = "b" }\n'
    )
    (tmp_path / "pitfalls.toml").write_text('[no-such-pitfall]\nstatus = "off"\nwhy = "w"\nby = "b"\n\n[critical-calcium-value]\nstatus = "off"\n')
    done = run("check", "--site", str(tmp_path))
    assert done.exit_code == 1
    for words in (
        "site/codes.csv line 2: concept 'phosphat'",
        "site/thresholds.toml line 3",
        "site/pitfalls.toml line 6",
        "'why' is a required property",
    ):
        assert words in done.output, done.output


def test_unknown_names_of_an_overlay_are_told_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "thresholds.toml").write_text('[critical]\ncalcium_hihg = { value = 13.0, why = "w", by = "b" }\n')
    (tmp_path / "pitfalls.toml").write_text('\n[no-such-pitfall]\nstatus = "off"\nwhy = "w"\nby = "b"\n')
    output = run("check", "--site", str(tmp_path)).output
    assert "site/thresholds.toml line 2: critical.calcium_hihg is no threshold" in output
    assert "site/pitfalls.toml line 2: 'no-such-pitfall' is no pitfall" in output


def test_a_sites_threshold_wording_and_switch_take_effect(tmp_path: Path) -> None:
    (tmp_path / "thresholds.toml").write_text('[critical]\ncalcium_high = { value = 15.0, why = "local policy", by = "A. Smith" }\n')
    (tmp_path / "pitfalls.toml").write_text(
        '[hypercalcaemia-is-not-dystrophic]\nsummary = "Look at calcium {calcium.high_value} first."\nwhy = "house style"\nby = "A. Smith"\n'
        '[extended-metabolic-workup-low-yield]\nstatus = "shadow"\nwhy = "pilot"\nby = "A. Smith"\n'
    )
    critical = json.loads(explained("critical-calcium", "--json", "--site", str(tmp_path)).output)
    assert [card["summary"] for card in critical["cards"]] == ["Look at calcium 14.6 mg/dL first."]
    silent = json.loads(explained("low-yield", "--json", "--site", str(tmp_path)).output)
    assert "extended-metabolic-workup-low-yield" not in [card["source"]["topic"]["code"] for card in silent["cards"]]
    assert [p["because"] for p in silent["pitfalls"] if p["outcome"] == "kept back"] == ["in shadow: evaluated, never shown"]


def test_a_local_code_of_a_site_is_read(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text(
        ",".join(SITE_COLUMNS) + "\nurn:north,PHOS,Phosphate,analyte,phosphate,use,property:mass,local list,,add,our code,A. Smith\n"
    )
    body = sample_bodies()["high-phosphate"]
    for entry in body["prefetch"]["observations"]["entry"]:
        coding = entry["resource"]["code"]["coding"][0]
        if coding["code"] == "2777-1":
            coding |= {"system": "urn:north", "code": "PHOS"}
    arguments = ("explain", "-", "--json", "--now", NOW.isoformat())
    assert json.loads(run(*arguments, stdin=json.dumps(body)).output)["cards"] == []
    cards = json.loads(run(*arguments, "--site", str(tmp_path), stdin=json.dumps(body)).output)["cards"]
    assert [card["source"]["topic"]["code"] for card in cards] == ["hyperphosphataemia-is-not-dystrophic"]


def test_an_overlay_that_changes_thresholds_and_wording_passes_its_check(tmp_path: Path) -> None:
    (tmp_path / "thresholds.toml").write_text('[critical]\ncalcium_high = { value = 15.0, why = "local policy", by = "A. Smith" }\n')
    (tmp_path / "pitfalls.toml").write_text('[local-cause-history-missing]\nstatus = "off"\nwhy = "pilot"\nby = "A. Smith"\n')
    assert run("check", "--site", str(tmp_path)).exit_code == 0


def test_wording_that_interpolates_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pitfalls.toml").write_text('[critical-calcium-value]\nsummary = "Calcium {calcium.nonsense}"\nwhy = "w"\nby = "b"\n')
    done = run("check", "--site", str(tmp_path))
    assert (done.exit_code, "site/pitfalls.toml line 1: interpolates {calcium.nonsense}" in done.output) == (1, True), done.output


def _checked(folder: Path, token: str, *options: str, audience: str = trust.URL) -> Result:
    (folder / "north.json").write_bytes(trust.ORDINARY)
    file = folder / "clients.toml"
    file.write_text(f'[[client]]\nname = "north"\niss = "{trust.ISS}"\njku = "{trust.JKU}"\njwks_file = "north.json"\ntenants = ["t-1"]\n')
    return run("clients", "check-jwt", "-", "--audience", audience, "--clients", str(file), "--now", NOW.isoformat(), *options, stdin=token + "\n")


def test_check_jwt_names_each_check_that_passes(tmp_path: Path) -> None:
    done = _checked(tmp_path, trust.token(tenant="t-1"))
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert all(line.startswith("pass        ") for line in lines) and len(lines) == len(CHECKS)
    assert f"pass        aud (it says '{trust.URL}')" in lines and "pass        signature" in lines


def test_check_jwt_names_every_check_that_fails(tmp_path: Path) -> None:
    broken = trust.signed(trust.claims(aud="sand_man", exp=1, jti=...), "P-384", 9, jku="https://other.example")
    done = _checked(tmp_path, broken)
    failing = [line.split()[1].rstrip(":") for line in done.output.splitlines() if line.startswith("FAIL")]
    assert (done.exit_code, failing) == (1, ["jku", "aud", "exp", "jti", "signature", "tenant"])
    assert "nor one of the client's audiences (it says 'sand_man')" in done.output


@pytest.mark.parametrize("members", [{"kid": ["x"]}, {"kid": ...}, {"alg": "none", "by": "ES384"}, {"alg": ["ES384"], "by": "ES384"}, {"crit": 3}])
def test_check_jwt_survives_any_header(tmp_path: Path, members: dict[str, Any]) -> None:
    done = _checked(tmp_path, trust.signed(trust.claims(tenant="t-1"), **members))
    assert (done.exit_code == 1 and done.exception is None) or isinstance(done.exception, SystemExit)


def test_check_jwt_of_somebody_unknown_makes_no_other_check(tmp_path: Path) -> None:
    done = _checked(tmp_path, trust.token(iss="https://other.example"))
    assert done.exit_code == 1 and "FAIL        iss: no client" in done.output and "not checked aud" in done.output
    assert "FAIL        form" in _checked(tmp_path, "nonsense").output


def test_check_jwt_takes_the_feedback_url_and_a_slash_too_many(tmp_path: Path) -> None:
    assert _checked(tmp_path, trust.token(tenant="t-1", aud=trust.URL + "/feedback"), audience=trust.URL + "/feedback/").exit_code == 0


def test_check_jwt_needs_a_clients_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("clients", "check-jwt", "x", "--audience", trust.URL)
    assert done.exit_code == 1 and "CDSHOOKS_CLIENTS" in done.output
    (tmp_path / "clients.toml").write_text("x = 1\n")
    assert run("clients", "check-jwt", "x", "--audience", trust.URL, "--clients", "clients.toml").exit_code == 1


def test_store_migrate_says_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("store", "migrate").output == "sqlite:///cdshooks.db: new, at revision 0001\n"
    assert run("store", "migrate").output == "sqlite:///cdshooks.db: already at revision 0001\n"
    monkeypatch.setenv("CDSHOOKS_DATABASE_URL", "sqlite:///none/x.db")
    done = run("store", "migrate")
    assert done.exit_code == 1 and "unable to open database file" in done.output
