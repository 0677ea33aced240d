"""Observations: status, time, specimen, comparators, ranges, duplicates, corrections, contradictions."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fhir_mappings import paired

from .builders import LOINC, PATIENT, SNOMED, bundle, condition, lab, observation, problem, read


@pytest.mark.parametrize(
    ("status", "final"), [("final", True), ("amended", True), ("corrected", True), ("preliminary", False), ("registered", False)]
)
def test_usable_status_is_kept(status: str, final: bool) -> None:
    value = lab(observation(status=status))
    assert (value.final, value.status) == (final, status)


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "unknown", "this_is_invalid", None])
def test_unusable_status_is_told_and_not_used(status: str | None) -> None:
    assert problem(observation(status=status)).reason == "status"


@pytest.mark.parametrize("code", ["17862-4", "2004-0", "6874-2", "15155-5", "1998-4", "49936-8", "2778-9", "48617-5", "2161-8"])
def test_another_specimen_or_quantity_is_recognised_and_refused(code: str) -> None:
    facts = read(observation(code))
    assert facts.labs == {}
    assert [p.reason for p in facts.problems] == ["excluded"]
    assert facts.unmapped == {}


@pytest.mark.parametrize(
    "code",
    ["17865-7", "15156-3", "14966-6", "55405-5", "24336-0", "29967-7", "26465-5", "12179-8", "50417-5", "30328-9", "72898-0", "72493-9", "29604-5"],
)
def test_codes_that_were_disproved_mean_nothing(code: str) -> None:
    facts = read(observation(code))
    assert (facts.labs, facts.problems) == ({}, ())
    assert facts.unmapped == {("Observation", LOINC, code): 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"valueQuantity": None}, "no-value", id="no value"),
        pytest.param({"valueQuantity": None, "valueString": "9.4 mg/dL"}, "value-type", id="a number as text is not parsed"),
        pytest.param({"valueQuantity": None, "dataAbsentReason": {"coding": [{"code": "unknown"}]}}, "data-absent", id="said to be absent"),
        pytest.param({"effectiveDateTime": None}, "no-time", id="no time at all"),
        pytest.param({"effectiveDateTime": "yesterday"}, "no-time", id="not a date"),
        pytest.param({"effectiveDateTime": "2026-W24-6T08:00Z"}, "no-time", id="a week date"),
        pytest.param({"effectiveDateTime": "2026-06-13 08:00:00Z"}, "no-time", id="a blank for the T"),
        pytest.param({"effectiveDateTime": "2026-06-17T08:00:00Z"}, "future", id="the day after tomorrow"),
        pytest.param({"effectiveDateTime": "1969-05-05T08:00:00Z"}, "before-birth", id="before birth"),
        pytest.param({"subject": {"reference": "Patient/q"}}, "another-patient", id="another patient"),
        pytest.param({"subject": None}, "no-subject", id="nobody's"),
        pytest.param({"status": 5}, "unreadable", id="a number for a status"),
    ],
)
def test_what_cannot_be_used_is_a_problem(changes: dict[str, Any], reason: str) -> None:
    assert problem(observation(**changes)).reason == reason


@pytest.mark.parametrize("code", ["48642-3", "48643-1", "88293-6", "88294-4"])
def test_a_race_specific_egfr_is_a_measure_of_its_own(code: str) -> None:
    assert lab(observation(code, 18, "mL/min/{1.73_m2}")).analyte == "egfr_race_specific"


@pytest.mark.parametrize("code", ["2157-6", "1963-8", "50675-8", "3084-1"])
def test_a_recognised_test_whose_value_is_not_read_is_noted_and_counted(code: str) -> None:
    facts = read(observation(code, 60, "mg/dL"))
    assert (len(facts.resulted), facts.unmapped) == (1, {("Observation", LOINC, code): 1})
    assert [p.reason for p in read(observation(code, 60, "mg/dL", status="bogus")).problems] == ["status"]


def test_words_without_a_code_are_counted() -> None:
    assert read(observation(code={"text": "Calcium"})).unmapped == {("Observation", "", ""): 1}


def test_an_unreadable_resource_keeps_its_analyte_and_time() -> None:
    found = problem(observation(interpretation="H"))
    assert (found.reason, found.analyte) == ("unreadable", "calcium_total")
    assert found.when is not None
    assert found.when.at == datetime(2026, 6, 13, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("server", ["", "https://ehr.example/fhir", "https://ehr.example/fhir/"])
@pytest.mark.parametrize(
    "reference",
    ["Patient/p", "https://ehr.example/fhir/Patient/p", "https://ehr.example/fhir/Patient/p/_history/3", "Patient/p/_history/3", "urn:uuid:p"],
)
def test_the_patient_is_recognised_in_every_form_of_reference(reference: str, server: str) -> None:
    assert read(observation(subject={"reference": reference}), server=server).labs["calcium_total"][0].value == Decimal("9.4")


@pytest.mark.parametrize(
    "reference", ["https://other.example/fhir/Patient/p", "https://ehr.example/fhir2/Patient/p", "http://ehr.example/fhir/Patient/p"]
)
def test_the_same_id_on_another_server_is_another_patient(reference: str) -> None:
    facts = read(observation(subject={"reference": reference}), server="https://ehr.example/fhir")
    assert (facts.labs, [p.reason for p in facts.problems]) == ({}, ["another-patient"])


def test_a_patient_resource_of_another_server_is_another_patient() -> None:
    entry = {"fullUrl": "https://other.example/fhir/Patient/p", "resource": PATIENT}
    facts = read({"resourceType": "Bundle", "entry": [entry]}, with_patient=False, server="https://ehr.example/fhir")
    assert (facts.patient.born, [p.reason for p in facts.problems]) == (None, ["another-patient"])


@pytest.mark.parametrize(
    ("effective", "exact", "first", "last"),
    [
        pytest.param({"effectiveDateTime": "2026-06-13T08:00:00Z"}, True, "2026-06-13T08:00", "2026-06-13T08:00", id="an instant"),
        pytest.param({"effectiveDateTime": "2026-06-13T10:00:00.123456789+02:00"}, True, "2026-06-13T08:00", "2026-06-13T08:00", id="with an offset"),
        pytest.param({"effectiveDateTime": "2026-06-13T08:00:00"}, False, "2026-06-12T18:00", "2026-06-13T20:00", id="without a time zone"),
        pytest.param({"effectiveDateTime": "2026-06-13"}, False, "2026-06-12T10:00", "2026-06-14T11:59", id="a day"),
        pytest.param({"effectiveDateTime": "2026-05"}, False, "2026-04-30T10:00", "2026-06-01T11:59", id="a month"),
        pytest.param(
            {"effectiveDateTime": None, "effectivePeriod": {"start": "2026-06-01T08:00:00Z", "end": "2026-06-13T08:00:00Z"}},
            True,
            "2026-06-13T08:00",
            "2026-06-13T08:00",
            id="the end of a period",
        ),
        pytest.param(
            {"effectiveDateTime": None, "issued": "2026-06-13T08:00:00Z"},
            False,
            "2026-06-13T08:00",
            "2026-06-13T08:00",
            id="only issued pairs with nothing",
        ),
    ],
)
def test_time_is_as_exact_as_it_was_sent(effective: dict[str, Any], exact: bool, first: str, last: str) -> None:
    when = lab(observation(**effective)).when
    assert when.exact is exact
    assert (when.at.isoformat()[:16], when.until.isoformat()[:16]) == (first, last)


def test_the_hour_is_the_one_that_was_sent() -> None:
    assert lab(observation(effectiveDateTime="2026-06-13T22:30:00+09:00")).when.hour == 22
    assert lab(observation(effectiveDateTime="2026-06-13T22:30:00")).when.hour is None


@pytest.mark.parametrize("comparator", ["<", "<=", ">", ">="])
def test_a_comparator_is_kept(comparator: str) -> None:
    value = lab(observation(valueQuantity={"value": 9.4, "unit": "mg/dL", "comparator": comparator}))
    assert (value.comparator, value.shown) == (comparator, f"{comparator}9.4 mg/dL")


def _range(low: float | None, high: float | None, **more: Any) -> dict[str, Any]:
    return {**({"low": {"value": low, "unit": "mg/dL"}} if low else {}), **({"high": {"value": high, "unit": "mg/dL"}} if high else {}), **more}


def _for(sex: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": "http://hl7.org/fhir/administrative-gender", "code": sex}]}]


ADULT = ("8.8", "10.4", "8.8", "10.4", "adult")


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        pytest.param(None, ("8.8", "10.4", "8.8", "10.4", "adult"), id="the adult band"),
        pytest.param([_range(8.5, 10.2)], ("8.5", "10.2", "8.5", "10.2", "reported"), id="its own"),
        pytest.param([_range(8.5, 10.2), _range(8.6, 10.5)], ("8.6", "10.2", "8.5", "10.5", "reported"), id="narrower to reassure, wider for danger"),
        pytest.param(
            [_range(8.5, 10.2, type={"coding": [{"code": "therapeutic"}]})], ("8.8", "10.4", "8.8", "10.4", "adult"), id="a therapeutic range is none"
        ),
        pytest.param([_range(8.5, 10.2, type={"coding": [{"code": "normal"}]})], ("8.5", "10.2", "8.5", "10.2", "reported"), id="marked normal"),
        pytest.param([_range(10.2, 8.5)], ("8.8", "10.4", "8.8", "10.4", "adult"), id="low above high is discarded"),
        pytest.param([_range(2.2, 2.6)], ("8.8", "10.4", "8.8", "10.4", "adult"), id="limits of mmol/L said to be mg/dL are discarded"),
        pytest.param(
            [{"low": {"value": 8.5}, "high": {"value": 10.2}}], ("8.5", "10.2", "8.5", "10.2", "reported"), id="a range without units has the value's"
        ),
        pytest.param(
            [{"low": {"value": 2.12, "unit": "mmol/L"}, "high": {"value": 2.6, "unit": "mmol/L"}}],
            ("8.8", "10.4", "8.8", "10.4", "adult"),
            id="another property",
        ),
        pytest.param([_range(8.5, 11.5, type={"text": "Critical"})], ADULT, id="a kind in words is not normal"),
        pytest.param([_range(8.5, 11.5, appliesTo=_for("male"))], ADULT, id="the other sex's"),
        pytest.param(
            [_range(8.8, 10.3, appliesTo=_for("female")), _range(8.5, 11.5, appliesTo=_for("male"))],
            ("8.8", "10.3", "8.8", "10.3", "reported"),
            id="the one of the patient's sex",
        ),
        pytest.param(
            [_range(9.0, 11.5, appliesTo=[{"text": "someone"}])], ("9.0", "10.4", "8.8", "10.4", "adult"), id="whose is not clear: only narrower"
        ),
        pytest.param(
            [_range(9.0, 11.5, age={"high": {"value": 17, "unit": "furlong"}}), _range(8.8, 10.4)],
            ("9.0", "10.4", "8.8", "10.4", "reported"),
            id="an age that is not understood: only narrower",
        ),
        pytest.param(
            [_range(8.8, 11.5, age={"high": {"value": 17, "unit": "Yrs"}}), _range(8.7, 10.2)],
            ("8.7", "10.2", "8.7", "10.2", "reported"),
            id="children's, in human units of age",
        ),
        pytest.param([_range(None, 10.2)], ("None", "10.2", "8.8", "10.2", "reported"), id="one side: danger has the band's other"),
        pytest.param([_range(8.5, 10.2), _range(None, 10.0)], ("8.5", "10.0", "8.5", "10.2", "reported"), id="one side beside two"),
        pytest.param([_range(8.0, 8.5), _range(9.5, 10.2)], ("None", "None", "8.0", "10.2", "reported"), id="nothing in common: nothing is normal"),
        pytest.param([{"text": "8.5-10.2"}], ("8.8", "10.4", "8.8", "10.4", "adult"), id="text is not parsed"),
        pytest.param(
            [_range(8.5, 10.2, age={"high": {"value": 18, "code": "a"}}), _range(8.8, 10.3, age={"low": {"value": 18, "code": "a"}})],
            ("8.8", "10.3", "8.8", "10.3", "reported"),
            id="the one of the patient's age",
        ),
    ],
)
def test_limits_are_chosen(ranges: Any, expected: tuple[str, ...]) -> None:
    limits = read(observation(referenceRange=ranges)).labs["calcium_total"][0].limits
    assert limits is not None
    assert (str(limits.low), str(limits.high), str(limits.wide_low), str(limits.wide_high), limits.source) == expected


@pytest.mark.parametrize(("born", "high"), [("2010-06-13", "4.6"), ("2010-06-14", "5.6"), ("2026-05-30", "8.1"), ("2026-01-01", "7.4")])
def test_children_get_the_band_of_their_age_on_the_day(born: str, high: str) -> None:
    facts = read(PATIENT | {"birthDate": born}, observation("2777-1", 4.5), with_patient=False)
    limits = facts.labs["phosphate"][0].limits
    assert limits is not None
    assert str(limits.high) == high


@pytest.mark.parametrize(
    ("weeks", "drawn", "low", "high"),
    [
        pytest.param(30, "2026-06-13T08:00:00Z", "8.2", "9.7", id="third trimester"),
        pytest.param(30, "2026-05-20T08:00:00Z", "8.2", "9.0", id="second trimester, four weeks earlier"),
        pytest.param(10, "2026-06-13T08:00:00Z", "8.8", "10.4", id="first trimester: the adult's"),
        pytest.param(10, "2025-01-01T08:00:00Z", "8.8", "10.4", id="before it"),
        pytest.param(None, "2026-06-13T08:00:00Z", "8.2", "10.4", id="pregnant, and not known since when"),
    ],
)
def test_total_calcium_in_pregnancy_gets_the_band_of_its_trimester(weeks: int | None, drawn: str, low: str, high: str) -> None:
    pregnancy = observation("18185-9", weeks, "wk", id="g") if weeks else condition("Z33.1", onsetDateTime="2026-03-01")
    limits = read(pregnancy, observation(effectiveDateTime=drawn)).labs["calcium_total"][0].limits
    assert limits is not None
    assert (str(limits.wide_low), str(limits.wide_high)) == (low, high)


def test_of_an_unknown_trimester_only_what_is_normal_in_each_reassures() -> None:
    limits = read(condition("Z33.1"), observation()).labs["calcium_total"][0].limits
    assert limits is not None
    assert (str(limits.low), str(limits.high), limits.source) == ("8.8", "9.0", "pregnancy")


def _status(*codings: dict[str, str], **changes: Any) -> dict[str, Any]:
    return observation("82810-3", valueQuantity=None, **({"valueCodeableConcept": {"coding": list(codings)}} | changes))


@pytest.mark.parametrize(
    ("resource", "pregnant", "reasons"),
    [
        pytest.param(_status({"system": SNOMED, "code": "77386006"}), True, [], id="SNOMED CT: pregnant"),
        pytest.param(_status({"system": LOINC, "code": "LA15173-0"}), True, [], id="LOINC answer: pregnant"),
        pytest.param(_status({"system": LOINC, "code": "LA26683-5"}), False, [], id="LOINC answer: not pregnant"),
        pytest.param(_status({"system": SNOMED, "code": "60001007"}), False, [], id="SNOMED CT: not pregnant"),
        pytest.param(_status({"system": LOINC, "code": "LA4489-6"}), False, ["answer-unknown"], id="unknown is no no"),
        pytest.param(_status({"system": "urn:local", "code": "yes"}), False, ["answer-unknown"], id="a code that is not known"),
        pytest.param(_status(valueCodeableConcept=None, valueString="yes"), False, ["answer-unknown"], id="in words"),
        pytest.param(observation("18185-9", 30, "wk"), True, [], id="a gestational age"),
        pytest.param(observation("49052-4", 210, "d"), True, [], id="a gestational age in days"),
        pytest.param(observation("18185-9", 30, "moons"), True, ["answer-unknown"], id="a gestational age of unknown unit"),
        pytest.param(_status({"system": SNOMED, "code": "77386006"}, status="entered-in-error"), False, ["status"], id="entered in error"),
    ],
)
def test_a_pregnancy_is_read_or_told(resource: dict[str, Any], pregnant: bool, reasons: list[str]) -> None:
    facts = read(resource)
    assert ("pregnancy" in facts.histories, [p.reason for p in facts.problems]) == (pregnant, reasons)
    assert all(p.category == "pregnancy" for p in facts.problems)


def test_a_pregnancy_that_was_observed_ends_by_itself() -> None:
    pregnant = {"system": SNOMED, "code": "77386006"}
    (then,) = read(_status(pregnant, effectiveDateTime="2024-06-01")).histories["pregnancy"]
    (now,) = read(_status(pregnant)).histories["pregnancy"]
    assert (then.active, now.active) == (False, True)


def test_a_childs_gestational_age_is_the_one_of_its_birth() -> None:
    assert read(PATIENT | {"birthDate": "2024-05-05"}, observation("18185-9", 30, "wk"), with_patient=False).histories == {}


URINE = {"resourceType": "Specimen", "id": "s", "type": {"coding": [{"system": SNOMED, "code": "122575003"}]}}


@pytest.mark.parametrize(
    "resources",
    [
        pytest.param([observation("2160-0", 1.0, specimen={"display": "Urine, spot"})], id="by the words of the reference"),
        pytest.param([observation("2160-0", 1.0, specimen={"reference": "#s"}, contained=[URINE])], id="by a contained specimen"),
        pytest.param([observation("2160-0", 1.0, specimen={"reference": "Specimen/s"}), URINE], id="by a specimen beside it"),
    ],
)
def test_a_serum_code_on_urine_is_a_conflict(resources: list[dict[str, Any]]) -> None:
    found = problem(*resources)
    assert (found.reason, found.analyte) == ("specimen-conflict", "creatinine")


@pytest.mark.parametrize("specimen", [{"display": "Serum"}, {"reference": "Specimen/unknown"}, {"display": "Venous blood"}])
def test_a_specimen_of_blood_or_unknown_does_not_disturb(specimen: dict[str, str]) -> None:
    assert lab(observation("2160-0", 1.0, specimen=specimen)).analyte == "creatinine"


def _of_specimen(code: str, value: float, unit: str, reference: str, **changes: Any) -> dict[str, Any]:
    return observation(code, value, unit, specimen={"reference": reference}, **changes)


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        pytest.param("Specimen/1", "Specimen/1", True, id="the same"),
        pytest.param("Specimen/1", "https://ehr.example/fhir/Specimen/1", True, id="the same, absolute"),
        pytest.param("#s", "#s", False, id="contained, each in its own resource"),
        pytest.param("Specimen/1", "Specimen/2", False, id="two"),
    ],
)
def test_one_specimen_pairs(first: str, second: str, together: bool) -> None:
    facts = read(
        _of_specimen("17861-6", 9.4, "mg/dL", first, effectiveDateTime="2026-06-13"),
        _of_specimen("1751-7", 4.0, "g/dL", second, id="o2", effectiveDateTime="2026-06-10"),
    )
    assert paired(facts.labs["calcium_total"][0], facts.labs["albumin"][0], Decimal(4)) is together


def test_a_copy_is_no_second_value() -> None:
    assert len(read(observation(), observation(), observation(id="o2")).labs["calcium_total"]) == 1


def test_a_correction_replaces_what_it_corrects() -> None:
    first, second = observation(value=9.4), observation(value=10.9, id="o2", status="corrected", issued="2026-06-14T08:00:00Z")
    assert [value.value for value in read(first, second).labs["calcium_total"]] == [Decimal("10.9")]


def test_a_correction_replaces_what_came_from_its_specimen_at_another_time() -> None:
    sample: dict[str, Any] = {"specimen": {"reference": "Specimen/1"}}
    facts = read(observation(**sample), observation(value=13.0, id="o2", status="corrected", effectiveDateTime="2026-06-13T08:30:00Z", **sample))
    assert [value.value for value in facts.labs["calcium_total"]] == [Decimal("13.0")]


def test_of_corrections_that_do_not_say_when_they_were_issued_none_is_lost() -> None:
    facts = read(observation(value=13.5, status="corrected"), observation(value=9.4, id="o2", status="corrected", issued="2026-06-14T08:00:00Z"))
    assert {value.value for value in facts.labs["calcium_total"]} == {Decimal("13.5"), Decimal("9.4")}
    assert [p.reason for p in facts.problems] == ["contradictory"]


@pytest.mark.parametrize("gone", [{"dataAbsentReason": {"coding": [{"code": "error"}]}}, {}], ids=["said to be absent", "without a value"])
def test_a_correction_that_takes_the_value_away_is_told(gone: dict[str, Any]) -> None:
    facts = read(observation(), observation(id="o2", status="corrected", valueQuantity=None, **gone))
    assert [p.reason for p in facts.problems] == ["withdrawn"]


@pytest.mark.parametrize(
    ("code", "values", "contradictory"),
    [
        pytest.param("17861-6", (10.0, 10.3), False, id="calcium 3 % apart"),
        pytest.param("17861-6", (10.0, 10.31), True, id="calcium more than 3 % apart"),
        pytest.param("2777-1", (3.0, 3.3), False, id="phosphate 10 % apart"),
        pytest.param("2777-1", (3.0, 3.4), True, id="phosphate more than 10 % apart"),
        pytest.param("17861-6", (9.2, 9.4, 9.6), True, id="calcium in steps: the extremes count"),
    ],
)
def test_two_finals_of_one_moment_that_differ_too_much_contradict_each_other(code: str, values: tuple[float, ...], contradictory: bool) -> None:
    facts = read(*(observation(code, value, id=f"o{number}") for number, value in enumerate(values)))
    assert [p.reason for p in facts.problems] == (["contradictory"] if contradictory else [])
    assert sum(map(len, facts.labs.values())) == len(values)


def test_calcium_that_changes_by_more_than_half_within_a_day_is_contradictory() -> None:
    facts = read(observation(value=9.0), observation(value=14.0, id="o2", effectiveDateTime="2026-06-13T20:00:00Z"))
    assert [p.reason for p in facts.problems] == ["contradictory"]


def test_calcium_that_changes_by_more_than_half_in_two_steps_is_contradictory() -> None:
    steps = enumerate((8, 11, 14))
    facts = read(*(observation(value=value, id=f"o{number}", effectiveDateTime=f"2026-06-13T{6 * number:02}:00:00Z") for number, value in steps))
    assert [p.reason for p in facts.problems] == ["contradictory"]


@pytest.mark.parametrize(
    ("second", "marked"),
    [
        pytest.param({"value": 9.8}, [True, True], id="of one moment"),
        pytest.param({"value": 9.5}, [False, False], id="of one moment, but near enough"),
        pytest.param({"value": 14.6, "effectiveDateTime": "2026-06-13T20:00:00Z"}, [True, True], id="risen by more than half within a day"),
        pytest.param({"value": 14.6, "effectiveDateTime": "2026-06-14T20:00:00Z"}, [False, False], id="risen by more than half, later"),
    ],
)
def test_results_that_contradict_each_other_are_both_marked(second: dict[str, Any], marked: list[bool]) -> None:
    facts = read(observation(), observation(id="o2", **second))
    assert [value.conflicting for value in facts.labs["calcium_total"]] == marked


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        pytest.param({"unit": None}, ("9.4", "9.4"), id="no unit"),
        pytest.param({"unit": "furlong"}, ("9.4 furlong", "9.4"), id="unknown unit"),
        pytest.param({"value": 94}, ("94 mg/dL", "94"), id="implausible"),
        pytest.param({"effectiveDateTime": None}, ("9.4 mg/dL", "9.4"), id="no time"),
        pytest.param({"valueQuantity": {"value": 9.4, "comparator": "<"}}, ("<9.4", "None"), id="a bound has no number"),
        pytest.param({"valueQuantity": None, "valueString": "9.4"}, ("", "None"), id="text is not repeated"),
    ],
)
def test_a_rejected_value_is_kept_as_it_was_sent(changes: dict[str, Any], kept: tuple[str, str]) -> None:
    found = problem(observation(**changes))
    assert (found.shown, str(found.number)) == kept


def test_a_rejected_value_keeps_its_flags_and_status() -> None:
    found = problem(observation(unit=None, status="amended", interpretation=[{"coding": [{"code": "HH"}]}]))
    assert (found.flags, found.status) == ({"HH"}, "amended")


ADULTS = [{"low": {"value": 2.5}, "high": {"value": 4.6}}]


@pytest.mark.parametrize(
    ("born", "changes", "expected"),
    [
        pytest.param("2023-05-05", {"referenceRange": ADULTS}, ("2.8", "5.6", "reported-adult"), id="the adults' range at three years"),
        pytest.param("2023-05-05", {}, ("2.8", "5.6", "child"), id="no range at three years"),
        pytest.param(
            "2023-05-05",
            {"referenceRange": [{"low": {"value": 2.8}, "high": {"value": 5.6}}]},
            ("2.8", "5.6", "reported"),
            id="the range of the age",
        ),
        pytest.param(
            "2023-05-05",
            {"referenceRange": [ADULTS[0] | {"age": {"low": {"value": 1, "unit": "a"}, "high": {"value": 18, "unit": "a"}}}]},
            ("2.5", "4.6", "reported"),
            id="a range that names the age is the laboratory's own",
        ),
        pytest.param("2010-06-14", {"referenceRange": ADULTS}, ("2.8", "5.6", "reported-adult"), id="a day short of sixteen at the draw"),
        pytest.param("2010-06-13", {"referenceRange": ADULTS}, ("2.5", "4.6", "reported"), id="sixteen at the draw: the adults' range fits"),
        pytest.param("1970-05-05", {"referenceRange": ADULTS}, ("2.5", "4.6", "reported"), id="an adult"),
    ],
)
def test_the_adults_range_does_not_become_a_childs(born: str, changes: dict[str, Any], expected: tuple[str, str, str]) -> None:
    facts = read(PATIENT | {"birthDate": born}, observation("2777-1", 4.5, **changes), with_patient=False)
    limits = facts.labs["phosphate"][0].limits
    assert limits is not None
    assert (str(limits.low), str(limits.high), limits.source) == expected


def test_the_adults_range_in_molar_units_is_recognised_by_its_decimals() -> None:
    sent = observation("14879-1", 1.7, "mmol/L", referenceRange=[{"low": {"value": 0.80}, "high": {"value": 1.50}}])
    limits = read(PATIENT | {"birthDate": "2020-05-05"}, sent, with_patient=False).labs["phosphate"][0].limits
    assert limits is not None
    assert (limits.source, str(limits.wide_high)) == ("reported-adult", "5.6")


@pytest.mark.parametrize(("value", "unit", "centimetres"), [(132, "cm", "132"), (1.32, "m", "132"), (50, "[in_i]", "127"), (39.37, "[in_us]", "100")])
def test_height_is_read_in_centimetres_metres_and_inches(value: float, unit: str, centimetres: str) -> None:
    assert lab(observation("8302-2", value, unit)).value == Decimal(centimetres)


def test_components_are_read_with_the_time_of_their_panel() -> None:
    panel = observation(
        code={"text": "panel"},
        valueQuantity=None,
        component=[{"code": {"coding": [{"system": LOINC, "code": "2777-1"}]}, "valueQuantity": {"value": 3.4, "unit": "mg/dL"}}],
    )
    assert read(panel).labs["phosphate"][0].value == Decimal("3.4")


def test_codes_of_different_quantities_are_read_as_neither() -> None:
    facts = read(observation(code={"coding": [{"system": LOINC, "code": "17861-6"}, {"system": LOINC, "code": "2777-1"}]}))
    assert facts.labs == {}
    assert {p.reason for p in facts.problems if p.analyte} == {"unit-conflict"}


def test_a_second_coding_of_another_system_does_not_disturb() -> None:
    assert lab(observation(code={"coding": [{"system": "urn:local", "code": "CA"}, {"system": LOINC, "code": "17861-6"}]})).analyte == "calcium_total"


def test_shapes_of_other_versions_are_read() -> None:
    stu3 = observation(context={"reference": "Encounter/1"}, interpretation={"coding": [{"code": "H"}]})
    facts = read(stu3)
    assert facts.labs["calcium_total"][0].flags == {"H"}
    assert facts.fhir_version == "STU3"


def test_a_next_page_is_told() -> None:
    facts = read(bundle(observation(), link=[{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]))
    assert [p.reason for p in facts.problems] == ["incomplete-bundle"]


def test_one_broken_resource_does_not_disturb_its_neighbours() -> None:
    facts = read(bundle(observation(status=5, id="bad"), observation(), {"resourceType": "Banana", "id": 7}))
    assert len(facts.labs["calcium_total"]) == 1
    assert [p.resource for p in facts.problems] == ["Observation/bad"]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        pytest.param({"response": {"status": "500"}}, ["incomplete-bundle"], id="a query that failed"),
        pytest.param({"response": {"status": "404 Not Found"}}, ["incomplete-bundle"], id="not found"),
        pytest.param({}, ["incomplete-bundle"], id="nothing"),
        pytest.param({"response": {"status": "204 No Content"}}, [], id="done, with nothing to bring"),
    ],
)
@pytest.mark.parametrize("neighbour", [observation(), observation(status=5)], ids=["decoded in one go", "piece by piece"])
def test_an_entry_without_a_resource_is_a_gap(entry: dict[str, Any], told: list[str], neighbour: dict[str, Any]) -> None:
    facts = read({"resourceType": "Bundle", "entry": [{"resource": neighbour}, entry]})
    assert [p.reason for p in facts.problems if p.reason != "unreadable"] == told


def test_bundles_in_bundles_are_opened_up_to_a_depth() -> None:
    nested = bundle(observation())
    for _ in range(5):
        nested = bundle(nested)
    assert len(read(nested).labs["calcium_total"]) == 1
    for _ in range(20):
        nested = bundle(nested)
    assert [p.reason for p in read(nested).problems] == ["too-deep"]
