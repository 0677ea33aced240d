"""Drugs that are being ordered in a mineral state in which they may harm: the sub-codes of one hazard, each with its drugs and its state.

A state has three answers: a danger holds on one credible value, and does not hold only when the opposite is certain; a string says why it is
unknown. Only draft orders in play are judged, by the medication category and the daily dose of the draft.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeAlias

from fhir_mappings import Lab, Order

from .calcium import MEASURES, Calcium, opposed
from .chart import Chart, bounds, is_high
from .doses import per_day
from .kidney import Kidney
from .product import Product

Answer: TypeAlias = bool | str

LOADS = frozenset({"calcium_salt", "binder_calcium", "vitamin_d_active"})
ANTIRESORPTIVES = frozenset({"zoledronate", "bisphosphonate_iv", "bisphosphonate_oral", "etidronate", "denosumab"})
SEVERE_STAGES = frozenset({"G4", "G5"})
BEFORE_ANTIRESORPTIVES = ("calcium_total", "vitamin_d_25oh", "magnesium")
BEFORE_VITAMIN_D_IN_GRANULOMA = ("calcium_total", "vitamin_d_25oh", "vitamin_d_125oh")
# What else may answer for an analyte: any measure of calcium tells it, and only total calcium needs an albumin.
STAND_INS: Mapping[str, tuple[str, ...]] = {
    "calcium_total": MEASURES,
    "albumin": ("albumin", "calcium_adjusted", "calcium_ionised"),
    "creatinine": ("creatinine", "egfr"),
}
HISTORY_LACKS = "the Conditions or Procedures did not come whole"


class Situation(Protocol):
    """What a drug is held against (see `State`)."""

    @property
    def chart(self) -> Chart: ...
    @property
    def calcium(self) -> Calcium: ...
    @property
    def kidney(self) -> Kidney: ...
    @property
    def product(self) -> Product | None: ...


@dataclass(frozen=True, slots=True)
class Hazard:
    """What one sub-code came to: its answer, and the orders in play for which it holds."""

    answer: Answer
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class SubCode:
    """One sub-code: which orders in play it is about, the state that makes each of them unsafe, and the tests that should be known."""

    orders: Callable[[Situation], tuple[Order, ...]]
    state: Callable[[Situation, Order], Answer]
    safety: tuple[str, ...]


def read_hazards(situation: Situation) -> Mapping[str, Hazard]:
    """Hold every order in play against the mineral state, sub-code by sub-code."""
    return {name: _judge(sub_code, situation) for name, sub_code in SUB_CODES.items()}


def _judge(sub_code: SubCode, situation: Situation) -> Hazard:
    answers = [(order, sub_code.state(situation, order)) for order in sub_code.orders(situation)]
    return Hazard(any_of(*(answer for _, answer in answers)), tuple(order for order, answer in answers if answer is True))


def hazardous(hazards: Mapping[str, Hazard]) -> tuple[Order, ...]:
    """Every order for which any sub-code holds, each once."""
    return tuple({order.id: order for hazard in hazards.values() for order in hazard.orders}.values())


def removable(situation: Situation, hazards: Mapping[str, Hazard]) -> tuple[Order, ...]:
    """The hazardous orders that may be offered for removal: not an antiresorptive that only lacks its tests while calcium is high, as it may
    be the treatment of that."""
    if not situation.calcium.high:
        return hazardous(hazards)
    return hazardous({name: hazard for name, hazard in hazards.items() if name != "antiresorptive_labs"})


def lacking_safety(chart: Chart, hazards: Mapping[str, Hazard]) -> tuple[str, ...]:
    """The safety tests of the sub-codes that hold which are not known freshly, each once."""
    wanted = dict.fromkeys(analyte for name, hazard in hazards.items() if hazard.answer is True for analyte in SUB_CODES[name].safety)
    return lacking(chart, wanted)


def lacking(chart: Chart, analytes: Iterable[str]) -> tuple[str, ...]:
    """Those of the analytes that no fresh, final and usable value tells."""
    return tuple(analyte for analyte in analytes if not any(chart.proven(name) for name in STAND_INS.get(analyte, (analyte,))))


# Answers


def any_of(*answers: Answer) -> Answer:
    """True if one answer is; else unknown, with the first reason, if one is; else false."""
    if any(answer is True for answer in answers):
        return True
    return next((answer for answer in answers if isinstance(answer, str)), False)


def both(one: Answer, other: Answer) -> Answer:
    """False if either is; else unknown, with the first reason, if one is; else true."""
    if one is False or other is False:
        return False
    return next((answer for answer in (one, other) if isinstance(answer, str)), True)


def _told(holds: bool, certain: bool, why: str) -> Answer:
    return holds if holds or certain else why


# Which orders


def _of(*drugs: str) -> Callable[[Situation], tuple[Order, ...]]:
    wanted = frozenset(drugs)
    return lambda situation: tuple(order for order in situation.chart.in_play if order.drugs & wanted)


def high_vitamin_d(chart: Chart) -> tuple[Order, ...]:
    """The vitamin D orders in play if they give more than the limit together; a dose that is not stated counts as high."""
    orders = tuple(order for order in chart.in_play if "vitamin_d" in order.drugs)
    dose = vitamin_d_dose(chart)
    return orders if dose is None or dose > chart.thresholds.hazard["vitamin_d"] else ()


def vitamin_d_dose(chart: Chart) -> Decimal | None:
    """All vitamin D in play in IU a day; None when one of the doses is not stated."""
    return per_day("vitamin_d", (order.dose for order in chart.in_play if "vitamin_d" in order.drugs), chart.thresholds)


def _loads(situation: Situation) -> tuple[Order, ...]:
    """Calcium, active vitamin D, and much vitamin D."""
    chart = situation.chart
    return (*(order for order in chart.in_play if order.drugs & LOADS), *high_vitamin_d(chart))


def _calcium_binders(situation: Situation) -> tuple[Order, ...]:
    """Calcium acetate; and calcium carbonate or citrate unless it is ordered for something else."""
    chart = situation.chart
    return tuple(
        order for order in chart.in_play if "binder_calcium" in order.drugs or ("maybe-binder" in order.attributes and _may_be_binder(chart, order))
    )


def _may_be_binder(chart: Chart, order: Order) -> bool:
    """Whether an order may be meant to bind phosphate: not if each of its reasons is known to be something else."""
    binding = {"phosphate_disorder", *chart.mappings.by_role["index"], *chart.mappings.by_role["kidney"]}
    return not order.reasons or any(reason.kind != "mapped" or not reason.categories.isdisjoint(binding) for reason in order.reasons)


# States


def high_calcium(situation: Situation) -> Answer:
    return _told(bool(_high(situation)), _calcium_certain(situation.chart), "no fresh, final and usable calcium is known for certain")


def _high(situation: Situation) -> tuple[Lab, ...]:
    """The high values of calcium that the ionised calcium of their draw does not oppose."""
    return tuple(lab for lab in situation.calcium.high if not opposed(situation.chart, lab))


def low_calcium(situation: Situation) -> Answer:
    return _told(bool(situation.calcium.low), _calcium_certain(situation.chart), "no fresh, final and usable calcium is known for certain")


def _calcium_certain(chart: Chart) -> bool:
    return chart.complete("observations") and any(chart.proven(name) for name in ("calcium_total", "calcium_ionised"))


def high_phosphate(situation: Situation) -> Answer:
    chart = situation.chart
    high = any(map(is_high, chart.for_danger("phosphate")))
    certain = chart.proven("phosphate") is not None and chart.complete("observations")
    return _told(high, certain, "no fresh, final and usable phosphate is known for certain")


def _high_product(situation: Situation, severe: bool = False) -> Answer:
    """Whether the product is at or above the limit for the age, or the severe one."""
    product = situation.product
    if product is None or product.high_from is None:
        return "no calcium x phosphate product can be judged"
    high = product.severe(situation.chart) if severe else product.high
    return _told(high, situation.chart.complete("observations"), "the results did not come whole")


def on_record(chart: Chart, *categories: str) -> Answer:
    return _told(chart.has(*categories), chart.complete("conditions", "procedures"), HISTORY_LACKS)


def ckd(situation: Situation) -> Answer:
    """CKD G3a or worse, dialysis or a transplant; a single low eGFR leaves it open."""
    chart, kidney = situation.chart, situation.kidney
    certain = kidney.egfr is not None and not kidney.possible and chart.complete("conditions", "procedures", "observations")
    return _told(kidney.g3a_or_worse, certain, "eGFR or history is not known for certain")


def lowest_egfr(situation: Situation) -> tuple[Decimal, Lab] | None:
    """The lowest that a fresh eGFR can be at most, and the value that tells it; a lower bound ("> 60") tells nothing here."""
    chart, kidney = situation.chart, situation.kidney
    known = [(kidney.egfr, kidney.source)] if kidney.computed and kidney.egfr is not None and kidney.source is not None else []
    for lab in (*chart.for_danger("egfr"), *chart.for_danger("egfr_cystatin")):
        highest = bounds(lab)[1]
        if highest is not None:
            known.append((highest - Decimal("0.001") if lab.comparator == "<" else highest, lab))
    return min(known, key=lambda estimate: estimate[0], default=None)


def weak_kidney(situation: Situation, below: Decimal) -> Answer:
    """eGFR below a limit (of at least 30), by value, by CKD G4-5 or dialysis. In acute injury an eGFR is not valid: it counts as below."""
    chart, kidney = situation.chart, situation.kidney
    lowest = lowest_egfr(situation)
    weak = kidney.dialysis or kidney.acute or kidney.stage in SEVERE_STAGES or (lowest is not None and lowest[0] < below)
    certain = kidney.lowest is not None and kidney.lowest >= below and chart.complete("conditions", "procedures", "observations")
    return _told(weak, certain, "eGFR or history is not known for certain")


def egfr_limit(chart: Chart, order: Order) -> Decimal:
    """The eGFR below which an antiresorptive is not given."""
    return chart.thresholds.hazard["egfr_zoledronate" if "zoledronate" in order.drugs else "egfr_antiresorptive"]


def low_alps(chart: Chart) -> tuple[Lab, ...]:
    """The ALP values of the look-back at or below the limit, one a day, newest first."""
    limit = chart.thresholds.reassurance["alp_min"]
    low = [lab for lab in chart.within("alp", chart.thresholds.lookback_days["stale"]) if (high := bounds(lab)[1]) is not None and high <= limit]
    return tuple({lab.when.at.date(): lab for lab in reversed(low)}.values())


def controlled_phosphate(chart: Chart) -> bool:
    """Whether phosphate is proven to be at or below its upper limit."""
    lab = chart.proven("phosphate")
    if lab is None or lab.limits is None or lab.limits.high is None or any(map(is_high, chart.for_danger("phosphate"))):
        return False
    highest = bounds(lab)[1]
    return highest is not None and highest <= lab.limits.high and chart.complete("observations")


def _loaded(situation: Situation) -> Answer:
    history = on_record(situation.chart, "milk_alkali", "vitamin_d_toxicity")
    return any_of(high_calcium(situation), _high_product(situation), history)


def _granuloma(situation: Situation) -> Answer:
    chart = situation.chart
    return both(on_record(chart, "granulomatous_disease"), _any_lacking(chart, BEFORE_VITAMIN_D_IN_GRANULOMA))


def _any_lacking(chart: Chart, analytes: Iterable[str]) -> Answer:
    if not lacking(chart, analytes):
        return False
    return True if chart.complete("observations") else "the results did not come whole"


def _aluminium(situation: Situation, order: Order) -> Answer:
    return any_of(long_course(situation.chart, order), ckd(situation))


def long_course(chart: Chart, order: Order) -> bool:
    """Whether an aluminium order that may be meant as a binder says that it is to be taken for longer than the limit."""
    return order.days is not None and order.days > chart.thresholds.hazard["aluminium_days"] and _may_be_binder(chart, order)


def _low_alp(situation: Situation) -> Answer:
    chart = situation.chart
    often = len(low_alps(chart)) >= chart.thresholds.hazard["alp_occasions"]
    return _told(often, chart.complete("observations") and chart.blocked("alp") is None, "ALP is not known for certain")


def _warfarin_risk(situation: Situation) -> Answer:
    chart = situation.chart
    severe = situation.kidney.stage in SEVERE_STAGES
    certain = weak_kidney(situation, chart.thresholds.egfr["g4"]) is False
    risk = on_record(chart, "dialysis", "kidney_transplant", "primary_hyperparathyroidism")
    return any_of(_told(severe, certain, "eGFR or history is not known for certain"), risk)


def _any(state: Callable[[Situation], Answer]) -> Callable[[Situation, Order], Answer]:
    """A state that is the same for every order."""
    return lambda situation, _order: state(situation)


def _kidney_too_weak(situation: Situation, order: Order) -> Answer:
    return weak_kidney(situation, egfr_limit(situation.chart, order))


def _antiresorptive_labs(situation: Situation) -> Answer:
    return _any_lacking(situation.chart, BEFORE_ANTIRESORPTIVES)


def _phosphate_unsafe(situation: Situation) -> Answer:
    return any_of(high_phosphate(situation), ckd(situation), weak_kidney(situation, situation.chart.thresholds.egfr["g3a"]))


_antiresorptives = _of(*ANTIRESORPTIVES)
SUB_CODES: Mapping[str, SubCode] = {
    "calcium_load": SubCode(_loads, _any(_loaded), ("calcium_total", "albumin", "phosphate", "creatinine", "vitamin_d_25oh")),
    "granuloma": SubCode(_loads, _any(_granuloma), ("calcium_total", "albumin", "vitamin_d_25oh", "vitamin_d_125oh")),
    "calcium_binder": SubCode(_calcium_binders, _any(ckd), ("calcium_total", "albumin", "phosphate", "pth")),
    "aluminium": SubCode(_of("binder_aluminium"), _aluminium, ("phosphate", "calcium_total", "albumin")),
    "calcimimetic": SubCode(_of("calcimimetic"), _any(low_calcium), ("albumin", "phosphate", "magnesium", "pth")),
    "antiresorptive_low_calcium": SubCode(_antiresorptives, _any(low_calcium), ("albumin", "vitamin_d_25oh", "magnesium", "creatinine")),
    "antiresorptive_kidney": SubCode(_antiresorptives, _kidney_too_weak, ("calcium_total", "albumin", "vitamin_d_25oh", "magnesium", "pth")),
    "antiresorptive_labs": SubCode(_antiresorptives, _any(_antiresorptive_labs), (*BEFORE_ANTIRESORPTIVES, "albumin", "creatinine")),
    "low_alp": SubCode(_antiresorptives, _any(_low_alp), ("alp", "phosphate")),
    "phosphate_load": SubCode(_of("phosphate"), _any(_phosphate_unsafe), ("phosphate", "calcium_total", "albumin", "creatinine")),
    "thiazide_lithium": SubCode(_of("thiazide", "lithium"), _any(high_calcium), ("albumin", "creatinine", "pth")),
    "warfarin": SubCode(_of("vitamin_k_antagonist"), _any(_warfarin_risk), ()),
}


# How severe


def severe_load(situation: Situation) -> Answer:
    """Calcium at or above the severe limit, the product likewise, or calcium and phosphate high together."""
    limit = situation.chart.thresholds.hazard["calcium_severe"]
    most = any((low := bounds(lab)[0]) is not None and low >= limit for lab in _high(situation) if lab.analyte != "calcium_ionised")
    known = _told(most, _calcium_certain(situation.chart), "no fresh, final and usable calcium is known for certain")
    together = both(high_calcium(situation), high_phosphate(situation))
    return any_of(known, _high_product(situation, severe=True), together)


def severe_low_calcium(situation: Situation) -> Answer:
    """Adjusted calcium below the severe limit; total calcium speaks only where it cannot be adjusted."""
    limit, calcium = situation.chart.thresholds.hazard["adjusted_calcium_severe"], situation.calcium
    speaking = [lab for lab in calcium.low if lab.analyte == "calcium_adjusted" or (lab.analyte == "calcium_total" and calcium.adjusted is None)]
    least = any((high := bounds(lab)[1]) is not None and (high < limit or (lab.comparator == "<" and high <= limit)) for lab in speaking)
    return _told(least, _calcium_certain(situation.chart), "no fresh, final and usable calcium is known for certain")
