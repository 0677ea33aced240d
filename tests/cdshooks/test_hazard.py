"""Drug hazards beyond their vignettes: the three answers, the product, which card goes first, and what may be removed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdshooks.findings.hazard import SUB_CODES, Answer, any_of, both

from ..builders import ask, content, topics

HAZARD = "mineral-drug-hazard"
PITFALL = next(pitfall for pitfall in content().pitfalls if pitfall.id == HAZARD)


def chart(*lines: str, age: int = 54, history: str = "") -> str:
    return "\n".join([f"age: {age} female", f"history: calcification_skin{history}", *lines])


def card(text: str) -> dict[str, Any]:
    return next(card for card in ask(text).cards if card["source"]["topic"]["code"] == HAZARD)


@pytest.mark.parametrize(
    ("answers", "either", "all_of"),
    [
        pytest.param((True, "why"), True, "why", id="one danger is enough"),
        pytest.param((False, "why"), "why", False, id="unknown beside a no"),
        pytest.param(("first", "second"), "first", "first", id="the first reason is told"),
        pytest.param((False, False), False, False, id="certainly not"),
        pytest.param((True, True), True, True, id="both"),
    ],
)
def test_three_answers(answers: tuple[Answer, Answer], either: Answer, all_of: Answer) -> None:
    assert any_of(*answers) == either
    assert both(*answers) == all_of


def test_no_order_is_no_hazard() -> None:
    assert any_of() is False
    findings = ask(chart("labs: calcium 14.0 mg/dL", "orders: ct")).findings
    assert all(findings.get(f"hazard.{name}") is False for name in SUB_CODES)


def test_every_sub_code_has_a_condition_a_variant_and_lines_of_its_own() -> None:
    for name in SUB_CODES:
        finding = f"hazard.{name}"
        assert finding in PITFALL.when[0]
        assert any(finding in variant.when for variant in PITFALL.variants)
        assert sum(finding in line.when for line in PITFALL.card.detail) >= 3


def test_no_card_falls_back_to_the_nameless_summary() -> None:
    for vignette in PITFALL.vignettes:
        if vignette.expect == "fires":
            result = next(result for result in ask(vignette.given).results if result.pitfall is PITFALL)
            assert result.variant is not None, vignette.name


# The product


@pytest.mark.parametrize(
    ("age", "labs", "product"),
    [
        pytest.param(54, "calcium 10.0 mg/dL, albumin 4.0 g/dL, phosphate 7.2 mg/dL", "72.00", id="one draw"),
        pytest.param(54, "calcium 9.4 mg/dL, phosphate 4.0 mg/dL", "37.60", id="total calcium where it cannot be adjusted"),
        pytest.param(54, "calcium 9.0 mg/dL, albumin 3.0 g/dL, phosphate 4.0 mg/dL", "39.20", id="adjusted calcium before total"),
        pytest.param(54, "calcium 9.4 mg/dL, phosphate < 4.0 mg/dL", None, id="a bound is no value"),
        pytest.param(54, "calcium 9.4 mg/dL, phosphate > 4.0 mg/dL", None, id="a lower bound below the limit"),
        pytest.param(54, "calcium > 15 mg/dL, phosphate 5.0 mg/dL", "75.00", id="a lower bound that alone is over it"),
    ],
)
def test_the_product_is_of_values_drawn_together(age: int, labs: str, product: str | None) -> None:
    found = ask(chart(f"labs: {labs}", "orders: ct", age=age)).findings.state.product
    assert (None if found is None else found.value) == (None if product is None else Decimal(product))


def test_no_product_from_two_draws_or_a_shifted_phosphate() -> None:
    apart = chart("labs 9 d ago: phosphate 6.0 mg/dL", "labs 1 d ago: calcium 10.1 mg/dL", "orders: ct")
    shifted = chart("labs: calcium 10.1 mg/dL, phosphate 6.0 mg/dL", "orders: ct", history=", diabetic_ketoacidosis 3 d ago")
    assert ask(apart).findings.state.product is None
    assert ask(shifted).findings.state.product is None


@pytest.mark.parametrize(("age", "holds"), [(12, True), (11, False)], ids=["55 from 12 years on", "65 below"])
def test_the_limit_of_the_product_is_that_of_the_age(age: int, holds: bool) -> None:
    text = chart("labs 1 h ago: calcium 10.0 mg/dL (8.8-10.8), albumin 4.0 g/dL, phosphate 5.6 mg/dL (2.8-5.6)", "orders: calcitriol", age=age)
    assert ask(text).findings.get("hazard.calcium_load") is holds


# Which card goes first


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            ("labs: calcium 11.4 mg/dL, albumin 4.0 g/dL, phosphate 3.4 mg/dL", "orders: calcitriol"),
            [HAZARD, "hypercalcaemia-is-not-dystrophic"],
            id="T4: the drug, then the explanation; the baseline has to wait",
        ),
        pytest.param(
            ("labs: calcium 14.6 mg/dL, albumin 4.0 g/dL, phosphate 3.4 mg/dL, creatinine 0.9 mg/dL", "orders: calcitriol"),
            ["critical-calcium-value", HAZARD],
            id="a critical calcium is first",
        ),
        pytest.param(
            ("labs: calcium 10.0 mg/dL, albumin 4.0 g/dL, phosphate 7.2 mg/dL, creatinine 0.9 mg/dL", "orders: calcitriol"),
            ["high-ca-p-product", HAZARD],
            id="T9: product above 70",
        ),
    ],
)
def test_the_hazard_goes_before_the_explanation_and_after_the_critical_value(lines: tuple[str, ...], expected: list[str]) -> None:
    assert topics(ask(chart(*lines))) == expected


def test_controlled_phosphate_makes_the_calcium_binder_information() -> None:
    text = chart("labs: calcium 9.4 mg/dL, albumin 4.0 g/dL, phosphate 4.6 mg/dL, egfr 22", "orders: rx-binder-ca", history=", ckd_g4")
    (result,) = (result for result in ask(text).results if result.pitfall is PITFALL)
    assert (result.outcome, result.indicator) == ("fires", "info")


def test_without_the_hazard_the_drug_is_still_questioned() -> None:
    normal = "labs: calcium 9.4 mg/dL, albumin 4.2 g/dL, phosphate 3.4 mg/dL, egfr 90"
    assert topics(ask(chart(f"{normal}, 25-oh-d 32 ng/mL, magnesium 2.0 mg/dL", "orders: zoledronate"))) == [
        "metabolic-drug-without-metabolic-disease"
    ]
    assert topics(ask(chart(normal, "orders: zoledronate"))) == [HAZARD]


# What may be removed


def test_each_drug_is_removed_alone_and_first_and_only_hazardous_ones() -> None:
    shown = card(
        chart(
            "hook: order-sign",
            "labs: calcium 11.4 mg/dL, albumin 4.0 g/dL, phosphate 3.4 mg/dL, egfr 20",
            "orders: calcitriol, warfarin, rx-binder-nonca, pth",
            history=", ckd_g4",
        )
    )
    removals = [s for s in shown["suggestions"] if s["actions"][0]["type"] == "delete"]
    assert [[action["resourceId"] for action in s["actions"]] for s in removals] == [["MedicationRequest/draft-1"], ["MedicationRequest/draft-2"]]
    assert shown["suggestions"][: len(removals)] == removals
    assert not any(s.get("isRecommended") for s in shown["suggestions"])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([9.4, 10.4, 10.5, 11.9, 12.0, 13.9]),
    st.sampled_from([0.0, 0.4, 1.5]),
    st.sampled_from(["calcitriol", "calcium_salt", "vitamin_d 4000 IU/d", "hydrochlorothiazide"]),
    st.sampled_from(["order-select", "order-sign"]),
)
def test_a_higher_calcium_never_quietens_a_load(calcium: float, more: float, drug: str, hook: str) -> None:
    def severity(value: float) -> int:
        text = chart(f"hook: {hook}", f"labs: calcium {value:.1f} mg/dL, albumin 4.0 g/dL, phosphate 3.4 mg/dL, egfr 90", f"orders: {drug}")
        indicators = [card["indicator"] for card in ask(text).cards if card["source"]["topic"]["code"] == HAZARD]
        return {"critical": 2, "warning": 1, "": 0}[indicators[0] if indicators else ""]

    assert severity(calcium + more) >= severity(calcium)
