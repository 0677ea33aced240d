"""Random charts for the laws of safety: a chart is a plain description that the oracle reads, and that becomes a hook request.

A chart begins normal in every respect, with a local cause and an extended test selected, so that it may be reassured. Then from none to four
disturbances change it, each in one respect: a value at a limit, a unit that cannot be read, a stale result, a history, a drug, a query that
failed. So most charts stand at the edge of the checklist, where a mistake would show, and not deep in the wild.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st

from cdshooks.judging import NOW, words_of
from cdshooks.pitfalls.vignettes import Words

from ..builders import content

Json = dict[str, Any]
PATIENT = "random"
LOINC, UCUM, RXNORM = "http://loinc.org", "http://unitsofmeasure.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
FLAGS = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
OPTIONAL_KEYS = (
    "patient",
    "procedures",
    "medication-requests",
    "medication-statements",
    "medication-administrations",
    "service-requests",
    "reports",
)
REQUIRED_KEYS = ("observations", "conditions")
USER_KEY = "user-role"

# Each result's code by the family of its unit: mass, or amount of substance.
CODES = {
    "calcium": ("17861-6", "2000-8"),
    "adjusted": ("46099-8", "29265-6"),
    "ionised": ("17863-2", "1995-0"),
    "ionised_ph74": ("57333-7", "19072-8"),
    "phosphate": ("2777-1", "14879-1"),
    "albumin": ("1751-7", "1751-7"),
    "creatinine": ("2160-0", "14682-9"),
    "egfr": ("98979-8", "98979-8"),
    "cystatin": ("50210-4", "50210-4"),
    "pth": ("2731-8", "14866-8"),
    "alp": ("6768-6", "6768-6"),
    "magnesium": ("19123-9", "2601-3"),
    "vitamin_d": ("62292-8", "14635-7"),
    "potassium": ("2823-3", "2823-3"),
}
# Conventional unit, SI unit, how many conventional units one SI unit is. Products of decimals end, so SI to conventional is exact; where
# the factor is given the other way round (creatinine, 25-OH-D) conventional to SI is exact.
UNITS = {
    "calcium": ("mg/dL", "mmol/L", Decimal("4.0078")),
    "adjusted": ("mg/dL", "mmol/L", Decimal("4.0078")),
    "ionised": ("mg/dL", "mmol/L", Decimal("4.0078")),
    "ionised_ph74": ("mg/dL", "mmol/L", Decimal("4.0078")),
    "phosphate": ("mg/dL", "mmol/L", Decimal("3.0974")),
    "albumin": ("g/dL", "g/L", Decimal("0.1")),
    "pth": ("pg/mL", "pmol/L", Decimal("9.43")),
    "magnesium": ("mg/dL", "mmol/L", Decimal("2.4305")),
    "creatinine": ("mg/dL", "umol/L", 1 / Decimal("88.40")),
    "vitamin_d": ("ng/mL", "nmol/L", 1 / Decimal("2.496")),
    "alp": ("U/L", "U/L", Decimal(1)),
    "egfr": ("mL/min/{1.73_m2}", "mL/min/{1.73_m2}", Decimal(1)),
    "cystatin": ("mL/min/{1.73_m2}", "mL/min/{1.73_m2}", Decimal(1)),
    "potassium": ("mmol/L", "mmol/L", Decimal(1)),
}
AMOUNT = ("mmol/L", "umol/L", "nmol/L", "pmol/L")


@dataclass(frozen=True, slots=True)
class Result:
    """One laboratory value; `hours` before now. `clock` is exact, naive (no time zone) or date (no hour)."""

    analyte: str
    value: str
    unit: str = ""
    hours: float = 48
    status: str = "final"
    comparator: str = ""
    low: str = ""
    high: str = ""
    flag: str = ""
    clock: str = "exact"


@dataclass(frozen=True, slots=True)
class History:
    """One Condition: a category of the catalog, or `calcification_...` for the index finding; days before now. `code` is an ICD-10-CM code
    to send instead of the category's usual one."""

    category: str
    site: str = ""
    clinical: str = "active"
    verification: str = "confirmed"
    onset: int | None = None
    recorded: int | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Drug:
    """One drug: a class of the catalog, or `unknown` for a code that nobody knows. `days` ago it was stopped or given, or, for an active one,
    last stated; 0 days: nothing is said of that."""

    category: str
    how: str = "active"  # active, stopped or given
    days: int = 0
    dose: str = ""  # "800 [iU]" a day


@dataclass(frozen=True, slots=True)
class Draft:
    """One draft order: a word of the vignettes; `reason` a history category, or `words` for free text only."""

    name: str
    reason: str = ""
    selected: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    age_days: int | None
    birth: str = "full"  # full, month, year or none
    sex: str = "female"
    hook: str = "order-select"
    encounter: str = ""
    location: str = ""
    author: str = ""
    results: tuple[Result, ...] = ()
    histories: tuple[History, ...] = ()
    drugs: tuple[Drug, ...] = ()
    drafts: tuple[Draft, ...] = (Draft("pth"),)
    failed: tuple[tuple[str, str], ...] = ()  # prefetch key, how: absent, null, outcome, paged
    foreign: str = ""  # the type of a resource of another patient
    broken: str = ""  # the type of a resource that cannot be read
    deceased: bool = False

    @property
    def born(self) -> date | None:
        return None if self.age_days is None else NOW.date() - timedelta(days=self.age_days)

    def of(self, *analytes: str) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.analyte in analytes)


