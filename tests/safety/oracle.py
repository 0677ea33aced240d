"""A second reading of the reassurance checklist, in plain Python over a chart description; it knows nothing of the service's own code.

`judge` returns for each of the eleven items what stands against it (`against`), and what the text of the checklist leaves open (`open`):
there a stricter service is right, too. Confirmed means that nothing stands against any item. The laws ask for agreement in both directions:

- a reassuring card appears only where the oracle confirms;
- where it confirms and leaves nothing open, the service's gate is open, so that the gate is not vacuous.

All numbers are those of the clinical text, written out again here on purpose.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from cdshooks.judging import NOW

from .charts import USER_KEY, Chart, Drug, History, Result

F = Fraction
ALP_HIGH = "ALP high"  # bone formation after a neurologic injury may raise it
MULTIFOCAL = 12  # item 10's clause on several sites, apart: one card speaks where only this stands against the checklist
INPATIENT = {"IMP", "ACUTE", "NONAC", "EMER", "OBSENC", "SS"}
AMBULATORY = {"", "AMB", "VR", "HH"}
FINAL = {"final", "amended", "corrected"}
IGNORED = {"cancelled", "entered-in-error", "unknown"}
# Units to the unit of judgement, exactly; None: an amount of substance that the code of a mass result does not go with is not drawn.
TO = {
    "calcium": {"mg/dL": F(1), "mmol/L": F("4.0078")},
    "adjusted": {"mg/dL": F(1), "mmol/L": F("4.0078")},
    "ionised": {"mmol/L": F(1), "mg/dL": 1 / F("4.0078")},
    "ionised_ph74": {"mmol/L": F(1), "mg/dL": 1 / F("4.0078")},
    "phosphate": {"mg/dL": F(1), "mmol/L": F("3.0974")},
    "albumin": {"g/dL": F(1), "g/L": F("0.1")},
    "creatinine": {"mg/dL": F(1), "umol/L": 1 / F("88.40")},
    "pth": {"pg/mL": F(1), "pmol/L": F("9.43")},
    "magnesium": {"mg/dL": F(1), "mmol/L": F("2.4305")},
    "vitamin_d": {"ng/mL": F(1), "nmol/L": 1 / F("2.496")},
    "alp": {"U/L": F(1)},
    "egfr": {"mL/min/{1.73_m2}": F(1)},
    "cystatin": {"mL/min/{1.73_m2}": F(1)},
    "potassium": {"mmol/L": F(1)},
}
PLAUSIBLE = {
    "calcium": (F(4), F(24)),
    "adjusted": (F(4), F(24)),
    "ionised": (F("0.3"), F(3)),
    "ionised_ph74": (F("0.3"), F(3)),
    "phosphate": (F("0.3"), F(20)),
    "albumin": (F("0.8"), F(7)),
    "creatinine": (F("0.1"), F(28)),
    "egfr": (F(1), F(200)),
    "cystatin": (F(1), F(200)),
    "pth": (F(0), F(6000)),
    "vitamin_d": (F(1), F(500)),
    "magnesium": (F("0.24"), F(12)),
    "alp": (F(1), F(10000)),
    "potassium": (F(1), F(20)),
}
LIMITS = {
    "calcium": (F("8.8"), F("10.4")),
    "adjusted": (F("8.8"), F("10.4")),
    "ionised": (F("1.15"), F("1.30")),
    "phosphate": (F("2.5"), F("4.6")),
    "pth": (F(10), F(65)),
    "alp": (F(38), F(150)),
    "magnesium": (F("1.7"), F("2.4")),
}
BELIEVED = {"calcium": (F(7), F(12)), "adjusted": (F(7), F(12)), "phosphate": (F("1.5"), F("9.5"))}  # a reported range outside is discarded
GUARD = {"calcium": F("0.1"), "adjusted": F("0.1"), "ionised": F("0.02"), "phosphate": F("0.2")}
DIFFERS = {"calcium": 3, "ionised": 3, "albumin": 3, "adjusted": 3, "phosphate": 10, "magnesium": 10, "creatinine": 10, "pth": 20, "alp": 20}
FRESH = defaultdict(lambda: (90, 7), {"alp": (180, 30), "pth": (180, 30), "vitamin_d": (365, 180)})

# History categories by what A2 and A3 say of them.
KIDNEY = {"ckd_g3a", "ckd_g3b", "ckd_g4", "ckd_g5", "ckd_unspecified", "acute_kidney_injury"}
KIDNEY_WHENEVER = {"dialysis", "kidney_transplant"}
PREGNANT = {"pregnancy"}
CRITICAL = {"critical_illness"}
SHIFTING = {"diabetic_ketoacidosis", "lactic_acidosis", "tumour_lysis", "rhabdomyolysis", "refeeding"}
SYSTEMIC = {
    "primary_hyperparathyroidism",
    "hypoparathyroidism",
    "pseudohypoparathyroidism",
    "familial_hypocalciuric_hypercalcaemia",
    "granulomatous_disease",
    "vitamin_d_toxicity",
    "milk_alkali",
    "tumoral_calcinosis",
    "calcification_tumoral",
    "myeloma",
    "mgus",
    "malignancy",
    "paget",
    "adrenal_insufficiency",
    "thyrotoxicosis",
    "nephrocalcinosis",
    "nephrolithiasis",
}
SKIN = {"skin_ulcer", "skin_necrosis", "livedo", "panniculitis", "calciphylaxis"}
LOW_MUSCLE = {"neurologic", "paralysis", "amputation", "malnutrition"}
NEUTRAL = {
    "trauma",
    "surgery",
    "tracheostomy",
    "inflammation",
    "infection",
    "extravasation",
    "connective_tissue_disease",
    "vascular_insufficiency",
    "osteoporosis",
    "atrial_fibrillation",
    "venous_thromboembolism",
    "raynaud",
    "sjogren",
    "diabetes",
    "hip_arthroplasty",
    "ckd_g1",
    "ckd_g2",
}
INDEX = {
    "calcification_skin",
    "calcification_muscle",
    "heterotopic_ossification",
    "calcification_bursa",
    "calcification_unspecified",
    "calcification_vascular",
    "calcification_intracranial",
    "calcification_tumoral",
    "calciphylaxis",
}
PERIARTICULAR = {"knee", "hip", "elbow", "shoulder"}
VISCERAL = {"lung", "stomach", "kidney"}
EYE = {"cornea"}
INTRACRANIAL = {"brain"}

# How many days after the last dose a drug may still hide an abnormality.
MASKING = {
    "binder_calcium": 30,
    "binder_noncalcium": 30,
    "binder_aluminium": 30,
    "calcimimetic": 30,
    "vitamin_d_active": 30,
    "thiazide": 30,
    "lithium": 30,
    "teriparatide_like": 30,
    "burosumab": 30,
    "phosphate": 30,
    "denosumab": 180,
    "zoledronate": 180,
    "bisphosphonate_oral": 90,
}
MASKING_ABOVE = {"calcium_salt": 1000, "vitamin_d": 4000}  # mg, IU a day
HARMLESS = {"proton_pump_inhibitor", "levothyroxine", "diltiazem", "colchicine", "glucocorticoid", "biotin", "vitamin_k_antagonist"}
MASKING_KINDS_NOT_NAMED = {"bisphosphonate_iv", "etidronate"}  # bisphosphonates all the same; how long is not said


@dataclass(slots=True)
class Verdict:
    """What stands against each item, and what the text leaves open."""

    against: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    open: list[str] = field(default_factory=list)

    @property
    def confirmed(self) -> bool:
        return not any(self.against.values())

    def confirmed_for(self, *items: int) -> bool:
        return not any(self.against.get(item) for item in items)


def judge(chart: Chart, later: timedelta = timedelta(0)) -> Verdict:
    """Judge a chart as of now, or of a later moment."""
    return _Reading(chart, later.total_seconds() / 3600).verdict()


def value(result: Result) -> Fraction | None:
    """The value in the unit of judgement; None if the unit is missing, unknown or implausible."""
    factor = TO[result.analyte].get(result.unit)
    if factor is None:
        return None
    found = F(result.value) * factor
    low, high = PLAUSIBLE[result.analyte]
    return found if low <= found <= high else None


def own_limits(result: Result) -> tuple[Fraction, Fraction] | None:
    """The result's own range, if it is whole and to be believed."""
    factor = TO[result.analyte].get(result.unit)
    if factor is None or not result.low or not result.high:
        return None
    low, high = F(result.low) * factor, F(result.high) * factor
    least, most = BELIEVED.get(result.analyte, (F(0), F(10**9)))
    return (low, high) if low < high and least <= low and high <= most else None


