"""Laws of safety over random charts: what must never be reassured, and what must never be hidden."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ..builders import ask, body, content, topics

REASSURING = {pitfall.id for pitfall in content().pitfalls if pitfall.reassures}
CALCIUM = st.sampled_from([6.9, 7.0, 8.7, 8.8, 8.9, 9.0, 9.4, 10.2, 10.3, 10.4, 10.5, 11.2, 13.9, 14.0, 15.1])
PHOSPHATE = st.sampled_from([2.3, 2.5, 2.7, 2.8, 3.5, 4.3, 4.4, 4.6, 4.7, 6.2])
ALBUMIN = st.sampled_from([2.0, 2.9, 3.0, 4.2, 5.0, 5.1])
CREATININE = st.sampled_from([0.6, 0.8, 1.0, 1.4, 2.5])
HISTORY = st.lists(
    st.sampled_from(
        [
            "trauma 5 y ago",
            "ckd_g3a",
            "ckd_unspecified",
            "dialysis",
            "kidney_transplant",
            "primary_hyperparathyroidism",
            "granulomatous_disease",
            "connective_tissue_disease 3 y ago",
            "vascular_insufficiency 4 y ago",
            "pregnancy",
            "skin_ulcer",
            "soft_tissue_mass",
            "osteoporosis",
        ]
    ),
    max_size=2,
    unique=True,
)
DRUGS = st.lists(
    st.sampled_from(["binder_noncalcium", "thiazide", "vitamin_d_active", "denosumab stopped 100 d ago", "proton_pump_inhibitor"]), max_size=1
)
ORDERS = st.lists(
    st.sampled_from(["pth", "fgf23", "vitamin_d_125oh", "ct", "calcium", "rx-binder-nonca", "rx-calcimimetic", "excision"]),
    min_size=1,
    max_size=2,
    unique=True,
)
BLOCKING = {
    "ckd_g3a",
    "ckd_unspecified",
    "dialysis",
    "kidney_transplant",
    "primary_hyperparathyroidism",
    "granulomatous_disease",
    "pregnancy",
    "skin_ulcer",
}


@st.composite
def charts(draw: st.DrawFn) -> dict[str, Any]:
    """A chart near the limits, as the values that decide it."""
    return {
        "age": draw(st.sampled_from([9, 17, 18, 44, 70])),
        "calcium": draw(CALCIUM),
        "phosphate": draw(PHOSPHATE),
        "albumin": draw(ALBUMIN),
        "creatinine": draw(CREATININE),
        "days": draw(st.sampled_from([1, 5, 89, 91, 400])),
        "history": draw(HISTORY),
        "drugs": draw(DRUGS),
        "orders": draw(ORDERS),
        "hook": draw(st.sampled_from(["order-select", "order-sign"])),
        "late": draw(st.booleans()),
        "sample": draw(st.sampled_from(["", "potassium 4.2 mmol/L", "potassium 6.9 mmol/L, alp 22 U/L", "haemolysis_presence present"])),
        "gadolinium": draw(st.booleans()),
    }


def lines(chart: dict[str, Any]) -> str:
    """The chart as vignette lines; `late` draws phosphate two days after the rest."""
    phosphate_days = max(chart["days"] - 2, 0) if chart["late"] else chart["days"]
    made = [
        f"age: {chart['age']} female",
        f"hook: {chart['hook']}",
        f"history: {', '.join(['calcification_skin', *chart['history']])}",
        f"labs {chart['days']} d ago: calcium {chart['calcium']} mg/dL, albumin {chart['albumin']} g/dL, creatinine {chart['creatinine']} mg/dL",
        f"labs {phosphate_days} d ago: phosphate {chart['phosphate']} mg/dL",
        f"orders: {', '.join(chart['orders'])}",
    ]
    drugs = [*chart["drugs"], *([f"41144 given {chart['days'] * 24 + 6} h ago"] if chart.get("gadolinium") else [])]
    sample = [f"labs {chart['days']} d ago: {chart['sample']}"] if chart.get("sample") else []
    return "\n".join([*made, *sample, *([f"drugs: {', '.join(drugs)}"] if drugs else [])])


def must_not_reassure(chart: dict[str, Any]) -> bool:
    """An independent reading of the checklist for these charts: any one of these forbids reassurance."""
    adjusted = chart["calcium"] + 0.8 * (4.0 - chart["albumin"])
    return (
        chart["age"] < 18
        or chart["days"] > 90
        or (chart["late"] and chart["days"] >= 2)
        or not 8.8 + 0.1 < chart["calcium"] < 10.4 - 0.1
        or not 8.8 + 0.1 < round(adjusted, 6) < 10.4 - 0.1
        or not 2.5 + 0.2 < chart["phosphate"] < 4.6 - 0.2
        or chart["albumin"] < 3.0
        or chart["albumin"] > 5.0
        or bool(BLOCKING & set(chart["history"]))
        or bool(set(chart["drugs"]) - {"proton_pump_inhibitor"})
        or chart["creatinine"] > 1.2
        or chart.get("sample", "").startswith("haemolysis")
        or bool(chart.get("gadolinium"))
    )


@settings(max_examples=250, deadline=None)
@given(charts())
def test_nothing_reassures_where_the_checklist_forbids_it(chart: dict[str, Any]) -> None:
    if must_not_reassure(chart):
        # A drug that may hide an abnormality does not make 1,25-(OH)2-D a test of vitamin D stores.
        only_by_drugs = not must_not_reassure(chart | {"drugs": []})
        allowed = {"active-vitamin-d-test-misordered"} if only_by_drugs else set()
        assert not (REASSURING - allowed) & set(topics(ask(lines(chart)))), chart


@settings(max_examples=150, deadline=None)
@given(
    charts(),
    st.sampled_from(
        [
            "observations",
            "conditions",
            "procedures",
            "medication-requests",
            "medication-statements",
            "medication-administrations",
            "service-requests",
            "reports",
        ]
    ),
)
def test_nothing_reassures_when_a_query_failed_or_was_paged(chart: dict[str, Any], key: str) -> None:
    assert not REASSURING & set(topics(ask(f"{lines(chart)}\npaged: {key}")))
    if key not in ("observations", "conditions"):
        assert not REASSURING & set(topics(ask(f"{lines(chart)}\nnot sent: {key}")))


@settings(max_examples=150, deadline=None)
@given(charts(), st.sampled_from(["phosphate", "albumin", "calcium", "creatinine"]))
def test_taking_a_required_analyte_away_never_adds_a_reassuring_card(chart: dict[str, Any], analyte: str) -> None:
    text = "\n".join(line for line in lines(chart).splitlines())
    without = text.replace(f"{analyte} {chart[analyte]} {'g/dL' if analyte == 'albumin' else 'mg/dL'}", "potassium 4.1 mmol/L")
    assert not REASSURING & set(topics(ask(without)))


@settings(max_examples=150, deadline=None)
@given(charts())
def test_a_critical_calcium_is_always_the_first_card(chart: dict[str, Any]) -> None:
    adjusted = round(chart["calcium"] + 0.8 * (4.0 - chart["albumin"]), 6)
    if chart["days"] <= 14 and any(value >= 14.0 or value <= 7.0 for value in (chart["calcium"], adjusted)):
        assert topics(ask(lines(chart)))[:1] == ["critical-calcium-value"]


@settings(max_examples=100, deadline=None)
@given(charts())
def test_budget_and_at_most_one_info_card(chart: dict[str, Any]) -> None:
    cards = ask(lines(chart)).cards
    assert len(cards) <= {"order-select": 2, "order-sign": 3}[chart["hook"]]
    assert sum(card["indicator"] == "info" for card in cards) <= (1 if chart["hook"] == "order-select" else 0)
    assert [card["indicator"] for card in cards] == sorted((card["indicator"] for card in cards), key=["critical", "warning", "info"].index)


@settings(max_examples=100, deadline=None)
@given(charts())
def test_units_change_nothing_but_the_print(chart: dict[str, Any]) -> None:
    text = lines(chart)
    molar = (
        text.replace(f"calcium {chart['calcium']} mg/dL", f"calcium {chart['calcium'] / 4.0078:.15f} mmol/L")
        .replace(f"phosphate {chart['phosphate']} mg/dL", f"phosphate {chart['phosphate'] / 3.0974:.15f} mmol/L")
        .replace(f"albumin {chart['albumin']} g/dL", f"albumin {chart['albumin'] * 10:.1f} g/L")
    )
    at_a_limit = chart["calcium"] in (7.0, 14.0, 8.8, 10.4, 8.9, 10.3) or chart["phosphate"] in (2.5, 4.6, 2.7, 4.4)
    if not at_a_limit:  # a rounded fifteenth decimal may fall to either side of a limit
        assert topics(ask(text)) == topics(ask(molar))


@settings(max_examples=80, deadline=None)
@given(charts(), st.randoms(use_true_random=False))
def test_the_order_and_duplication_of_resources_change_nothing(chart: dict[str, Any], shuffle: Any) -> None:
    request = body(lines(chart))
    before = topics(ask(request))
    mixed = json.loads(json.dumps(request))
    for key in ("observations", "conditions"):
        entries = mixed["prefetch"][key]["entry"]
        entries += entries[:2]
        shuffle.shuffle(entries)
        mixed["prefetch"][key]["total"] = len(entries)
    assert topics(ask(mixed)) == before


@settings(max_examples=80, deadline=None)
@given(charts())
def test_without_a_calcification_there_is_no_card(chart: dict[str, Any]) -> None:
    assert topics(ask(lines(chart).replace("calcification_skin", "osteoporosis"))) == []


@settings(max_examples=80, deadline=None)
@given(charts())
def test_another_patients_resource_adds_no_card_and_lets_nothing_reassure(chart: dict[str, Any]) -> None:
    request = body(lines(chart))
    before = set(topics(ask(request)))
    foreign = json.loads(json.dumps(request["prefetch"]["observations"]["entry"][0]))
    foreign["resource"] |= {"id": "foreign", "subject": {"reference": "Patient/somebody-else"}}
    foreign["resource"]["valueQuantity"]["value"] = 15.9
    request["prefetch"]["observations"]["entry"].append(foreign)
    request["prefetch"]["observations"]["total"] += 1
    after = set(topics(ask(request)))
    assert after <= before
    assert not REASSURING & after


@settings(max_examples=60, deadline=None)
@given(charts())
def test_deletions_name_only_orders_in_play_and_never_a_baseline_test(chart: dict[str, Any]) -> None:
    request = body(lines(chart))
    given_answer = ask(request)
    in_play = {order.id: order for order in given_answer.findings.state.chart.in_play}
    for card in given_answer.cards:
        for suggestion in card.get("suggestions", ()):
            for action in suggestion.get("actions", ()):
                if action["type"] == "delete":
                    assert not {"calcium_total", "phosphate", "albumin", "creatinine"} & in_play[action["resourceId"]].analytes


def test_these_charts_can_be_reassured_at_all() -> None:
    normal = {
        "age": 44,
        "calcium": 9.4,
        "phosphate": 3.5,
        "albumin": 4.2,
        "creatinine": 0.8,
        "days": 5,
        "history": ["trauma 5 y ago"],
        "drugs": [],
        "orders": ["pth"],
        "hook": "order-select",
        "late": False,
    }
    assert not must_not_reassure(normal)
    assert REASSURING & set(topics(ask(lines(normal))))