# ---- a chart as a hook request ---------------------------------------------------------------------------------------------------------


@cache
def _words() -> Words:
    return words_of(content())


@cache
def _code(kind: str, name: str) -> str:
    """The JSON of a CodeableConcept for a name of the catalog."""
    row = {
        "history": lambda: _words().row("history", name, "history"),
        "drug": lambda: _words().row("medication", name, "drugs"),
        "order": lambda: _words().order(name),
        "context": lambda: _words().row("context", name, "encounter"),
        "site": lambda: next(row for row in _words().mappings.rows if row.kind == "site" and row.concept in (name, f"site_{name}")),
    }[kind]()
    return json.dumps({"coding": [{"system": row.system, "code": row.code} | ({"display": row.display} if row.display else {})]})


def coded(kind: str, name: str) -> Json:
    made: Json = json.loads(_code(kind, name))
    return made


@cache
def categories() -> tuple[str, ...]:
    """The history categories for which any code is known; the others are unreachable until a site adds codes."""
    known = {row.concept for row in _words().mappings.rows if row.kind == "history" and row.use == "use"}
    return tuple(sorted(known & set(content().mappings.histories)))


def request(chart: Chart) -> Json:
    """The hook request of a chart."""
    patient: Json = {"resourceType": "Patient", "id": PATIENT}
    if chart.sex:
        patient["gender"] = chart.sex
    if chart.born is not None and chart.birth != "none":
        patient["birthDate"] = chart.born.isoformat()[: {"full": 10, "month": 7, "year": 4}[chart.birth]]
    if chart.deceased:
        patient["deceasedBoolean"] = True
    context: Json = {"userId": "Practitioner/one", "patientId": PATIENT}
    drafts = [_draft(number, draft) for number, draft in enumerate(chart.drafts)]
    if chart.hook != "patient-view":
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order} for order in drafts]}
    if chart.hook == "order-select":
        context["selections"] = [
            f"{order['resourceType']}/{order['id']}" for order, draft in zip(drafts, chart.drafts, strict=True) if draft.selected
        ]
    prefetch: Json = {"patient": patient} | {key: _bundle(items) for key, items in _resources(chart).items()}
    prefetch |= {f"observations-{number}": _bundle([]) for number in range(2, 6)}
    if chart.encounter:
        context["encounterId"] = "now"
        prefetch["encounter"] = _encounter(chart)
    if chart.author:
        prefetch[USER_KEY] = _bundle(
            [{"resourceType": "PractitionerRole", "id": "role", "specialty": [coded("context", f"specialty:{chart.author}")]}]
        )
    for key, how in chart.failed:
        _fail(prefetch, key, how)
    return {"hook": chart.hook, "hookInstance": str(uuid.UUID(int=1)), "context": context, "prefetch": prefetch}


def _fail(prefetch: Json, key: str, how: str) -> None:
    if how == "absent":
        prefetch.pop(key, None)
    elif how == "null":
        if not prefetch.get(key, {}).get("entry"):  # null says that there is nothing
            prefetch[key] = None
    elif how == "outcome":
        prefetch[key] = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
    elif prefetch.get(key, {}).get("resourceType") == "Bundle":
        prefetch[key]["link"] = [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]


def _resources(chart: Chart) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {key: [] for key in (*REQUIRED_KEYS, *OPTIONAL_KEYS) if key != "patient"}
    found["observations"] += [observation(number, result) for number, result in enumerate(chart.results)]
    found["conditions"] += [_condition(number, history) for number, history in enumerate(chart.histories)]
    for number, drug in enumerate(chart.drugs):
        found["medication-administrations" if drug.how == "given" else "medication-statements"].append(_drug(number, drug))
    if chart.foreign:
        key, made = {
            "Observation": ("observations", observation(90, Result("calcium", "9.4", "mg/dL"))),
            "Condition": ("conditions", _condition(90, History("trauma"))),
            "MedicationStatement": ("medication-statements", _drug(90, Drug("proton_pump_inhibitor"))),
        }[chart.foreign]
        found[key].append(made | {"subject": {"reference": "Patient/somebody-else"}})
    if chart.broken:
        key = {"Observation": "observations", "Condition": "conditions", "MedicationStatement": "medication-statements"}[chart.broken]
        code = "medicationCodeableConcept" if chart.broken == "MedicationStatement" else "code"
        found[key].append({"resourceType": chart.broken, "id": "broken", "subject": {"reference": f"Patient/{PATIENT}"}, code: "broken"})
    return found


