"""Conditions, procedures, drugs, orders, reports, encounters and people: what each becomes, and what is told when it cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_mappings import Facts

from .builders import ICD10CM, LOINC, PATIENT, SNOMED, bundle, condition, observation, read

RXNORM, ATC = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://www.whocc.no/atc"


def categories(facts: Facts) -> set[str]:
    return set(facts.histories)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("M34.81", {"connective_tissue_disease"}),
        ("M34", {"connective_tissue_disease"}),
        ("M3", set()),
        ("N18.30", {"ckd_g3a"}),
        ("N18.32", {"ckd_g3a", "ckd_g3b"}),
        ("N18.9", {"ckd_unspecified"}),
        ("A17.0", {"infection", "granulomatous_disease"}),
        ("M79.3", {"panniculitis"}),
        ("L94.2", {"calcification_skin"}),
        ("E83.59", {"calcification_unspecified"}),
        ("M61.29", {"calcification_muscle", "neurologic", "paralysis"}),
        ("G23.8", {"calcification_intracranial"}),
        ("M75.30", {"calcification_tendon"}),
        ("Z94.0", {"kidney_transplant"}),
        ("Z99.2", {"dialysis"}),
        ("P35.1", {"fetal_brain"}),
        ("I70.0", {"atherosclerosis"}),
        ("I70.201", {"atherosclerosis", "vascular_insufficiency"}),
        ("m3481", {"connective_tissue_disease"}),
    ],
)
def test_icd_codes_match_by_prefix_on_whole_nodes(code: str, expected: set[str]) -> None:
    assert categories(read(condition(code))) == expected


@pytest.mark.parametrize("code", ["E87.2", "E87.20", "E87.21", "E87.22", "E87.29"])
def test_acidosis_of_any_kind_explains_no_high_phosphate(code: str) -> None:
    assert categories(read(condition(code))) == {"acidosis"}


@pytest.mark.parametrize("code", ["M79.89", "Q82.8", "G93.89", "R93.6", "I67.89"])
def test_residual_codes_decide_nothing_and_are_told(code: str) -> None:
    facts = read(condition(code))
    assert categories(facts) == set()
    assert [p.reason for p in facts.problems] == ["residual-code"]


@pytest.mark.parametrize("code", ["237900002", "44551007", "17944005", "4945003", "21402005", "302108000"])
def test_provisional_and_disproved_snomed_codes_are_not_used(code: str) -> None:
    facts = read(condition(code, SNOMED))
    assert categories(facts) == set()
    assert facts.unmapped == {("Condition", SNOMED, code): 1}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"verificationStatus": {"coding": [{"code": "refuted"}]}}, id="refuted"),
        pytest.param({"verificationStatus": {"coding": [{"code": "entered-in-error"}]}}, id="entered in error"),
        pytest.param({"verificationStatus": {"coding": [{"system": "urn:local", "code": "X"}, {"code": "refuted"}]}}, id="by its second coding"),
        pytest.param({"clinicalStatus": {"coding": [{"code": "entered-in-error"}]}}, id="entered in error, as clinical status"),
    ],
)
def test_a_condition_that_is_not_true_is_told_and_not_used(changes: dict[str, Any]) -> None:
    facts = read(condition(**changes))
    assert (categories(facts), [p.reason for p in facts.problems]) == (set(), ["status"])


@pytest.mark.parametrize(
    ("status", "active"), [("active", True), ("recurrence", True), ("relapse", True), ("resolved", False), ("remission", False), ("inactive", False)]
)
def test_a_condition_that_is_over_is_kept_as_such(status: str, active: bool) -> None:
    (record,) = read(condition(clinicalStatus={"coding": [{"code": status}]})).histories["calcification_skin"]
    assert (record.active, record.status) == (active, status)


def test_a_condition_without_a_clinical_status_counts_as_active() -> None:
    (record,) = read(condition(clinicalStatus=None)).histories["calcification_skin"]
    assert record.active


@pytest.mark.parametrize(
    ("changes", "regions", "sites"),
    [
        pytest.param({"bodySite": [{"coding": [{"system": SNOMED, "code": "68367000"}]}]}, {"leg"}, {"thigh"}, id="a coded site"),
        pytest.param({"bodySite": {"coding": [{"system": SNOMED, "code": "79368004"}]}}, {"head_neck"}, {"masseter"}, id="as one concept"),
        pytest.param({"code": {"coding": [{"system": ICD10CM, "code": "M61.451"}]}}, {"leg"}, set(), id="the site character of M61"),
        pytest.param({"code": {"coding": [{"system": ICD10CM, "code": "M61.49"}]}}, {"multiple"}, set(), id="multiple sites"),
        pytest.param(
            {"code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "M61.19"}]}}, set(), set(), id="a site digit of the WHO"
        ),
        pytest.param(
            {"bodySite": [{"coding": [{"system": "https://snomed.info/sct", "code": "68367000"}]}]}, {"leg"}, {"thigh"}, id="another spelling"
        ),
        pytest.param(
            {"bodySite": [{"coding": [{"system": "urn:oid:2.16.840.1.113883.6.96", "code": "12738006"}]}]}, {"intracranial"}, {"brain"}, id="OID"
        ),
        pytest.param({}, set(), set(), id="unknown"),
    ],
)
def test_the_site_is_read(changes: dict[str, Any], regions: set[str], sites: set[str]) -> None:
    record = next(record for records in read(condition() | changes).histories.values() for record in records)
    assert (set(record.regions), set(record.sites)) == (regions, sites)


@pytest.mark.parametrize(
    ("resource", "version"),
    [
        (condition(), "R4"),
        (condition(clinicalStatus="active"), "STU3"),
        (condition(subject=None, patient={"reference": "Patient/p"}), "DSTU2"),
    ],
)
def test_the_version_is_told_from_the_shape_of_a_condition(resource: dict[str, Any], version: str) -> None:
    facts = read(resource)
    assert (facts.fhir_version, categories(facts)) == (version, {"calcification_skin"})


def _drug(kind: str = "MedicationRequest", code: str = "214824", system: str = RXNORM, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": kind,
        "id": "m1",
        "status": "active",
        "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"coding": [{"system": system, "code": code}]},
    }
    return {key: value for key, value in (made | changes).items() if value is not None}


@pytest.mark.parametrize("kind", ["MedicationRequest", "MedicationStatement", "MedicationOrder"])
def test_a_drug_on_the_list_is_an_active_exposure(kind: str) -> None:
    (exposure,) = read(_drug(kind)).exposures
    assert (exposure.category, exposure.active) == ("binder_noncalcium", True)


def test_a_drug_given_is_an_exposure_that_is_over() -> None:
    (exposure,) = read(_drug("MedicationAdministration", status="completed", effectiveDateTime="2026-06-01T08:00:00Z")).exposures
    assert not exposure.active
    assert exposure.last is not None


@pytest.mark.parametrize("status", ["completed", "stopped", "unknown", "on-hold", "in-progress", "something-new"])
def test_a_drug_of_which_any_was_given_is_an_exposure(status: str) -> None:
    (exposure,) = read(_drug("MedicationAdministration", status=status, effectiveDateTime="2026-06-01T08:00:00Z")).exposures
    assert exposure.active is (status == "in-progress")


@pytest.mark.parametrize(
    "drug",
    [
        *[pytest.param(_drug(status=status), id=status) for status in ("entered-in-error", "draft", "cancelled", "not-taken")],
        pytest.param(_drug("MedicationAdministration", status="not-done"), id="not given"),
        pytest.param(_drug("MedicationAdministration", notGiven=True), id="not given, STU3"),
        pytest.param(_drug("MedicationAdministration", wasNotGiven=True), id="not given, DSTU2"),
        pytest.param(_drug("MedicationStatement", taken="n"), id="not taken, STU3"),
        pytest.param(_drug("MedicationStatement", wasNotTaken=True), id="not taken, DSTU2"),
        pytest.param(_drug(doNotPerform=True), id="an order not to give it"),
    ],
)
def test_a_drug_never_taken_is_told_and_not_used(drug: dict[str, Any]) -> None:
    facts = read(drug)
    assert (facts.exposures, [(p.reason, p.category) for p in facts.problems]) == ((), [("status", "binder_noncalcium")])


def test_a_stopped_prescription_without_an_end_may_have_been_taken_for_a_year() -> None:
    (exposure,) = read(_drug(status="stopped", authoredOn="2026-01-01")).exposures
    assert exposure.last is not None
    assert exposure.last.until.year == 2027


@pytest.mark.parametrize(
    ("drug", "day"),
    [
        pytest.param(_drug(authoredOn="2026-06-10"), 10, id="a prescription, from when it was written"),
        pytest.param(_drug("MedicationStatement", effectivePeriod={"start": "2026-06-08", "end": "2026-06-12"}), 8, id="a period, from its start"),
        pytest.param(_drug("MedicationStatement", effectiveDateTime="2026-06-09T12:00:00Z"), 9, id="an instant"),
        pytest.param(_drug("MedicationAdministration", status="completed", effectiveDateTime="2026-06-11T08:00:00Z"), 11, id="when it was given"),
        pytest.param(
            _drug("MedicationAdministration", status="completed", effectivePeriod={"start": "2026-06-07T08:00:00Z", "end": "2026-06-12T08:00:00Z"}),
            7,
            id="an infusion, from its start",
        ),
        pytest.param(_drug(), None, id="nobody says"),
        pytest.param(_drug("MedicationStatement", effectivePeriod={"end": "2026-06-12"}), None, id="a period without a start"),
    ],
)
def test_it_is_told_since_when_a_drug_is_taken(drug: dict[str, Any], day: int | None) -> None:
    (exposure,) = read(drug).exposures
    since = exposure.since
    assert (None if since is None else (since.at + (since.until - since.at) / 2).day) == day


def test_a_statement_whose_period_has_ended_is_over() -> None:
    (exposure,) = read(_drug("MedicationStatement", effectivePeriod={"end": "2026-05-01"})).exposures
    assert not exposure.active


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(
            {
                "contained": [{"resourceType": "Medication", "id": "x", "code": {"coding": [{"system": RXNORM, "code": "214824"}]}}],
                "medicationCodeableConcept": None,
                "medicationReference": {"reference": "#x"},
            },
            id="contained",
        ),
        pytest.param(
            {"medicationCodeableConcept": None, "medication": {"concept": {"coding": [{"system": RXNORM, "code": "214824"}]}}}, id="R5 concept"
        ),
        pytest.param({"subject": None, "patient": {"reference": "Patient/p"}}, id="DSTU2 patient"),
    ],
)
def test_a_drug_is_named_in_every_form(form: dict[str, Any]) -> None:
    assert [exposure.category for exposure in read(_drug(**form)).exposures] == ["binder_noncalcium"]


@pytest.mark.parametrize("reference", ["Medication/m", "https://ehr.example/fhir/Medication/m", "urn:uuid:7"])
def test_a_drug_is_found_behind_its_reference(reference: str) -> None:
    entry = {
        "fullUrl": "urn:uuid:7",
        "resource": {"resourceType": "Medication", "id": "m", "code": {"coding": [{"system": RXNORM, "code": "214824"}]}},
    }
    chart = {
        "resourceType": "Bundle",
        "entry": [{"resource": _drug(medicationCodeableConcept=None, medicationReference={"reference": reference})}, entry],
    }
    assert [exposure.category for exposure in read(chart).exposures] == ["binder_noncalcium"]


def test_an_active_drug_of_unknown_code_is_a_problem_since_it_may_hide_an_abnormality() -> None:
    facts = read(_drug(code="310798"))
    assert [p.reason for p in facts.problems] == ["unknown-drug"]
    assert facts.unmapped == {("MedicationRequest", RXNORM, "310798"): 1}


@pytest.mark.parametrize("system", [ATC, "urn:oid:2.16.840.1.113883.6.73", "http://fhir.de/CodeSystem/bfarm/atc"])
def test_a_drug_with_an_atc_code_is_known_to_be_something_else(system: str) -> None:
    assert read(_drug(code="C09AA03", system=system)).problems == ()


@pytest.mark.parametrize(
    ("code", "system"),
    [
        pytest.param("C09DA01", ATC, id="losartan and a thiazide"),
        pytest.param("C03EA01", ATC, id="a thiazide and a potassium-sparing agent"),
        pytest.param("A11CC55", ATC, id="vitamin D in combination"),
        pytest.param("M05BB03", ATC, id="a bisphosphonate with vitamin D"),
        pytest.param("A12AA20", ATC, id="calcium salts in combination"),
        pytest.param("C10AA51", ATC, id="the series of combinations"),
        pytest.param("C09A", ATC, id="a group"),
        pytest.param("C09AA03", "http://patches.example/drug", id="a system that only sounds like it"),
    ],
)
def test_a_code_that_does_not_name_one_substance_may_hide_an_abnormality(code: str, system: str) -> None:
    assert [p.reason for p in read(_drug(code=code, system=system)).problems] == ["unknown-drug"]


def test_an_old_unknown_drug_hides_nothing_any_more() -> None:
    assert read(_drug(code="310798", status="stopped", authoredOn="2020-01-01")).problems == ()


def _order(code: str = "2731-8", system: str = LOINC, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "id": "d1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": system, "code": code}]},
    }
    return {key: value for key, value in (made | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("resource", "expected", "version"),
    [
        pytest.param(_order(), {"lab-pth"}, "R4", id="R4"),
        pytest.param(_order(resourceType="ProcedureRequest"), {"lab-pth"}, "STU3", id="STU3"),
        pytest.param(
            _order(resourceType="DiagnosticOrder", code=None, item=[{"code": {"coding": [{"system": LOINC, "code": "2731-8"}]}}]),
            {"lab-pth"},
            "DSTU2",
            id="DSTU2",
        ),
        pytest.param(_order() | {"code": {"concept": {"coding": [{"system": LOINC, "code": "2731-8"}]}}}, {"lab-pth"}, "R5", id="R5"),
        pytest.param(_drug(id="d1", status="draft"), {"rx-binder-nonca"}, "", id="a drug"),
        pytest.param(_order(subject=None), {"lab-pth"}, "R4", id="a draft need not name its patient"),
        pytest.param(_order("24346-9"), {"lab-pth", "lab-base"}, "R4", id="a panel by its members"),
        pytest.param(_order("6874-2"), {"lab-ext"}, "R4", id="urine calcium is a test of its own"),
        pytest.param(_order("24702-3"), {"img-target"}, "R4", id="imaging"),
        pytest.param(_order("38268-9"), {"img-metabolic"}, "R4", id="DXA"),
        pytest.param(_order("99999-9"), set(), "R4", id="an unknown code has no category"),
    ],
)
def test_drafts_are_sorted_into_categories(resource: dict[str, Any], expected: set[str], version: str) -> None:
    facts = read(drafts=(bundle(resource),))
    (order,) = facts.drafts
    assert (set(order.categories), order.draft, facts.fhir_version) == (expected, True, version)


def test_what_a_referral_asks_for_is_read() -> None:
    referral = _order(resourceType="ReferralRequest", code=None, serviceRequested=[{"coding": [{"system": LOINC, "code": "2731-8"}]}])
    (order,) = read(drafts=(bundle(referral),)).drafts
    assert order.categories == {"lab-pth"}


@pytest.mark.parametrize("draft", [_order(doNotPerform=True), _drug(status="draft", doNotPerform=True)], ids=["test", "drug"])
def test_an_order_not_to_do_it_is_no_order(draft: dict[str, Any]) -> None:
    facts = read(drafts=(bundle(draft),))
    assert (facts.drafts, [p.reason for p in facts.problems]) == ((), ["status"])


@pytest.mark.parametrize("status", ["revoked", "entered-in-error", "draft", "unknown"])
def test_an_order_of_the_chart_that_does_not_hold_is_told(status: str) -> None:
    facts = read(_order(status=status))
    assert (facts.orders, [p.reason for p in facts.problems]) == ((), ["status"])


def test_a_draft_for_another_patient_is_dropped_and_told() -> None:
    facts = read(drafts=(bundle(_order(subject={"reference": "Patient/q"})),))
    assert (facts.drafts, [p.reason for p in facts.problems]) == ((), ["another-patient"])


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        pytest.param({"reasonCode": [{"coding": [{"system": ICD10CM, "code": "L94.2"}]}]}, "mapped", id="a code of ours"),
        pytest.param({"reasonCode": [{"coding": [{"system": ICD10CM, "code": "J45.9"}]}]}, "unmapped", id="a code of something else"),
        pytest.param({"reasonCode": [{"text": "calcified lump"}]}, "text", id="words"),
        pytest.param({"reasonReference": [{"reference": "Condition/c1"}]}, "mapped", id="a Condition that came"),
        pytest.param({"reasonReference": [{"reference": "Condition/nowhere"}]}, "dangling", id="a Condition that did not"),
        pytest.param({"reason": [{"reference": {"reference": "Condition/c1"}}]}, "mapped", id="R5"),
        pytest.param({"reason": [{"concept": {"coding": [{"system": ICD10CM, "code": "L94.2"}]}}]}, "mapped", id="R5 concept"),
    ],
)
def test_the_reason_of_an_order_is_read(reason: dict[str, Any], kind: str) -> None:
    (order,) = read(condition(), drafts=(bundle(_order(**reason)),)).drafts
    assert [r.kind for r in order.reasons] == [kind]


@pytest.mark.parametrize(
    ("class_", "setting"),
    [
        ({"code": "IMP"}, "inpatient"),
        ({"code": "EMER"}, "inpatient"),
        ({"code": "AMB"}, "ambulatory"),
        ({"code": "VR"}, "ambulatory"),
        ("inpatient", "inpatient"),
        ("outpatient", "ambulatory"),
        ([{"coding": [{"code": "IMP"}]}], "inpatient"),
        ({"code": "WHAT"}, ""),
    ],
)
def test_the_setting_is_told_by_the_class_of_the_encounter(class_: Any, setting: str) -> None:
    encounter = read(
        {"resourceType": "Encounter", "id": "e", "status": "in-progress", "class": class_, "subject": {"reference": "Patient/p"}}
    ).encounter
    assert encounter is not None
    assert encounter.setting == setting


def _encounter(class_: str = "AMB", **changes: Any) -> dict[str, Any]:
    made = {"resourceType": "Encounter", "id": "e", "status": "in-progress", "class": {"code": class_}, "subject": {"reference": "Patient/p"}}
    return made | changes


def test_an_intensive_care_location_is_told() -> None:
    location = {
        "resourceType": "Location",
        "id": "l",
        "type": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "ICU"}]}],
    }
    encounter = {
        "resourceType": "Encounter",
        "id": "e",
        "class": {"code": "IMP"},
        "subject": {"reference": "Patient/p"},
        "location": [{"location": {"reference": "Location/l"}}],
    }
    found = read(location, encounter).encounter
    assert found is not None
    assert found.locations == {"location:icu"}


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_an_encounter_that_did_not_happen_is_told_and_sets_nothing(status: str) -> None:
    facts = read(_encounter(status=status), _encounter("IMP", id="f", status="finished"))
    assert facts.encounter is not None
    assert (facts.encounter.setting, [p.reason for p in facts.problems]) == ("inpatient", ["status"])


def test_of_two_encounters_that_are_going_on_the_inpatient_one_decides() -> None:
    found = read(_encounter("IMP"), _encounter(id="z")).encounter
    assert found is not None
    assert found.setting == "inpatient"


@pytest.mark.parametrize("system", [SNOMED, "https://snomed.info/sct", "urn:oid:2.16.840.1.113883.6.96"])
def test_the_specialty_of_the_user_is_told(system: str) -> None:
    role = {"resourceType": "PractitionerRole", "specialty": [{"coding": [{"system": system, "code": "394589003"}]}]}
    assert read(role).specialties == {"specialty:nephrology"}


def test_a_report_tells_region_status_and_its_contained_results() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "preliminary",
        "code": {"coding": [{"system": LOINC, "code": "24702-3"}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-06-01",
        "contained": [observation(id="in", subject=None)],
    }
    facts = read(report)
    (found,) = facts.reports
    assert (found.final, set(found.regions)) == (False, {"leg"})
    assert len(facts.labs["calcium_total"]) == 1


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "unknown"])
def test_a_report_of_unusable_status_is_told_and_nothing_in_it_is_used(status: str) -> None:
    facts = read(_report(status=status, contained=[observation(id="in", subject=None)]))
    assert (facts.reports, facts.labs, [p.reason for p in facts.problems]) == ((), {}, ["status"])


def test_a_broken_result_in_a_report_is_told_with_its_analyte() -> None:
    (found,) = read(_report(contained=[observation(value=13.5, id="in", subject=None, interpretation="H")])).problems
    assert (found.resource, found.reason, found.analyte) == ("DiagnosticReport/r#in", "unreadable", "calcium_total")


def test_a_result_contained_in_a_panel_is_read() -> None:
    panel = observation({"text": "panel"}, valueQuantity=None, id="panel", contained=[observation(id="in", subject=None)])
    assert len(read(panel).labs["calcium_total"]) == 1


def _report(**changes: Any) -> dict[str, Any]:
    made = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "24702-3"}]},
        "subject": {"reference": "Patient/p"},
    }
    return made | changes


def test_a_coded_conclusion_is_an_index_finding() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "final",
        "subject": {"reference": "Patient/p"},
        "conclusionCode": [{"coding": [{"system": ICD10CM, "code": "L94.2"}]}],
    }
    (found,) = read(report).reports
    assert found.conclusions == {"calcification_skin"}


def test_a_procedure_is_history() -> None:
    procedure = {
        "resourceType": "Procedure",
        "id": "x",
        "status": "completed",
        "code": {"coding": [{"system": SNOMED, "code": "48387007"}]},
        "subject": {"reference": "Patient/p"},
        "performedDateTime": "2020-01-01",
    }
    assert categories(read(procedure)) == {"tracheostomy"}
    for undone in ({"status": "not-done"}, {"notDone": True}, {"notPerformed": True}):
        facts = read(procedure | undone)
        assert (categories(facts), [p.reason for p in facts.problems]) == (set(), ["status"])


@pytest.mark.parametrize("reverse", [False, True])
def test_of_two_copies_of_the_patient_only_what_both_say_is_known(reverse: bool) -> None:
    copies = [PATIENT, PATIENT | {"birthDate": "2015-01-01", "deceasedBoolean": True}]
    facts = read(*(reversed(copies) if reverse else copies), with_patient=False)
    assert (facts.patient.born, facts.patient.sex, facts.patient.deceased) == (None, "female", True)
    assert [(p.element, p.reason) for p in facts.problems] == [("birthDate", "contradictory")]


@pytest.mark.parametrize(
    ("patient", "sex", "deceased"),
    [
        (PATIENT, "female", False),
        (PATIENT | {"gender": "other"}, "", False),
        (PATIENT | {"deceasedBoolean": True}, "female", True),
        (PATIENT | {"deceasedDateTime": "2026-01-01"}, "female", True),
    ],
)
def test_the_patient_is_read(patient: dict[str, Any], sex: str, deceased: bool) -> None:
    found = read(patient, with_patient=False).patient
    assert (found.sex, found.deceased) == (sex, deceased)


def test_a_birth_year_alone_stays_as_uncertain_as_it_is() -> None:
    born = read(PATIENT | {"birthDate": "2008"}, with_patient=False).patient.born
    assert born is not None
    assert (born[0].isoformat(), born[1].isoformat()) == ("2008-01-01", "2008-12-31")


@pytest.mark.parametrize(
    ("changes", "done"),
    [
        pytest.param({}, {"cmv_pcr"}, id="a result in words"),
        pytest.param({"status": "preliminary"}, {"cmv_pcr"}, id="preliminary"),
        pytest.param({"status": "cancelled"}, set(), id="cancelled"),
        pytest.param({"dataAbsentReason": {"text": "no sample"}}, set(), id="said to be absent"),
    ],
)
def test_a_test_without_a_number_is_noted_as_done(changes: dict[str, Any], done: set[str]) -> None:
    found = read(observation("5000-5", valueQuantity=None, valueCodeableConcept={"text": "not detected"}, **changes))
    assert set(found.resulted) == done
    assert found.labs == {}
