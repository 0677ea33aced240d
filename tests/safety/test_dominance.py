"""Which card silences which: the table of arbitration, written out a second time from the clinical text, and held by results that fire together.

For most pairs no chart makes both fire: the checklist that opens the reassuring card closes on what the danger card rests on. Dominance is
the second lock on that door, so it is tested by itself, with the results as given.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdshooks.answer import Answer
from cdshooks.pitfalls.arbitration import arbitrate
from cdshooks.pitfalls.engine import Result
from cdshooks.pitfalls.model import Pitfall

from ..builders import ask, content
from . import charts

BY_RULE = {pitfall.rule: pitfall for pitfall in content().pitfalls}
LOCAL = (10, 11, 12, 13, 14, 15)
# "Each blocks R10-R15"; R09 and R21 replace reassurance; a calcified mass is never hidden by a history of trauma; R17 is a danger in an infant.
BLOCKS = dict.fromkeys((2, 3, 4, 5, 6, 7, 8, 9, 17, 18, 19, 20, 21, 22, 23, 24, 25), LOCAL) | {16: (10, 12, 13, 14, 15)}
# R04 is the nearer reading of a high phosphate and wants the 1,25-(OH)2-D that R28 questions; R07 speaks instead of R06; R24 replaces R03 and
# R04; R29 goes before R11; a contrast medium that explains a low calcium replaces R08; R27 replaces R02. A tube of EDTA keeps R08
# quiet by a condition of its own, as a haemolysed sample does not explain a low calcium.
MORE = {4: (3, 28), 7: (6,), 23: (8,), 24: (3, 4), 27: (2,), 29: (11,)}
PAIRS = sorted({(left, right) for table in (BLOCKS, MORE) for left, rights in table.items() for right in rights})
SPEAKING = [pair for pair in PAIRS if pair[0] in BY_RULE and pair[1] in BY_RULE]
ANSWER: Answer = ask("age: 44 female\nhistory: calcification_skin\norders: pth")


def _fires(pitfall: Pitfall, indicator: str = "") -> Result:
    variant = next((variant for variant in pitfall.variants if variant.indicator == indicator), None)
    return Result(pitfall, "fires", variant)


def _spoken(*results: Result, hook: str = "order-select") -> list[int]:
    evaluation = content().engine.evaluation(ANSWER.findings)
    spoken, _ = arbitrate(results, hook, content().arbitration, content().thresholds.budget, evaluation)
    return [result.pitfall.rule for result in spoken]


@pytest.mark.parametrize(("left", "right"), SPEAKING, ids=[f"R{left:02d} over R{right:02d}" for left, right in SPEAKING])
def test_the_left_pitfall_silences_the_right_one(left: int, right: int) -> None:
    for results in ([_fires(BY_RULE[left]), _fires(BY_RULE[right])], [_fires(BY_RULE[right]), _fires(BY_RULE[left])]):
        assert right not in _spoken(*results)
    assert right in _spoken(_fires(BY_RULE[right]))


INFOS = [pitfall for pitfall in content().pitfalls if pitfall.indicator == "info"]


@pytest.mark.parametrize("pitfall", INFOS, ids=lambda pitfall: pitfall.id)
def test_a_critical_calcium_silences_every_info_card(pitfall: Pitfall) -> None:
    assert _spoken(_fires(BY_RULE[1]), _fires(pitfall)) == [1]


@pytest.mark.parametrize("pitfall", [p for p in content().pitfalls if p.rule != 1], ids=lambda pitfall: pitfall.id)
def test_nothing_silences_a_critical_calcium(pitfall: Pitfall) -> None:
    assert BY_RULE[1].id not in pitfall.dominates
    assert not pitfall.dominates_info
    assert _spoken(_fires(pitfall), _fires(BY_RULE[1]))[0] == 1


@pytest.mark.parametrize("pitfall", INFOS, ids=lambda pitfall: pitfall.id)
def test_info_cards_speak_only_where_an_order_is_selected(pitfall: Pitfall) -> None:
    assert _spoken(_fires(pitfall)) == [pitfall.rule]
    assert _spoken(_fires(pitfall), hook="order-sign") == []
    assert _spoken(_fires(pitfall), hook="patient-view") == []


@pytest.mark.parametrize(("hook", "cards"), [("patient-view", 1), ("order-select", 2), ("order-sign", 3)])
def test_the_budget_of_each_hook(hook: str, cards: int) -> None:
    four = [_fires(BY_RULE[rule]) for rule in (1, 2, 5, 18)]
    assert _spoken(*four, hook=hook) == [1, 2, 5][:cards]


def test_at_most_one_info_card_and_it_is_the_one_that_hides_a_danger() -> None:
    assert _spoken(_fires(BY_RULE[17]), _fires(BY_RULE[30])) == [17]
    assert _spoken(_fires(BY_RULE[30]), _fires(BY_RULE[16])) == [16]
    for first in (17, 19, 21, 23, 24, 25):
        if first in BY_RULE and BY_RULE[first].indicator == "info":
            assert _spoken(_fires(BY_RULE[6]), _fires(BY_RULE[first])) == [first]


def test_of_warnings_calciphylaxis_and_a_harmful_drug_go_first() -> None:
    assert _spoken(_fires(BY_RULE[2]), _fires(BY_RULE[29]), hook="order-sign") == [29, 2]
    assert _spoken(_fires(BY_RULE[2]), _fires(BY_RULE[7]), hook="order-sign") == [7, 2]


COMFORTED = "age: 44 female\nhistory: calcification_skin, comfort_care\nlabs 1 d ago: calcium 14.6 mg/dL, albumin 4.0 g/dL\norders: pth"


def test_a_pitfall_in_shadow_neither_speaks_nor_silences() -> None:
    shadow = _fires(replace(BY_RULE[2], status="shadow"))
    assert _spoken(shadow, _fires(BY_RULE[10])) == [10]


def test_silence_for_the_deceased_and_for_comfort_care() -> None:
    living = charts.Chart(
        age_days=17000,
        histories=(charts.History("calcification_skin", recorded=20),),
        results=(charts.Result("calcium", "14.6", "mg/dL", hours=20),),
    )
    assert ask(charts.request(living)).cards
    dead = ask(charts.request(replace(living, deceased=True)))
    assert dead.cards == ()
    assert "deceased" in " ".join(dead.kept_back.values())
    comforted = ask(COMFORTED)
    assert comforted.cards == ()
    assert "comfort care" in " ".join(comforted.kept_back.values())