def observation(number: int, result: Result) -> Json:
    """One Observation, with the code that goes with its unit."""
    code = CODES[result.analyte][result.unit in AMOUNT]
    quantity: Json = {"value": float(result.value)}
    if result.unit:
        quantity |= {"unit": result.unit, "system": UCUM, "code": result.unit}
    if result.comparator:
        quantity["comparator"] = result.comparator
    moment = NOW - timedelta(hours=result.hours)
    made: Json = {
        "resourceType": "Observation",
        "id": f"observation-{number}",
        "status": result.status,
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "effectiveDateTime": {"exact": moment.isoformat(), "naive": moment.replace(tzinfo=None).isoformat(), "date": moment.date().isoformat()}[
            result.clock
        ],
        "valueQuantity": quantity,
    }
    limits = {side: {"value": float(value), "unit": result.unit} for side, value in (("low", result.low), ("high", result.high)) if value}
    if limits:
        made["referenceRange"] = [limits]
    if result.flag:
        made["interpretation"] = [{"coding": [{"system": FLAGS, "code": result.flag}]}]
    return made


def _condition(number: int, history: History) -> Json:
    made: Json = {
        "resourceType": "Condition",
        "id": f"condition-{number}",
        "code": {"coding": [{"system": ICD10CM, "code": history.code}]} if history.code else coded("history", history.category),
        "subject": {"reference": f"Patient/{PATIENT}"},
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": history.clinical}]},
        "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": history.verification}]},
    }
    if history.onset is not None:
        made["onsetDateTime"] = _day(history.onset)
    if history.recorded is not None:
        made["recordedDate"] = _day(history.recorded)
    if history.site:
        made["bodySite"] = [coded("site", history.site)]
    return made


def _drug(number: int, drug: Drug) -> Json:
    code = {"coding": [{"system": RXNORM, "code": "999999999"}]} if drug.category == "unknown" else coded("drug", drug.category)
    made: Json = {"id": f"drug-{number}", "subject": {"reference": f"Patient/{PATIENT}"}, "medicationCodeableConcept": code}
    if drug.how == "given":
        return made | {
            "resourceType": "MedicationAdministration",
            "status": "completed",
            "effectiveDateTime": (NOW - timedelta(days=drug.days)).isoformat(),
        }
    made |= {"resourceType": "MedicationStatement", "status": drug.how}
    if drug.how == "stopped" and drug.days:
        made["effectivePeriod"] = {"end": _day(drug.days)}
    elif drug.days:
        made["effectiveDateTime"] = _day(drug.days)
    if drug.dose:
        value, unit = drug.dose.split(" ")
        made["dosage"] = [
            {
                "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": float(value), "unit": unit, "system": UCUM, "code": unit}}],
            }
        ]
    return made


def _draft(number: int, draft: Draft) -> Json:
    code = {"coding": [{"system": LOINC, "code": "99999-9"}]} if draft.name == "unknown" else coded("order", draft.name)
    drug = code["coding"][0]["system"] == RXNORM or "whocc" in code["coding"][0]["system"]
    made: Json = {
        "resourceType": "MedicationRequest" if drug else "ServiceRequest",
        "id": f"draft-{number}",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "medicationCodeableConcept" if drug else "code": code,
    }
    if draft.reason:
        made["reasonCode"] = [{"text": "a lump"} if draft.reason == "words" else coded("history", draft.reason)]
    return made


def _encounter(chart: Chart) -> Json:
    made: Json = {
        "resourceType": "Encounter",
        "id": "now",
        "status": "in-progress",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": chart.encounter},
    }
    if chart.location:
        place = {"resourceType": "Location", "id": "place", "type": [coded("context", f"location:{chart.location}")]}
        made |= {"contained": [place], "location": [{"location": {"reference": "#place"}}]}
    return made


def _bundle(resources: list[Json]) -> Json:
    return {"resourceType": "Bundle", "type": "searchset", "total": len(resources), "entry": [{"resource": resource} for resource in resources]}


def _day(days: int) -> str:
    return (NOW - timedelta(days=days)).date().isoformat()


# ---- the same chart in other units -----------------------------------------------------------------------------------------------------


def in_si(chart: Chart) -> Chart:
    """The chart with every value of a known unit in its SI unit, rounded to five decimals: the base from which `in_conventional` is exact."""
    return replace(chart, results=tuple(_to_si(result) for result in chart.results))


def in_conventional(chart: Chart) -> Chart:
    """The chart of `in_si` in conventional units, exactly."""
    return replace(chart, results=tuple(_to_conventional(result) for result in chart.results))


def _to_si(result: Result) -> Result:
    conventional, si, factor = UNITS[result.analyte]
    if result.analyte in ("creatinine", "vitamin_d") or result.unit != conventional or conventional == si:
        return result
    return _converted(result, si, lambda value: round(Decimal(value) / factor, 5))


