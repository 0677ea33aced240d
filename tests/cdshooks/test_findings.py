"""Findings: each family tells all of its names, and asking for them in any order changes none."""

from __future__ import annotations

import random

import pytest

from cdshooks.findings import FAMILIES, VOCABULARY, Findings
from cdshooks.findings.state import State
from tests.builders import ask

CHARTS = {
    "nothing known": "history: calcification_skin\norders: pth",
    "a reassuring chart": (
        "age: 44 female\nencounter: ambulatory\nhistory: calcification_skin at thigh, trauma 22 y ago\n"
        "labs 2 d ago: calcium 9.4 mg/dL, phosphate 3.5 mg/dL, albumin 4.2 g/dL, creatinine 0.8 mg/dL\norders: pth"
    ),
    "a dangerous chart": "age: 61 male\nhistory: calcification_skin, ckd_g4\nlabs 1 d ago: calcium 13.9 mg/dL, phosphate 7.1 mg/dL\norders: pth",
}


@pytest.mark.parametrize("chart", CHARTS.values(), ids=list(CHARTS))
def test_each_family_tells_all_findings_of_its_name_and_no_other(chart: str) -> None:
    state = State(ask(chart).findings.state.chart)
    for family, tell in FAMILIES.items():
        assert sorted(name for name, _ in tell(state)) == sorted(name for name in VOCABULARY if name.startswith(f"{family}."))


@pytest.mark.parametrize("chart", CHARTS.values(), ids=list(CHARTS))
def test_findings_do_not_depend_on_the_order_of_asking(chart: str) -> None:
    whole = ask(chart).findings
    for seed in range(20):
        names = random.Random(seed).sample(sorted(VOCABULARY), len(VOCABULARY))
        asked = Findings(State(whole.state.chart))
        assert {name: value for name in names if (value := asked.get(name)) is not None} == dict(whole.values)


def test_a_finding_is_known_or_has_a_reason_why_not() -> None:
    findings = ask(CHARTS["nothing known"]).findings
    assert findings.values.keys() | findings.unknown.keys() == VOCABULARY.keys()
    assert findings.values.keys().isdisjoint(findings.unknown)
    assert all(findings.unknown.values())
