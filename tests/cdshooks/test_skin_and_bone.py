"""Calciphylaxis, bone after neurologic injury, and questioned exams: what their vignettes do not reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cdshooks.findings import find
from cdshooks.judging import NOW
from fhir_mappings import Facts, History, load_mappings
from fhir_mappings.facts import Patient
from fhir_mappings.loading import SITE_COLUMNS

from ..builders import ask, body, content, topics

Json = dict[str, Any]
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
CALCIPHYLAXIS = "calciphylaxis-normal-labs"
NEUROLOGIC = "neurologic-heterotopic-ossification"
NORMAL = "labs: calcium 9.4 mg/dL, phosphate 3.5 mg/dL, albumin 4.2 g/dL, creatinine 0.7 mg/dL"
LESION = "age: 60 female\nhistory: calcification_skin, dialysis, skin_necrosis\n"


def _coded(request: Json, number: int, code: str, system: str = ICD10CM) -> Json:
    request["prefetch"]["conditions"]["entry"][number]["resource"]["code"] = {"coding": [{"system": system, "code": code}]}
    return request


# Calciphylaxis


def test_an_order_of_which_no_code_is_known_does_not_silence_calciphylaxis() -> None:
    request = body(f"{LESION}orders: ct")
    request["context"]["draftOrders"]["entry"][0]["resource"]["code"] = {"coding": [{"system": "urn:oid:1.2.3", "code": "LOCAL"}]}
    assert topics(ask(request)) == [CALCIPHYLAXIS]


def test_a_baseline_test_beside_another_order_does_not_silence_calciphylaxis() -> None:
    assert CALCIPHYLAXIS in topics(ask(f"{LESION}orders: calcium, ct"))


@pytest.mark.parametrize("sign", ["skin_ulcer", "skin_necrosis", "livedo", "panniculitis"])
@pytest.mark.parametrize("risk", ["ckd_g4", "ckd_g5", "dialysis", "kidney_transplant", "primary_hyperparathyroidism"])
def test_every_sign_with_every_risk(sign: str, risk: str) -> None:
    assert ask(f"age: 60 female\nhistory: calcification_skin, {risk}, {sign}\norders: ct").findings.get("calciphylaxis.setting") is True


@pytest.mark.parametrize("history", ["ckd_g3b", "hyperparathyroidism", "diabetes"])
def test_what_is_no_risk_of_calciphylaxis(history: str) -> None:
    chart = f"age: 60 female\nhistory: calcification_skin, {history}, skin_ulcer\nlabs: egfr 50\norders: ct"
    assert ask(chart).findings.get("calciphylaxis.setting") is False


def test_a_vitamin_k_antagonist_that_was_stopped_is_no_risk() -> None:
    chart = "age: 60 female\nhistory: calcification_skin, skin_ulcer\nlabs: egfr 80\ndrugs: vitamin_k_antagonist stopped 40 d ago\norders: ct"
    assert ask(chart).findings.get("calciphylaxis.setting") is False


def test_each_harmful_draft_is_offered_for_removal_by_itself() -> None:
    card = ask(f"{LESION}orders: rx-warfarin, calcium_salt, ct").cards[0]
    removals = [s["actions"] for s in card["suggestions"] if s["actions"][0]["type"] == "delete"]
    assert [len(actions) for actions in removals] == [1, 1]
    assert not any("isRecommended" in s for s in card["suggestions"])


def test_a_site_that_activates_the_code_of_calciphylaxis_opens_the_scope_with_it(tmp_path: Path) -> None:
    rows = "http://snomed.info/sct,237900002,calciphylaxis,history,calciphylaxis,use,,looked up,,activate,checked on our server,A. Smith"
    (tmp_path / "codes.csv").write_text(f"{','.join(SITE_COLUMNS)}\n{rows}\n")
    mappings = load_mappings(tmp_path)
    coded = History("calciphylaxis", "Condition/1", "http://snomed.info/sct|237900002")
    for record, present in ((coded, True), (replace(coded, active=False), False)):
        facts = Facts(Patient("1"), histories={"calciphylaxis": (record,), "dialysis": (History("dialysis", "Condition/2", "x"),)})
        findings = find(facts, mappings, content().thresholds, NOW, hook="patient-view")
        assert findings.get("calcification.present") is present
        assert findings.get("calciphylaxis.setting") is present


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["skin_ulcer", "skin_necrosis", "livedo", "panniculitis"]),
    st.sampled_from(["history: dialysis", "history: kidney_transplant", "drugs: vitamin_k_antagonist", "history: primary_hyperparathyroidism"]),
    st.sampled_from(["trauma 9 y ago", "vascular_insufficiency 8 y ago", "connective_tissue_disease 3 y ago", "spinal_cord_injury 60 d ago"]),
    st.sampled_from(["pth", "fgf23", "rx-binder-nonca"]),
)
def test_in_the_setting_of_calciphylaxis_nothing_reassures(sign: str, risk: str, cause: str, order: str) -> None:
    """I9, of what fires before arbitration: the conditions themselves exclude each other."""
    given_answer = ask(f"age: 60 female\nhistory: calcification_skin, {sign}, {cause}\n{risk}\n{NORMAL}\norders: {order}")
    assert given_answer.findings.get("calciphylaxis.setting") is True
    assert not any(result.outcome == "fires" for result in given_answer.results if result.pitfall.reassures)


# Bone after neurologic injury


@pytest.mark.parametrize(
    ("code", "onset", "reassured"),
    [
        pytest.param("M61.511", "2026-06-01", True, id="other ossification of muscle at the shoulder, after the injury"),
        pytest.param("M61.511", "2026-01-01", False, id="the same before the injury"),
        pytest.param("M61.511", "2026", False, id="the same, of some day of the year"),
        pytest.param("M61.511", "", False, id="the same, not dated"),
        pytest.param("M61.211", "", True, id="paralytic ossification at the shoulder, not dated"),
        pytest.param("M61.411", "2026-06-01", False, id="other calcification of muscle at the shoulder is not bone"),
    ],
)
def test_around_a_joint_only_bone_that_came_after_the_injury_is_no_red_flag(code: str, onset: str, reassured: bool) -> None:
    request = _coded(body(f"age: 34 male\nhistory: calcification_muscle, spinal_cord_injury 60 d ago\n{NORMAL}\norders: pth"), 0, code)
    condition = request["prefetch"]["conditions"]["entry"][0]["resource"]
    del condition["recordedDate"]
    if onset:
        condition["onsetDateTime"] = onset
    assert ask(request).findings.get("checklist.site") is reassured


@pytest.mark.parametrize("code", ["I69.351", "Z87.820", "S14.109S"])
def test_a_sequela_or_history_does_not_date_its_injury(code: str) -> None:
    request = _coded(body(f"age: 34 male\nhistory: calcification_muscle, neurologic recorded 30 d ago\n{NORMAL}\norders: pth"), 1, code)
    assert ask(request).findings.get("history.neurologic_recent") is False


def test_the_site_of_a_nerve_injury_need_not_be_that_of_the_calcification() -> None:
    request = _coded(body(f"age: 34 male\nhistory: calcification_muscle at thigh, spinal_cord_injury 60 d ago\n{NORMAL}\norders: pth"), 1, "S14.105A")
    assert topics(ask(request)) == [NEUROLOGIC]


def test_a_paralysis_that_is_over_is_not_permanent() -> None:
    chart = f"age: 34 male\nhistory: calcification_muscle, paraplegia 5 y ago resolved\n{NORMAL}\norders: pth"
    assert ask(chart).findings.get("history.paralysis") is False


@pytest.mark.parametrize(
    ("alp", "proven"),
    [
        pytest.param("alp 210 U/L (38-150)", True, id="raised"),
        pytest.param("alp 31 U/L (20-150)", True, id="31"),
        pytest.param("alp 30 U/L (20-150)", False, id="30"),
        pytest.param("alp > 400 U/L (38-150)", False, id="a bound"),
        pytest.param("alp 210 no-unit", False, id="no unit"),
        pytest.param("alp 210 U/L (38-150) preliminary", False, id="preliminary"),
    ],
)
def test_how_alp_may_be(alp: str, proven: bool) -> None:
    chart = f"age: 34 male\nhistory: calcification_muscle, spinal_cord_injury 60 d ago\n{NORMAL}, {alp}\norders: alp_bone"
    assert ask(chart).findings.get("minerals.normal_but_alp") is proven


# Questioned exams


SPINE = f"age: 66 female\nhistory: calcification_vascular at abdominal_aorta\n{NORMAL}\n"


def test_an_exam_is_replaced_in_one_suggestion() -> None:
    (card,) = ask(f"{SPINE}orders: dxa_spine").cards
    assert card["selectionBehavior"] == "at-most-one"
    assert [[action["type"] for action in suggestion["actions"]] for suggestion in card["suggestions"]] == [["delete", "create"]] * 2


def test_an_alternative_that_is_already_drafted_is_not_proposed_again() -> None:
    (card,) = ask(
        f"age: 60 female\nhistory: calcification_muscle at thigh\n{NORMAL.replace('3.5', '4.5')}\norders: whole_body_bone_scan, x-ray"
    ).cards
    assert [suggestion["label"] for suggestion in card["suggestions"]] == ["Remove NM Whole body Bone Views"]