def _to_conventional(result: Result) -> Result:
    conventional, si, factor = UNITS[result.analyte]
    if conventional == si:
        return result
    if result.analyte in ("creatinine", "vitamin_d"):  # exact the other way round
        exact = {"creatinine": Decimal("88.40"), "vitamin_d": Decimal("2.496")}[result.analyte]
        return _converted(result, si, lambda value: Decimal(value) * exact) if result.unit == conventional else result
    return _converted(result, conventional, lambda value: Decimal(value) * factor) if result.unit == si else result


def _converted(result: Result, unit: str, convert: Callable[[str], Decimal]) -> Result:
    def told(value: str) -> str:
        return f"{convert(value).normalize():f}" if value else ""

    return replace(result, unit=unit, value=told(result.value), low=told(result.low), high=told(result.high))


# ---- drawing -----------------------------------------------------------------------------------------------------------------------------

YEAR = 365.25
ADULT = (18, 26, 39, 40, 44, 49, 50, 51, 70, 85)
GOOD = {
    "calcium": (("9.4", "mg/dL"), ("9.0", "mg/dL"), ("10.1", "mg/dL"), ("2.35", "mmol/L"), ("2.40", "mmol/L")),
    "phosphate": (("3.5", "mg/dL"), ("2.8", "mg/dL"), ("4.2", "mg/dL"), ("1.10", "mmol/L")),
    "albumin": (("4.2", "g/dL"), ("4.0", "g/dL"), ("42", "g/L")),
    "creatinine": (("0.8", "mg/dL"), ("0.6", "mg/dL"), ("62", "umol/L")),
    "ionised": (("1.22", "mmol/L"), ("1.20", "mmol/L"), ("4.9", "mg/dL")),
    "adjusted": (("9.4", "mg/dL"), ("2.35", "mmol/L")),
    "egfr": (("90", UNITS["egfr"][0]), ("75", UNITS["egfr"][0])),
    "cystatin": (("85", UNITS["egfr"][0]),),
    "pth": (("38", "pg/mL"), ("3.8", "pmol/L")),
    "alp": (("80", "U/L"),),
    "magnesium": (("2.0", "mg/dL"), ("0.85", "mmol/L")),
    "vitamin_d": (("30", "ng/mL"), ("70", "nmol/L")),
    "potassium": (("4.1", "mmol/L"),),
}


def _at(unit: str, values: str) -> list[tuple[str, str]]:
    return [(value, unit) for value in values.split()]


