"""The reassurance checklist, item by item: one change to a chart that is reassured, and it is not any more."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ..builders import ask, body, topics

Json = dict[str, Any]
NORMAL = body(
    "age: 44 female\nencounter: ambulatory\nhistory: calcification_skin at thigh, trauma 22 y ago\n"
    "labs 2 d ago: calcium 9.4 mg/dL, phosphate 3.5 mg/dL, albumin 4.2 g/dL, creatinine 0.8 mg/dL\norders: pth"
)
LOW_YIELD = "extended-metabolic-workup-low-yield"
ICD10CM, SNOMED, RXNORM = "http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct", "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
RESOLVED = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}]}
Change = Callable[[Json], None]


def _lab(request: Json, code: str) -> Json:
    found: Json = next(e["resource"] for e in request["prefetch"]["observations"]["entry"] if e["resource"]["code"]["coding"][0]["code"] == code)
    return found


def _set(analyte: str, /, **changes: Any) -> Change:
    return lambda request: _lab(request, analyte).update(changes)


def _quantity(analyte: str, /, **changes: Any) -> Change:
    return lambda request: _lab(request, analyte)["valueQuantity"].update(changes)


def _add(key: str, resource: Json) -> Change:
    def change(request: Json) -> None:
        bundle = request["prefetch"][key]
        bundle.setdefault("entry", []).append({"resource": {"id": f"added-{key}", "subject": {"reference": "Patient/vignette"}, **resource}})
        bundle["total"] = len(bundle["entry"])

    return change


def _observed(code: str, value: float, unit: str, **changes: Any) -> Change:
    return _add(
        "observations",
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "effectiveDateTime": "2026-06-13T12:00:00+00:00",
            "valueQuantity": {"value": value, "unit": unit},
            **changes,
        },
    )


def _condition(code: str, system: str = ICD10CM, **changes: Any) -> Change:
    return _add("conditions", {"resourceType": "Condition", "code": {"coding": [{"system": system, "code": code}]}, **changes})


def _drug(code: str, system: str = RXNORM, kind: str = "MedicationRequest", **changes: Any) -> Change:
    keys = {
        "MedicationRequest": "medication-requests",
        "MedicationStatement": "medication-statements",
        "MedicationAdministration": "medication-administrations",
    }
    return _add(
        keys[kind], {"resourceType": kind, "status": "active", "medicationCodeableConcept": {"coding": [{"system": system, "code": code}]}, **changes}
    )


def _pregnancy(**answer: Any) -> Change:
    return _add(
        "observations",
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "82810-3"}]},
            "effectiveDateTime": "2026-06-01",
            **answer,
        },
    )


def _reported(**changes: Any) -> Change:
    """A report that contains a calcium."""
    calcium = {"resourceType": "Observation", "id": "in", "status": "final", "code": {"coding": [{"system": "http://loinc.org", "code": "17861-6"}]}}
    drawn = {"effectiveDateTime": "2026-06-13T12:00:00+00:00", "valueQuantity": {"value": 13.5, "unit": "mg/dL"}}
    return _add("reports", {"resourceType": "DiagnosticReport", "status": "final", "contained": [calcium | drawn | changes]})


def _each(*changes: Change) -> Change:
    def change(request: Json) -> None:
        for one in changes:
            one(request)

    return change


def _site(system: str) -> Change:
    def change(request: Json) -> None:
        for entry in request["prefetch"]["conditions"]["entry"]:
            entry["resource"]["bodySite"] = [{"coding": [{"system": system, "code": "12738006"}]}]

    return change


def _range(low: float, high: float, **more: Any) -> Json:
    return {"low": {"value": low, "unit": "mg/dL"}, "high": {"value": high, "unit": "mg/dL"}, **more}


def _no_resource(key: str) -> Change:
    return lambda request: request["prefetch"][key].setdefault("entry", []).append({"response": {"status": "500"}})


def _patient(**changes: Any) -> Change:
    return lambda request: request["prefetch"]["patient"].update(changes)


def _without(key: str) -> Change:
    return lambda request: request["prefetch"].pop(key)


def _order(**changes: Any) -> Change:
    return lambda request: request["context"]["draftOrders"]["entry"][0]["resource"].update(changes)


SILENCING = [
    pytest.param(_patient(birthDate="2008-06-16"), id="1 a day short of eighteen"),
    pytest.param(_patient(birthDate="2008"), id="1 a birth year that could be younger"),
    pytest.param(lambda r: r["prefetch"]["patient"].pop("birthDate"), id="1 no birth date"),
    pytest.param(_set("2777-1", status="preliminary"), id="2 phosphate preliminary"),
    pytest.param(_set("2777-1", status="registered"), id="2 phosphate registered"),
    pytest.param(_set("17861-6", effectiveDateTime="2026-03-10T12:00:00+00:00"), id="2 calcium stale"),
    pytest.param(_quantity("2777-1", comparator="<"), id="2 phosphate with a comparator"),
    pytest.param(_quantity("2160-0", comparator="<"), id="2 creatinine with a comparator"),
    pytest.param(_quantity("1751-7", unit="furlong", code="furlong"), id="2 albumin in an unknown unit"),
    pytest.param(_observed("17861-6", 9.4, "furlong", effectiveDateTime="2026-06-14T12:00:00Z"), id="2 a newer calcium that cannot be read"),
    pytest.param(_observed("17861-6", 9.4, "furlong", effectiveDateTime="nonsense"), id="2 a calcium that cannot be read, of unknown time"),
    pytest.param(_observed("17861-6", 9.8, "mg/dL"), id="2 two finals of one moment that differ"),
    pytest.param(_set("17861-6", status="corrected", valueQuantity=None), id="2 a calcium that a correction took away"),
    pytest.param(
        _observed("17861-6", 9.4, "mg/dL", status="corrected", valueQuantity=None, dataAbsentReason={"coding": [{"code": "error"}]}),
        id="2 a correction that takes the calcium away",
    ),
    pytest.param(
        _each(
            _observed("17861-6", 13.5, "mg/dL", status="corrected"),
            _set("17861-6", status="corrected", issued="2026-06-14T12:00:00Z"),
        ),
        id="2 two corrections, one not dated",
    ),
    pytest.param(_each(_quantity("17861-6", value=9.2), _observed("17861-6", 9.4, "mg/dL"), _observed("17861-6", 9.6, "mg/dL")), id="2 three finals"),
    pytest.param(_quantity("17861-6", unit="mg/L"), id="2 unit and code of calcium disagree"),
    pytest.param(
        lambda r: _lab(r, "2777-1")["code"]["coding"].insert(0, {"system": "urn:local", "code": "P", "display": "Phosphate as PO4"}),
        id="2 phosphate as PO4 by another coding's words",
    ),
    pytest.param(_set("2160-0", specimen={"display": "Urine"}), id="2 creatinine of urine"),
    pytest.param(_set("17861-6", subject={"reference": "Patient/vignette-2"}), id="2 calcium of another patient"),
    pytest.param(
        _each(_quantity("17861-6", value=10.8), _set("17861-6", referenceRange=[_range(7, 12, type={"text": "Critical"})])), id="3 critical limits"
    ),
    pytest.param(
        _each(_quantity("17861-6", value=10.8), _set("17861-6", referenceRange=[_range(8.5, 11.5, appliesTo=[{"coding": [{"code": "male"}]}])])),
        id="3 the other sex's range",
    ),
    pytest.param(
        _each(_quantity("17861-6", value=10.8), _set("17861-6", referenceRange=[_range(8.8, 11.5, age={"high": {"value": 17, "unit": "yrs"}})])),
        id="3 a child's range",
    ),
    pytest.param(_reported(), id="3 calcium high inside a report"),
    pytest.param(_reported(interpretation="H"), id="3 a calcium inside a report that cannot be read"),
    pytest.param(_quantity("17861-6", value=10.3), id="3 calcium near its limit"),
    pytest.param(_set("17861-6", interpretation=[{"coding": [{"code": "H"}]}]), id="3 calcium flagged high"),
    pytest.param(_set("17861-6", referenceRange=[{"low": {"value": 8.5}, "high": {"value": 9.4}}]), id="3 calcium near the limit of its own range"),
    pytest.param(_set("17861-6", referenceRange=[{"high": {"value": 10.4}}]), id="3 a range with one side only"),
    pytest.param(_observed("1995-0", 1.40, "mmol/L"), id="3 ionised calcium high"),
    pytest.param(_observed("1995-0", 1.29, "mmol/L"), id="3 ionised calcium near its limit"),
    pytest.param(_observed("29265-6", 2.70, "mmol/L"), id="3 adjusted calcium of the laboratory high"),
    pytest.param(_quantity("1751-7", value=2.9), id="3 albumin low, no ionised calcium"),
    pytest.param(_quantity("1751-7", value=5.1), id="3 albumin high, no ionised calcium"),
    pytest.param(_quantity("2777-1", value=4.4), id="4 phosphate near its limit"),
    pytest.param(_quantity("2777-1", value=2.4), id="4 phosphate low"),
    pytest.param(_set("2777-1", effectiveDateTime="2026-06-12T11:00:00+00:00"), id="5 phosphate 25 hours from calcium"),
    pytest.param(_set("1751-7", effectiveDateTime="2026-06-13T16:30:00+00:00"), id="5 albumin four and a half hours from calcium"),
    pytest.param(_set("17861-6", effectiveDateTime="2026-06-13"), id="5 calcium without an hour"),
    pytest.param(
        _each(_set("17861-6", specimen={"reference": "#s"}), _set("1751-7", specimen={"reference": "#s"}, effectiveDateTime="2026-06-10T12:00:00Z")),
        id="5 albumin of another day, contained specimens of one name",
    ),
    pytest.param(_set("17861-6", effectiveDateTime="2026-06-13T12:00:00"), id="5 calcium without a time zone"),
    pytest.param(_quantity("2160-0", value=1.3), id="6 eGFR below 60"),
    pytest.param(_observed("98979-8", 55, "mL/min/{1.73_m2}"), id="6 reported eGFR below 60"),
    pytest.param(_observed("33914-3", 55, "mL/min", effectiveDateTime="2025-06-13T12:00:00Z"), id="6 a single low eGFR a year ago"),
    pytest.param(_observed("48642-3", 18, "mL/min/{1.73_m2}"), id="6 race-specific eGFR below 60"),
    pytest.param(
        _observed("48642-3", 60, "mL/min/{1.73_m2}", valueQuantity={"value": 60, "unit": "mL/min", "comparator": "<"}), id="6 the same, < 60"
    ),
    pytest.param(_condition("N18.30"), id="6 CKD G3"),
    pytest.param(_condition("N18.9"), id="6 CKD without a category"),
    pytest.param(_condition("Z94.0"), id="6 kidney transplant"),
    pytest.param(
        _add("procedures", {"resourceType": "Procedure", "status": "completed", "code": {"coding": [{"system": SNOMED, "code": "302497006"}]}}),
        id="6 haemodialysis",
    ),
    pytest.param(_observed("2160-0", 0.45, "mg/dL", effectiveDateTime="2026-06-12T12:00:00Z"), id="6 creatinine rose by 0.3 in two days"),
    pytest.param(lambda r: (_condition("G82.20")(r), _quantity("2160-0", value=0.95)(r)), id="6 paralysis flatters creatinine"),
    pytest.param(_condition("E10.10", recordedDate="2026-06-12"), id="7 ketoacidosis"),
    pytest.param(_condition("R65.21"), id="7 septic shock"),
    pytest.param(_condition("Z33.1"), id="7 pregnancy"),
    pytest.param(_pregnancy(valueCodeableConcept={"coding": [{"system": "http://loinc.org", "code": "LA15173-0"}]}), id="7 pregnancy by answer"),
    pytest.param(
        _pregnancy(valueCodeableConcept={"coding": [{"system": "urn:local", "code": "yes"}]}), id="7 a pregnancy status that is not understood"
    ),
    pytest.param(_pregnancy(valueString="yes"), id="7 a pregnancy status in words"),
    pytest.param(_observed("18185-9", 30, "wk"), id="7 a gestational age"),
    pytest.param(_condition("E87.29"), id="7 acidosis of some kind"),
    pytest.param(_condition("D86.0"), id="7 sarcoidosis"),
    pytest.param(_condition("K74.6"), id="3 cirrhosis, no ionised calcium"),
    pytest.param(_condition("N04.9"), id="3 nephrotic syndrome, no ionised calcium"),
    pytest.param(_observed("2744-1", 7.55, "[pH]"), id="3 pH above 7.50, no ionised calcium"),
    pytest.param(
        _add(
            "procedures",
            {
                "resourceType": "Procedure",
                "status": "completed",
                "code": {"coding": [{"system": SNOMED, "code": "116863004"}]},
                "performedDateTime": "2026-06-12",
            },
        ),
        id="3 transfusion three days ago, no ionised calcium",
    ),
    pytest.param(_observed("46424-8", 3, "1", interpretation=[{"coding": [{"code": "H"}]}]), id="7 haemolysed sample"),
    pytest.param(
        _drug("41144", kind="MedicationAdministration", status="completed", effectiveDateTime="2026-06-13T02:00:00Z"),
        id="7 gadodiamide ten hours before calcium was drawn",
    ),
    pytest.param(_condition("A15.0"), id="7 tuberculosis, not dated"),
    pytest.param(_condition("C49.9"), id="7 sarcoma"),
    pytest.param(_condition("E21.0"), id="7 primary hyperparathyroidism"),
    pytest.param(_drug("5487"), id="7 thiazide"),
    pytest.param(_drug("5487", status="stopped", authoredOn="2026-05-25"), id="7 thiazide stopped, when is not known"),
    pytest.param(
        _drug("214824", kind="MedicationStatement", status="completed", effectivePeriod={"end": "2026-05-20"}), id="7 binder until 26 days ago"
    ),
    pytest.param(
        _drug("993449", kind="MedicationAdministration", status="completed", effectiveDateTime="2026-01-10T08:00:00Z"), id="7 denosumab 156 days ago"
    ),
    *[
        pytest.param(
            _drug("993449", kind="MedicationAdministration", status=status, effectiveDateTime="2026-05-01T08:00:00Z"),
            id=f"7 denosumab given, {status}",
        )
        for status in ("unknown", "on-hold")
    ],
    pytest.param(_drug("C09DA01", ATC), id="7 a combination with a thiazide"),
    pytest.param(_drug("A11CC55", ATC), id="7 a combination with vitamin D"),
    pytest.param(_drug("ABCDEF1", "http://patches.example/drug"), id="7 a system whose name holds atc"),
    pytest.param(_drug("999999999"), id="7 an active drug of unknown code"),
    pytest.param(_observed("2731-8", 80, "pg/mL"), id="8 PTH high"),
    pytest.param(_observed("2731-8", 8, "pg/mL"), id="8 PTH low"),
    pytest.param(_observed("2731-8", 120, "pg/mL", effectiveDateTime="2025-11-27T12:00:00Z"), id="8 PTH high 200 days ago, and not since"),
    pytest.param(_observed("6768-6", 30, "U/L"), id="8 ALP 30"),
    pytest.param(_observed("6768-6", 151, "U/L"), id="8 ALP above its limit"),
    pytest.param(_observed("19123-9", 1.5, "mg/dL"), id="8 magnesium low"),
    pytest.param(_observed("62292-8", 19, "ng/mL"), id="8 25-OH-D below 20"),
    pytest.param(_condition("E55.9"), id="8 vitamin D deficiency on record, 25-OH-D not known"),
    pytest.param(_observed("62292-8", 101, "ng/mL"), id="8 25-OH-D above 100"),
    pytest.param(_observed("17861-6", 11.0, "mg/dL", effectiveDateTime="2025-07-01T12:00:00Z"), id="9 calcium high 349 days ago"),
    pytest.param(_observed("2777-1", 5.0, "mg/dL", effectiveDateTime="2026-01-01T12:00:00Z"), id="9 phosphate high this year"),
    pytest.param(_condition("E83.52", clinicalStatus=RESOLVED, recordedDate="2026-03-15"), id="9 hypercalcaemia coded this year, and over"),
    pytest.param(_condition("E83.51", clinicalStatus=RESOLVED), id="9 hypocalcaemia coded, over, and not dated"),
    pytest.param(
        _observed(
            "2823-3",
            6.0,
            "mmol/L",
            specimen={"reference": "#s"},
            contained=[
                {
                    "resourceType": "Specimen",
                    "id": "s",
                    "collection": {"collectedDateTime": "2026-06-13T12:00:00+00:00"},
                    "receivedTime": "2026-06-13T22:00:00+00:00",
                }
            ],
        ),
        id="7 a high potassium that was ten hours on its way to the laboratory",
    ),
    pytest.param(_condition("G23.8"), id="10 intracranial calcification"),
    pytest.param(_condition("61778004", SNOMED), id="10 tumoral calcinosis"),
    pytest.param(_site("https://snomed.info/sct"), id="10 brain, by another spelling of SNOMED CT"),
    pytest.param(_site("urn:oid:2.16.840.1.113883.6.96"), id="10 brain, by the OID of SNOMED CT"),
    pytest.param(_condition("L97.909"), id="10 leg ulcer"),
    pytest.param(_condition("M79.3"), id="10 panniculitis"),
    pytest.param(_condition("L94.2", bodySite=[{"coding": [{"system": SNOMED, "code": "14975008"}]}]), id="10 a second site"),
    pytest.param(_condition("237897009", SNOMED), id="10 arterial calcification at 44"),
    *[
        pytest.param(_without(key), id=f"11 {key} not sent")
        for key in (
            "patient",
            "procedures",
            "medication-requests",
            "medication-statements",
            "medication-administrations",
            "service-requests",
            "reports",
            "encounter",
        )
    ],
    *[pytest.param(_no_resource(key), id=f"11 an entry of {key} that failed") for key in ("conditions", "procedures")],
    pytest.param(_add("conditions", {"resourceType": "Condition", "code": "broken"}), id="11 a Condition that cannot be read"),
    pytest.param(_add("conditions", {"resourceType": "Condition", "subject": {"reference": "Patient/other"}}), id="11 another patient's Condition"),
    pytest.param(_order(reasonCode=[{"coding": [{"system": ICD10CM, "code": "M81.0"}]}]), id="order for osteoporosis"),
    pytest.param(_order(reasonCode=[{"text": "calcified lump"}]), id="order for words only"),
    pytest.param(_order(reasonReference=[{"reference": "Condition/not-sent"}]), id="order for a Condition that did not come"),
]


def test_the_chart_is_reassured_before_any_change() -> None:
    assert topics(ask(NORMAL)) == [LOW_YIELD]


@pytest.mark.parametrize("change", SILENCING)
def test_one_change_silences_the_reassurance(change: Change) -> None:
    request = copy.deepcopy(NORMAL)
    change(request)
    assert LOW_YIELD not in topics(ask(request))


def test_a_race_specific_egfr_alone_proves_nothing() -> None:
    request = copy.deepcopy(NORMAL)
    _lab(request, "2160-0").update(
        code={"coding": [{"system": "http://loinc.org", "code": "48642-3"}]}, valueQuantity={"value": 90, "unit": "mL/min"}
    )
    assert LOW_YIELD not in topics(ask(request))


def test_a_vaguely_dated_calcium_calls_no_alarm_off() -> None:
    request = copy.deepcopy(NORMAL)
    _observed("17861-6", 11.5, "mg/dL", effectiveDateTime="2026-06-14T08:00:00Z")(request)
    _set("17861-6", effectiveDateTime="2026-06")(request)
    assert "hypercalcaemia-is-not-dystrophic" in topics(ask(request))


@pytest.mark.parametrize("code", ["E87.20", "E87.22", "E87.29"])
def test_an_acidosis_of_some_kind_hides_no_high_phosphate(code: str) -> None:
    request = copy.deepcopy(NORMAL)
    _each(_quantity("2777-1", value=7), _condition(code))(request)
    assert "hyperphosphataemia-is-not-dystrophic" in topics(ask(request))


def test_an_evening_without_an_offset_softens_nothing() -> None:
    request = copy.deepcopy(NORMAL)
    _each(_quantity("2777-1", value=4.9), _set("2777-1", effectiveDateTime="2026-06-13T18:00:00"))(request)
    (card,) = [card for card in ask(request).cards if card["source"]["topic"]["code"] == "hyperphosphataemia-is-not-dystrophic"]
    assert card["indicator"] == "warning"


def test_in_pregnancy_calcium_adjusted_for_albumin_keeps_the_adults_limits() -> None:
    request = copy.deepcopy(NORMAL)
    _each(_observed("18185-9", 30, "wk"), _quantity("17861-6", value=8.6), _quantity("1751-7", value=3.0))(request)
    calcium = ask(request).findings.state.calcium
    assert calcium.total is not None and calcium.adjusted is not None
    assert (calcium.total.limits.source, calcium.adjusted.limits.source, calcium.high, calcium.low) == ("pregnancy", "adult", (), ())


VITAMIN_D_TEST = {"code": {"coding": [{"system": "http://loinc.org", "code": "62290-2"}]}}
NOT_OF_VITAMIN_D = (
    "7 thiazide",
    "7 thiazide stopped",
    "7 an active drug",
    "8 PTH high",
    "8 ALP",
    "8 magnesium",
    "8 25-OH-D",
    "8 vitamin D",
    "10 a second site",
)
OF_VITAMIN_D = [change for change in SILENCING if not str(change.id).startswith(NOT_OF_VITAMIN_D)]


def test_a_test_of_active_vitamin_d_is_questioned_before_any_change() -> None:
    request = copy.deepcopy(NORMAL)
    _order(**VITAMIN_D_TEST)(request)
    assert topics(ask(request)) == ["active-vitamin-d-test-misordered"]


@pytest.mark.parametrize("change", OF_VITAMIN_D)
def test_one_change_silences_the_question_of_active_vitamin_d_too(change: Change) -> None:
    request = copy.deepcopy(NORMAL)
    _order(**VITAMIN_D_TEST)(request)
    change(request)
    assert "active-vitamin-d-test-misordered" not in topics(ask(request))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_patient(birthDate="2008-06-13"), id="eighteen on the day of the draw"),
        pytest.param(_set("2777-1", effectiveDateTime="2026-06-12T12:00:00+00:00"), id="phosphate 24 hours from calcium"),
        pytest.param(_set("1751-7", effectiveDateTime="2026-06-13T16:00:00+00:00"), id="albumin four hours from calcium"),
        pytest.param(_observed("6768-6", 31, "U/L"), id="ALP 31, though below a fallback limit"),
        pytest.param(_observed("62292-8", 20, "ng/mL"), id="25-OH-D 20"),
        pytest.param(lambda r: (_condition("E55.9")(r), _observed("62292-8", 30, "ng/mL")(r)), id="vitamin D deficiency on record, 25-OH-D 30"),
        pytest.param(_observed("17861-6", 11.0, "mg/dL", effectiveDateTime="2025-06-01T12:00:00Z"), id="calcium high 379 days ago"),
        pytest.param(_observed("17862-4", 30, "mg/dL"), id="a urine calcium"),
        pytest.param(
            _drug("214824", kind="MedicationStatement", status="completed", effectivePeriod={"end": "2026-05-01"}), id="binder until 45 days ago"
        ),
        pytest.param(_condition("D86.0", verificationStatus={"coding": [{"code": "refuted"}]}), id="sarcoidosis refuted"),
        pytest.param(_condition("D86.0", clinicalStatus={"coding": [{"code": "resolved"}]}), id="sarcoidosis resolved"),
        pytest.param(_condition("E83.52", clinicalStatus=RESOLVED, recordedDate="2024-06-01"), id="hypercalcaemia over, recorded two years ago"),
        pytest.param(_condition("E83.52", clinicalStatus=RESOLVED, onsetDateTime="2024-06-01"), id="hypercalcaemia over, began two years ago"),
        pytest.param(
            _observed("17861-6", 9.3, "mg/dL", effectiveDateTime="2026-05-01T12:00:00Z", valueQuantity="9.3 mg/dL"),
            id="an older calcium of the wrong shape, which the newest answers for",
        ),
        pytest.param(_observed("1995-0", 1.22, "mmol/L"), id="ionised calcium in range"),
        pytest.param(_observed("48642-3", 90, "mL/min/{1.73_m2}"), id="race-specific eGFR 90"),
        pytest.param(_pregnancy(valueCodeableConcept={"coding": [{"system": "http://loinc.org", "code": "LA26683-5"}]}), id="not pregnant"),
        pytest.param(_drug("C09AA03", ATC), id="a drug that its code names"),
        pytest.param(_drug("5487", status="entered-in-error"), id="a thiazide entered in error"),
        pytest.param(_observed("2744-1", 7.50, "[pH]"), id="pH 7.50"),
        pytest.param(lambda r: (_condition("K74.6")(r), _observed("1995-0", 1.22, "mmol/L")(r)), id="cirrhosis, ionised calcium in range"),
        pytest.param(_observed("46424-8", 3, "1"), id="a haemolysis index without range and flag"),
        pytest.param(_drug("84990", kind="MedicationAdministration", status="completed", effectiveDateTime="2026-06-13T02:00:00Z"), id="gadobutrol"),
        pytest.param(
            _drug("41144", kind="MedicationAdministration", status="completed", effectiveDateTime="2026-06-12T11:00:00Z"),
            id="gadodiamide twenty-five hours before calcium was drawn",
        ),
        pytest.param(_order(reasonCode=[{"coding": [{"system": ICD10CM, "code": "L94.2"}]}]), id="order for the calcification"),
    ],
)
def test_what_does_not_matter_does_not_silence_it(change: Change) -> None:
    request = copy.deepcopy(NORMAL)
    change(request)
    assert topics(ask(request)) == [LOW_YIELD], ask(request).findings.state.checklist