def limits(result: Result) -> tuple[Fraction, Fraction]:
    return own_limits(result) or LIMITS[result.analyte]


def bounds(result: Result) -> tuple[Fraction | None, Fraction | None] | None:
    """The interval in which the true value lies."""
    found = value(result)
    if found is None:
        return None
    if result.comparator.startswith("<"):
        return None, found
    if result.comparator.startswith(">"):
        return found, None
    return found, found


def out_of_range(result: Result) -> bool:
    """Is the whole of a credible value beyond a limit, or does the laboratory flag it so?"""
    if result.status in IGNORED:
        return False
    interval = bounds(result)
    if interval is None:
        return False
    low, high = limits(result)
    least, most = interval
    above = least is not None and (least > high or (result.comparator == ">" and least == high))
    below = most is not None and (most < low or (result.comparator == "<" and most == low))
    return above or below or result.flag in ("H", "L", "HH", "LL")


def egfr_2021(creatinine: Fraction, years: float, sex: str) -> float:
    """CKD-EPI 2021; for a sex that is not known, the lower of both."""
    if sex not in ("female", "male"):
        return min(egfr_2021(creatinine, years, known) for known in ("female", "male"))
    k, a, factor = (0.7, -0.241, 1.012) if sex == "female" else (0.9, -0.302, 1.0)
    ratio = float(creatinine) / k
    return float(142 * min(ratio, 1.0) ** a * max(ratio, 1.0) ** -1.200 * 0.9938**years * factor)