RATE = UNITS["egfr"][0]
EDGE = {
    "calcium": [
        *_at("mg/dL", "6.9 7.0 7.1 8.7 8.79 8.8 8.81 8.89 8.9 8.91 9.2 9.8 10.0 10.29 10.3 10.31 10.39 10.4 10.41 10.5 11.2 13.9 14.0 15.1"),
        *_at("mmol/L", "1.75 2.19 2.20 2.22 2.23 2.30 2.56 2.57 2.59 2.60 2.61 2.80 3.49 3.50"),
    ],
    "phosphate": [
        *_at("mg/dL", "1.0 2.4 2.49 2.5 2.51 2.69 2.7 2.71 4.0 4.39 4.4 4.41 4.59 4.6 4.61 4.7 6.2 8.0"),
        *_at("mmol/L", "0.79 0.80 0.86 0.87 0.88 1.41 1.42 1.43 1.48 1.49 1.50 2.1"),
    ],
    "albumin": [*_at("g/dL", "1.5 2.9 2.99 3.0 3.01 3.5 3.8 4.9 5.0 5.01 5.1 5.6"), *_at("g/L", "29 30 50 51")],
    "creatinine": [*_at("mg/dL", "0.4 0.9 1.0 1.05 1.1 1.2 1.3 1.6 2.5 5.0"), *_at("umol/L", "88 97 115 200")],
    "ionised": [*_at("mmol/L", "0.80 0.81 1.14 1.15 1.16 1.17 1.18 1.25 1.27 1.28 1.29 1.30 1.31 1.59 1.60"), *_at("mg/dL", "4.6 5.2")],
    "adjusted": [*_at("mg/dL", "8.7 8.8 8.9 9.2 9.6 9.7 10.2 10.3 10.4 10.5 14.0"), *_at("mmol/L", "2.20 2.30 2.60 2.70")],
    "egfr": _at(RATE, "12 29 30 44 45 59 59.9 60 61 89 90 91 110"),
    "cystatin": _at(RATE, "45 59 60 61 90"),
    "pth": [*_at("pg/mL", "5 9.9 10 10.1 64 65 66 120"), *_at("pmol/L", "1.0 6.8 6.9 7.0")],
    "alp": _at("U/L", "18 29 30 31 37 38 149 150 151 210 449 450 451 900"),
    "magnesium": _at("mg/dL", "1.6 1.7 1.8 2.4 2.5"),
    "vitamin_d": _at("ng/mL", "8 19 20 21 99 100 101 160"),
    "potassium": _at("mmol/L", "3.0 5.9 6.0 6.2 9.1"),
}
WILD = {"calcium": ("3.9", "25"), "phosphate": ("0.2", "21"), "albumin": ("0.5", "7.5"), "creatinine": ("0.05", "30"), "ionised": ("0.2", "3.5")}
REQUIRED = ("calcium", "phosphate", "albumin", "creatinine")
RANGES = {
    "calcium": {
        "mg/dL": (("8.8", "10.4"), ("8.5", "10.2"), ("9.0", "10.0"), ("9.2", "9.6"), ("", "10.4"), ("8.8", ""), ("9.4", "9.4"), ("2.0", "30")),
        "mmol/L": (("2.20", "2.60"), ("2.15", "2.55"), ("2.30", "2.37")),
    },
    "phosphate": {
        "mg/dL": (("2.5", "4.6"), ("2.7", "4.5"), ("3.3", "3.7"), ("", "4.6"), ("2.5", "12")),
        "mmol/L": (("0.80", "1.50"), ("1.00", "1.12")),
    },
    "ionised": {"mmol/L": (("1.15", "1.30"), ("1.20", "1.24")), "mg/dL": (("4.6", "5.2"),)},
    "pth": {"pg/mL": (("15", "36"), ("15", "88"))},
    "alp": {"U/L": (("40", "70"), ("30", "120"))},
    "magnesium": {"mg/dL": (("1.5", "2.6"), ("2.1", "2.6"))},
}
HOURS_OFF = (0, 0.2, 3, 3.9, 4, 4.1, 5, 20, 23.9, 24, 24.1, 25, 60)
INDEX = (
    "calcification_skin",
    "calcification_muscle",
    "heterotopic_ossification",
    "calcification_bursa",
    "calcification_unspecified",
    "calcification_vascular",
    "calcification_intracranial",
    "calcification_tumoral",
)
SITES = (
    "",
    "",
    "thigh",
    "forearm",
    "neck",
    "cheek",
    "floor_of_mouth",
    "knee",
    "hip",
    "elbow",
    "lung",
    "stomach",
    "kidney",
    "brain",
    "cornea",
    "shoulder",
    "lower_leg",
)
LOCAL = (
    "trauma",
    "surgery",
    "tracheostomy",
    "inflammation",
    "infection",
    "extravasation",
    "connective_tissue_disease",
    "vascular_insufficiency",
    "neurologic",
)
TESTS = ("pth", "vitamin_d_125oh", "fgf23", "lab-ext", "img-metabolic")
OTHERS = (
    "calcium",
    "phosphate",
    "albumin",
    "creatinine",
    "vitamin_d_25oh",
    "ct",
    "mri",
    "excision",
    "rx-binder-nonca",
    "rx-binder-ca",
    "rx-binder-al",
    "rx-calcimimetic",
    "calcitriol",
    "rx-calcium-vitd",
    "rx-antiresorptive",
    "rx-etidronate",
    "rx-thiosulfate",
    "rx-phosphate",
    "warfarin",
    "hydrochlorothiazide",
    "proc-ptx",
    "referral",
    "unknown",
    "img-other",
    "dxa_spine",
    "whole_body_bone_scan",
)
REASONS = ("", "", "", "calcification_skin", "osteoporosis", "nephrolithiasis", "words")
SPECIALTIES = ("nephrology", "endocrinology", "family_medicine", "dermatology", "clinical_genetics")
ENCOUNTERS = ("", "AMB", "IMP", "EMER", "VR", "HH", "OBSENC", "SS", "ACUTE", "NONAC", "FLD")
STATUSES = ("preliminary", "registered", "cancelled", "entered-in-error", "unknown", "amended", "corrected")
DAYS = (1, 5, 6.9, 7.1, 8, 29, 31, 60, 89, 89.9, 90.1, 91, 179, 181, 300, 364, 366, 400, 729, 731, 900)

Disturbance = Callable[[st.DrawFn, Chart], Chart]


def pick(draw: st.DrawFn, *options: Any) -> Any:
    return draw(st.sampled_from(options))


def _normal(draw: st.DrawFn) -> Chart:
    drawn = pick(draw, 2, 24, 48, 100, 150)
    results = [Result(analyte, *pick(draw, *GOOD[analyte]), hours=drawn) for analyte in REQUIRED]
    results += [
        Result(analyte, *pick(draw, *GOOD[analyte]), hours=drawn)
        for analyte in ("pth", "alp", "magnesium", "vitamin_d")
        if pick(draw, False, False, True)
    ]
    index = History("calcification_skin", site=pick(draw, "", "thigh", "neck"), recorded=pick(draw, 5, 20, 100))
    cause = (History(pick(draw, *LOCAL[:8]), onset=pick(draw, 300, 2000, 8000)),) if pick(draw, True, True, True, False) else ()
    return Chart(
        age_days=int(pick(draw, *ADULT) * YEAR) + pick(draw, 3, 100),
        sex=pick(draw, "female", "male"),
        encounter=pick(draw, "", "AMB"),
        results=tuple(results),
        histories=(index, *cause),
        drafts=(Draft(pick(draw, *TESTS), reason=pick(draw, "", "", "calcification_skin")),),
    )


