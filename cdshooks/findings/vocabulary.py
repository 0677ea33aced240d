"""The vocabulary that pitfalls speak: every finding by name, with its type, what it says, and the data it needs.

A finding that is unknown is not bound: a condition that needs it is unknown too. Names are for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

CALCIUM = ("calcium_total", "calcium_adjusted", "calcium_ionised", "albumin")
# What can disturb the phosphate assay, or tell of haemolysis.
DISTURBING = ("total_protein", "triglycerides", "bilirubin", "potassium", "ldh", "haemolysis_index", "haemolysis_presence")
KIDNEY = ("creatinine", "egfr", "egfr_race_specific", "egfr_cystatin", "body_height")
# Beside calcium: what shows that a sample is spoilt, and where adjustment for albumin is unreliable.
HAEMOLYSIS = ("potassium", "phosphate", "ldh", "haemolysis_index", "haemolysis_presence")
EDTA = ("calcium_total", "calcium_adjusted", "calcium_ionised", "potassium", "alp", "magnesium", "iron", "zinc")
SAMPLE = tuple(dict.fromkeys((*EDTA, *HAEMOLYSIS, *KIDNEY)))
ADJUSTMENT = (*CALCIUM, *KIDNEY, "ph")
PREGNANCY = ("pregnancy_status", "gestational_age")
GATE = (*CALCIUM, "calcium_ionised_ph74", "phosphate", *KIDNEY, "pth", "alp", "magnesium", "vitamin_d_25oh", "ph", *SAMPLE, *DISTURBING, *PREGNANCY)
RESULTS = (*CALCIUM, "phosphate", *KIDNEY)
CHILDS = ("calcium_total", "calcium_adjusted", "phosphate", "alp", "pth", "albumin")
CHART = ("patient", "conditions")
HISTORY = ("conditions", "procedures")
DRUGS = ("medication-requests", "medication-statements", "medication-administrations")
GIVEN = ("medication-statements", "medication-administrations")
SETTING = (*CHART, "procedures", "encounter", *DRUGS)  # with what tells of critical illness and of kidney disease


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
    _bool("site.prefers_ionised", "the site proposes ionised calcium where adjusted calcium is doubtful"),
    # The patient and the author
    _bool("patient.adult", "18 years or older for certain", resources=("patient",)),
    _number("patient.age", "completed years (the youngest that the birth date allows)", resources=("patient",)),
    _bool("patient.under_40", "younger than 40 years, or possibly so", resources=("patient",)),
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
    _bool("calcification.muscle_or_joint", "the calcification is in muscle or around a joint", resources=("conditions",)),
    _bool("calcification.leg_or_unknown", "the calcification is in a leg, or its site is not coded", resources=("conditions",)),
    _bool("calcification.multifocal", "calcification is recorded at several sites", resources=("conditions",)),
    _bool("calcification.periarticular", "the calcification is coded at a joint", resources=("conditions",)),
    _bool("calcification.recent_record", "a calcification was recorded within 30 days", resources=("conditions",)),
    _bool("calcification.arterial_before_50", "arterial calcification in a patient who is, or may be, younger than 50", resources=CHART),
    # Calcium
    _bool("calcium.critical", "calcium is critical, and no newer calcium is not", CALCIUM, CHART),
    _bool("calcium.critical_ionised_normal", "ionised calcium of the critical draw is in range", CALCIUM),
    _bool("calcium.critical_preliminary", "the critical calcium is a preliminary result", CALCIUM),
    _bool(
        "calcium.critical_suspect",
        "the draw of the critical calcium shows signs of a spoilt sample, or followed a gadolinium agent that lowers measured calcium",
        (*CALCIUM, *SAMPLE),
        (*CHART, "procedures", *GIVEN),
    ),
    _bool("calcium.high", "a fresh calcium (total, adjusted or ionised) is above its limit", CALCIUM, CHART),
    _bool(
        "calcium.high_uncertain",
        "calcium is high only before adjustment, only by an adjustment that is unreliable in this patient, or beside a low one",
        ADJUSTMENT,
        SETTING,
    ),
    _bool("calcium.low", "a fresh calcium is below its limit", CALCIUM, CHART),
    _bool(
        "calcium.low_uncertain",
        "calcium is low only before adjustment, only by an adjustment that is unreliable in this patient, or beside a high one",
        ADJUSTMENT,
        SETTING,
    ),
    _bool("calcium.discordant", "calcium measures of one draw disagree", CALCIUM),
    _bool(
        "calcium.doubtful",
        "calcium measures of one draw disagree, or adjusted calcium stands alone where adjusting for albumin is unreliable",
        ADJUSTMENT,
        SETTING,
    ),
    _bool("calcium.ph_unusual", "a recent pH lies outside 7.30-7.50", ("ph",)),
    _bool("calcium.albumin_high", "albumin is above 5.0 g/dL", CALCIUM),
    _bool("calcium.ionised_agrees", "a final ionised calcium of the same draw, or a later one, lies on the same side of its limits", CALCIUM),
    _bool("calcium.in_range", "every fresh measure of calcium is final and in range, and they agree", CALCIUM, CHART),
    _bool("calcium.borderline", "a calcium in range lies close to a limit", CALCIUM, CHART),
    _bool("calcium.recent_for_view", "the calcium that speaks is at most 14 days old", CALCIUM),
    _bool("pth.recent", "a usable PTH of the last 30 days is known", ("pth",)),
    _bool("pth.known", "a fresh PTH is known", ("pth",)),
    _bool("pth.with_high_calcium", "a PTH within 30 days of the high calcium tells whether the calcium has suppressed it", ("pth", *CALCIUM), CHART),
    _bool("pth.suppressed", "that PTH is below its lower limit", ("pth", *CALCIUM), CHART),
    _bool("pth.not_suppressed", "that PTH is in range or high", ("pth", *CALCIUM), CHART),
    _bool("pth.same_day_as_calcium", "that PTH was drawn within 24 hours of the high calcium", ("pth", *CALCIUM), CHART),
    _bool(
        "pth.context_known",
        "calcium with albumin, adjusted or ionised calcium was drawn within 24 hours, or is being asked for",
        CALCIUM,
        ("service-requests",),
    ),
    # Phosphate
    _bool("phosphate.high", "fresh phosphate is above its limit", ("phosphate",), CHART),
    _bool("phosphate.low", "fresh phosphate is below its limit", ("phosphate",), CHART),
    _bool("phosphate.borderline", "phosphate in range lies close to a limit", ("phosphate",), CHART),
    _bool("phosphate.evening_mild", "phosphate is mildly high and was drawn between 14:00 and 04:00", ("phosphate",)),
    _bool(
        "phosphate.shifted",
        "a state that moves phosphate out of cells was there when the high phosphate was drawn, or phosphate was given before",
        ("phosphate",),
        (*CHART, *DRUGS),
    ),
    _bool(
        "phosphate.artefact_clue",
        "a paraprotein, high protein, triglycerides or bilirubin, or liposomal amphotericin B may have disturbed the assay of the high phosphate",
        ("phosphate", *DISTURBING),
        (*CHART, *DRUGS),
    ),
    _bool(
        "phosphate.in_doubt",
        "the high phosphate has a clue of an artefact or a shift, and neither long kidney disease nor an earlier high value shows that it is real",
        ("phosphate", *DISTURBING, *KIDNEY),
        (*CHART, *HISTORY, *DRUGS),
    ),
    _bool(
        "phosphate.lowered",
        "phosphate is low, and was drawn after insulin, in treated ketoacidosis or refeeding",
        ("phosphate",),
        (*CHART, *DRUGS),
    ),
    _bool(
        "product.high",
        "calcium x phosphate, drawn within 24 hours, reaches 55 mg2/dL2 (65 from 1 to 11 years); none under a year, or of a phosphate in doubt",
        (*CALCIUM, "phosphate"),
        (*CHART, *DRUGS),
    ),
    _bool("product.severe", "and it reaches 70 mg2/dL2", (*CALCIUM, "phosphate"), (*CHART, *DRUGS)),
    _bool("product.preliminary", "one of the two values is preliminary", (*CALCIUM, "phosphate")),
    _bool("product.recent_for_view", "both values of the product are at most 14 days old", (*CALCIUM, "phosphate")),
    # Samples and contrast media
    _bool(
        "specimen.edta",
        "the draw of the low calcium shows the pattern of EDTA contamination, and no repeat agrees with it",
        EDTA,
        CHART,
    ),
    _bool("specimen.edta_unmeasurable", "and calcium in it was too low to be believed", EDTA, CHART),
    _bool("specimen.haemolysis", "the sample of the newest phosphate shows signs of haemolysis", (*HAEMOLYSIS, *KIDNEY), (*CHART, "procedures")),
    _bool(
        "specimen.haemolysis_any",
        "the sample of the newest calcium, potassium or phosphate shows signs of haemolysis",
        SAMPLE,
        (*CHART, "procedures"),
    ),
    _bool("specimen.late", "potassium is high in a sample that took more than six hours from collection to receipt", ("potassium",), CHART),
    _bool("specimen.potassium_high", "potassium is high in a suspect sample", (*SAMPLE, "potassium"), (*CHART, "procedures")),
    _bool("specimen.recent_for_view", "a suspect sample is at most 14 days old", SAMPLE, (*CHART, "procedures")),
    _bool(
        "contrast.gadolinium",
        "gadodiamide or gadoversetamide was given so shortly before calcium was drawn that it may disturb its measurement",
        ("calcium_total", *KIDNEY),
        (*CHART, "procedures", *GIVEN),
    ),
    _bool(
        "contrast.low_calcium",
        "and that calcium is low, with no ionised calcium out of range",
        (*CALCIUM, *KIDNEY),
        (*CHART, "procedures", *GIVEN),
    ),
    _bool("contrast.iodinated", "iodinated contrast was given within a day before calcium was drawn", ("calcium_total",), GIVEN),
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
    _bool("history.paralysis", "a paralysis that is not said to be over is on record before the calcification", resources=HISTORY),
    _bool(
        "history.neurologic_recent",
        "a brain or spinal cord injury or a stroke is on record within 24 months, and before the calcification",
        resources=HISTORY,
    ),
    _bool("history.immobile", "immobilisation or paralysis is on record", resources=("conditions",)),
    _bool("history.pregnancy", "pregnancy, or the six weeks after it", resources=("conditions",)),
    _bool("history.paraprotein", "myeloma or a monoclonal gammopathy is on record and active", resources=("conditions",)),
    _bool("history.systemic_disease", "a disease is on record and active that could drive calcification systemically", resources=HISTORY),
    _bool(
        "history.parathyroid_disorder",
        "primary or tertiary hyperparathyroidism, or familial hypocalciuric hypercalcaemia is on record and active",
        resources=HISTORY,
    ),
    _bool("history.diabetes", "diabetes is on record", resources=("conditions",)),
    _bool("history.tumoral_calcinosis", "tumoral calcinosis is on record", resources=("conditions",)),
    _bool("history.mass", "a soft-tissue tumour or unexplained mass is on record", resources=("conditions",)),
    _bool("history.mass_histology", "the tumour carries a histological diagnosis", resources=("conditions",)),
    _bool("calciphylaxis.setting", "a calciphylaxis risk and a coded ulcer, necrosis, livedo or panniculitis", KIDNEY, (*CHART, *HISTORY, *DRUGS)),
    _bool("calciphylaxis.recent_sign", "that ulcer, necrosis, livedo or panniculitis was recorded within 30 days", resources=("conditions",)),
    _bool("calciphylaxis.harmful_drug", "a vitamin K antagonist, a calcium salt or active vitamin D is in play"),
    _bool("calciphylaxis.harmful_anticoagulant", "and it is a vitamin K antagonist"),
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
    # Drugs, and the stores of vitamin D
    _bool("drug.biotin", "biotin is taken, or was within 72 hours", resources=DRUGS),
    _bool(
        "drug.biotin_interferes",
        "biotin that may disturb an assay of PTH: 5 mg a day or more, a dose that is not known, or any dose in CKD G4 or worse",
        KIDNEY,
        (*CHART, *HISTORY, *DRUGS),
    ),
    _bool("drug.raises_calcium", "a thiazide or lithium is taken, or was within 30 days", resources=DRUGS),
    _bool("vitamin_d.stores_known", "a fresh 25-OH-D is known, or is being asked for", ("vitamin_d_25oh",), ("service-requests",)),
    # Results that could not be used, and a child's
    _bool(
        "results.unusable",
        "the newest calcium, phosphate, albumin or measure of kidney function was sent and could not be used",
        RESULTS,
        CHART,
    ),
    _bool("results.unusable_maybe_critical", "and it may be a critical calcium: in one of its units, as sent, or by its flag", RESULTS, CHART),
    _bool("results.contradictory", "and it contradicts another result", RESULTS, CHART),
    _bool(
        "child.without_range",
        "a child's calcium, phosphate, ALP, PTH or albumin has no range for the age, or came with the adults' range",
        CHILDS,
        ("patient",),
    ),
    _bool(
        "child.abnormal_for_adults_only", "such a value is out of the adults' limits, and not known to be out of the child's", CHILDS, ("patient",)
    ),
    # Orders in play
    _bool("order.baseline", "a baseline test is in play"),
    _bool("order.calcium_drug", "a calcium salt, as a supplement or as a phosphate binder, is in play"),
    _bool("order.extended", "an extended metabolic test is in play"),
    _bool("order.imaging", "imaging of a site is in play"),
    _bool("order.metabolic_imaging", "DXA, bone scan or parathyroid imaging is in play"),
    _bool("order.mineral_drug", "a drug that acts on minerals is in play"),
    _bool("order.excision", "an excision or biopsy is in play"),
    _bool("order.parathyroidectomy", "a parathyroidectomy is in play"),
    _bool("order.calcium_or_vitamin_d", "calcium, vitamin D, active vitamin D or a calcium-based binder is in play"),
    _bool("order.binder_or_dialysis", "a phosphate binder or dialysis is in play"),
    _bool("order.beyond_baseline", "an order in play is known, and is more than baseline tests and 25-OH-D"),
    _bool("order.only_baseline", "baseline tests are all that is in play"),
    _bool("order.only_pth", "PTH or adjusted calcium is all that is asked for beyond the baseline"),
    _bool("order.drug_for_a_level", "a phosphate binder, active vitamin D, a bisphosphonate or denosumab is in play"),
    _bool("order.pth_for_calcification", "a PTH in play is about the calcification, or has no reason"),
    _bool("order.active_vitamin_d_test", "a 1,25-(OH)2-D in play is about the calcification, or has no reason"),
    _bool("order.only_active_vitamin_d", "all extended tests and metabolic imaging in play come down to 1,25-(OH)2-D"),
    _bool("order.extended_for_calcification", "an extended metabolic test in play is about the calcification", resources=("conditions",)),
    _bool("order.workup_for_calcification", "an extended test or metabolic imaging in play is about the calcification", resources=("conditions",)),
    _bool("order.metabolic_drug", "a drug for metabolic disease, or a parathyroidectomy, is in play for the calcification or without a reason"),
    _bool("order.metabolic_drug_off_label", "and that drug is off-label for calcinosis"),
    _bool("order.metabolic_drug_binder", "and it is a phosphate binder, calcimimetic or active vitamin D"),
    _bool("order.metabolic_drug_warfarin", "and it is warfarin"),
    _bool("order.drug_has_other_indication", "the chart holds another coded indication for that drug", resources=("conditions",)),
    # Imaging in play
    _bool("exam.dxa_spine", "DXA of the spine is in play, and no hip or forearm is measured with it", resources=("service-requests",)),
    _bool(
        "exam.spine_obscured",
        "calcification of the aorta, abdomen or back, recent contrast, or calcium on the drug list may overlie the spine",
        resources=("conditions", *DRUGS),
    ),
    _bool("exam.bone_scan", "a whole-body bone scan is in play for one known calcification", resources=("conditions",)),
    _bool("exam.parathyroid", "parathyroid imaging is in play"),
    _bool("exam.contrast_ct", "CT with contrast is in play for a superficial calcification", resources=("conditions",)),
    _bool("exam.with_parathyroidectomy", "a parathyroidectomy is drafted"),
    # Hazards of drugs in play (see `hazard`)
    _bool(
        "hazard.calcium_load",
        "calcium, active or much vitamin D is in play with high calcium, a high calcium x phosphate product, milk-alkali or vitamin D toxicity",
        (*CALCIUM, "phosphate"),
        (*CHART, "procedures"),
    ),
    _bool(
        "hazard.calcium_load_severe",
        "and calcium is 12 mg/dL or more, the product 70 or more, or calcium and phosphate are high together",
        (*CALCIUM, "phosphate"),
        (*CHART, "procedures"),
    ),
    _bool("hazard.vitamin_d_high", "vitamin D of more than 1000 IU a day, or of a dose that is not stated, is in play"),
    _bool(
        "hazard.granuloma",
        "such a drug is in play with granulomatous disease, and calcium, 25-OH-D or 1,25-(OH)2-D is not known freshly",
        (*CALCIUM, "vitamin_d_25oh", "vitamin_d_125oh"),
        HISTORY,
    ),
    _bool(
        "hazard.calcium_binder",
        "a calcium-based phosphate binder, or calcium carbonate or citrate that may be one, is in play in CKD",
        KIDNEY,
        (*CHART, "procedures"),
    ),
    _bool("hazard.calcium_binder_assumed", "and it is calcium carbonate or citrate, which may be meant otherwise", KIDNEY, (*CHART, "procedures")),
    _bool(
        "hazard.calcium_binder_controlled",
        "and phosphate is proven to be at or below its upper limit",
        ("phosphate", *KIDNEY),
        (*CHART, "procedures"),
    ),
    _bool(
        "hazard.aluminium",
        "an aluminium-containing drug is in play in CKD, or as a binder for more than four weeks",
        KIDNEY,
        (*CHART, "procedures"),
    ),
    _bool("hazard.aluminium_long", "an aluminium-containing drug that may be a binder is in play for more than four weeks"),
    _bool("hazard.calcimimetic", "a calcimimetic is in play with a low calcium", CALCIUM, CHART),
    _bool("hazard.calcimimetic_severe", "and adjusted calcium is below 7.5 mg/dL", CALCIUM, CHART),
    _bool("hazard.antiresorptive_low_calcium", "a bisphosphonate or denosumab is in play with a low calcium", CALCIUM, CHART),
    _bool("hazard.antiresorptive_severe", "and adjusted calcium is below 7.5 mg/dL", CALCIUM, CHART),
    _bool(
        "hazard.antiresorptive_kidney",
        "zoledronic acid is in play with an eGFR below 35, or another bisphosphonate or denosumab with one below 30, or in acute kidney injury",
        KIDNEY,
        (*CHART, "procedures"),
    ),
    _bool("hazard.denosumab_kidney", "and the drug is denosumab", KIDNEY, (*CHART, "procedures")),
    _bool(
        "hazard.antiresorptive_labs",
        "a bisphosphonate or denosumab is in play, and calcium, 25-OH-D or magnesium is not known freshly",
        (*CALCIUM, "vitamin_d_25oh", "magnesium"),
    ),
    _bool("hazard.low_alp", "a bisphosphonate or denosumab is in play, and ALP was 30 U/L or less on two days or more", ("alp",)),
    _bool(
        "hazard.phosphate_load",
        "phosphate is in play with a high phosphate, CKD, an eGFR below 60 or acute kidney injury",
        ("phosphate", *KIDNEY),
        (*CHART, "procedures"),
    ),
    _bool("hazard.thiazide_lithium", "a thiazide or lithium is in play with a high calcium", CALCIUM, CHART),
    _bool(
        "hazard.warfarin",
        "a vitamin K antagonist is in play with dialysis, CKD G4 or G5, a kidney transplant or primary hyperparathyroidism",
        KIDNEY,
        (*CHART, "procedures"),
    ),
    # The baseline
    _bool(
        "baseline.incomplete",
        "calcium, phosphate, albumin or creatinine is missing or stale, or calcium and phosphate were not drawn together",
        ("calcium_total", "calcium_ionised", "phosphate", "albumin", "creatinine", "egfr"),
    ),
    _bool(
        "baseline.lacking",
        "calcium, phosphate, albumin or creatinine is missing or stale",
        ("calcium_total", "calcium_ionised", "phosphate", "albumin", "creatinine", "egfr"),
    ),
    _bool(
        "baseline.stale",
        "one of them is on record, and too old",
        ("calcium_total", "calcium_ionised", "phosphate", "albumin", "creatinine", "egfr"),
    ),
    _bool("baseline.requested", "all that the baseline lacks is already being asked for", GATE, ("service-requests",)),
    _bool("baseline.received_whole", "all results that were asked for came"),
    # Reassurance
    _checklist("adult", "18 years or older for certain"),
    _checklist("fresh", "calcium, phosphate, albumin and creatinine or eGFR are fresh, final and usable"),
    _checklist("calcium", "every calcium measure is in range and not near a limit; albumin adjustment is reliable, or ionised calcium is in range"),
    _checklist("phosphate", "phosphate is in range and not near a limit"),
    _checklist("paired", "calcium and phosphate within 24 hours, calcium and albumin in one draw"),
    _checklist("kidney", "eGFR 60 or more (90 with low muscle mass), no CKD G3a or worse, possible CKD, acute injury, dialysis, transplant"),
    _checklist("no_confounder", "no discordance, suspect sample, shift, critical illness, pregnancy, masking drug or systemic disease"),
    _checklist(
        "other_labs",
        "PTH, magnesium and 25-OH-D in range where they are known; no older PTH out of range that was not repeated; 25-OH-D known where its "
        "deficiency is on record",
    ),
    _checklist("alp", "ALP above 30 and within its limit where it is known"),
    _checklist("no_recent_abnormal", "no calcium or phosphate out of range within a year, by result or by diagnosis"),
    _checklist("site", "no site or pattern that forbids reassurance"),
    _checklist("single_site", "not at several sites, unless a connective tissue disease explains that"),
    _checklist("complete", "everything that was asked for came whole and was used"),
    _bool("minerals.normal_confirmed", "every item of the checklist is proven", GATE, (*CHART, *HISTORY, *DRUGS, "encounter")),
    _bool(
        "minerals.normal_enough_for_vitamin_d",
        "calcium, phosphate and kidney function are proven normal, as far as a test of active vitamin D depends on them",
        GATE,
        (*CHART, *HISTORY, *DRUGS, "encounter"),
    ),
    _bool("minerals.normal_but_multifocal", "every item but the single site is proven", GATE, (*CHART, *HISTORY, *DRUGS, "encounter")),
    _bool(
        "minerals.normal_but_alp",
        "every item but that of ALP is proven, and ALP where it is known is above 30 and at most three times its upper limit",
        GATE,
        (*CHART, *HISTORY, *DRUGS, "encounter"),
    ),
)

VOCABULARY: Mapping[str, Finding] = MappingProxyType({finding.name: finding for finding in _ALL})
