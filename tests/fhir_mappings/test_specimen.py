"""Specimens and their quality: what belongs together, how long it was on its way, and answers that are no numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_mappings import paired

from .builders import Json, bundle, lab, observation, problem, read

POTASSIUM = "2823-3"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


def specimen(collected: Any = "2026-06-13T08:00:00Z", received: Any = "2026-06-13T15:30:00Z", **changes: Any) -> Json:
    made = {"resourceType": "Specimen", "id": "s1", "receivedTime": received, "collection": {"collectedDateTime": collected}}
    return {key: value for key, value in (made | changes).items() if value is not None}


def of_specimen(reference: str = "#s1", **changes: Any) -> Json:
    return observation(POTASSIUM, 5.4, "mmol/L", specimen={"reference": reference}, **changes)


def test_the_way_of_a_contained_specimen_is_told_in_hours() -> None:
    assert lab(of_specimen(contained=[specimen()])).hours_to_receipt == Decimal("7.5")


def test_the_way_of_a_specimen_in_the_bundle_is_told_too() -> None:
    assert lab(bundle(of_specimen("Specimen/s1"), specimen(subject={"reference": "Patient/p"}))).hours_to_receipt == Decimal("7.5")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"receivedTime": None}, id="no receipt"),
        pytest.param({"receivedTime": "2026-06-13"}, id="a receipt without an hour"),
        pytest.param({"collection": None}, id="no collection"),
        pytest.param({"collection": {}}, id="a collection without a time"),
        pytest.param({"receivedTime": "2026-06-13T07:00:00Z"}, id="received before it was collected"),
    ],
)
def test_what_a_specimen_does_not_say_exactly_is_not_known(changes: Json) -> None:
    assert lab(of_specimen(contained=[specimen(**changes)])).hours_to_receipt is None


def test_a_specimen_of_another_patient_says_nothing_and_is_told() -> None:
    facts = read(bundle(of_specimen("Specimen/s1"), specimen(subject={"reference": "Patient/q"})))
    assert facts.labs["potassium"][0].hours_to_receipt is None
    assert [(p.resource, p.reason) for p in facts.problems] == [("Specimen/s1", "another-patient")]


def test_contained_specimens_of_two_results_are_two_specimens_though_both_are_called_s1() -> None:
    one = observation("17861-6", 9.4, "mg/dL", id="o1", specimen={"reference": "#s1"}, contained=[specimen()])
    other = observation("2777-1", 3.5, "mg/dL", id="o2", specimen={"reference": "#s1"}, effectiveDateTime="2026-06-10T08:00:00Z")
    facts = read(one, other)
    assert not paired(facts.labs["calcium_total"][0], facts.labs["phosphate"][0], Decimal(24))


def test_one_specimen_in_the_bundle_makes_a_pair() -> None:
    one = observation("17861-6", 9.4, "mg/dL", id="o1", specimen={"reference": "Specimen/s1"})
    other = observation("2777-1", 3.5, "mg/dL", id="o2", specimen={"reference": "Specimen/s1"}, effectiveDateTime="2026-06-13")
    facts = read(one, other)
    assert paired(facts.labs["calcium_total"][0], facts.labs["phosphate"][0], Decimal(0))


def _haemolysed(**changes: Any) -> Json:
    return observation("20393-5", None, None, valueQuantity=None, **changes)


def _interpreted(code: str) -> list[Json]:
    return [{"coding": [{"system": INTERPRETATION, "code": code}]}]


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        pytest.param({"interpretation": _interpreted("POS")}, 1, id="flagged positive"),
        pytest.param({"interpretation": _interpreted("A")}, 1, id="flagged abnormal"),
        pytest.param({"interpretation": _interpreted("NEG")}, 0, id="flagged negative"),
        pytest.param({"valueCodeableConcept": _interpreted("DET")[0]}, 1, id="detected, as its value"),
        pytest.param({"valueCodeableConcept": _interpreted("ND")[0]}, 0, id="not detected, as its value"),
        pytest.param({"valueBoolean": True}, 1, id="true"),
        pytest.param({"valueBoolean": False}, 0, id="false"),
    ],
)
def test_an_answer_is_read_as_one_or_nought(changes: Json, value: int) -> None:
    assert lab(_haemolysed(**changes)).value == value


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="none"),
        pytest.param({"valueString": "slightly"}, id="in words"),
        pytest.param({"valueBoolean": True, "interpretation": _interpreted("NEG")}, id="true, flagged negative"),
        pytest.param({"valueCodeableConcept": {"coding": [{"system": "urn:local", "code": "POS"}]}}, id="a code of another system"),
    ],
)
def test_an_answer_that_is_not_known_is_refused(changes: Json) -> None:
    assert problem(_haemolysed(**changes)).reason == "value-type"


@pytest.mark.parametrize("unit", [None, "1", "{index}", "mg/dL"])
def test_an_index_is_a_number_with_or_without_a_unit(unit: str | None) -> None:
    assert lab(observation("46424-8", 120, unit)).value == 120


def test_another_value_still_needs_its_unit() -> None:
    assert problem(observation(POTASSIUM, 5.4, None)).reason == "unit-missing"


@pytest.mark.parametrize(("value", "below"), [(3.2, True), (0, True), (25, False), (-1, False)])
def test_a_value_below_the_plausible_limits_is_told_apart(value: float, below: bool) -> None:
    told = problem(observation("17861-6", value, "mg/dL"))
    assert (told.reason, told.below) == ("implausible", below)