def _with(chart: Chart, analyte: str, **changes: Any) -> Chart:
    """Change the first result of an analyte."""
    results = list(chart.results)
    for number, result in enumerate(results):
        if result.analyte == analyte:
            results[number] = replace(result, **changes)
            break
    return replace(chart, results=tuple(results))


def _plus(chart: Chart, *results: Result) -> Chart:
    return replace(chart, results=chart.results + results)


def _valued(draw: st.DrawFn, chart: Chart, analytes: tuple[str, ...]) -> Chart:
    analyte = pick(draw, *analytes)
    value, unit = pick(draw, *EDGE[analyte])
    return _with(chart, analyte, value=value, unit=unit)


def _age(draw: st.DrawFn, chart: Chart) -> Chart:
    years, days = pick(draw, 0, 1, 2, 12, 17, 18, 40, 50), pick(draw, -400, -2, 0, 1, 2, 9, 20, 21, 22, 200)
    today = NOW.date()
    age = (today - today.replace(year=today.year - years)).days + days
    return replace(chart, age_days=max(age, 0), birth=pick(draw, "full", "full", "full", "year", "month", "none"))


def _unit(draw: st.DrawFn, chart: Chart) -> Chart:
    return _with(chart, pick(draw, *REQUIRED), unit=pick(draw, "", "furlong", "mg/L"))


def _stale(draw: st.DrawFn, chart: Chart) -> Chart:
    days = pick(draw, *DAYS)
    which = pick(draw, REQUIRED, REQUIRED, *[(analyte,) for analyte in REQUIRED])
    return replace(chart, results=tuple(replace(r, hours=days * 24) if r.analyte in which else r for r in chart.results))


def _clock(draw: st.DrawFn, chart: Chart) -> Chart:
    which, clock = pick(draw, *REQUIRED), pick(draw, "naive", "date")
    return replace(chart, results=tuple(replace(result, clock=clock) if result.analyte == which else result for result in chart.results))


def _apart(draw: st.DrawFn, chart: Chart) -> Chart:
    analyte = pick(draw, *REQUIRED[:3])
    return _with(chart, analyte, hours=chart.of(analyte)[0].hours + pick(draw, *HOURS_OFF)) if chart.of(analyte) else chart


def _wild(draw: st.DrawFn, chart: Chart) -> Chart:
    analyte = pick(draw, *REQUIRED)
    return _with(chart, analyte, value=pick(draw, *WILD[analyte]), unit=UNITS[analyte][0])


def _missing(draw: st.DrawFn, chart: Chart) -> Chart:
    analyte = pick(draw, *REQUIRED)
    return replace(chart, results=tuple(result for result in chart.results if result.analyte != analyte))


def _second(draw: st.DrawFn, chart: Chart) -> Chart:
    """Another value of the same moment."""
    analyte = pick(draw, *REQUIRED)
    if not chart.of(analyte):
        return chart
    first = chart.of(analyte)[0]
    value = round(Decimal(first.value) * Decimal(pick(draw, "1", "1.01", "1.05", "1.12", "1.6")), 4)
    return _plus(chart, replace(first, value=f"{value.normalize():f}", status=pick(draw, "final", "final", "corrected", "preliminary")))


def _newer(draw: st.DrawFn, chart: Chart) -> Chart:
    """A newer value, perhaps one that cannot be used."""
    analyte = pick(draw, *REQUIRED, "ionised")
    value, unit = pick(draw, *EDGE[analyte], *GOOD[analyte])
    changed = Result(analyte, value, unit, hours=pick(draw, 1, 30))
    changes: list[Json] = [{}, {"status": "preliminary"}, {"unit": "furlong"}, {"comparator": "<"}, {"status": "entered-in-error"}]
    return _plus(chart, replace(changed, **pick(draw, *changes)))


def _earlier(draw: st.DrawFn, chart: Chart) -> Chart:
    """An earlier result."""
    analyte = pick(draw, "calcium", "calcium", "phosphate", "phosphate", "ionised", "adjusted", "albumin", "creatinine", "egfr")
    value, unit = pick(draw, *EDGE[analyte])
    days = pick(draw, 10, 100, 200, 364, 365.5, 366, 367, 400, 729, 731)
    status = pick(draw, "final", "final", "final", "preliminary", "entered-in-error", "corrected")
    return _plus(
        chart, Result(analyte, value, unit, hours=days * 24, status=status, flag=pick(draw, "", "", "", "H"), comparator=pick(draw, "", "", "", ">"))
    )


def _beside(draw: st.DrawFn, chart: Chart) -> Chart:
    """Another calcium, or what else item 8 looks at, near the draw."""
    analyte = pick(draw, "ionised", "ionised", "adjusted", "pth", "alp", "magnesium", "vitamin_d", "egfr", "cystatin", "potassium")
    value, unit = pick(draw, *EDGE[analyte], *GOOD[analyte])
    base = chart.results[0].hours if chart.results else 48
    low, high = pick(draw, ("", ""), ("", ""), *RANGES.get(analyte, {}).get(unit, ()))
    return _plus(
        chart,
        Result(
            analyte,
            value,
            unit,
            hours=base + pick(draw, 0, 0, 3, 5, 30, 24 * 100, 24 * 200),
            comparator=pick(draw, "", "", "", ">", "<", ">="),
            low=low,
            high=high,
        ),
    )


