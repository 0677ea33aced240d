"""Units: every trap that real senders set, and nothing guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_mappings.checks import property_of

from .builders import UCUM, lab, mappings, observation, problem, read

READ = [analyte for analyte in mappings().analytes.values() if analyte.factors]


@pytest.mark.parametrize(
    ("code", "value", "unit", "expected"),
    [
        pytest.param("17861-6", 9.4, "mg/dL", "9.4", id="calcium mg/dL"),
        pytest.param("2000-8", 2.4, "mmol/L", "9.61872", id="calcium mmol/L"),
        pytest.param("2000-8", 4.8, "meq/L", "9.61872", id="calcium meq/L is half a mmol: divalent"),
        pytest.param("35246-8", 2.4, "mmol/L", "9.61872", id="a code that names no property takes either"),
        pytest.param("49765-1", 9.4, "mg/dL", "9.4", id="whole blood calcium"),
        pytest.param("14879-1", 1.0, "mmol/L", "3.0974", id="phosphate mmol/L"),
        pytest.param("1751-7", 42, "g/L", "4.2", id="albumin g/L, not g/dL"),
        pytest.param("14682-9", 88.4, "umol/L", "1", id="creatinine umol/L"),
        pytest.param("2731-8", 5, "ng/L", "5", id="PTH ng/L is pg/mL"),
        pytest.param("14866-8", 1, "pmol/L", "9.43", id="PTH pmol/L"),
        pytest.param("14635-7", 49.92, "nmol/L", "20", id="25-OH-D nmol/L"),
        pytest.param("6768-6", 2, "ukat/L", "120", id="ALP ukat/L"),
        pytest.param("2823-3", 4.2, "meq/L", "4.2", id="potassium meq/L: monovalent"),
        pytest.param("1995-0", 1.2, "mmol/L", "1.2", id="ionised calcium"),
        pytest.param("2601-3", 1.0, "mmol/L", "2.4305", id="magnesium mmol/L"),
        pytest.param("2885-2", 95, "g/L", "9.5", id="total protein g/L"),
        pytest.param("14927-8", 10, "mmol/L", "885.7", id="triglycerides mmol/L"),
        pytest.param("14631-6", 171.04, "umol/L", "10", id="bilirubin umol/L"),
    ],
)
def test_value_is_converted_exactly(code: str, value: float, unit: str, expected: str) -> None:
    assert lab(observation(code, value, unit)).value == Decimal(expected)


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        pytest.param({"value": 9.4}, "unit-missing", id="no unit"),
        pytest.param({"value": 9.4, "unit": "mg per dL"}, "unit-unknown", id="words"),
        pytest.param({"value": 9.4, "unit": "K/uL"}, "unit-unknown", id="K is kelvin to a UCUM parser"),
        pytest.param({"value": 9.4, "unit": "%"}, "unit-unknown", id="a percentage is no concentration"),
        pytest.param({"value": 9.4, "unit": "IU/L"}, "unit-unknown", id="IU/L only for enzymes"),
        pytest.param({"value": 9.4, "unit": "mg/dL", "system": UCUM, "code": "mmol/L"}, "unit-conflict", id="unit and code disagree"),
        pytest.param(
            {"value": 9.4, "unit": "mg/dL", "system": "http://local.example/units", "code": "mg/dL"}, "unit-conflict", id="system is not UCUM"
        ),
        pytest.param({"value": 2.4, "unit": "mmol/L"}, "unit-conflict", id="a mass code with a molar unit"),
        pytest.param({"value": "9.4", "unit": "mg/dL"}, "value-type", id="a string is no number"),
        pytest.param({"value": True, "unit": "mg/dL"}, "value-type", id="a boolean is no number"),
        pytest.param({"unit": "mg/dL"}, "no-value", id="no value"),
        pytest.param({"value": 2.4, "unit": "mg/dL"}, "implausible", id="mmol/L sent as mg/dL"),
        pytest.param({"value": -9.4, "unit": "mg/dL"}, "implausible", id="negative"),
        pytest.param({"value": 94, "unit": "mg/dL"}, "implausible", id="a lost decimal point"),
        pytest.param({"value": 9.4, "unit": "mg/dL", "comparator": "~"}, "value-type", id="no comparator of FHIR"),
    ],
)
def test_quantity_that_is_not_understood_is_a_problem_that_keeps_analyte_and_time(quantity: dict[str, object], reason: str) -> None:
    found = problem(observation(valueQuantity=quantity))
    assert (found.reason, found.analyte) == (reason, "calcium_total")
    assert found.when is not None
    assert found.resource == "Observation/o1"


@pytest.mark.parametrize("number", ["1e400", "1E-400", "9" * 5000, "0." + "1" * 500])
def test_absurd_numbers_are_implausible_without_arithmetic(number: str) -> None:
    body = (
        b'{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"17861-6"}]},'
        b'"subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-06-13T08:00:00Z","valueQuantity":{"value":%s,"unit":"mg/dL"}}'
        % number.encode()
    )
    assert problem(body).reason == "implausible"


@pytest.mark.parametrize("unit", ["mg/dl", "MG/DL", "mg%", " mg/dL "])
def test_human_strings_of_the_closed_list_are_accepted_without_a_code(unit: str) -> None:
    assert lab(observation(valueQuantity={"value": 9.4, "unit": unit})).value == Decimal("9.4")


@pytest.mark.parametrize("unit", ["µmol/L", "μmol/L", "umol/L", "mcmol/L"])
def test_both_micro_characters_mean_micro(unit: str) -> None:
    assert lab(observation("14682-9", valueQuantity={"value": 88.4, "unit": unit})).value == 1


def test_an_international_unit_is_a_unit_for_enzymes() -> None:
    assert lab(observation("6768-6", valueQuantity={"value": 80, "unit": "IU/L", "system": UCUM, "code": "IU/L"})).value == 80


@pytest.mark.parametrize("words", ["phosphate (as PO4)", "PO4", "Phosphate as PO 4"])
def test_phosphate_given_as_po4_mass_is_ambiguous(words: str) -> None:
    resource = observation({"coding": [{"system": "http://loinc.org", "code": "2777-1"}], "text": words}, 9.0, "mg/dL")
    assert problem(resource).reason == "unit-ambiguous"


def test_a_mole_of_po4_is_a_mole_of_phosphorus() -> None:
    resource = observation({"coding": [{"system": "http://loinc.org", "code": "14879-1"}], "text": "PO4"}, 1.0, "mmol/L")
    assert lab(resource).value == Decimal("3.0974")


@given(st.sampled_from([(a, u) for a in READ for u in a.factors]), st.decimals("0.001", "1000", places=4))
def test_there_and_back_gives_the_same_value(pair: tuple[object, str], value: Decimal) -> None:
    analyte, unit = pair
    factor = analyte.factors[unit]  # type: ignore[attr-defined]
    assert abs(factor.back(factor.of(value)) - value) <= Decimal("1e-20")


@pytest.mark.parametrize("analyte", READ, ids=lambda analyte: analyte.id)
def test_every_accepted_unit_measures_what_the_analyte_is(analyte: object) -> None:
    assert all(property_of(unit) in ("mass", "molar", "activity", "other") for unit in analyte.factors)  # type: ignore[attr-defined]
    assert analyte.factors[analyte.unit] == (1, 1)  # type: ignore[attr-defined]


def test_ucum_agrees_with_every_unit_and_same_dimension_factor() -> None:
    import pint
    from ucumvert import PintUcumRegistry

    registry = PintUcumRegistry()
    for analyte in READ:
        if analyte.unit == "1":
            continue  # an index has a scale of its own, which UCUM cannot know
        for unit, factor in analyte.factors.items():
            if unit in ("meq/L", "[pH]", "[IU]/L"):
                continue  # UCUM takes meq for mmol, which is wrong for divalent ions; pH and [IU] are arbitrary units
            parsed = registry.from_ucum(unit)
            try:
                ratio = (1 * parsed).to(registry.from_ucum(analyte.unit)).magnitude
            except pint.DimensionalityError:
                continue  # mass to molar: by the molar mass that the analyte's file gives
            if property_of(unit) == property_of(analyte.unit):
                assert float(factor.of(Decimal(1))) == pytest.approx(float(ratio), rel=1e-6), (analyte.id, unit)


def test_unit_invariance_of_a_value() -> None:
    one, other = lab(observation("17861-6", 10.0195, "mg/dL")), lab(observation("2000-8", 2.5, "mmol/L"))
    assert one.value == other.value


def test_nothing_is_lost_of_a_long_decimal() -> None:
    body = (
        b'{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"49765-1"}]},'
        b'"subject":{"reference":"Patient/p"},"effectiveDateTime":"2026-06-13T08:00:00Z","valueQuantity":{"value":9.910963287878534,"unit":"mg/dL"}}'
    )
    assert read(body).labs["calcium_total"][0].value == Decimal("9.910963287878534")
