"""Daily doses: what dosage instructions of any FHIR version say, and what they leave open."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from fhir_mappings.doses import daily_dose, given_dose, length_in_days
from fhir_mappings.facts import Dose

from .builders import read

DAILY = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}


def dose(value: Any, unit: str) -> dict[str, Any]:
    return {"doseAndRate": [{"doseQuantity": {"value": value, "unit": unit, "code": unit, "system": "http://unitsofmeasure.org"}}]}


def of(instructions: Any) -> Dose | None:
    return daily_dose(Raw(json.dumps(instructions).encode()))


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        pytest.param([DAILY | dose(800, "[iU]")], Dose(Decimal(800), "[iU]"), id="once a day"),
        pytest.param([DAILY | dose(10, "mg")], Dose(Decimal(10), "mg"), id="milligrams"),
        pytest.param([DAILY | dose(30, "ug")], Dose(Decimal("0.03"), "mg"), id="micrograms"),
        pytest.param([DAILY | dose(1.25, "g")], Dose(Decimal(1250), "mg"), id="grams"),
        pytest.param(
            [{"timing": {"code": {"coding": [{"code": "TID"}]}}} | dose(500, "mg")], Dose(Decimal(1500), "mg"), id="three times a day by code"
        ),
        pytest.param(
            [{"timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}} | dose(5, "mg")], Dose(Decimal(10), "mg"), id="twice a day"
        ),
        pytest.param(
            [{"timing": {"repeat": {"frequency": 1, "period": 8, "periodUnit": "h"}}} | dose(5, "mg")], Dose(Decimal(15), "mg"), id="every 8 hours"
        ),
        pytest.param(
            [{"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}} | dose(7000, "[iU]")], Dose(Decimal(1000), "[iU]"), id="weekly"
        ),
        pytest.param([DAILY | dose(5, "mg"), DAILY | dose(10, "mg")], Dose(Decimal(15), "mg"), id="two instructions add up"),
        pytest.param(
            [DAILY | {"doseAndRate": [{"doseRange": {"low": {"value": 5, "unit": "mg"}, "high": {"value": 10, "unit": "mg"}}}]}],
            Dose(Decimal(10), "mg"),
            id="a range counts with its upper end",
        ),
        pytest.param([DAILY | {"doseQuantity": {"value": 5, "unit": "mg"}}], Dose(Decimal(5), "mg"), id="STU3"),
        pytest.param(
            [{"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnits": "d"}}, "doseQuantity": {"value": 5, "unit": "mg"}}],
            Dose(Decimal(5), "mg"),
            id="DSTU2",
        ),
        pytest.param([DAILY | dose(1, "{tbl}")], None, id="tablets are no amount"),
        pytest.param([DAILY | {"text": "one a day"}], None, id="words"),
        pytest.param([dose(5, "mg")], None, id="no timing"),
        pytest.param([DAILY | dose(5, "mg"), {"text": "and more at night"}], None, id="one of two is open"),
        pytest.param([DAILY | dose(5, "mg"), DAILY | dose(100, "[iU]")], None, id="units that do not add up"),
        pytest.param([DAILY | dose("5", "mg")], None, id="a number in quotes"),
        pytest.param([{"timing": {"repeat": {"frequency": 1, "period": 0, "periodUnit": "d"}}} | dose(5, "mg")], None, id="every zero days"),
        pytest.param("as directed", None, id="no instruction at all"),
        pytest.param([], None, id="none"),
        pytest.param(None, None, id="null"),
    ],
)
def test_the_daily_dose_is_what_the_instructions_say_completely(instructions: Any, expected: Dose | None) -> None:
    assert of(instructions) == expected


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["timing", "repeat", "period", "doseAndRate", "doseQuantity", "value", "unit", "frequency"]), inner)
        ),
    )
)
def test_any_dosage_gives_a_dose_or_nothing(anything: Any) -> None:
    raw = Raw(json.dumps(anything).encode())
    assert all(found is None or isinstance(found, Dose) for found in (daily_dose(raw), given_dose(raw)))


def test_a_drug_with_a_dosage_in_an_unknown_shape_is_still_a_drug() -> None:
    statement = {
        "resourceType": "MedicationStatement",
        "id": "m",
        "status": "active",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "5487"}]},
        "dosage": "twice daily",
    }
    (exposure,) = read(statement).exposures
    assert exposure.category == "thiazide" and exposure.dose is None


def bounded(**bounds: Any) -> dict[str, Any]:
    return {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"} | bounds}}


@pytest.mark.parametrize(
    ("instructions", "days"),
    [
        pytest.param([bounded(boundsDuration={"value": 42, "code": "d"})], Decimal(42), id="days"),
        pytest.param([bounded(boundsDuration={"value": 6, "unit": "wk"})], Decimal(42), id="weeks, by unit"),
        pytest.param([bounded(boundsPeriod={"start": "2026-06-01", "end": "2026-06-30T10:00:00Z"})], Decimal(29), id="a period"),
        pytest.param(
            [bounded(boundsDuration={"value": 7, "code": "d"}), bounded(boundsDuration={"value": 30, "code": "d"})], Decimal(30), id="longest"
        ),
        pytest.param([bounded(boundsPeriod={"start": "2026-06-01"})], None, id="a period without an end"),
        pytest.param([bounded(boundsPeriod={"start": "soon", "end": "later"})], None, id="a period that is no date"),
        pytest.param([bounded(boundsDuration={"value": 1, "code": "course"})], None, id="a unit that is no time"),
        pytest.param([bounded()], None, id="not said"),
        pytest.param([{"text": "for six weeks"}], None, id="in words"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_how_long_a_drug_is_to_be_taken(instructions: Any, days: Decimal | None) -> None:
    assert length_in_days(Raw(json.dumps(instructions).encode())) == days


@pytest.mark.parametrize(
    ("code", "drugs"),
    [("77655", {"zoledronate"}), ("993449", {"denosumab"}), ("46041", {"bisphosphonate_oral"}), ("1897", {"calcium_salt"})],
)
def test_a_draft_tells_which_drug_it_is_how_much_and_for_how_long(code: str, drugs: set[str]) -> None:
    draft = {
        "resourceType": "MedicationRequest",
        "id": "d1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}]},
        "dosageInstruction": [bounded(boundsDuration={"value": 14, "code": "d"}) | dose(70, "mg")],
    }
    (order,) = read(drafts=({"resourceType": "Bundle", "entry": [{"resource": draft}]},)).drafts
    assert (set(order.drugs), order.dose, order.days) == (drugs, Dose(Decimal(70), "mg"), Decimal(14))


def test_a_test_that_is_ordered_is_no_drug() -> None:
    draft = {"resourceType": "ServiceRequest", "id": "d1", "status": "draft", "code": {"coding": [{"system": "http://loinc.org", "code": "2731-8"}]}}
    (order,) = read(drafts=({"resourceType": "Bundle", "entry": [{"resource": draft | {"subject": {"reference": "Patient/p"}}}]},)).drafts
    assert (order.drugs, order.dose, order.days) == (frozenset(), None, None)
