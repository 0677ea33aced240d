"""The card format: every limit of the specification, and nothing from a chart that could become markup."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdshooks.app import new_uuid
from cdshooks.cards import SUMMARY_LIMIT, _length, escape, identify
from fhir_mappings.strict import check

from ..builders import ask, content, sample_bodies

BODIES = sample_bodies()
CARDS = [card for body in BODIES.values() for card in ask(body).cards]


def _leaves(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)


def test_samples_show_every_active_pitfall() -> None:
    assert {card["source"]["topic"]["code"] for card in CARDS} == {pitfall.id for pitfall in content().pitfalls if pitfall.status == "active"}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card["source"]["topic"]["code"])
class TestEveryCard:
    def test_has_a_summary_of_fewer_than_140_characters_on_one_line(self, card: dict[str, Any]) -> None:
        assert 0 < _length(card["summary"]) <= SUMMARY_LIMIT
        assert "\n" not in card["summary"]

    def test_has_an_indicator_a_source_and_a_topic(self, card: dict[str, Any]) -> None:
        assert card["indicator"] in ("info", "warning", "critical")
        assert card["source"]["label"]
        assert card["source"]["topic"].keys() >= {"code", "system"}

    def test_has_a_selection_behavior_exactly_when_it_has_suggestions(self, card: dict[str, Any]) -> None:
        assert ("suggestions" in card) is ("selectionBehavior" in card)
        assert card.get("selectionBehavior", "any") in ("any", "at-most-one")

    def test_has_no_empty_member(self, card: dict[str, Any]) -> None:
        assert [leaf for leaf in _leaves(card) if leaf in ("", None, [], {})] == []

    def test_displays_every_override_reason(self, card: dict[str, Any]) -> None:
        assert all(reason["display"] and reason["system"] for reason in card["overrideReasons"])
        assert [reason["code"] for reason in card["overrideReasons"]][-2:] == ["chart-wrong", "disagree"]

    def test_proposes_only_valid_fhir_resources(self, card: dict[str, Any]) -> None:
        for suggestion in card.get("suggestions", ()):
            for action in suggestion.get("actions", ()):
                assert action["description"]
                if action["type"] == "create":
                    assert check(action["resource"]) == []
                else:
                    assert action["type"] == "delete"
                    assert "resource" not in action

    def test_leaves_no_interpolation_unfilled(self, card: dict[str, Any]) -> None:
        assert "{" not in card["summary"] + card["detail"]

    def test_never_says_what_must_not_be_said(self, card: dict[str, Any]) -> None:
        text = json.dumps(card).lower()
        for phrase in ("no metabolic workup needed", "rules out", "confirmed", "stop anticoagulant"):
            assert phrase not in text


def test_cards_and_suggestions_get_distinct_ids() -> None:
    numbers = iter(range(1000))
    named = identify(CARDS, lambda: str(next(numbers)))
    ids = [card["uuid"] for card in named] + [s["uuid"] for card in named for s in card.get("suggestions", ())]
    assert len(ids) == len(set(ids))


def test_a_fresh_id_is_a_random_uuid() -> None:
    made = [new_uuid() for _ in range(200)]
    read = [uuid.UUID(text) for text in made]
    assert all(one.version == 4 and one.variant == uuid.RFC_4122 and str(one) == text for one, text in zip(read, made, strict=True))
    assert len(set(made)) == len(made) and len({one.clock_seq_hi_variant >> 4 for one in read}) == 4


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        pytest.param("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;", id="HTML"),
        pytest.param("a|b*c_d`e", "a\\|b\\*c\\_d\\`e", id="Markdown"),
        pytest.param("[x](http://evil.example)", "\\[x\\](http&#58;//evil.example)", id="link"),
        pytest.param("www.evil.example", "www&#46;evil.example", id="bare link"),
        pytest.param("a\nb\u202ec", "a b c", id="line breaks and direction overrides"),
    ],
)
def test_chart_text_is_escaped_for_markdown(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=300))
def test_no_drug_name_can_break_a_card(display: str) -> None:
    body = json.loads(json.dumps(BODIES["drug-without-disease"]))
    concept = body["context"]["draftOrders"]["entry"][0]["resource"]["medicationCodeableConcept"]
    concept["text"] = concept["coding"][0]["display"] = display
    (card,) = ask(body).cards
    assert _length(card["summary"]) <= SUMMARY_LIMIT
    assert "<" not in card["summary"] + card["detail"]
    assert "\n" not in card["summary"]
    assert "normal" in card["summary"] or card["summary"] == card["source"]["topic"]["display"]
