"""Daily doses: what dosage instructions of any FHIR version say, and what they leave open."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from fhir_mappings.doses import daily_dose, given_dose
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