def _low_albumin_with_ionised(draw: st.DrawFn, chart: Chart) -> Chart:
    value, unit = pick(draw, ("2.9", "g/dL"), ("5.1", "g/dL"), ("2.5", "g/dL"))
    calcium = pick(draw, "9.2", "9.4", "8.9")
    chart = _with(_with(chart, "albumin", value=value, unit=unit), "calcium", value=calcium, unit="mg/dL")
    ionised, its_unit = pick(draw, *EDGE["ionised"], *GOOD["ionised"])
    return _plus(chart, Result("ionised", ionised, its_unit, hours=(chart.results[0].hours if chart.results else 48) + pick(draw, 0, 3)))


def _range(draw: st.DrawFn, chart: Chart) -> Chart:
    analyte = pick(draw, "calcium", "phosphate")
    if not chart.of(analyte):
        return chart
    result = chart.of(analyte)[0]
    ranges = RANGES[analyte].get(result.unit)
    if not ranges:
        return chart
    low, high = pick(draw, *ranges)
    return _with(chart, analyte, low=low, high=high)


def _flag(draw: st.DrawFn, chart: Chart) -> Chart:
    return _with(chart, pick(draw, *REQUIRED), flag=pick(draw, "H", "L", "HH", "LL", "N", "A", "AA"))


def _history(draw: st.DrawFn, chart: Chart) -> Chart:
    made = History(
        draw(st.sampled_from(categories())),
        site=pick(draw, "", "", *SITES),
        clinical=pick(draw, "active", "active", "active", "resolved"),
        verification=pick(draw, "confirmed", "confirmed", "confirmed", "refuted", "entered-in-error", "provisional"),
        onset=pick(draw, None, 1, 2, 20, 400, 4000),
        recorded=pick(draw, None, None, 1, 20, 400),
    )
    return replace(chart, histories=(*chart.histories, made))


def _index(draw: st.DrawFn, chart: Chart) -> Chart:
    changed = History(
        pick(draw, *INDEX), site=pick(draw, *SITES), recorded=pick(draw, 5, 20, 179, 181, 400), clinical=pick(draw, "active", "active", "resolved")
    )
    rest = chart.histories if pick(draw, True, False) else chart.histories[1:]
    return replace(chart, histories=(changed, *rest))


def _no_index(draw: st.DrawFn, chart: Chart) -> Chart:
    return replace(chart, histories=tuple(history for history in chart.histories if history.category not in INDEX))


def _cause(draw: st.DrawFn, chart: Chart) -> Chart:
    made = History(pick(draw, *LOCAL), site=pick(draw, *SITES), onset=pick(draw, None, 2, 60, 500, 3000), clinical=pick(draw, "active", "resolved"))
    return replace(chart, histories=(*chart.histories, made))


def _drug_added(draw: st.DrawFn, chart: Chart) -> Chart:
    category = draw(st.sampled_from([*sorted(content().mappings.medications), "unknown"]))
    how = pick(draw, "active", "stopped", "given")
    days = pick(draw, 1, 10, 28, 32, 60, 88, 92, 178, 182, 400) if how != "active" else 0
    dose = (
        pick(draw, "", "", "800 [iU]", "4000 [iU]", "5000 [iU]")
        if category == "vitamin_d"
        else pick(draw, "", "500 mg", "1500 mg")
        if category == "calcium_salt"
        else ""
    )
    return replace(chart, drugs=(*chart.drugs, Drug(category, how, days, dose if how == "active" else "")))


def _fails(draw: st.DrawFn, chart: Chart) -> Chart:
    key = pick(draw, *OPTIONAL_KEYS, *REQUIRED_KEYS, "encounter", "observations-2", USER_KEY)
    how = "paged" if key in REQUIRED_KEYS else pick(draw, "absent", "null", "outcome", "paged")
    return replace(chart, failed=(*(other for other in chart.failed if other[0] != key), (key, how)))


def _kidney(draw: st.DrawFn, chart: Chart) -> Chart:
    """An earlier creatinine: a rise may be acute kidney injury."""
    if not chart.of("creatinine"):
        return chart
    now = chart.of("creatinine")[0]
    value = pick(draw, "0.3", "0.4", "0.5", "0.55", "0.9", "1.1", "1.3")
    return _plus(chart, Result("creatinine", value, "mg/dL", hours=now.hours + pick(draw, 20, 47, 49, 24 * 6, 24 * 20, 24 * 80, 24 * 95)))


def _drafts(draw: st.DrawFn, chart: Chart) -> Chart:
    drafts = [
        Draft(pick(draw, *TESTS, *OTHERS), reason=pick(draw, *REASONS), selected=not number or pick(draw, True, False))
        for number in range(pick(draw, 1, 2, 3))
    ]
    return replace(chart, drafts=tuple(drafts), hook=pick(draw, "order-select", "order-select", "order-sign", "patient-view"))


