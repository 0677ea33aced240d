"""Which cards speak together, and in which order, when calcium is low or its sample is suspect (clinical decision table T10, T15; ruling 7)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from cdshooks.findings import Findings
from cdshooks.findings.chart import Chart
from cdshooks.findings.state import State

from ..builders import ask, topics

CRITICAL, LOW, DOUBT = "critical-calcium-value", "hypocalcaemia-with-calcification", "corrected-calcium-unreliable"
SAMPLE, CONTRAST = "suspect-specimen-edta-haemolysis", "gadolinium-pseudohypocalcaemia"
BASE = "age: 54 female\nhistory: calcification_skin\n"
REST = "albumin 4.0 g/dL, phosphate 3.4 mg/dL, creatinine 0.8 mg/dL"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(f"labs: calcium 7.4 mg/dL, {REST}\norders: ct", [LOW], id="low calcium"),
        pytest.param(f"labs: calcium 7.6 mg/dL, potassium 6.9 mmol/L, alp 22 U/L, {REST}\norders: fgf23", [SAMPLE], id="EDTA replaces low calcium"),
        pytest.param(
            f"labs 1 d ago: calcium 5.4 mg/dL, potassium 9.1 mmol/L, alp 18 U/L, magnesium 0.9 mg/dL, {REST}\norders: ct",
            [CRITICAL, SAMPLE],
            id="critical first, then the sample",
        ),
        pytest.param(
            f"labs 2 h ago: calcium 5.9 mg/dL, {REST}\ndrugs: 41144 given 8 h ago\norders: calcium_salt",
            [CRITICAL, CONTRAST],
            id="critical first, then the contrast",
        ),
        pytest.param(
            f"labs 2 h ago: calcium 7.9 mg/dL, {REST}\ndrugs: 41144 given 8 h ago\norders: calcium",
            [CONTRAST],
            id="baseline alone: contrast still speaks",
        ),
        pytest.param(
            "labs: calcium 7.6 mg/dL, potassium 6.9 mmol/L, alp 22 U/L\norders: excision, rx-calcimimetic",
            ["mineral-drug-hazard", SAMPLE],
            id="the sample keeps its place among other warnings",
        ),
        pytest.param(
            f"labs: calcium 7.6 mg/dL, haemolysis_presence present, {REST}\norders: ct", [SAMPLE, LOW], id="haemolysis does not explain a low calcium"
        ),
        pytest.param(
            "labs: calcium 8.4 mg/dL, albumin 2.9 g/dL, phosphate 3.4 mg/dL, creatinine 0.8 mg/dL\norders: pth", [DOUBT], id="a flip to normal"
        ),
        pytest.param(
            "labs: calcium 10.0 mg/dL, albumin 1.5 g/dL, phosphate 3.4 mg/dL, creatinine 0.8 mg/dL\norders: pth",
            [DOUBT],
            id="a flip to high, PTH alone",
        ),
        pytest.param(
            "labs: calcium 9.9 mg/dL, albumin 2.9 g/dL, phosphate 3.4 mg/dL, creatinine 0.8 mg/dL\norders: fgf23",
            ["hypercalcaemia-is-not-dystrophic", DOUBT],
            id="a flip to high, softened beside the doubt",
        ),
    ],
)
def test_cards_and_their_order(given: str, expected: list[str]) -> None:
    assert topics(ask(BASE + given)) == expected


def _low(*lines: str) -> State:
    return ask(BASE + "\n".join(lines) + "\norders: pth").findings.state


@pytest.mark.parametrize(
    ("lines", "fits"),
    [
        pytest.param(["labs: calcium 6.1 mg/dL, potassium 8.0 mmol/L"], False, id="gross: calcium 6.1 is not"),
        pytest.param(["labs: calcium 6.0 mg/dL, potassium 7.9 mmol/L"], False, id="gross: potassium 7.9 is not"),
        pytest.param(["labs: calcium <6.0 mg/dL, potassium >8.0 mmol/L"], True, id="bounds count where the whole interval fits"),
        pytest.param(["labs: calcium 9.4 mg/dL, potassium 6.9 mmol/L, alp 22 U/L"], False, id="calcium in range"),
        pytest.param(["labs: calcium 7.6 mg/dL, potassium 6.9 mmol/L, iron 20 ug/dL (60-160)"], True, id="low iron"),
        pytest.param(["labs: calcium 2.0 mg/dL, potassium 6.9 mmol/L, alp 70 U/L"], False, id="a calcium not believed, and nothing else low"),
        pytest.param(
            ["labs 1 d ago: calcium 2.0 mg/dL, potassium 9.0 mmol/L", "labs 0 d ago: calcium 9.4 mg/dL"],
            False,
            id="a calcium not believed, and a newer one",
        ),
    ],
)
def test_the_pattern_of_edta(lines: list[str], fits: bool) -> None:
    assert (_low(*lines).specimen.edta is not None) is fits


def test_a_repeated_high_potassium_is_no_haemolysis() -> None:
    sample = f"labs 1 d ago at 08:00: calcium 9.4 mg/dL, potassium 5.9 mmol/L, {REST.replace('3.4', '5.6')}"
    assert _low(sample).specimen.haemolysis == "potassium and phosphate are high together"
    assert _low(sample, "labs 1 d ago at 10:00: potassium 5.8 mmol/L").specimen.haemolysis == ""


def test_a_site_may_choose_to_propose_no_ionised_calcium() -> None:
    state = _low("labs: calcium 8.4 mg/dL, albumin 2.9 g/dL")
    chart = state.chart
    thresholds = replace(chart.thresholds, site={"prefer_ionised": Decimal(0)})
    findings = Findings(State(Chart(chart.facts, chart.mappings, thresholds, chart.now, chart.hook, chart.in_play)))
    assert findings.get("site.prefers_ionised") is False
    assert "ionised" not in findings.text("calcium.doubt_advice")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("history: ckd_g4", "CKD G4"),
        ("history: dialysis", "dialysis"),
        ("history: mgus", "a paraprotein"),
        ("history: pregnancy", "pregnancy"),
        ("history: cirrhosis", "cirrhosis"),
        ("history: nephrotic", "nephrotic syndrome"),
        ("history: transfusion", "citrate of a recent transfusion"),
        ("labs: ph 7.25", "pH 7.25"),
        ("labs: albumin 5.1 g/dL", "albumin 5.1 g/dL"),
        ("encounter: inpatient at icu", "critical illness"),
        ("age in days: 200 female", "infancy"),
    ],
)
def test_what_makes_adjusting_unreliable(lines: str, reason: str) -> None:
    assert reason in _low(lines).adjustment.reasons


CITRATE = "encounter: inpatient at icu\nlabs 4 h ago: calcium 10.9 mg/dL, albumin 2.5 g/dL, ionised calcium 0.95 mmol/L{}"


@pytest.mark.parametrize(
    ("lines", "hazard"),
    [
        (CITRATE.format(""), False),
        (CITRATE.format(" preliminary"), True),
        (CITRATE.format("\nlabs 4 h ago: ionised calcium 1.40 mmol/L"), True),
        (CITRATE.format("").replace("ionised calcium 0.95", "ionised calcium 1.40"), True),
    ],
    ids=["final and low", "low, but preliminary", "low, but contradicted", "high, too"],
)
def test_calcium_is_no_hazard_for_a_high_total_that_the_ionised_calcium_of_the_draw_opposes(lines: str, hazard: bool) -> None:
    """Citrate raises the total and lowers the ionised; both are told, and the drug that may be the treatment is not questioned."""
    found = ask(f"age: 54 female\nhistory: calcification_skin\n{lines}\norders: calcium_salt").findings
    assert (found.get("hazard.calcium_load") is True) is hazard
    assert found.get("calcium.high") is True


def test_what_replaces_a_card_does_not_fall_over_the_budget_behind_later_ones() -> None:
    given = "labs: calcium 11.0 mg/dL, pth 48 pg/mL (10-65), albumin 4.1 g/dL, egfr 22\norders: excision"
    assert topics(ask("age: 58 female\nhistory: calcification_skin, ckd_g4\n" + given))[0] == "normal-pth-with-high-calcium"
