"""Each item of the checklist by itself: it closes on what it is there for, whether or not another item would close, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ..builders import ask
from .charts import ICD10CM, Chart, Draft, Drug, History, Json, Result, request

BASE = Chart(
    age_days=16_000,
    results=(
        Result("calcium", "9.4", "mg/dL"),
        Result("phosphate", "3.5", "mg/dL"),
        Result("albumin", "4.2", "g/dL"),
        Result("creatinine", "0.8", "mg/dL"),
    ),
    histories=(History("calcification_skin", site="thigh", recorded=20), History("trauma", onset=3000)),
    drafts=(Draft("pth"),),
)
RATE = "mL/min/{1.73_m2}"


def closed(chart: Chart) -> Mapping[str, str]:
    """The items that are not proven, with the reason."""
    return {item: why for item, why in ask(request(chart)).findings.state.checklist.items() if why}


def lab(analyte: str, **changes: Any) -> Chart:
    """The base chart with one of its results changed."""
    return replace(BASE, results=tuple(replace(result, **changes) if result.analyte == analyte else result for result in BASE.results))


def without(*analytes: str) -> tuple[Result, ...]:
    return tuple(result for result in BASE.results if result.analyte not in analytes)


def plus(*results: Result) -> Chart:
    return replace(BASE, results=(*BASE.results, *results))


def with_history(*histories: History, **changes: Any) -> Chart:
    return replace(BASE, histories=(*BASE.histories, *histories), **changes)


def with_drug(*drugs: Drug) -> Chart:
    return replace(BASE, drugs=drugs)


def index(*histories: History, **changes: Any) -> Chart:
    return replace(BASE, histories=histories, **changes)


def test_the_base_chart_is_open() -> None:
    assert closed(BASE) == {}


def renal(*results: Result, creatinine: str = "0.85") -> Chart:
    """A neurologic injury, an eGFR between 60 and 90, and further results."""
    return with_history(History("neurologic", onset=900), results=(*without("creatinine"), Result("creatinine", creatinine, "mg/dL"), *results))


def totals(calcium: str, albumin: str, *more: Result, **changes: Any) -> Chart:
    """The base chart with another calcium and albumin, and further results."""
    pair = (Result("calcium", calcium, "mg/dL", **changes), Result("albumin", albumin, "g/dL"))
    return replace(BASE, results=(*pair, *without("calcium", "albumin"), *more))


def ionised(value: str, **changes: Any) -> Result:
    return Result("ionised", value, "mmol/L", **changes)


def adjusted(value: str, **changes: Any) -> Result:
    return Result("adjusted", value, "mg/dL", **changes)


def ph74(value: str = "1.22", **changes: Any) -> Result:
    return Result("ionised_ph74", value, "mmol/L", **changes)


def creatinine(now: str, *earlier: tuple[str, float]) -> Chart:
    """The base chart with another creatinine, and earlier ones: value, hours ago."""
    results = (Result("creatinine", now, "mg/dL"), *(Result("creatinine", value, "mg/dL", hours=hours) for value, hours in earlier))
    return replace(BASE, results=(*without("creatinine"), *results))


OWN = {"low": "7.2", "high": "9.0"}
LOCKS = [
    pytest.param(replace(BASE, age_days=6400), "adult", id="17 years"),
    pytest.param(replace(BASE, birth="none"), "adult", id="no birth date"),
    *[
        pytest.param(replace(BASE, results=without(analyte)), "fresh", id=f"no {analyte}")
        for analyte in ("calcium", "phosphate", "albumin", "creatinine")
    ],
    *[pytest.param(lab(analyte, hours=2200), "fresh", id=f"{analyte} stale") for analyte in ("calcium", "phosphate", "albumin", "creatinine")],
    *[
        pytest.param(lab(analyte, status="preliminary"), "fresh", id=f"{analyte} preliminary")
        for analyte in ("calcium", "phosphate", "albumin", "creatinine")
    ],
    *[
        pytest.param(lab(analyte, unit="furlong"), "fresh", id=f"{analyte} in no unit")
        for analyte in ("calcium", "phosphate", "albumin", "creatinine")
    ],
    pytest.param(
        plus(Result("egfr", "95", RATE), Result("creatinine", "0.8", "furlong", hours=10)), "fresh", id="a creatinine not to be read, beside an eGFR"
    ),
    pytest.param(replace(BASE, results=without("calcium")), "calcium", id="calcium: none"),
    pytest.param(lab("calcium", comparator="<"), "calcium", id="calcium: only a bound"),
    pytest.param(lab("albumin", comparator=">"), "calcium", id="calcium: albumin only a bound"),
    pytest.param(replace(BASE, results=without("albumin")), "calcium", id="calcium: no albumin"),
    pytest.param(lab("phosphate", comparator="<"), "phosphate", id="phosphate only a bound"),
    pytest.param(replace(BASE, results=without("phosphate")), "phosphate", id="phosphate: none"),
    pytest.param(lab("phosphate", value="4.7"), "phosphate", id="phosphate high"),
    pytest.param(lab("phosphate", value="4.4"), "phosphate", id="phosphate at the guard band"),
    pytest.param(replace(BASE, results=without("calcium")), "paired", id="paired: no calcium"),
    pytest.param(replace(BASE, results=without("phosphate")), "paired", id="paired: no phosphate"),
    pytest.param(replace(BASE, results=without("albumin")), "paired", id="paired: no albumin"),
    pytest.param(lab("phosphate", hours=73), "paired", id="phosphate 25 hours off"),
    pytest.param(lab("albumin", hours=53), "paired", id="albumin 5 hours off"),
    pytest.param(replace(BASE, results=without("creatinine")), "kidney", id="kidney: nothing known"),
    pytest.param(plus(Result("egfr", "95", RATE, status="preliminary")), "kidney", id="kidney: a preliminary eGFR"),
    pytest.param(plus(Result("egfr", "59.9", RATE)), "kidney", id="kidney: eGFR 59.9"),
    pytest.param(plus(Result("egfr", "95", RATE), Result("creatinine", "1.4", "mg/dL", hours=40)), "kidney", id="kidney: creatinine rose"),
    *[
        pytest.param(with_history(History(category, recorded=30)), "kidney", id=f"kidney: {category}")
        for category in ("ckd_g3a", "ckd_g3b", "ckd_g4", "ckd_g5", "ckd_unspecified", "dialysis", "kidney_transplant", "acute_kidney_injury")
    ],
    *[
        pytest.param(
            with_history(History(category, onset=30), results=(*without("creatinine"), Result("creatinine", "0.85", "mg/dL"))),
            "kidney",
            id=f"kidney: {category}",
        )
        for category in ("neurologic", "paralysis", "malnutrition", "immobilisation")
    ],
    pytest.param(plus(Result("ionised", "1.45", "mmol/L")), "no_confounder", id="calcium measures disagree"),
    *[
        pytest.param(with_history(History(category, onset=4, recorded=4)), "no_confounder", id=f"confounder: {category}")
        for category in (
            "diabetic_ketoacidosis",
            "lactic_acidosis",
            "tumour_lysis",
            "rhabdomyolysis",
            "critical_illness",
            "pregnancy",
            "malignancy",
            "paget",
        )
    ],
    pytest.param(replace(BASE, encounter="IMP", location="icu"), "no_confounder", id="intensive care"),
    pytest.param(with_history(History("critical_illness", onset=6, clinical="resolved")), "no_confounder", id="a critical illness of last week"),
    pytest.param(
        with_history(History("critical_illness", recorded=6, clinical="resolved")), "no_confounder", id="a critical illness recorded last week"
    ),
    pytest.param(with_history(History("critical_illness")), "no_confounder", id="a critical illness, when is not known"),
    pytest.param(with_history(History("critical_illness", onset=60)), "no_confounder", id="a critical illness that goes on"),
    pytest.param(with_history(History("pregnancy", onset=300, clinical="resolved")), "no_confounder", id="a pregnancy that began 300 days ago"),
    pytest.param(with_history(History("pregnancy", recorded=300, clinical="resolved")), "no_confounder", id="a pregnancy recorded 300 days ago"),
    pytest.param(with_history(History("pregnancy")), "no_confounder", id="a pregnancy, when is not known"),
    pytest.param(with_history(History("pregnancy", onset=400)), "no_confounder", id="a pregnancy that is not said to be over"),
    pytest.param(with_drug(Drug("vasopressor", "given", 7)), "no_confounder", id="a vasopressor seven days ago to the hour"),
    pytest.param(with_drug(Drug("vasopressor", "given", 2)), "no_confounder", id="a vasopressor two days ago"),
    pytest.param(with_drug(Drug("vasopressor")), "no_confounder", id="a vasopressor now"),
    *[
        pytest.param(with_drug(Drug(category, "stopped", days)), "no_confounder", id=f"{category} {days} days ago")
        for category, days in (
            ("thiazide", 29),
            ("lithium", 29),
            ("burosumab", 29),
            ("denosumab", 179),
            ("zoledronate", 179),
            ("bisphosphonate_oral", 89),
        )
    ],
    pytest.param(with_drug(Drug("vitamin_d", dose="4001 [iU]")), "no_confounder", id="vitamin D 4001 IU"),
    pytest.param(with_drug(Drug("vitamin_d", dose="4000 [iU]"), Drug("vitamin_d", dose="800 [iU]")), "no_confounder", id="vitamin D 4800 IU in two"),
    pytest.param(with_drug(Drug("calcium_salt")), "no_confounder", id="calcium of unknown dose"),
    pytest.param(plus(Result("pth", "66", "pg/mL")), "other_labs", id="PTH high"),
    pytest.param(plus(Result("pth", "40", "pg/mL", status="preliminary")), "other_labs", id="PTH preliminary"),
    pytest.param(plus(Result("pth", "40", "furlong")), "other_labs", id="PTH not to be read"),
    pytest.param(plus(Result("magnesium", "1.6", "mg/dL")), "other_labs", id="magnesium low"),
    pytest.param(plus(Result("magnesium", "2.0", "furlong")), "other_labs", id="magnesium not to be read"),
    pytest.param(plus(Result("vitamin_d", "19.9", "ng/mL")), "other_labs", id="25-OH-D 19.9"),
    pytest.param(plus(Result("vitamin_d", "100.1", "ng/mL")), "other_labs", id="25-OH-D 100.1"),
    pytest.param(plus(Result("vitamin_d", "30", "ng/mL", comparator=">")), "other_labs", id="25-OH-D only a bound"),
    pytest.param(plus(Result("vitamin_d", "30", "furlong")), "other_labs", id="25-OH-D not to be read"),
    pytest.param(plus(ionised("1.22", status="preliminary")), "calcium", id="ionised calcium preliminary"),
    pytest.param(plus(ionised("1.22", comparator="<")), "calcium", id="ionised calcium only a bound"),
    pytest.param(plus(Result("ionised", "1.22", "furlong")), "calcium", id="ionised calcium not to be read"),
    pytest.param(plus(adjusted("9.3", status="preliminary")), "calcium", id="adjusted calcium preliminary"),
    pytest.param(plus(Result("adjusted", "9.3", "furlong")), "calcium", id="adjusted calcium not to be read"),
    pytest.param(plus(adjusted("8.9", hours=43)), "calcium", id="a later adjusted calcium near its limit"),
    pytest.param(plus(ph74(status="preliminary")), "calcium", id="pH-adjusted calcium preliminary"),
    pytest.param(plus(ph74("1.40", low="1.15", high="1.30")), "calcium", id="pH-adjusted calcium out of its own range"),
    pytest.param(plus(ph74(flag="H")), "calcium", id="pH-adjusted calcium flagged"),
    pytest.param(totals("9.2", "2.9"), "calcium", id="albumin 2.9"),
    pytest.param(totals("9.7", "5.1"), "calcium", id="albumin 5.1"),
    *[
        pytest.param(chart, item, id=f"{item}: {name}")
        for item in ("calcium", "no_confounder")
        for name, chart in {
            "total high, ionised in range": totals("10.6", "4.0", ionised("1.22")),
            "total low, ionised in range": totals("8.5", "4.0", ionised("1.20")),
            "two adjusted calciums differ": plus(adjusted("9.45")),
            "fraction above 0.60": totals("8.0", "4.0", ionised("1.25"), **OWN),
            "fraction below 0.40": totals("8.0", "4.0", ionised("0.79", low="0.60", high="1.00"), **OWN),
        }.items()
    ],
    pytest.param(renal(Result("cystatin", "60", RATE, comparator=">")), "kidney", id="little muscle, cystatin C only a bound"),
    pytest.param(renal(Result("cystatin", "59.9", RATE)), "kidney", id="little muscle, cystatin C low"),
    pytest.param(plus(Result("cystatin", "59.9", RATE)), "kidney", id="cystatin C low"),
    pytest.param(plus(Result("cystatin", "80", RATE, status="preliminary")), "kidney", id="cystatin C preliminary"),
    pytest.param(plus(Result("egfr", "60", RATE, comparator="<")), "kidney", id="eGFR below 60, only a bound"),
    pytest.param(plus(Result("cystatin", "90", RATE, comparator="<")), "kidney", id="cystatin C below 90, only a bound"),
    pytest.param(creatinine("1.0", ("0.7", 88)), "kidney", id="creatinine rose by 0.3 in 40 hours"),
    pytest.param(creatinine("1.0", ("0.7", 96)), "kidney", id="creatinine rose by 0.3 in 48 hours"),
    pytest.param(creatinine("0.8", ("1.0", 168), ("0.7", 200)), "kidney", id="creatinine rose seven days ago"),
    pytest.param(creatinine("0.9", ("0.6", 500)), "kidney", id="creatinine 1.5 times its lowest"),
    pytest.param(creatinine("0.9", ("0.5", 2160)), "kidney", id="creatinine 1.8 times its value of 90 days ago"),
    pytest.param(creatinine("0.8", ("1.6", 17_000)), "kidney", id="a low eGFR within two years"),
    pytest.param(plus(Result("egfr", "59.9", RATE, hours=17_000)), "kidney", id="a low reported eGFR within two years"),
    pytest.param(plus(Result("egfr", "60", RATE, hours=17_000, comparator="<")), "kidney", id="an eGFR below 60, as a bound, within two years"),
    pytest.param(index(History("calcification_unspecified", site="pancreas", recorded=20)), "site", id="pancreas"),
    pytest.param(index(History("calcification_unspecified", site="femoral_artery", recorded=20)), "site", id="an artery at 43, told by its site"),
    pytest.param(index(History("calcification_muscle", code="M61.59", recorded=20)), "single_site", id="several sites in one code"),
    pytest.param(with_history(History("calcification_skin", site="lower_leg", recorded=20)), "single_site", id="two sites of one region"),
    pytest.param(with_history(History("calcification_muscle", code="M61.531", recorded=20)), "single_site", id="another region, told by its code"),
    pytest.param(with_drug(Drug("thiazide", "active", 400)), "no_confounder", id="thiazide active, stated long ago"),
    pytest.param(with_drug(Drug("thiazide", "stopped")), "no_confounder", id="thiazide stopped, when is not known"),
    pytest.param(with_drug(Drug("thiazide", "given", 30)), "no_confounder", id="thiazide given 30 days ago to the hour"),
    pytest.param(with_drug(Drug("thiazide", dose="25 mg")), "no_confounder", id="thiazide in a known dose"),
    pytest.param(with_history(History("diabetic_ketoacidosis")), "no_confounder", id="ketoacidosis, when is not known"),
    pytest.param(with_history(History("diabetic_ketoacidosis", onset=5)), "no_confounder", id="ketoacidosis going on"),
    pytest.param(
        with_history(History("diabetic_ketoacidosis", onset=4, clinical="resolved")), "no_confounder", id="ketoacidosis over, began before the draw"
    ),
    pytest.param(
        with_history(History("diabetic_ketoacidosis", recorded=4, clinical="resolved")),
        "no_confounder",
        id="ketoacidosis over, recorded before the draw",
    ),
    pytest.param(
        with_history(History("diabetic_ketoacidosis", onset=1), results=tuple(replace(result, hours=50) for result in BASE.results)),
        "no_confounder",
        id="ketoacidosis that began at the hour of the draw",
    ),
    pytest.param(
        with_history(History("diabetic_ketoacidosis", onset=4), results=without("phosphate")), "no_confounder", id="ketoacidosis, no phosphate"
    ),
    pytest.param(with_drug(Drug("vasopressor", "stopped")), "no_confounder", id="a vasopressor stopped, when is not known"),
    pytest.param(lab("calcium", flag="H"), "calcium", id="calcium flagged"),
    pytest.param(lab("phosphate", flag="L"), "phosphate", id="phosphate flagged"),
    pytest.param(plus(Result("pth", "40", "pg/mL", flag="A")), "other_labs", id="PTH flagged"),
    *[
        pytest.param(lab(analyte, **side), item, id=f"{analyte} with only a {name} limit")
        for analyte, item in (("calcium", "calcium"), ("phosphate", "phosphate"))
        for name, side in (
            ("lower", {"low": "2.6" if analyte == "phosphate" else "8.8"}),
            ("upper", {"high": "4.6" if analyte == "phosphate" else "10.4"}),
        )
    ],
    pytest.param(
        plus(Result("egfr", "95", RATE), Result("creatinine", "1.6", "mg/dL", hours=17_000)), "kidney", id="eGFR good, an old creatinine not"
    ),
    pytest.param(
        plus(Result("calcium", "10.4", "mg/dL", hours=5000, comparator=">")), "no_recent_abnormal", id="calcium above its limit, as a bound"
    ),
    pytest.param(plus(Result("calcium", "8.8", "mg/dL", hours=5000, comparator="<")), "no_recent_abnormal", id="calcium below its limit, as a bound"),
    pytest.param(lab("creatinine", hours=2165, clock="date"), "fresh", id="a day that may be older than fresh"),
    pytest.param(plus(ionised("1.22"), ionised("1.22", comparator="<", low="1.20", high="1.24")), "calcium", id="a value and a bound of one moment"),
    pytest.param(plus(Result("calcium", "2.35", "mmol/L", status="preliminary")), "fresh", id="a final and, by another code, a preliminary value"),
    pytest.param(with_history(History("ckd_g5", code="N18.5")), "kidney", id="kidney: CKD G5 without dialysis"),
    *[
        pytest.param(
            plus(Result("phosphate", "3.5", "mg/dL", hours=5000, flag=flag, low="2.5", high="4.6")),
            "no_recent_abnormal",
            id=f"phosphate flagged {flag} within its own range",
        )
        for flag in ("H", "L", "HH", "LL", "HU", "LU", "HX", "LX", "A", "AA", "<", ">")
    ],
    pytest.param(with_drug(Drug("vasopressor", "active", 60)), "no_confounder", id="a vasopressor active, stated long ago"),
    pytest.param(plus(Result("alp", "80", "U/L", flag="H")), "alp", id="ALP flagged"),
    pytest.param(plus(Result("alp", "80", "furlong")), "alp", id="ALP not to be read"),
    pytest.param(plus(Result("alp", "80", "U/L", comparator=">")), "alp", id="ALP only a bound"),
    pytest.param(plus(Result("alp", "30", "U/L")), "alp", id="ALP 30"),
    pytest.param(plus(Result("alp", "151", "U/L")), "alp", id="ALP 151"),
    pytest.param(plus(Result("alp", "80", "U/L", low="40", high="70")), "alp", id="ALP above its own limit"),
    *[
        pytest.param(plus(Result(analyte, value, unit, hours=364 * 24)), "no_recent_abnormal", id=f"{analyte} {value} 364 days ago")
        for analyte, value, unit in (
            ("calcium", "10.5", "mg/dL"),
            ("calcium", "8.7", "mg/dL"),
            ("adjusted", "10.5", "mg/dL"),
            ("ionised", "1.31", "mmol/L"),
            ("ionised", "1.14", "mmol/L"),
            ("phosphate", "4.7", "mg/dL"),
            ("phosphate", "2.4", "mg/dL"),
        )
    ],
    *[
        pytest.param(plus(Result("phosphate", "3.5", "mg/dL", hours=5000, flag=flag)), "no_recent_abnormal", id=f"phosphate flagged {flag} this year")
        for flag in ("H", "L", "HH", "LL", "HU", "LU", "HX", "LX", "A", "AA", "<", ">")
    ],
    pytest.param(
        replace(BASE, age_days=6650, results=(*BASE.results, Result("ionised", "1.22", "mmol/L", hours=6000))),
        "no_recent_abnormal",
        id="no range at that age",
    ),
    pytest.param(index(History("calcification_intracranial", recorded=20)), "site", id="intracranial"),
    pytest.param(index(History("calcification_skin", site="brain", recorded=20)), "site", id="brain"),
    *[
        pytest.param(index(History("calcification_unspecified", site=site, recorded=20)), "site", id=site)
        for site in ("lung", "stomach", "kidney", "knee", "hip", "shoulder", "elbow", "cornea")
    ],
    *[
        pytest.param(with_history(History(category, recorded=30)), "site", id=category)
        for category in ("skin_ulcer", "skin_necrosis", "livedo", "panniculitis", "calcification_tumoral")
    ],
    pytest.param(index(History("calcification_vascular", recorded=20)), "site", id="arterial calcification at 43"),
    pytest.param(index(History("calcification_vascular", recorded=20), birth="none"), "site", id="arterial calcification at an unknown age"),
    pytest.param(with_history(History("calcification_skin", site="forearm", recorded=20)), "single_site", id="two sites"),
    pytest.param(replace(BASE, foreign="Observation"), "complete", id="another patient's result"),
    pytest.param(replace(BASE, foreign="MedicationStatement"), "complete", id="another patient's drug"),
    pytest.param(replace(BASE, broken="Condition"), "complete", id="a condition that cannot be read"),
    pytest.param(with_drug(Drug("unknown")), "complete", id="an unknown drug"),
    pytest.param(replace(BASE, encounter="AMB", failed=(("encounter", "null"),)), "complete", id="the named encounter is null"),
    *[
        pytest.param(
            replace(BASE, failed=((key, "paged" if key in ("observations", "conditions") else "absent"),)), "complete", id=f"{key} did not come whole"
        )
        for key in (
            "observations",
            "conditions",
            "procedures",
            "medication-requests",
            "medication-statements",
            "medication-administrations",
            "service-requests",
            "reports",
            "patient",
        )
    ],
]


@pytest.mark.parametrize(("chart", "item"), LOCKS)
def test_each_lock_holds_by_itself(chart: Chart, item: str) -> None:
    assert item in closed(chart)


OPEN = [
    pytest.param(plus(Result("calcium", "8.8", "mg/dL", hours=5000)), id="calcium at its lower limit this year"),
    pytest.param(plus(Result("potassium", "4.1", "furlong", hours=1)), id="another analyte that cannot be read"),
    pytest.param(plus(Result("calcium", "11", "mg/dL", hours=1, status="cancelled")), id="a cancelled result"),
    pytest.param(plus(Result("calcium", "11", "mg/dL", hours=1, status="entered-in-error")), id="a result entered in error"),
    pytest.param(replace(BASE, results=tuple(replace(result, hours=2160) for result in BASE.results)), id="ninety days to the hour"),
    pytest.param(plus(Result("egfr", "95", RATE), Result("egfr", "60", RATE, comparator=">")), id="two formulas of eGFR"),
    pytest.param(creatinine("1.0", ("0.7", 97)), id="creatinine rose by 0.3 in 49 hours"),
    pytest.param(creatinine("0.8", ("1.0", 192), ("0.7", 232)), id="creatinine rose eight days ago"),
    pytest.param(creatinine("0.9", ("0.5", 2161)), id="creatinine 1.8 times its value of more than 90 days ago"),
    pytest.param(creatinine("0.8", ("1.6", 17_600)), id="a low eGFR more than two years ago"),
    pytest.param(plus(Result("egfr", "60", RATE, hours=17_000)), id="an eGFR of 60 within two years"),
    pytest.param(plus(Result("egfr", "60", RATE, hours=17_000, comparator=">")), id="an eGFR above 60, as a bound, within two years"),
    pytest.param(renal(Result("egfr", "90", RATE), creatinine="0.6"), id="little muscle, eGFR 90"),
    pytest.param(totals("9.2", "2.9", ionised("1.22")), id="albumin 2.9 with ionised calcium"),
    pytest.param(totals("9.9", "5.1", ionised("1.22")), id="albumin 5.1 with ionised calcium"),
    pytest.param(totals("9.05", "4.2", adjusted("9.0", hours=51)), id="the laboratory's adjusted calcium of the draw, not ours"),
    pytest.param(plus(adjusted("8.9", hours=53)), id="an adjusted calcium that a later draw overtook"),
    pytest.param(plus(adjusted("9.5", hours=53)), id="two adjusted calciums of different draws"),
    pytest.param(plus(adjusted("9.44")), id="two adjusted calciums that differ by 0.2"),
    pytest.param(totals("8.0156", "4.0", ionised("1.20"), **OWN), id="fraction 0.60"),
    pytest.param(totals("8.0156", "4.0", ionised("0.80", low="0.60", high="1.00"), **OWN), id="fraction 0.40"),
    pytest.param(plus(ph74()), id="pH-adjusted calcium without a range"),
    pytest.param(plus(ph74(low="1.15", high="1.30")), id="pH-adjusted calcium in its own range"),
    pytest.param(plus(Result("cystatin", "60", RATE)), id="cystatin C 60"),
    pytest.param(replace(BASE, age_days=6575 + 50), id="just eighteen"),
    pytest.param(lab("phosphate", hours=72), id="phosphate 24 hours off"),
    pytest.param(lab("albumin", hours=52), id="albumin 4 hours off"),
    pytest.param(lab("albumin", value="3.0"), id="albumin 3.0"),
    pytest.param(
        replace(lab("albumin", value="5.0"), results=(*lab("albumin", value="5.0").results[1:], Result("calcium", "9.9", "mg/dL"))), id="albumin 5.0"
    ),
    pytest.param(plus(Result("egfr", "60", RATE)), id="eGFR 60"),
    pytest.param(plus(Result("egfr", "60", RATE, comparator=">")), id="eGFR above 60"),
    pytest.param(plus(Result("pth", "10", "pg/mL")), id="PTH at its lower limit"),
    pytest.param(plus(Result("pth", "65", "pg/mL")), id="PTH at its upper limit"),
    pytest.param(plus(Result("pth", "40", "pg/mL", hours=181 * 24)), id="PTH in range, and stale"),
    pytest.param(plus(Result("alp", "31", "U/L")), id="ALP 31"),
    pytest.param(plus(Result("alp", "150", "U/L")), id="ALP at its limit"),
    pytest.param(plus(Result("vitamin_d", "20", "ng/mL")), id="25-OH-D 20"),
    pytest.param(plus(Result("vitamin_d", "100", "ng/mL")), id="25-OH-D 100"),
    pytest.param(plus(Result("calcium", "10.4", "mg/dL", hours=5000)), id="calcium at its limit this year"),
    pytest.param(plus(Result("phosphate", "4.7", "mg/dL", hours=366 * 24)), id="phosphate high more than a year ago"),
    pytest.param(plus(Result("creatinine", "0.55", "mg/dL", hours=60)), id="creatinine rose by less"),
    pytest.param(with_drug(Drug("vitamin_d", dose="4000 [iU]")), id="vitamin D 4000 IU"),
    pytest.param(with_drug(Drug("calcium_salt", dose="1000 mg")), id="calcium 1 g"),
    pytest.param(with_drug(Drug("thiazide", "stopped", 32)), id="thiazide stopped 32 days ago"),
    pytest.param(index(History("calcification_vascular", recorded=20), age_days=18_300), id="arterial calcification at 50"),
    pytest.param(with_history(History("calcification_skin", site="thigh", recorded=30)), id="the same site twice"),
    pytest.param(
        with_history(History("calcification_skin", site="forearm", recorded=20), History("connective_tissue_disease", onset=900)),
        id="two sites with a connective tissue disease",
    ),
    pytest.param(
        with_history(History("neurologic", onset=900), results=(*without("creatinine"), Result("creatinine", "0.6", "mg/dL"))),
        id="little muscle, eGFR above 90",
    ),
    pytest.param(
        with_history(
            History("neurologic", onset=900), results=(*BASE.results[:3], Result("creatinine", "0.85", "mg/dL"), Result("cystatin", "60", RATE))
        ),
        id="little muscle, cystatin C",
    ),
]


@pytest.mark.parametrize("chart", OPEN)
def test_what_is_just_good_enough_is_good_enough(chart: Chart) -> None:
    assert closed(chart) == {}


STAYS_OPEN = [
    pytest.param(plus(Result("calcium", "10.3", "mg/dL", hours=5000, comparator=">")), "no_recent_abnormal", id="a bound below the upper limit"),
    pytest.param(plus(Result("calcium", "8.9", "mg/dL", hours=5000, comparator="<")), "no_recent_abnormal", id="a bound above the lower limit"),
    pytest.param(
        plus(Result("calcium", "10.4", "mg/dL", hours=5000, comparator=">=")), "no_recent_abnormal", id="a bound that may be the limit itself"
    ),
    pytest.param(
        plus(Result("calcium", "8.8", "mg/dL", hours=5000, comparator="<=")), "no_recent_abnormal", id="a bound that may be the lower limit"
    ),
    pytest.param(with_history(History("diabetic_ketoacidosis", onset=0)), "no_confounder", id="ketoacidosis after the draw"),
    pytest.param(with_history(History("diabetic_ketoacidosis", onset=10, clinical="resolved")), "no_confounder", id="ketoacidosis long over"),
    pytest.param(with_history(History("diabetic_ketoacidosis", clinical="resolved")), "no_confounder", id="ketoacidosis over, when is not known"),
    pytest.param(with_history(History("critical_illness", onset=20, clinical="resolved")), "no_confounder", id="a critical illness long over"),
    pytest.param(with_history(History("pregnancy", onset=400, clinical="resolved")), "no_confounder", id="a pregnancy long over"),
    pytest.param(with_drug(Drug("vasopressor", "given", 9)), "no_confounder", id="a vasopressor nine days ago"),
    pytest.param(totals("10.6", "4.0"), "no_confounder", id="a high total is no discordance by itself"),
]


@pytest.mark.parametrize(("chart", "item"), STAYS_OPEN)
def test_an_item_does_not_close_on_what_is_not_its_own(chart: Chart, item: str) -> None:
    assert item not in closed(chart)


def _calcium(chart: Chart) -> Any:
    return ask(request(chart)).findings.state.calcium


@pytest.mark.parametrize(
    "chart",
    [
        pytest.param(lab("albumin", comparator="<"), id="albumin only a bound"),
        pytest.param(lab("calcium", comparator=">"), id="calcium only a bound"),
        pytest.param(lab("albumin", hours=53), id="albumin of another draw"),
    ],
)
def test_no_adjusted_calcium_is_computed_without_a_pair_of_values(chart: Chart) -> None:
    assert _calcium(chart).adjusted is None


def test_an_adjusted_calcium_is_as_preliminary_as_what_it_rests_on() -> None:
    assert _calcium(BASE).adjusted.final
    assert not _calcium(lab("calcium", status="preliminary")).adjusted.final
    assert not _calcium(lab("albumin", status="preliminary")).adjusted.final


def test_an_adjusted_calcium_of_the_laboratory_alone_is_a_danger() -> None:
    for chart in (
        replace(BASE, results=(*without("calcium", "albumin"), adjusted("11.2"))),
        replace(BASE, results=(*without("albumin"), adjusted("11.2", hours=60))),
    ):
        assert "hypercalcaemia-is-not-dystrophic" in [result.pitfall.id for result in ask(request(chart)).spoken]


def test_of_two_ranges_the_narrower_must_hold() -> None:
    body = request(plus(Result("alp", "80", "U/L", low="40", high="120")))
    assert not ask(body).findings.state.checklist["alp"]
    ranges = body["prefetch"]["observations"]["entry"][-1]["resource"]["referenceRange"]
    ranges.append({"low": {"value": 40, "unit": "U/L"}, "high": {"value": 70, "unit": "U/L"}})
    assert ask(body).findings.state.checklist["alp"]


def test_in_pregnancy_a_high_creatinine_makes_kidney_disease_possible_though_no_egfr_is_computed() -> None:
    pregnant = with_history(History("pregnancy", recorded=60), results=(*without("creatinine"), Result("creatinine", "1.6", "mg/dL")))
    assert ask(request(pregnant)).findings.state.kidney.possible
    assert not ask(request(with_history(History("pregnancy", recorded=60)))).findings.state.kidney.possible


def test_a_result_of_a_known_analyte_that_cannot_be_read_leaves_the_data_complete() -> None:
    body = request(plus(Result("potassium", "4.1", "mmol/L")))
    body["prefetch"]["observations"]["entry"][-1]["resource"]["status"] = 5
    assert not ask(body).findings.state.checklist["complete"]
    body["prefetch"]["observations"]["entry"][-1]["resource"]["code"] = "broken"
    assert ask(body).findings.state.checklist["complete"]


FLAGGED = {"calcium.high": ("H", "HH", "HU", "HX", ">"), "calcium.low": ("L", "LL", "LU", "LX", "<")}


@pytest.mark.parametrize(("flag", "finding"), [(flag, finding) for finding, flags in FLAGGED.items() for flag in flags])
def test_a_flag_decides_only_where_the_laboratory_sent_no_range(flag: str, finding: str) -> None:
    assert ask(request(lab("calcium", flag=flag))).findings.get(finding) is True
    assert ask(request(lab("calcium", flag=flag, low="8.8", high="10.4"))).findings.get(finding) is not True


def _nested(depth: int, **members: Any) -> Json:
    bundle: Json = {"resourceType": "Bundle", "type": "collection", **members}
    for _ in range(depth):
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": bundle}]}
    return bundle


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param(
            {"resourceType": "Condition", "id": "nobodys", "code": {"coding": [{"system": ICD10CM, "code": "N18.4"}]}}, id="nobody's condition"
        ),
        pytest.param(_nested(0, link=[{"relation": "next", "url": "https://ehr.example/page2"}]), id="a Bundle with a next page inside"),
        pytest.param(_nested(20), id="Bundles too deep to read"),
    ],
)
def test_what_was_sent_and_could_not_be_used_leaves_the_data_incomplete(resource: Json) -> None:
    body = request(BASE)
    body["prefetch"]["conditions"]["entry"].append({"resource": resource})
    body["prefetch"]["conditions"]["total"] += 1
    assert ask(body).findings.state.checklist["complete"]


SPOILT: dict[str, Json] = {
    "status of another shape": {"status": 5},
    "value of another type": {"valueQuantity": None, "valueString": "9.4"},
    "value that is no number": {"valueQuantity": {"value": "nine", "unit": "mg/dL"}},
    "no unit": {"valueQuantity": {"value": 9.4}},
    "unknown unit": {"valueQuantity": {"value": 9.4, "unit": "furlong"}},
    "unit of another quantity": {"valueQuantity": {"value": 9.4, "unit": "mmol/L"}},
    "unit of another system": {"valueQuantity": {"value": 9.4, "unit": "mg/dL", "system": "http://units.example", "code": "mg/dL"}},
    "implausible": {"valueQuantity": {"value": 94, "unit": "mg/dL"}},
    "in the future": {"effectiveDateTime": "2026-06-18T12:00:00+00:00"},
    "without a time": {"effectiveDateTime": None},
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_newer_calcium_that_cannot_be_used_beats_an_older_one(what: str) -> None:
    body = request(plus(Result("calcium", "9.4", "mg/dL", hours=1)))
    resource = body["prefetch"]["observations"]["entry"][-1]["resource"]
    resource |= SPOILT[what]
    body["prefetch"]["observations"]["entry"][-1]["resource"] = {key: value for key, value in resource.items() if value is not None}
    assert ask(body).findings.state.checklist["fresh"], what


def test_a_newer_phosphate_given_as_po4_beats_an_older_one() -> None:
    body = request(plus(Result("phosphate", "3.5", "mg/dL", hours=1)))
    body["prefetch"]["observations"]["entry"][-1]["resource"]["code"]["text"] = "phosphate (as PO4)"
    assert ask(body).findings.state.checklist["fresh"]