def _setting(draw: st.DrawFn, chart: Chart) -> Chart:
    encounter = pick(draw, *ENCOUNTERS)
    return replace(chart, encounter=encounter, location=pick(draw, "", "", "icu") if encounter else "")


def _bone_after_injury(draw: st.DrawFn, chart: Chart) -> Chart:
    value, unit = pick(draw, *EDGE["alp"])
    injured = History("neurologic", onset=pick(draw, 30, 60, 700, 760), site="")
    bone = History(pick(draw, "heterotopic_ossification", "calcification_muscle"), site=pick(draw, "", "hip", "thigh"), onset=10, recorded=5)
    results = tuple(result for result in chart.results if result.analyte != "alp")
    chart = replace(chart, histories=(bone, injured), results=(*results, Result("alp", value, unit, hours=results[0].hours if results else 48)))
    return _with(chart, "creatinine", value=pick(draw, "0.5", "0.6", "0.8"), unit="mg/dL")


def _leg_vessels(draw: st.DrawFn, chart: Chart) -> Chart:
    index = History(pick(draw, "calcification_skin", "calcification_vascular"), site=pick(draw, "", "lower_leg", "thigh"), recorded=20)
    more = (History("skin_ulcer"),) if pick(draw, False, False, True) else ()
    drugs = (Drug("vitamin_k_antagonist"),) if pick(draw, False, True) else ()
    risk = (History(pick(draw, "dialysis", "kidney_transplant", "ckd_g4", "primary_hyperparathyroidism")),) if pick(draw, False, False, True) else ()
    return replace(
        chart,
        age_days=int(pick(draw, 44, 49, 50, 72) * YEAR) + 5,
        histories=(index, History("vascular_insufficiency", onset=pick(draw, 500, 3000)), *more, *risk),
        drugs=(*chart.drugs, *drugs),
    )


def _many_sites(draw: st.DrawFn, chart: Chart) -> Chart:
    second = History("calcification_skin", site="forearm", recorded=20)
    rest = tuple(history for history in chart.histories if pick(draw, True, False) or history.category in INDEX)
    return replace(chart, histories=(*rest, second))


def _drug_order(draw: st.DrawFn, chart: Chart) -> Chart:
    name = pick(draw, "rx-binder-nonca", "rx-binder-ca", "rx-calcimimetic", "calcitriol", "rx-etidronate", "rx-thiosulfate", "warfarin", "proc-ptx")
    return replace(chart, drafts=(Draft(name, reason=pick(draw, *REASONS)),), hook=pick(draw, "order-select", "order-sign"))


DISTURBANCES: dict[str, Disturbance] = {
    "calcium": lambda draw, chart: _valued(draw, chart, ("calcium",)),
    "phosphate": lambda draw, chart: _valued(draw, chart, ("phosphate",)),
    "albumin": lambda draw, chart: _valued(draw, chart, ("albumin",)),
    "creatinine": lambda draw, chart: _valued(draw, chart, ("creatinine",)),
    "age": _age,
    "sex": lambda draw, chart: replace(chart, sex=pick(draw, "", "unknown", "other")),
    "unit": _unit,
    "status": lambda draw, chart: _with(chart, pick(draw, *REQUIRED), status=pick(draw, *STATUSES)),
    "comparator": lambda draw, chart: _with(chart, pick(draw, *REQUIRED), comparator=pick(draw, "<", ">", "<=", ">=")),
    "stale": _stale,
    "clock": _clock,
    "apart": _apart,
    "wild": _wild,
    "missing": _missing,
    "second": _second,
    "newer": _newer,
    "earlier": _earlier,
    "beside": _beside,
    "low albumin": _low_albumin_with_ionised,
    "range": _range,
    "flag": _flag,
    "history": _history,
    "history again": _history,
    "index": _index,
    "no index": _no_index,
    "cause": _cause,
    "drug": _drug_added,
    "query": _fails,
    "kidney": _kidney,
    "drafts": _drafts,
    "drafts again": _drafts,
    "setting": _setting,
    "author": lambda draw, chart: replace(chart, author=pick(draw, *SPECIALTIES)),
    "foreign": lambda draw, chart: replace(chart, foreign=pick(draw, "Observation", "Condition", "MedicationStatement")),
    "broken": lambda draw, chart: replace(chart, broken=pick(draw, "Observation", "Condition", "MedicationStatement")),
    "bone after injury": _bone_after_injury,
    "leg vessels": _leg_vessels,
    "many sites": _many_sites,
    "drug order": _drug_order,
    "drug order again": _drug_order,
    "deceased": lambda _, chart: replace(chart, deceased=True),
}
HOW_MANY = (0, 1, 1, 1, 2, 2, 2, 3, 3, 4)


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    """A chart with from none to four disturbances."""
    chart = _normal(draw)
    for _ in range(pick(draw, *HOW_MANY)):
        chart = DISTURBANCES[draw(st.sampled_from(sorted(DISTURBANCES)))](draw, chart)
    return chart
