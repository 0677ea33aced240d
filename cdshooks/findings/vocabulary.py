"""The vocabulary that pitfalls speak: every finding by name, with its type, what it says, and the data it needs.

A finding that is unknown is not bound: a condition that needs it is unknown too. Names are for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

CALCIUM = ("calcium_total", "calcium_adjusted", "calcium_ionised", "albumin")
KIDNEY = ("creatinine", "egfr", "egfr_race_specific", "egfr_cystatin")
PREGNANCY = ("pregnancy_status", "gestational_age")
GATE = (*CALCIUM, "calcium_ionised_ph74", "phosphate", *KIDNEY, "pth", "alp", "magnesium", "vitamin_d_25oh", *PREGNANCY)
CHART = ("patient", "conditions")
HISTORY = ("conditions", "procedures")
DRUGS = ("medication-requests", "medication-statements", "medication-administrations")


@dataclass(frozen=True, slots=True)
class Finding:
    """One word of the vocabulary. `kind` is "bool" or "number"; `analytes` and `resources` are what it must see to be known."""

    name: str
    kind: str
    says: str
    analytes: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()


def _bool(name: str, says: str, analytes: Iterable[str] = (), resources: Iterable[str] = ()) -> Finding:
    return Finding(name, "bool", says, frozenset(analytes), frozenset(resources))


def _number(name: str, says: str, analytes: Iterable[str] = (), resources: Iterable[str] = ()) -> Finding:
    return Finding(name, "number", says, frozenset(analytes), frozenset(resources))


def _checklist(item: str, says: str) -> Finding:
    return _bool(f"checklist.{item}", says, GATE, (*CHART, *HISTORY, *DRUGS, "encounter"))


_ALL = (
    _bool("hook.patient_view", "the chart is being opened (patient-view)"),
    _bool("hook.order_select", "orders are being chosen (order-select)"),
    _bool("hook.order_sign", "orders are being signed (order-sign)"),
    # The patient and the author
    _bool("patient.adult", "18 years or older for certain", resources=("patient",)),
    _number("patient.age", "completed years (the youngest that the birth date allows)", resources=("patient",)),
    _bool("patient.deceased", "the patient is recorded as dead", resources=("patient",)),
    _bool("care.comfort_only", "comfort care, hospice or terminal care is on record and active", resources=("conditions", "procedures")),
    _bool("author.metabolic_specialist", "the user is known to practise nephrology, endocrinology or clinical genetics", resources=("user-role",)),
    _bool("author.tumour_specialist", "the user is known to practise both orthopaedics and oncology, or surgical oncology", resources=("user-role",)),
    # The calcification
    _bool(
        "calcification.present",
        "an active soft-tissue calcification is coded on the chart, as an order's reason or in a report",
        resources=("conditions", "reports"),
    ),
    _bool("calcification.skin", "the calcification is of the skin or subcutis", resources=("conditions",)),
    _bool("calcification.leg_or_unknown", "the calcification is in a leg, or its site is not coded", resources=("conditions",)),
    _bool("calcification.multifocal", "calcification is recorded at several sites", resources=("conditions",)),
    _bool("calcification.recent_record", "a calcification was recorded within 30 days", resources=("conditions",)),
    _bool("calcification.arterial_before_50", "arterial calcification in a patient who is, or may be, younger than 50", resources=CHART),
    # Calcium
    _bool("calcium.critical", "calcium is critical, and no newer calcium is not", CALCIUM, CHART),
    _bool("calcium.critical_ionised_normal", "ionised calcium of the critical draw is in range", CALCIUM),
    _bool("calcium.critical_preliminary", "the critical calcium is a preliminary result", CALCIUM),
    _bool("calcium.high", "a fresh calcium (total, adjusted or ionised) is above its limit", CALCIUM, CHART),
    _bool("calcium.high_uncertain", "calcium is high only before adjustment, or only by an adjustment that albumin makes unreliable", CALCIUM, CHART),
    _bool("calcium.low", "a fresh calcium is below its limit", CALCIUM, CHART),
    _bool("calcium.discordant", "calcium measures of one draw disagree", CALCIUM),
    _bool("calcium.borderline", "a calcium in range lies close to a limit", CALCIUM, CHART),
    _bool("calcium.recent_for_view", "the calcium that speaks is at most 14 days old", CALCIUM),
    _bool("pth.recent", "a usable PTH of the last 30 days is known", ("pth",)),
    # Phosphate
    _bool("phosphate.high", "fresh phosphate is above its limit", ("phosphate",), CHART),
    _bool("phosphate.low", "fresh phosphate is below its limit", ("phosphate",), CHART),
    _bool("phosphate.borderline", "phosphate in range lies close to a limit", ("phosphate",), CHART),
    _bool("phosphate.evening_mild", "phosphate is mildly high and was drawn between 14:00 and 04:00", ("phosphate",)),
    _bool("phosphate.shifted", "a condition that moves phosphate out of cells was there when it was drawn", ("phosphate",), ("conditions",)),
    # Kidney
    _bool("egfr.known", "a fresh eGFR is reported or can be computed", KIDNEY, CHART),
    _bool("egfr.below_60", "the fresh eGFR is below 60 mL/min/1.73 m2", KIDNEY, CHART),
    _bool(
        "ckd.g3a_or_worse",
        "CKD G3a or worse by code or by two low eGFR 90 days apart, dialysis, or a kidney transplant",
        KIDNEY,
        (*CHART, "procedures"),
    ),
    _bool("ckd.possible", "a single low eGFR, or CKD coded without a category", KIDNEY, CHART),
    _bool("ckd.unspecified", "chronic kidney disease is coded without a category", resources=("conditions",)),
    _bool("ckd.g4_or_worse", "CKD G4 or G5", KIDNEY, CHART),
    _bool("ckd.dialysis", "dialysis is on record", resources=HISTORY),
    _bool("kidney.acute_injury", "acute kidney injury by creatinine (KDIGO 2012) or by code", ("creatinine",), ("conditions",)),
    _bool(
        "kdigo.incomplete",
        "calcium, phosphate, PTH or ALP is neither fresh nor being asked for",
        ("calcium_total", "phosphate", "pth", "alp"),
        ("service-requests",),
    ),
    # Local causes and other history
    _bool("local.trauma", "an injury or burn is on record before the calcification", resources=HISTORY),
    _bool("local.surgery", "surgery or tracheostomy is on record before the calcification", resources=HISTORY),
    _bool("local.inflammation", "chronic inflammation is on record before the calcification", resources=HISTORY),
    _bool("local.infection", "an infection is on record before the calcification", resources=HISTORY),
    _bool("local.extravasation", "an extravasation is on record before the calcification", resources=HISTORY),
    _bool("local.cause", "injury, surgery, inflammation, infection or extravasation is on record", resources=HISTORY),
    _bool("local.any", "any local cause is on record, with connective tissue, vascular, neurologic disease and tumours", resources=HISTORY),
    _bool("local.same_site", "a local cause and the calcification have coded sites that agree", resources=HISTORY),
    _bool("history.connective_tissue", "a connective tissue disease known to calcify is on record", resources=("conditions",)),
    _bool("history.vascular_insufficiency", "arterial occlusion or chronic venous insufficiency is on record", resources=("conditions",)),
    _bool("history.malignancy", "a malignancy is on record and active", resources=("conditions",)),
    _bool("history.granulomatous", "a granulomatous disease is on record and active", resources=("conditions",)),
    _bool("history.immobile", "immobilisation or paralysis is on record", resources=("conditions",)),
    _bool("history.diabetes", "diabetes is on record", resources=("conditions",)),
    _bool("history.mass", "a soft-tissue tumour or unexplained mass is on record", resources=("conditions",)),
    _bool("history.mass_histology", "the tumour carries a histological diagnosis", resources=("conditions",)),
    _bool("calciphylaxis.setting", "a calciphylaxis risk and a coded ulcer, necrosis, livedo or panniculitis", KIDNEY, (*HISTORY, *DRUGS)),
    _bool("imaging.of_site", "a final imaging report of the site within a year is on the chart", resources=("reports", "conditions")),
    _bool("imaging.of_site_preliminary", "only a preliminary imaging report of the site is on the chart", resources=("reports", "conditions")),
    # The brain, the infant, inherited disorders
    _bool("brain.calcified", "a calcification inside the skull is on record", resources=("conditions", "reports")),
    _bool("brain.fetal_injury", "congenital CMV, polymicrogyria, porencephaly or schizencephaly is coded", resources=("conditions",)),
    _bool("brain.coded", "a calcification inside the skull or a fetal injury of the brain is coded", resources=("conditions", "reports")),
    _bool("brain.in_pregnancy", "a fetal injury of the brain is coded on the chart of an active pregnancy", resources=("conditions",)),
    _bool(
        "brain.labs_lacking",
        "calcium, phosphate, PTH or magnesium is not fresh",
        ("calcium_total", "calcium_adjusted", "calcium_ionised", "phosphate", "pth", "magnesium"),
    ),
    _bool("brain.labs_requested", "each of these that is not fresh is already being asked for", resources=("service-requests",)),
    _bool("infant.in_cmv_window", "the patient is, or may be, at most 21 days old", resources=("patient",)),
    _bool("infant.cmv_test_known", "a CMV PCR is known to be ordered or done", ("cmv_pcr",), ("service-requests",)),
    _bool("infant.genetics_known", "a genetic test or referral is known to be ordered", resources=("service-requests",)),
    _bool("heritable.any", "the calcification has a pattern that points to an inherited disorder", resources=(*CHART, "procedures")),
    _bool(
        "heritable.child_skin",
        "skin or subcutaneous calcification before 18, without connective tissue disease or injury",
        resources=(*CHART, "procedures"),
    ),
    _bool("heritable.early_arterial", "arterial calcification before 50, without CKD, diabetes or arterial disease on record", resources=CHART),
    _bool("heritable.joint_and_artery", "periarticular and arterial calcification", resources=("conditions",)),
    _bool("heritable.elastic", "angioid streaks or pseudoxanthoma elasticum are coded beside the calcification", resources=("conditions",)),
    _bool("heritable.diagnosed", "a GNAS disorder, pseudohypoparathyroidism or a progressive ossifying disorder is coded", resources=("conditions",)),
    _bool("heritable.baseline_in_range", "calcium and phosphate are fresh and in range", ("calcium_total", "calcium_ionised", "phosphate"), CHART),
    # Orders in play
    _bool("order.extended", "an extended metabolic test is in play"),
    _bool("order.imaging", "imaging of a site is in play"),
    _bool("order.metabolic_imaging", "DXA, bone scan or parathyroid imaging is in play"),
    _bool("order.mineral_drug", "a drug that acts on minerals is in play"),
    _bool("order.excision", "an excision or biopsy is in play"),
    _bool("order.parathyroidectomy", "a parathyroidectomy is in play"),
    _bool("order.beyond_baseline", "an order in play is known, and is more than baseline tests and 25-OH-D"),
    _bool("order.only_pth", "PTH or adjusted calcium is all that is asked for beyond the baseline"),
    _bool("order.extended_for_calcification", "an extended metabolic test in play is about the calcification", resources=("conditions",)),
    _bool("order.workup_for_calcification", "an extended test or metabolic imaging in play is about the calcification", resources=("conditions",)),
    _bool("order.metabolic_drug", "a drug for metabolic disease, or a parathyroidectomy, is in play for the calcification or without a reason"),
    _bool("order.metabolic_drug_off_label", "and that drug is off-label for calcinosis"),
    _bool("order.metabolic_drug_binder", "and it is a phosphate binder, calcimimetic or active vitamin D"),
    _bool("order.metabolic_drug_warfarin", "and it is warfarin"),
    _bool("order.drug_has_other_indication", "the chart holds another coded indication for that drug", resources=("conditions",)),
    # The baseline
    _bool(
        "baseline.incomplete",
        "calcium, phosphate, albumin or creatinine is missing or stale, or calcium and phosphate were not drawn together",
        ("calcium_total", "calcium_ionised", "phosphate", "albumin", "creatinine", "egfr"),
    ),
    _bool("baseline.requested", "all that the baseline lacks is already being asked for", GATE, ("service-requests",)),
    _bool("baseline.received_whole", "all results that were asked for came"),
    # Reassurance
    _checklist("adult", "18 years or older for certain"),
    _checklist("fresh", "calcium, phosphate, albumin and creatinine or eGFR are fresh, final and usable"),
    _checklist("calcium", "every calcium measure is in range and not near a limit; albumin lets it be adjusted, or ionised calcium is in range"),
    _checklist("phosphate", "phosphate is in range and not near a limit"),
    _checklist("paired", "calcium and phosphate within 24 hours, calcium and albumin in one draw"),
    _checklist("kidney", "eGFR 60 or more (90 with low muscle mass), no CKD G3a or worse, possible CKD, acute injury, dialysis, transplant"),
    _checklist("no_confounder", "no discordance, shift, critical illness, pregnancy, masking drug or systemic disease"),
    _checklist("other_labs", "PTH, magnesium and 25-OH-D in range where they are known"),
    _checklist("alp", "ALP above 30 and within its limit where it is known"),
    _checklist("no_recent_abnormal", "no calcium or phosphate out of range within a year"),
    _checklist("site", "no site or pattern that forbids reassurance"),
    _checklist("single_site", "not at several sites, unless a connective tissue disease explains that"),
    _checklist("complete", "everything that was asked for came whole and was used"),
    _bool("minerals.normal_confirmed", "every item of the checklist is proven", GATE, (*CHART, *HISTORY, *DRUGS, "encounter")),
    _bool("minerals.normal_but_multifocal", "every item but the single site is proven", GATE, (*CHART, *HISTORY, *DRUGS, "encounter")),
)

VOCABULARY: Mapping[str, Finding] = MappingProxyType({finding.name: finding for finding in _ALL})