def full_years(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def certainly_critical(chart: Chart) -> bool:
    """Is the newest total calcium critical, with no other measure or doubt beside it? Then the first card must say so."""
    told = [result for result in chart.of("calcium", "adjusted", "ionised") if result.status not in IGNORED]
    if not told:
        return False
    newest = min(result.hours for result in told)
    limit = 72 if chart.encounter in INPATIENT else 14 * 24
    here = [result for result in told if result.hours == newest]
    if len(here) != 1 or here[0].analyte == "adjusted" or here[0].clock != "exact" or newest > limit - 24:
        return False
    (result,) = here
    if chart.age_days is not None and result.hours > (chart.age_days - 1) * 24:
        return False  # drawn before the birth
    found = value(result)
    if found is None or (
        result.comparator and not (result.comparator.startswith(">") and found >= (F("1.60") if result.analyte == "ionised" else 14))
    ):
        return False
    low, high = (F("0.80"), F("1.60")) if result.analyte == "ionised" else (F(7), F(14))
    return found >= high or (found <= low and not result.comparator)


class _Reading:
    """One chart, read once, item by item."""

    def __init__(self, chart: Chart, later: float) -> None:
        self.chart, self.later, self.made = chart, later, Verdict()
        self.inpatient = chart.encounter in INPATIENT
        self.results = tuple(result for result in chart.results if result.status not in IGNORED and not self._overtaken(result))

    def _overtaken(self, result: Result) -> bool:
        """A preliminary result whose final one has come, or a result that was corrected: the same code, the same moment."""
        same = [r for r in self.chart.of(result.analyte) if r.hours == result.hours and r.unit == result.unit and r.clock == result.clock]
        grade = {"final": 1, "amended": 2, "corrected": 2}
        overtaken = any(grade.get(r.status, 0) > grade.get(result.status, 0) for r in same)
        if overtaken:
            self.open(f"{result.analyte} overtaken by a final or corrected one")
        return overtaken

    def of(self, *analytes: str) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.analyte in analytes)

    def verdict(self) -> Verdict:
        self.item_1()
        self.item_2()
        self.items_3_and_4()
        self.item_5()
        self.item_6()
        self.item_7()
        self.item_8()
        self.item_9()
        self.item_10()
        self.item_11()
        return self.made

    # -- small words

    def against(self, item: int, why: str) -> None:
        self.made.against[item].append(why)

    def open(self, why: str) -> None:
        self.made.open.append(why)

    def age_days(self, result: Result) -> float:
        return (result.hours + self.later) / 24

    def is_fresh(self, result: Result) -> bool:
        if result.clock != "exact" and abs(self.age_days(result) - FRESH[result.analyte][self.inpatient]) < 2:
            self.open(f"{result.analyte} without a certain hour, at the limit of its age")
        return self.age_days(result) <= FRESH[result.analyte][self.inpatient]

    def told(self, analyte: str) -> tuple[Result, ...]:
        """The results of an analyte that say anything, the newest first."""
        return tuple(sorted(self.of(analyte), key=lambda result: result.hours))

    def newest(self, analyte: str) -> tuple[Result, ...]:
        """The results of the newest moment: more than one if two share it."""
        told = self.told(analyte)
        return tuple(result for result in told if result.hours == told[0].hours)

    def active(self, names: Iterable[str]) -> Iterator[History]:
        """Histories of these categories that stand; those that are said to be over or not certain are left open."""
        for history in self.chart.histories:
            if history.category in names and history.verification not in ("refuted", "entered-in-error"):
                if history.clinical == "active" and history.verification == "confirmed":
                    yield history
                else:
                    self.open(f"{history.category} {history.clinical} {history.verification}")

    # -- the items

    def item_1(self) -> None:
        born = self.chart.born
        if born is None or self.chart.birth == "none":
            return self.against(1, "no birth date")
        youngest = {"full": born, "month": date(born.year, born.month, 28), "year": date(born.year, 12, 31)}[self.chart.birth]
        now = (NOW + timedelta(hours=self.later)).date()
        if full_years(born if self.chart.birth == "full" else youngest, now) < 18:
            return self.against(1, "younger than 18, or may be")
        if self.chart.birth != "full":
            self.open("birth date without a day")
        oldest = max((result.hours for result in self.chart.results), default=0)
        if full_years(youngest, (NOW - timedelta(hours=oldest)).date()) < 18:
            self.open("younger than 18 at a draw")
        return None

    def item_2(self) -> None:
        if self.chart.encounter not in INPATIENT | AMBULATORY:
            self.open("an encounter class that the text does not name")
        for analyte in ("calcium", "phosphate", "albumin"):
            self._known(analyte)
        if len(self.told("creatinine")) > 1 and any(result.clock == "date" for result in self.told("creatinine")):
            self.open("which creatinine is the newest is not known")
        elif self.told("creatinine"):
            self._known("creatinine", missing_is_open=bool(self._fresh_egfr()))
        elif not self._fresh_egfr():
            self.against(2, "neither creatinine nor eGFR")
        else:
            self.open("eGFR without creatinine")

    def _known(self, analyte: str, missing_is_open: bool = False) -> None:
        newest = self.newest(analyte)
        if not newest:
            return self.against(2, f"{analyte} missing")
        for result in newest:
            if result.status not in FINAL:
                self.against(2, f"{analyte} {result.status}")
            elif value(result) is None:
                self.against(2, f"{analyte} has no unit that is known, or is not plausible")
            elif result.comparator:
                self.against(2, f"{analyte} with a comparator")
            elif not self.is_fresh(result):
                self.open(f"{analyte} stale") if missing_is_open else self.against(2, f"{analyte} stale")
        self._agree(analyte, newest)
        for older in self.told(analyte):
            if value(older) is None and older not in newest:
                self.open(f"an older {analyte} that cannot be read")
        if analyte == "calcium":
            self._steady(newest)
        return None

    def _agree(self, analyte: str, newest: tuple[Result, ...]) -> None:
        """Two finals of one moment contradict each other; a correction replaces what it corrects, and how is left open."""
        finals = [found for result in newest if result.status in FINAL and not result.comparator and (found := value(result)) is not None]
        if len(finals) < 2:
            return
        if len({result.status for result in newest}) > 1:
            self.open(f"{analyte} corrected")
        elif max(finals) - min(finals) > min(finals) * F(DIFFERS[analyte], 100):
            self.against(2, f"two values of {analyte} differ")
        elif len(set(finals)) > 1:
            self.open(f"two values of {analyte} differ a little")

    def _steady(self, newest: tuple[Result, ...]) -> None:
        """A change of more than half within a day is a contradiction."""
        for one in newest:
            for other in self.told("calcium"):
                a, b = value(one), value(other)
                if a and b and 0 < other.hours - one.hours < 24 and abs(a - b) > min(a, b) / 2:
                    self.against(2, "calcium changed by half within a day")

    def items_3_and_4(self) -> None:
        for analyte, item in (("calcium", 3), ("adjusted", 3), ("ionised", 3), ("phosphate", 4)):
            for result in self.newest(analyte):
                self._in_range(result, item)
        self._adjusted()
        self._ionised()

    def _in_range(self, result: Result, item: int) -> None:
        if not self.is_fresh(result):
            return None
        if result.analyte == "adjusted" and any(result.hours - calcium.hours > 4 for calcium in self.newest("calcium")):
            return self.open("an adjusted calcium that a later draw overtook")
        found = value(result)
        if result.status not in FINAL or found is None or result.comparator:
            if result.analyte in ("adjusted", "ionised"):
                self.against(item, f"{result.analyte} not usable")
            return None
        low, high = limits(result)
        if not low + GUARD[result.analyte] < found < high - GUARD[result.analyte]:
            self.against(item, f"{result.analyte} {float(found):.3f} out of range, or near a limit")
        if result.flag and result.flag != "N":
            self.against(item, f"{result.analyte} flagged {result.flag}")
        if (result.low or result.high) and own_limits(result) is None:
            self.open(f"{result.analyte} with half a range, or one not to be believed")
        return None

    def _pairs(self, one: str, other: str, hours: float) -> Iterator[tuple[Fraction, Fraction]]:
        for a in self.newest(one):
            for b in self.newest(other):
                if abs(a.hours - b.hours) <= hours and a.clock == b.clock == "exact" and not a.comparator and not b.comparator:
                    x, y = value(a), value(b)
                    if x is not None and y is not None and self.is_fresh(a) and self.is_fresh(b):
                        yield x, y

    def _adjusted(self) -> None:
        reported = [r for r in self.newest("adjusted") if self.is_fresh(r) and r.status in FINAL and value(r) is not None and not r.comparator]
        own = [own_limits(result) for result in self.newest("calcium")]
        several = len({r.hours for r in self.told("albumin") if r.hours <= (self.newest("calcium") or (r,))[0].hours + 4}) > 1
        for calcium, albumin in self._pairs("calcium", "albumin", 4):
            if several:
                self.open("an albumin nearer to the calcium, and a later one")
                continue
            adjusted = calcium + F("0.8") * (4 - albumin)
            low, high = LIMITS["calcium"]
            if reported:
                for result in reported:
                    if abs((value(result) or F(0)) - adjusted) > F("0.2"):
                        self.against(3, "two adjusted calciums differ") if abs(result.hours - self.newest("calcium")[0].hours) <= 4 else self.open(
                            "an adjusted calcium of another draw"
                        )
                if not low + F("0.1") < adjusted < high - F("0.1"):
                    self.open("adjusted by us out of range, by the laboratory in range")
            elif not low + F("0.1") < adjusted < high - F("0.1"):
                if any(own):
                    self.open("adjusted calcium out of our range; the laboratory has its own for the total")
                else:
                    self.against(3, f"adjusted calcium {float(adjusted):.3f} out of range, or near a limit")
            if any(limit and not limit[0] + F("0.1") < adjusted < limit[1] - F("0.1") for limit in own):
                self.open("adjusted calcium out of the range of the total")
        for result in reported:
            if abs(result.hours - (self.newest("calcium") or (result,))[0].hours) > 4:
                self.open("an adjusted calcium of another draw")

    def _ionised(self) -> None:
        usable = [r for r in self.newest("ionised") if self.is_fresh(r) and r.status in FINAL and value(r) is not None and not r.comparator]
        for result in self.newest("albumin"):
            albumin = value(result)
            if albumin is not None and (albumin < 3 or albumin > 5):
                if not usable:
                    self.against(3, "albumin low or high, and no ionised calcium")
                elif any(abs(r.hours - (self.newest("calcium") or (r,))[0].hours) > 4 for r in usable):
                    self.open("the ionised calcium is of another draw")
        for ionised, total in self._pairs("ionised", "calcium", 4):
            if not F("0.40") <= ionised / (total / F("4.0078")) <= F("0.60"):
                self.against(7, "ionised calcium does not go with the total")

    def item_5(self) -> None:
        for one, other, hours in (("calcium", "phosphate", 24), ("calcium", "albumin", 4)):
            for a in self.newest(one):
                for b in self.newest(other):
                    if abs(a.hours - b.hours) > hours:
                        self.against(5, f"{one} and {other} of different draws")
                    elif a.clock == "date" or b.clock == "date":
                        self.against(5, f"{one} or {other} without an hour")
                    elif "naive" in (a.clock, b.clock):
                        self.against(5, f"{one} or {other} without a time zone")

    def _fresh_egfr(self) -> tuple[Result, ...]:
        return tuple(r for r in self.newest("egfr") if self.is_fresh(r) and r.status in FINAL and value(r) is not None and "<" not in r.comparator)

    def item_6(self) -> None:
        born = self.chart.born
        known = [(found, r) for r in self.newest("creatinine") if self.is_fresh(r) and not r.comparator and (found := value(r)) is not None]
        years = 0.0 if born is None else full_years(born, NOW.date())
        computed = [egfr_2021(creatinine, years, self.chart.sex) for creatinine, _ in known]
        reported = [float(value(result) or 0) for result in self._fresh_egfr()]
        if any(abs(rate - 60) < 0.6 or abs(rate - 90) < 0.9 for rate in computed):
            self.open("an eGFR at its limit, where half a year of age decides")
        kidney = reported or computed
        if kidney and min(kidney) < 60 and not (not reported and min(kidney) > 59.4):
            self.against(6, "eGFR below 60")
        if reported and computed and min(computed) < 60:
            self.open("eGFR reported 60 or more, computed below")
        for result in self.told("egfr"):
            found = value(result)
            if result in self.newest("egfr") and self.is_fresh(result) and (result.status not in FINAL or found is None or "<" in result.comparator):
                self.open("an eGFR that cannot be used")
            if found is not None and found < 60 and result.comparator in ("", "<", "<=") and self.age_days(result) <= 730:
                self.against(6, "an eGFR below 60 within two years")
            elif result.comparator:
                self.open("an eGFR with a comparator")
        for result in self.told("cystatin"):
            found = value(result)
            if found is None or found < 60 or result.comparator:
                self.open("cystatin eGFR below 60, or with a comparator")
        self._low_muscle(computed, reported)
        self._acute()
        for history in self.active(KIDNEY):
            self.against(6, history.category)
        for history in self.chart.histories:
            if history.category in KIDNEY_WHENEVER and history.verification == "confirmed":
                if history.clinical == "active":
                    self.against(6, history.category)
                else:
                    self.open(f"{history.category} over")
            elif history.category in KIDNEY_WHENEVER:
                self.open(f"{history.category} {history.verification}")

    def _low_muscle(self, computed: list[float], reported: list[float]) -> None:
        weak = [history for history in self.chart.histories if history.category in LOW_MUSCLE and history.verification == "confirmed"]
        if not weak:
            return
        cystatin = [value(r) for r in self.newest("cystatin") if self.is_fresh(r) and r.status in FINAL and r.comparator in ("", ">", ">=")]
        if any(found is not None and found >= 60 for found in cystatin):
            return
        kidney = reported or computed
        if (
            kidney
            and min(kidney) < 89.1
            and any(history.category in ("neurologic", "paralysis") and history.clinical == "active" for history in weak)
        ):
            self.against(6, "little muscle flatters creatinine: eGFR below 90")
        else:
            self.open("little muscle, perhaps")

    def _acute(self) -> None:
        found = [(r.hours, v) for r in self.told("creatinine") if not r.comparator and (v := value(r)) is not None and r.status in FINAL]
        if not found:
            return
        latest, newest = found[0]
        lowest = min(v for hours, v in found if hours - latest <= 90 * 24)
        if newest >= lowest * F(3, 2) and latest + self.later <= 90 * 24:
            self.against(6, "creatinine one and a half times its lowest of 90 days")
        for hours, after in found:
            for earlier, before in found:
                if 0 < earlier - hours <= 48 and after - before >= F("0.3"):
                    if hours + self.later <= 7 * 24:
                        self.against(6, "creatinine rose by 0.3 within 48 hours")
                    else:
                        self.open("such a rise, longer ago")
        if any(r.status not in FINAL or r.comparator for r in self.told("creatinine")):
            self.open("a creatinine that is not final")
        born = self.chart.born
        years = 0.0 if born is None else full_years(born, NOW.date())
        if any(egfr_2021(v, years, self.chart.sex) < 60.6 for _, v in found[1:]):
            self.open("an earlier creatinine makes an eGFR below 60")
        if any(v >= lowest * F(3, 2) for _, v in found[1:]):
            self.open("an earlier rise of creatinine")

    def item_7(self) -> None:
        for names in (PREGNANT, CRITICAL, SYSTEMIC):
            for history in self.active(names):
                self.against(7, history.category)
        for history in self.active(SHIFTING):
            began = history.onset if history.onset is not None else history.recorded
            drawn = [result.hours / 24 for result in self.newest("phosphate")]
            if began is not None and any(day + 1 <= began <= day + 2 for day in drawn):
                self.against(7, history.category)
            else:
                self.open(history.category)
        known = SKIN | KIDNEY | KIDNEY_WHENEVER | PREGNANT | CRITICAL | SYSTEMIC | SHIFTING | LOW_MUSCLE | NEUTRAL | INDEX
        for history in self.chart.histories:
            if history.category not in known:
                self.open(f"{history.category}: the text does not say")
        if self.chart.location == "icu":
            self.against(7, "intensive care")
        for result in self.told("potassium"):
            found = value(result)
            if found is None or found >= 6 or result.comparator:
                self.open("potassium high")
        for drug in self.chart.drugs:
            self._drug(drug)

    def _drug(self, drug: Drug) -> None:
        days = drug.days + self.later / 24
        if drug.category == "unknown":
            if drug.how == "active" or days <= 30:
                self.against(7, "an active drug that nobody knows")
            else:
                self.open("an unknown drug, stopped")
        elif drug.category in MASKING:
            if drug.how == "active" or days <= MASKING[drug.category]:
                self.against(7, drug.category)
        elif drug.category in MASKING_ABOVE:
            dose = float(drug.dose.split(" ")[0]) if drug.dose else None
            if drug.how != "active":
                self.open(f"{drug.category} {drug.how}") if days <= 30 else None
            elif dose is None or dose > MASKING_ABOVE[drug.category]:
                self.against(7, drug.category)
        elif drug.category in MASKING_KINDS_NOT_NAMED or drug.category not in HARMLESS:
            self.open(f"{drug.category}: the text does not say")

    def item_8(self) -> None:
        for analyte in ("pth", "alp", "magnesium", "vitamin_d"):
            for result in self.newest(analyte):
                self._beside(result)
            if len(self.newest(analyte)) > 1:
                self.open(f"two values of {analyte}")

    def _beside(self, result: Result) -> None:
        found = value(result)
        if not self.is_fresh(result):
            # An old PTH out of range that was never repeated: the text asks for fresh values only, the safer way is to ask for a repeat.
            return self.open("a stale PTH") if result.analyte == "pth" else None
        if result.status not in FINAL or found is None or result.comparator:
            return self.open(f"{result.analyte} not usable")
        if result.flag and result.flag != "N":
            self.open(f"{result.analyte} flagged")
        if result.analyte == "vitamin_d":
            if not 20 <= found <= 100:
                self.against(8, "25-OH-D")
            return None
        low, high = limits(result)
        if result.analyte == "alp":
            if found <= 30 or found > 3 * high:
                self.against(8, "ALP low, or very high")
            elif found > high:
                self.against(8, ALP_HIGH)
            return None
        if not low <= found <= high:
            self.against(8, result.analyte)
        return None

    def item_9(self) -> None:
        for result in self.of("calcium", "adjusted", "ionised", "phosphate"):
            days = self.age_days(result)
            if days > 365:
                if days < 366 and out_of_range(result):
                    self.open("out of range a year ago to the day")
                continue
            if out_of_range(result):
                self.against(9, f"{result.analyte} out of range within the year")
            elif result.status not in FINAL or value(result) is None or result.comparator or result.flag not in ("", "N"):
                self.open(f"an earlier {result.analyte} that is not certain")
            elif result.low or result.high:
                self.open("an earlier result with its own range")

    def item_10(self) -> None:
        for history in self.active(SKIN):
            self.against(10, history.category)
        index = list(self.active(INDEX))
        born = self.chart.born
        years = 0 if born is None else full_years(born, NOW.date())
        relaxed = any(history.category in ("neurologic", "paralysis") for history in self.chart.histories)
        for history in index:
            if history.category == "calcification_intracranial" or history.site in INTRACRANIAL:
                self.against(10, "intracranial")
            if history.site in VISCERAL | EYE:
                self.against(10, history.site)
            if history.site in PERIARTICULAR or history.category == "calcification_bursa":
                if relaxed or history.site not in PERIARTICULAR:
                    self.open("at a joint, perhaps")
                else:
                    self.against(10, "at a joint")
            if history.category == "calcification_vascular":
                self.against(10, "arterial calcification before 50") if years < 50 else self.open("arterial calcification")
        sites = {history.site for history in index if history.site}
        if len(sites) > 1:
            if any(history.category == "connective_tissue_disease" for history in self.chart.histories):
                self.open("more than one site, with a connective tissue disease")
            else:
                self.against(MULTIFOCAL, "more than one site")
        elif len(index) > 1:
            self.open("two records of a calcification")
        for history in self.chart.histories:
            if history.category not in INDEX and history.site in PERIARTICULAR | VISCERAL | EYE | INTRACRANIAL:
                self.open("another history at such a site")

    def item_11(self) -> None:
        for key, how in self.chart.failed:
            if key == USER_KEY:
                continue
            if key == "encounter" and not self.chart.encounter:
                continue
            if how == "null" and key not in ("patient", "encounter"):
                continue  # null says that the search found nothing
            if key in ("patient", "encounter") and how == "paged":
                continue  # not a Bundle: there is nothing to page
            if key == "encounter" or not key.startswith("observations-"):
                self.against(11, f"{key} {how}")
            else:
                self.open(f"{key}: a further query for results, where the service has one")
        if self.chart.foreign:
            self.against(11, "a resource of another patient")
        if self.chart.broken:
            self.open("a resource that cannot be read")
