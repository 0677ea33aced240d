"""Results that could not be used, children, and PTH: what vignettes do not reach."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from cdshooks.findings.kidney import bedside_schwartz

from ..builders import ask, body, topics

Json = dict[str, Any]
BASE = "age: 40 female\nhistory: calcification_skin\n"
NORMAL_LABS = "labs: calcium 9.4 mg/dL, phosphate 3.3 mg/dL, albumin 4.2 g/dL, egfr 88"


def state(given: str, base: str = BASE) -> Any:
    return ask(f"{base}{given}\norders: fgf23").findings.state


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        pytest.param("labs: calcium 9.4 mg/dL, phosphate 3.4 mg/dL", {}, id="usable values are not named"),
        pytest.param("labs: albumin 4.2 no-unit", {"albumin": "unit-missing"}, id="albumin without a unit"),
        pytest.param("labs: creatinine 0.8 no-unit", {"creatinine": "unit-missing"}, id="creatinine without a unit"),
        pytest.param("labs: creatinine 0.8 no-unit, egfr 90", {}, id="a usable eGFR stands in for creatinine"),
        pytest.param(
            "labs 5 d ago: egfr 90\nlabs 2 d ago: creatinine 0.8 no-unit", {"creatinine": "unit-missing"}, id="an older eGFR does not stand in for it"
        ),
        pytest.param("labs: creatinine <0.2 mg/dL", {"creatinine": "straddles"}, id="no eGFR is computed from a bound"),
        pytest.param("labs: egfr >60", {}, id="an eGFR above 60 tells enough"),
        pytest.param("labs: egfr >30", {"egfr": "straddles"}, id="an eGFR above 30 does not"),
        pytest.param("labs: egfr <30", {}, id="an eGFR below 30 warns"),
        pytest.param("labs: calcium >15 mg/dL", {}, id="a bound beyond the limit warns"),
        pytest.param("labs: calcium <10.5 mg/dL", {"calcium_total": "straddles"}, id="a bound on both sides of a limit does not"),
        pytest.param("labs: phosphate 3.4 mg/dL preliminary", {"phosphate": "preliminary"}, id="preliminary, in range"),
        pytest.param("labs: phosphate 6.4 mg/dL preliminary", {}, id="preliminary, high: it warns"),
        pytest.param("labs: creatinine 2.0 mg/dL preliminary", {}, id="preliminary, low eGFR: it warns"),
        pytest.param("labs: creatinine 0.8 mg/dL preliminary", {"creatinine": "preliminary"}, id="preliminary creatinine"),
        pytest.param("labs 2 d ago: ionised calcium 4.9 no-unit", {"calcium_ionised": "unit-missing"}, id="a fresh ionised calcium is needed"),
        pytest.param("labs 200 d ago: ionised calcium 4.9 no-unit", {}, id="an old ionised calcium is not"),
        pytest.param("labs 200 d ago: calcium 9.4 no-unit", {"calcium_total": "unit-missing"}, id="an old total calcium is"),
    ],
)
def test_what_is_unusable_and_why(given: str, reasons: dict[str, str]) -> None:
    assert {value.analyte: value.reason for value in state(given).unusable} == reasons


@pytest.mark.parametrize(
    ("given", "maybe"),
    [
        pytest.param("labs: calcium 2.4 no-unit", False, id="2.4: implausible in mg/dL, in range in mmol/L"),
        pytest.param("labs: calcium 3.49 no-unit", False, id="3.49 mmol/L is 13.99 mg/dL"),
        pytest.param("labs: calcium 3.5 no-unit", True, id="3.5 mmol/L is 14.03 mg/dL"),
        pytest.param("labs: calcium 13.9 no-unit", False, id="13.9"),
        pytest.param("labs: calcium 14.0 no-unit", True, id="14.0"),
        pytest.param("labs: calcium 7.0 no-unit", True, id="7.0"),
        pytest.param("labs: calcium 1.7 no-unit", True, id="1.7 mmol/L is 6.81 mg/dL"),
        pytest.param("labs: calcium 26 mg/dL", True, id="implausible as it was sent, and beyond the critical limit"),
        pytest.param("labs: ionised calcium 6.5 no-unit", True, id="ionised 6.5 mg/dL is 1.62 mmol/L"),
        pytest.param("labs: ionised calcium 4.9 no-unit", False, id="ionised 4.9 mg/dL is 1.22 mmol/L"),
        pytest.param("labs 15 d ago: calcium 14.6 no-unit", False, id="too old to be critical now"),
        pytest.param("labs: calcium 9.4 no-unit flag HH", True, id="flagged as critical by the laboratory"),
        pytest.param("labs: phosphate 14.6 no-unit", False, id="phosphate has no critical limits"),
    ],
)
def test_a_rejected_calcium_that_may_be_critical(given: str, maybe: bool) -> None:
    assert any(value.maybe_critical for value in state(given).unusable) is maybe


def test_a_rejected_value_older_than_two_years_is_missing_and_no_analyte_is_neither() -> None:
    for days, lacking in ((729, False), (732, True)):
        found = state(f"labs {days} d ago: calcium 9.4 no-unit")
        assert ("calcium_total" in found.baseline.lacking) is lacking
        assert bool(found.unusable) is not lacking


@pytest.mark.parametrize(
    ("given", "egfr"),
    [
        pytest.param("age: 9 male\nlabs: creatinine 0.5 mg/dL, body_height 132 cm", "109", id="bedside Schwartz"),
        pytest.param("age: 9 male\nlabs: creatinine 0.5 mg/dL", "", id="no height"),
        pytest.param("age: 9 male\nlabs 89 d ago: body_height 132 cm\nlabs 1 d ago: creatinine 0.5 mg/dL", "109", id="a height of 89 days"),
        pytest.param("age: 9 male\nlabs 90 d ago: body_height 132 cm\nlabs 1 d ago: creatinine 0.5 mg/dL", "109", id="a height of 90 days"),
        pytest.param("age: 9 male\nlabs 91 d ago: body_height 132 cm\nlabs 1 d ago: creatinine 0.5 mg/dL", "", id="a height of 91 days"),
        pytest.param("age: 1 male\nlabs 30 d ago: body_height 78 cm\nlabs 1 d ago: creatinine 0.3 mg/dL", "107", id="under two, 30 days"),
        pytest.param("age: 1 male\nlabs 31 d ago: body_height 78 cm\nlabs 1 d ago: creatinine 0.3 mg/dL", "", id="under two, 31 days"),
        pytest.param("age: 0 male\nlabs: creatinine 0.3 mg/dL, body_height 70 cm", "", id="under one year"),
        pytest.param("age: 19 male\nlabs: creatinine 0.9 mg/dL, body_height 180 cm", "127", id="an adult has an adult's equation"),
        pytest.param("age: 9 male\nlabs: creatinine 0.5 mg/dL, body_height 132 cm, egfr 80", "80", id="a reported eGFR goes first"),
        pytest.param("age: 9 male\nlabs: creatinine 0.5 mg/dL, body_height 132 cm\nhistory: dialysis", "", id="nothing is computed on dialysis"),
    ],
)
def test_a_childs_egfr(given: str, egfr: str) -> None:
    kidney = ask(f"{given}\nhistory: calcification_skin\norders: fgf23").findings.state.kidney
    assert (f"{kidney.egfr:.0f}" if kidney.egfr is not None else "") == egfr


def test_bedside_schwartz_at_a_worked_value() -> None:
    assert bedside_schwartz(Decimal("0.413"), Decimal(100)) == 100


def test_a_childs_egfr_warns_and_never_proves() -> None:
    findings = ask("age: 9 male\nhistory: calcification_skin\nlabs: creatinine 1.0 mg/dL, body_height 132 cm\norders: fgf23").findings
    assert findings.get("egfr.below_60") is True
    assert findings.get("ckd.possible") is True
    good = ask("age: 9 male\nhistory: calcification_skin\nlabs: creatinine 0.4 mg/dL, body_height 132 cm\norders: fgf23").findings
    assert good.get("egfr.below_60") is False
    assert good.get("checklist.kidney") is False


@pytest.mark.parametrize(
    ("given", "high"),
    [
        pytest.param("labs: phosphate 5.4 mg/dL (2.5-4.6)", False, id="by the adults' range that came with it"),
        pytest.param("labs: phosphate 5.4 mg/dL (2.5-4.6) flag H", False, id="and by the flag of that range"),
        pytest.param("labs: phosphate 5.7 mg/dL (2.5-4.6)", True, id="above the child's band, too"),
        pytest.param("labs: phosphate 5.4 mg/dL (2.8-5.0)", True, id="above the laboratory's own range"),
    ],
)
def test_a_childs_phosphate_is_high_by_the_childs_limits(given: str, high: bool) -> None:
    findings = ask(f"age: 9 male\nhistory: calcification_skin\n{given}\norders: fgf23").findings
    assert (findings.get("phosphate.high") is True) is high


def test_a_newer_pth_is_read_only_where_none_was_drawn_with_the_calcium() -> None:
    given = "labs 9 d ago: calcium 11.0 mg/dL, albumin 4.1 g/dL, pth 48 pg/mL (10-65)\nlabs 2 d ago: pth 6 pg/mL (10-65)"
    found = state(given).pth_with_calcium
    assert (found.pth.value, found.paired) == (Decimal(48), True)


def test_high_calcium_with_a_known_parathyroid_disorder_is_left_alone_whatever_pth_says() -> None:
    given = f"{BASE}labs: calcium 11.0 mg/dL, albumin 4.1 g/dL, phosphate 2.8 mg/dL, creatinine 0.8 mg/dL, pth 90 pg/mL (10-65)\norders: ct"
    assert topics(ask(given)) == ["normal-pth-with-high-calcium"]
    assert topics(ask(given.replace("calcification_skin", "calcification_skin, primary_hyperparathyroidism"))) == []


@pytest.mark.parametrize(
    ("orders", "first"),
    [
        ("vitamin_d_125oh", "active-vitamin-d-test-misordered"),
        ("vitamin_d_125oh, vitamin_d_25oh", "active-vitamin-d-test-misordered"),
        ("vitamin_d_125oh, fgf23", "extended-metabolic-workup-low-yield"),
    ],
)
def test_active_vitamin_d_goes_first_only_when_it_is_the_only_extended_test(orders: str, first: str) -> None:
    given = f"age: 44 female\nhistory: calcification_skin at thigh, trauma 22 y ago\n{NORMAL_LABS}"
    assert topics(ask(f"{given}\norders: {orders}")) == [first]


def test_replacing_a_test_removes_and_adds_in_one_suggestion() -> None:
    given = f"{BASE}{NORMAL_LABS}\norders: vitamin_d_125oh"
    replace, remove = ask(given).cards[0]["suggestions"]
    assert [action["type"] for action in replace["actions"]] == ["delete", "create"]
    assert replace["actions"][0]["resourceId"] == remove["actions"][0]["resourceId"] == "ServiceRequest/draft-1"
    assert replace["actions"][1]["resource"]["code"]["coding"][0]["code"] == "62292-8"


def test_what_is_on_order_is_not_proposed_again() -> None:
    request = body(f"{BASE}labs: calcium 11.0 mg/dL, albumin 4.1 g/dL, pth 48 pg/mL (10-65)\norders: fgf23, ct")
    labels = {suggestion["label"] for card in ask(request).cards for suggestion in card.get("suggestions", ())}
    assert "Add 24-hour urine calcium, urine creatinine" in labels
    drafted = copy.deepcopy(request)
    drafted["context"]["draftOrders"]["entry"][0]["resource"]["code"]["coding"][0]["code"] = "6874-2"
    labels = {suggestion["label"] for card in ask(drafted).cards for suggestion in card.get("suggestions", ())}
    assert "Add urine creatinine" in labels


def test_a_long_unit_leaves_the_summary_short() -> None:
    request = copy.deepcopy(body(f"{BASE}labs: calcium 9.4 mg/dL\norders: fgf23"))
    quantity = request["prefetch"]["observations"]["entry"][0]["resource"]["valueQuantity"]
    quantity.pop("code")
    quantity["unit"] = "furlongs " * 30
    card = next(card for card in ask(request).cards if card["source"]["topic"]["code"] == "value-not-usable")
    assert len(card["summary"]) < 140
