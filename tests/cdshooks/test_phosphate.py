"""Phosphate among the other pitfalls: which cards speak together, what makes a value doubtful, and which values make a product."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ..builders import ask, body, topics

R02, R03, R04 = "hypercalcaemia-is-not-dystrophic", "hyperphosphataemia-is-not-dystrophic", "tumoral-calcinosis-pattern"
R05, R06, R09 = "high-ca-p-product", "ckd-vascular-calcification-distinct", "baseline-panel-incomplete-or-stale"
R01, R10, R24 = "critical-calcium-value", "extended-metabolic-workup-low-yield", "phosphate-artefact-or-shift"
R29 = "mineral-drug-hazard"
NORMAL = "calcium 9.4 mg/dL, phosphate 3.5 mg/dL, albumin 4.2 g/dL, creatinine 0.8 mg/dL"


@pytest.mark.parametrize(
    ("chart", "cards"),
    [
        pytest.param(
            "age: 45 male\nhistory: calcification_skin\nlabs: phosphate 5.6 mg/dL, calcium 9.6 mg/dL, creatinine 1.0 mg/dL\norders: ct",
            [R03],
            id="T6 high phosphate alone",
        ),
        pytest.param(
            "age: 22 female\nhistory: calcification_skin at hip\n"
            "labs: phosphate 5.6 mg/dL, calcium 9.5 mg/dL, albumin 4.2 g/dL, creatinine 0.7 mg/dL\norders: excision",
            [R04],
            id="T6 with normal calcium at a joint",
        ),
        pytest.param(
            "age: 22 female\nhistory: calcification_skin at hip, mgus\n"
            "labs: phosphate 8.4 mg/dL, calcium 9.5 mg/dL, creatinine 0.7 mg/dL\norders: ct",
            [R24],
            id="T6 with a clue: no verdict, no product",
        ),
        pytest.param(
            "age: 61 male\nhistory: calcification_skin at shoulder, dialysis\n"
            "labs: phosphate 7.1 mg/dL, calcium 9.4 mg/dL, albumin 4.0 g/dL, creatinine 6.1 mg/dL\norders: excision",
            [R06, R05],
            id="T7 a shoulder mass on dialysis",
        ),
        pytest.param(
            "age: 68 male\nhistory: calcification_skin, ckd_g4\nlabs: phosphate 5.0 mg/dL, calcium 9.4 mg/dL\norders: ct",
            [R06],
            id="T7 with a product below 55",
        ),
        pytest.param(
            "age: 52 female\nhistory: calcification_skin\nlabs: phosphate 6.6 mg/dL, calcium 11.2 mg/dL, creatinine 0.8 mg/dL\norders: ct",
            [R02, R05],
            id="T8 both high",
        ),
        pytest.param(
            "age: 52 female\nhistory: calcification_skin\nlabs 1 d ago: phosphate 6.6 mg/dL, calcium 14.6 mg/dL, creatinine 0.8 mg/dL\norders: ct",
            [R01, R05],
            id="T8 with a critical calcium first",
        ),
        pytest.param(
            "age: 52 female\nhistory: calcification_skin\n"
            "labs: phosphate 7.4 mg/dL, calcium 10.0 mg/dL, creatinine 0.8 mg/dL\norders: rx-vitd-active",
            [R05, R29],
            id="T9 a critical product before the phosphate",
        ),
        pytest.param(
            "age: 61 male\nhistory: calcification_skin, myeloma\n"
            "labs: phosphate 8.2 mg/dL, calcium 9.4 mg/dL, albumin 4.0 g/dL, egfr 78\norders: rx-binder-nonca",
            [R24],
            id="T15 a binder on a doubtful phosphate",
        ),
        pytest.param(
            "age: 61 male\nhistory: calcification_skin, dialysis\nlabs: phosphate 8.2 mg/dL, calcium 9.4 mg/dL\norders: pth",
            [R05, R06],
            id="dialysis without a clue: the product is severe, the kidney card stays",
        ),
        pytest.param(
            "age: 52 female\nhistory: calcification_skin\nlabs 11 d ago: calcium 10.1 mg/dL, albumin 4.0 g/dL\n"
            "labs 3 d ago: phosphate 6.0 mg/dL, creatinine 0.8 mg/dL\norders: pth",
            [R03, R09],
            id="unpaired: no product, the baseline card asks for a pair",
        ),
        pytest.param(
            f"age: 22 female\nhistory: calcification_skin at thigh, trauma 5 y ago\nlabs: {NORMAL}\norders: pth",
            [R10],
            id="22 F with a normal phosphate is reassured, not warned of tumoral calcinosis",
        ),
        pytest.param(
            "age: 44 female\nhistory: calcification_skin, trauma 5 y ago, diabetic_ketoacidosis 1 d ago\n"
            "labs 20 h ago: calcium 9.4 mg/dL, phosphate 3.5 mg/dL, albumin 4.2 g/dL, creatinine 0.8 mg/dL\norders: pth",
            [],
            id="a phosphate in range while ketoacidosis shifts it: no verdict either way",
        ),
    ],
)
def test_cards_that_speak_together(chart: str, cards: list[str]) -> None:
    assert topics(ask(chart)) == cards


@pytest.mark.parametrize(
    "clue",
    [
        pytest.param("labs: triglycerides 1200 mg/dL", id="lipaemia"),
        pytest.param("labs: bilirubin 200 umol/L", id="icterus"),
        pytest.param("labs 60 d ago: total_protein 9.4 g/dL", id="much protein, some weeks ago"),
        pytest.param("drugs: amphotericin_b_liposomal given 3 d ago", id="liposomal amphotericin B"),
    ],
)
def test_a_clue_of_an_artefact_also_forbids_reassurance(clue: str) -> None:
    chart = f"age: 44 female\nhistory: calcification_skin at thigh, trauma 5 y ago\nlabs 2 d ago: {NORMAL}\norders: pth"
    assert topics(ask(chart)) == [R10]
    assert R10 not in topics(ask(f"{chart}\n{clue}"))


def _medication(kind: str, **changes: Any) -> dict[str, Any]:
    request = copy.deepcopy(
        body("age: 61 male\nhistory: calcification_skin\nlabs 24 h ago: phosphate 8.2 mg/dL, calcium 9.4 mg/dL, egfr 78\norders: ct")
    )
    key = {"MedicationRequest": "medication-requests", "MedicationStatement": "medication-statements"}[kind]
    drug = {
        "resourceType": kind,
        "id": "drug",
        "subject": {"reference": "Patient/vignette"},
        "medicationCodeableConcept": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "236594"}]},
    }
    request["prefetch"][key] = {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": drug | changes}]}
    return request


@pytest.mark.parametrize(
    ("request_of_drug", "doubt"),
    [
        pytest.param(_medication("MedicationRequest", status="active", authoredOn="2026-06-10"), True, id="prescribed before, active"),
        pytest.param(_medication("MedicationRequest", status="active", authoredOn="2026-06-15T08:00:00Z"), False, id="prescribed after the draw"),
        pytest.param(_medication("MedicationRequest", status="active", authoredOn="2026-06-15"), False, id="prescribed the day after, no hour"),
        pytest.param(_medication("MedicationRequest", status="active"), False, id="prescribed, nobody knows when"),
        pytest.param(_medication("MedicationRequest", status="completed", authoredOn="2026-03-10"), False, id="a prescription of old that is over"),
        pytest.param(_medication("MedicationRequest", status="completed", authoredOn="2026-06-13"), True, id="a prescription of the day before"),
        pytest.param(_medication("MedicationStatement", status="active"), False, id="taken, nobody knows since when"),
        pytest.param(
            _medication("MedicationStatement", status="completed", effectivePeriod={"start": "2026-06-01", "end": "2026-06-12"}),
            True,
            id="a course that ended two days before",
        ),
        pytest.param(
            _medication("MedicationStatement", status="completed", effectivePeriod={"start": "2026-06-01", "end": "2026-06-09"}),
            False,
            id="a course that ended five days before",
        ),
    ],
)
def test_a_drug_is_a_clue_only_when_it_was_taken_before_the_draw(request_of_drug: dict[str, Any], doubt: bool) -> None:
    assert (R24 in topics(ask(request_of_drug))) is doubt


@pytest.mark.parametrize(
    ("reason", "offered"),
    [
        pytest.param("", True, id="no reason"),
        pytest.param(" for phosphate_disorder", True, id="for the phosphate"),
        pytest.param(" for calcification_skin", True, id="for the calcification"),
        pytest.param(" for osteoporosis", False, id="for something else"),
    ],
)
def test_a_binder_is_offered_for_removal_only_when_it_is_for_the_phosphate(reason: str, offered: bool) -> None:
    given = ask(
        "age: 61 male\nhistory: calcification_skin, myeloma\nlabs: phosphate 8.2 mg/dL, calcium 9.4 mg/dL, egfr 78\n"
        f"orders: rx-binder-nonca{reason}, rx-vitd-active"
    )
    card = next(card for card in given.cards if card["source"]["topic"]["code"] == R24)
    removed = [action["resourceId"] for s in card["suggestions"] for action in s.get("actions", ()) if action["type"] == "delete"]
    assert removed == (["MedicationRequest/draft-1"] if offered else [])


def test_dialysis_drafted_on_a_doubtful_phosphate_is_a_warning() -> None:
    given = ask("age: 61 male\nhistory: calcification_skin, myeloma\nlabs: phosphate 8.2 mg/dL, calcium 9.4 mg/dL, egfr 78\norders: 302497006")
    assert [(card["source"]["topic"]["code"], card["indicator"]) for card in given.cards] == [(R24, "warning")]


@settings(max_examples=120, deadline=None)
@given(st.integers(min_value=1, max_value=80), st.sampled_from([8.2, 9.4, 10.4, 13.1]), st.sampled_from([3.5, 5.9, 7.4, 11.0]))
def test_a_product_is_printed_only_of_values_drawn_within_a_day(hours: int, calcium: float, phosphate: float) -> None:
    given = ask(
        "age: 52 female\nhistory: calcification_skin\n"
        f"labs {hours + 20} h ago: calcium {calcium} mg/dL, albumin 4.0 g/dL\nlabs 20 h ago: phosphate {phosphate} mg/dL\norders: ct, pth"
    )
    printed = "mg2/dL2" in json.dumps(given.cards)
    assert not printed if hours > 24 else (R05 in given.kept_back or printed) is (calcium * phosphate >= 55)


@pytest.mark.parametrize(
    ("labs", "value"),
    [
        pytest.param("labs: calcium 9.0 mg/dL, albumin 2.0 g/dL, phosphate 7.0 mg/dL", "74.2", id="adjusted for the albumin of the draw"),
        pytest.param(
            "labs: calcium 9.0 mg/dL, albumin 2.0 g/dL, adjusted calcium 2.50 mmol/L, phosphate 7.0 mg/dL",
            "70.1",
            id="the laboratory's own adjustment",
        ),
        pytest.param(
            "labs 50 h ago: calcium 12.0 mg/dL, albumin 4.0 g/dL\nlabs 48 h ago: calcium 10.0 mg/dL, albumin 4.0 g/dL, phosphate 7.0 mg/dL",
            "70.0",
            id="the calcium nearest in time",
        ),
        pytest.param(
            "labs 48 h ago: calcium 10.0 mg/dL, albumin 4.0 g/dL, phosphate 7.0 mg/dL\n"
            "labs 1 h ago: phosphate 6.0 mg/dL preliminary, calcium 9.0 mg/dL",
            "70.0",
            id="a final pair beside a preliminary lower one",
        ),
    ],
)
def test_the_product_is_of_the_calcium_drawn_with_the_phosphate(labs: str, value: str) -> None:
    given = ask(f"age: 52 female\nhistory: calcification_skin\n{labs}\norders: ct")
    assert given.findings.text("product.value") == value


def test_a_year_of_birth_alone_is_read_in_the_direction_of_danger() -> None:
    labs = "history: calcification_skin\nlabs 3 d ago: calcium 10.0 mg/dL, albumin 4.0 g/dL, phosphate 6.0 mg/dL\norders: ct"
    assert ask(f"born: 2014 female\n{labs}").findings.get("product.high") is True  # 11 or 12 years: the limit of twelve
    assert ask(f"born: 2016 female\n{labs}").findings.get("product.high") is False
