"""Response cases of the CDS Hooks checklist, by id (A01-A29)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_mappings.strict import check

from ..builders import body, sample_bodies
from .service import Json, client, post

SAMPLES = {name: request for name, request in sample_bodies().items() if not name.startswith("silent")}


def cards(request: Json) -> list[Json]:
    reply = post(request)
    assert reply.status_code == 200, reply.get_data(as_text=True)
    found: list[Json] = json.loads(reply.data)["cards"]
    return found


def actions(card: Json) -> Iterator[Json]:
    for suggestion in card.get("suggestions", ()):
        yield from suggestion.get("actions", ())


def walk(value: Any) -> Iterator[Any]:
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(item)


ALL = [pytest.param(card, id=f"{name}-{number}") for name, request in SAMPLES.items() for number, card in enumerate(cards(request))]
every_card = pytest.mark.parametrize("card", ALL)


@pytest.mark.parametrize("name", [name for name in sample_bodies() if name.startswith("silent")])
def test_A01_nothing_to_say_is_exactly_an_empty_list_of_cards(name: str) -> None:
    reply = post(sample_bodies()[name])
    assert (reply.status_code, json.loads(reply.data)) == (200, {"cards": []})


@every_card
def test_A02_summary_indicator_and_source_are_there(card: Json) -> None:
    assert card["summary"].strip() and card["indicator"] and card["source"]["label"].strip()


@every_card
def test_A03_the_summary_has_fewer_than_140_characters(card: Json) -> None:
    assert len(card["summary"].encode("utf-16-le")) // 2 <= 139


def test_A03_a_long_name_is_shortened_and_never_the_words_that_count() -> None:
    request = body(
        "age: 45 female\nhistory: calcification_muscle, trauma 5 y ago\n"
        "labs: calcium 9.4 mg/dL, phosphate 3.4 mg/dL, albumin 4.2 g/dL, egfr 90\norders: rx-binder-nonca"
    )
    request["context"]["draftOrders"]["entry"][0]["resource"]["medicationCodeableConcept"]["text"] = "Sevelamer " * 30
    (card,) = cards(request)
    assert len(card["summary"]) <= 139
    assert card["summary"].endswith("calcium, phosphate and kidney function are normal. Is a metabolic disease proven?")
    assert "…" in card["summary"]


@every_card
def test_A04_the_indicator_is_one_of_three(card: Json) -> None:
    assert card["indicator"] in ("info", "warning", "critical")


@every_card
def test_A05_the_topic_names_the_pitfall(card: Json) -> None:
    topic = card["source"]["topic"]
    assert topic["code"] and topic["system"].startswith("http") and len(topic["code"]) <= 100


@every_card
def test_A06_A07_a_selection_behavior_comes_exactly_with_suggestions(card: Json) -> None:
    assert ("selectionBehavior" in card) is ("suggestions" in card)
    assert card.get("selectionBehavior", "any") in ("any", "at-most-one")
    assert card.get("suggestions") != []


@every_card
def test_A08_no_suggestion_is_recommended_in_advance(card: Json) -> None:
    assert not any("isRecommended" in suggestion for suggestion in card.get("suggestions", ()))


@every_card
def test_A09_a_suggestion_has_a_label_and_no_empty_actions(card: Json) -> None:
    assert all(suggestion["label"].strip() and suggestion.get("actions") != [] for suggestion in card.get("suggestions", ()))


@every_card
def test_A10_an_action_has_a_type_and_a_description(card: Json) -> None:
    assert all(action["type"] in ("create", "delete") and action["description"].strip() for action in actions(card))


@every_card
def test_A11_a_created_resource_is_whole_and_valid(card: Json) -> None:
    created = [action["resource"] for action in actions(card) if action["type"] == "create"]
    assert [fault for resource in created for fault in check(resource)] == []
    assert all(resource["status"] == "draft" and resource["subject"]["reference"].startswith("Patient/") for resource in created)


@every_card
def test_A12_a_deletion_names_its_order_and_carries_no_resource(card: Json) -> None:
    assert all(action["resourceId"].count("/") == 1 and "resource" not in action for action in actions(card) if action["type"] == "delete")


@pytest.mark.parametrize("name", SAMPLES)
def test_A13_A14_only_drafts_of_the_request_are_changed_and_only_by_deletion(name: str) -> None:
    request = SAMPLES[name]
    drafts = {f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in request["context"]["draftOrders"]["entry"]}
    found = [action for card in cards(request) for action in actions(card)]
    assert {action["resourceId"] for action in found if action["type"] == "delete"} <= drafts
    assert not [action for action in found if action["type"] == "update"]


@every_card
def test_A15_override_reasons_have_code_system_and_display(card: Json) -> None:
    assert card["overrideReasons"]
    assert all(reason["code"] and reason["system"] and reason["display"] for reason in card["overrideReasons"])


@every_card
def test_A16_A17_A18_A28_links_are_absolute_and_plain(card: Json) -> None:
    for link in card.get("links", ()):
        assert link["type"] == "absolute" and link["url"].startswith(("http://", "https://")) and link["label"]
        assert not {"appContext", "autolaunchable"} & set(link)


@every_card
def test_A19_no_member_is_null_or_empty(card: Json) -> None:
    assert [value for value in walk(card) if value in (None, "", [], {})] == []


def test_A20_every_card_and_suggestion_has_a_uuid_of_its_own_on_every_call() -> None:
    def uuids() -> list[str]:
        found = cards(SAMPLES["hypercalcaemia"])
        return [card["uuid"] for card in found] + [suggestion["uuid"] for card in found for suggestion in card["suggestions"]]

    one, other = uuids(), uuids()
    assert len(set(one + other)) == len(one) + len(other) > 2


@every_card
def test_A21_A22_A23_nothing_beyond_version_2_is_sent(card: Json) -> None:
    assert not any("actionSelectionBehavior" in suggestion for suggestion in card.get("suggestions", ()))


def test_A22_there_are_no_system_actions() -> None:
    assert set(json.loads(post(SAMPLES["low-yield"]).data)) == {"cards"}


@pytest.mark.parametrize("where", ["condition", "order"])
def test_A24_chart_text_cannot_become_markup(where: str) -> None:
    request = json.loads(json.dumps(SAMPLES["scleroderma"]))
    evil = "<script>alert(1)</script> **bold** | [x](http://evil.example) `code`"
    if where == "condition":
        for entry in request["prefetch"]["conditions"]["entry"]:
            entry["resource"]["code"]["text"] = evil
    else:
        for entry in request["context"]["draftOrders"]["entry"]:
            entry["resource"]["code"]["text"] = evil
    text = json.dumps([[card["summary"], card["detail"]] for card in cards(request)])
    assert "<script" not in text and "**bold**" not in text and "](http" not in text


def test_A25_success_is_json() -> None:
    reply = post(SAMPLES["low-yield"])
    assert reply.content_type == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"


@every_card
def test_A27_the_urls_of_a_source_are_absolute(card: Json) -> None:
    assert card["source"].get("url", "https://").startswith(("http://", "https://"))
    assert "icon" not in card["source"]


@pytest.mark.parametrize(
    ("version", "kind", "code_of"),
    [
        ("STU3", "ProcedureRequest", lambda resource: resource["code"]["coding"][0]["code"]),
        ("R5", "ServiceRequest", lambda resource: resource["code"]["concept"]["coding"][0]["code"]),
        ("DSTU2", "DiagnosticOrder", lambda resource: resource["item"][0]["code"]["coding"][0]["code"]),
    ],
)
def test_A29_created_orders_have_the_shape_of_the_clients_version(version: str, kind: str, code_of: Any) -> None:
    request = json.loads(json.dumps(SAMPLES["critical-calcium"]))
    conditions = [entry["resource"] for entry in request["prefetch"]["conditions"]["entry"]]
    (order,) = [entry["resource"] for entry in request["context"]["draftOrders"]["entry"]]
    for condition in conditions:
        if version != "R5":
            condition["clinicalStatus"] = "active"
            condition["verificationStatus"] = "confirmed"
        if version == "DSTU2":
            condition["patient"] = condition.pop("subject")
    if version == "R5":
        order["code"] = {"concept": order["code"]}
    elif version == "STU3":
        order["resourceType"] = "ProcedureRequest"
        request["context"]["selections"] = [f"ProcedureRequest/{order['id']}"]
    (card,) = cards(request)
    created = [action["resource"] for action in actions(card)]
    assert {resource["resourceType"] for resource in created} == {kind}
    assert code_of(created[0]) == "1995-0"


def test_without_any_selected_order_there_is_no_card() -> None:
    request = json.loads(json.dumps(SAMPLES["low-yield"]))
    request["context"]["selections"] = ["ServiceRequest/elsewhere"]
    assert cards(request) == []
    assert client().get("/healthz").status_code == 200
