"""What every card must say and must never say, over all cards of all vignettes, as they are and with hostile names on the chart."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from cdshooks.judging import NOW, words_of
from cdshooks.pitfalls.loading import KEEP_SENTENCE
from cdshooks.pitfalls.vignettes import request_of

from ..builders import Json, ask, content

REASSURING = {pitfall.id for pitfall in content().pitfalls if pitfall.reassures}
PLAIN_TEXTS = {pitfall.id: pitfall.title for pitfall in content().pitfalls}
FORBIDDEN = {
    "the diagnosis as a conclusion": r"(this|it|calcification|here) is (a |an )?dystrophic|(diagnosis|conclusion|diagnos(es|ed))[: ]+dystrophic",
    "no workup needed": r"no (further |more )?(metabolic )?work-?up (is |are )?(needed|necessary|required|indicated)",
    "rules out": r"\brule[sd]? out|\bruling out",
    "confirmed": r"\bconfirmed\b",
    "stop anticoagulant": r"\b(stop|discontinue|withhold|hold) (the |an |any )?(anticoagula|warfarin|vitamin k antagonist)",
    "a dose": r"\b(give|take|start|reduce to|increase to|titrate)\b[^.]*\d+ ?(mg|ug|g|IU)\b",
    "prognosis": r"\bprognos|\bsurviv|\bmortality|\bwill die|life expectancy",
    "an order to the reader": r"\byou must\b|\bmust not be ordered|\bdo not order\b",
    "race": r"\brace\b|\bethnic|african|caucasian",
    "an exclamation mark": r"!",
}
# An artefact is possible, never a fact.
GUESS = re.compile(r"\b(possible|possibly|may|can|could|consider|suspect|clue|if|whether)\b", re.IGNORECASE)
SAFETY = {
    "calcium_total",
    "calcium_adjusted",
    "calcium_ionised",
    "phosphate",
    "potassium",
    "magnesium",
    "creatinine",
    "albumin",
    "vitamin_d_25oh",
    "cmv_pcr",
}
HOSTILE = {
    "long": "Very long name of a thing that goes on and on " * 9,
    "markup": "<b onclick=alert(1)>[x](http://evil.example) **bold** `code` | # " * 4,
    "astral": "\U0001f9b4\u202e\u0000 not normal \n\n- 15.9 mg/dL " * 12,
}


@cache
def _requests() -> tuple[str, ...]:
    words = words_of(content())
    return tuple(json.dumps(request_of(vignette.given, NOW, words)) for pitfall in content().pitfalls for vignette in pitfall.vignettes)


@cache
def _cards() -> tuple[tuple[Json, Json, Any], ...]:
    """Each card of each vignette, with its request and its answer."""
    found = []
    for text in _requests():
        request = json.loads(text)
        answer = ask(copy.deepcopy(request))
        found += [(card, request, answer) for card in answer.cards]
    return tuple(found)


def _text(card: Json) -> str:
    told = [card["summary"], card["detail"], *(s["label"] for s in card.get("suggestions", ()))]
    told += [action["description"] for s in card.get("suggestions", ()) for action in s.get("actions", ())]
    return "\n".join(told)


def test_every_pitfall_has_cards_to_judge() -> None:
    shown = {card["source"]["topic"]["code"] for card, _, _ in _cards()}
    assert shown == {pitfall.id for pitfall in content().pitfalls if pitfall.status == "active"}
    assert len(_cards()) > 150


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_card_says(what: str) -> None:
    told = {match.group() + " | " + card["summary"] for card, _, _ in _cards() for match in re.finditer(FORBIDDEN[what], _text(card), re.IGNORECASE)}
    assert told == set()


def test_an_artefact_is_never_a_fact() -> None:
    sentences = {
        s
        for card, _, _ in _cards()
        for s in re.split(r"(?<=[.;:])\s|\n", card["summary"] + "\n" + card["detail"])
        if re.search("artefact", s, re.IGNORECASE)
    }
    assert {sentence for sentence in sentences if not GUESS.search(sentence) and not re.search("commonest assay artefact", sentence)} == set()


def test_the_uncertain_number_of_the_seed_is_in_no_summary() -> None:
    assert not any("12-30" in card["summary"] for card, _, _ in _cards())


def test_every_reassuring_card_ends_with_its_keep_the_test_sentence_and_tells_what_is_not_known() -> None:
    reassuring = [card for card, _, _ in _cards() if card["source"]["topic"]["code"] in REASSURING]
    assert {card["source"]["topic"]["code"] for card in reassuring} == REASSURING
    for card in reassuring:
        assert card["detail"].endswith(KEEP_SENTENCE), card["detail"]
        assert "PTH" in card["detail"] or "25-OH-D" in card["detail"]


def test_no_card_acts_by_itself() -> None:
    for card, _, _ in _cards():
        assert "systemActions" not in card
        for suggestion in card.get("suggestions", ()):
            assert "isRecommended" not in suggestion
            for action in suggestion.get("actions", ()):
                assert action["type"] in ("create", "delete")
                assert action["type"] == "delete" or action["resource"]["status"] == "draft"


def test_a_deletion_never_names_a_baseline_or_safety_test() -> None:
    for card, request, answer in _cards():
        drafts = {order.id: order for order in answer.findings.state.chart.facts.drafts}
        for suggestion in card.get("suggestions", ()):
            for action in suggestion.get("actions", ()):
                if action["type"] == "delete":
                    assert not SAFETY & set(drafts[action["resourceId"]].analytes)
                    if request["hook"] == "order-select":
                        assert action["resourceId"] in request["context"]["selections"]


def _renamed(node: Any, name: str) -> Any:
    """The request with every display and text replaced."""
    if isinstance(node, dict):
        return {key: name if key in ("display", "text") and isinstance(value, str) else _renamed(value, name) for key, value in node.items()} | (
            {"text": name} if "coding" in node else {}
        )
    return [_renamed(item, name) for item in node] if isinstance(node, list) else node


def _pairs(name: str) -> Iterator[tuple[Json, Json]]:
    """Each card as it is, and as it is with hostile names."""
    for text in _requests()[::3]:
        request = json.loads(text)
        plain = ask(copy.deepcopy(request))
        if plain.cards:
            hostile = {card["source"]["topic"]["code"]: card for card in ask(_renamed(request, name)).cards}
            yield from ((card, hostile[topic]) for card in plain.cards if (topic := card["source"]["topic"]["code"]) in hostile)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_cut_no_value_and_no_not_and_stay_escaped(kind: str) -> None:
    seen = 0
    for plain, hostile in _pairs(HOSTILE[kind]):
        seen += 1
        summary = hostile["summary"]
        assert 0 < len(summary.encode("utf-16-le")) // 2 < 140
        assert "\n" not in summary
        if summary != PLAIN_TEXTS[hostile["source"]["topic"]["code"]]:
            for value in re.findall(r"\d+(?:\.\d+)? (?:mg/dL|mmol/L|mg2/dL2)", plain["summary"]):
                assert value in summary
            assert len(re.findall(r"\bnot\b", summary)) >= len(re.findall(r"\bnot\b", plain["summary"]))
        told = summary + hostile["detail"]
        assert "<b" not in told and not re.search(r"(?<!\\)\]\(", told) and "\u202e" not in told and "\u0000" not in told
        for suggestion in hostile.get("suggestions", ()):
            assert suggestion["label"] and "<b" not in suggestion["label"]
    assert seen > 50
