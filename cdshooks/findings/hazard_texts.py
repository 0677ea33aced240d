"""The words of the hazard card: which drug, and the state that makes it unsafe, with the values behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from fhir_mappings import Lab, Order

from . import hazard
from .calcium import COMPUTED
from .chart import is_high
from .state import State
from .texts import day, full, joined, product_number, shown

NAMES = {"calcium_total": "calcium", "calcium_adjusted": "adjusted calcium", "calcium_ionised": "ionised calcium"}
LACKING_NAMES = {"calcium_total": "calcium", "vitamin_d_25oh": "25-OH-D", "vitamin_d_125oh": "1,25-(OH)2-D", "magnesium": "magnesium"}


def _drugs(sub_code: str) -> Callable[[State], str]:
    return lambda state: joined(dict.fromkeys(_name(state, order) for order in state.hazards[sub_code].orders))


def _name(state: State, order: Order) -> str:
    """What the order calls the drug, else the title of its category."""
    return order.label or joined(state.chart.mappings.medications[drug] for drug in sorted(order.drugs))


def _unit(lab: Lab) -> str:
    return "mmol/L" if lab.analyte == "calcium_ionised" else "mg/dL"


def _highest(state: State) -> Lab | None:
    """The high calcium that speaks: the highest of total and adjusted, else the ionised."""
    return max(state.calcium.high, key=lambda lab: (lab.analyte != "calcium_ionised", lab.value, lab.attributes is not COMPUTED), default=None)


def _lowest(state: State) -> Lab | None:
    """The low calcium that speaks: the adjusted, else the total, else the ionised."""
    order = ("calcium_adjusted", "calcium_total", "calcium_ionised")
    return min(state.calcium.low, key=lambda lab: (order.index(lab.analyte), lab.value), default=None)


def _short(lab: Lab | None) -> str:
    return f"{NAMES[lab.analyte]} {shown(lab)}" if lab is not None else ""


def _whole(lab: Lab | None) -> str:
    if lab is None:
        return ""
    computed = ", computed" if lab.attributes is COMPUTED else ""
    preliminary = "" if lab.final else ", preliminary"
    return f"{NAMES[lab.analyte]} {full(lab, _unit(lab))} ({day(lab)}{computed}{preliminary})"


def _product(state: State) -> str:
    return f"{product_number(state.product, state.product.value, '0.1')} mg2/dL2" if state.product is not None else ""


def _load_reasons(state: State) -> Iterator[tuple[str, str]]:
    """Each reason why a load of calcium is unsafe, in few words and with its values; the first is the one that the summary names."""
    product, calcium, chart = state.product, _highest(state), state.chart
    reasons = []
    if calcium is not None:
        reasons.append(_calcium_and_phosphate(state, calcium))
    if product is not None and product.high:
        reasons.append(_product_words(state))
        if product.severe(chart) and calcium is not None and calcium.value < chart.thresholds.hazard["calcium_severe"]:
            reasons.reverse()
    yield from reasons
    for category, words in (("milk_alkali", "milk-alkali syndrome"), ("vitamin_d_toxicity", "vitamin D toxicity")):
        if chart.has(category):
            yield f"{words} on record", f"{words} on record"


def _calcium_and_phosphate(state: State, calcium: Lab) -> tuple[str, str]:
    """The high calcium, with the phosphate where that is high, too."""
    phosphate = _high_phosphate(state)
    if phosphate is None:
        return _short(calcium), _whole(calcium)
    return f"{_short(calcium)} and phosphate {shown(phosphate)}", f"{_whole(calcium)} and phosphate {full(phosphate, 'mg/dL')} ({day(phosphate)})"


def _high_phosphate(state: State) -> Lab | None:
    return next((lab for lab in state.chart.for_danger("phosphate") if is_high(lab)), None)


def _product_words(state: State) -> tuple[str, str]:
    product = state.product
    assert product is not None
    made_of = f"{NAMES[product.calcium.analyte]} {shown(product.calcium)}, phosphate {shown(product.phosphate)}, {day(product.phosphate)}"
    return f"Ca x P product {_product(state)}", f"Ca x P product {_product(state)} ({made_of})"


def _kidney(state: State, with_date: bool = False) -> str:
    """The kidney function that makes a drug unsafe."""
    kidney, lowest = state.kidney, hazard.lowest_egfr(state)
    if kidney.dialysis:
        return "dialysis"
    if kidney.acute:
        return "acute kidney injury"
    if lowest is None or (kidney.stage in hazard.SEVERE_STAGES and lowest[0] >= state.chart.thresholds.egfr["g4"]):
        return f"CKD {kidney.stage}"
    return f"eGFR {lowest[0]:.0f}{f' ({day(lowest[1])})' if with_date else ''}"


def _ckd(state: State) -> str:
    kidney = state.kidney
    return f"CKD {kidney.stage}" if kidney.stage in ("G3a", "G3b", "G4", "G5") else "dialysis" if kidney.dialysis else "a kidney transplant"


def _phosphate_state(state: State, with_date: bool = False) -> str:
    high = _high_phosphate(state)
    if high is not None:
        return f"phosphate {full(high, 'mg/dL')} ({day(high)})" if with_date else f"phosphate {shown(high)}"
    return _ckd(state) if state.kidney.g3a_or_worse and not state.kidney.acute else _kidney(state, with_date)


def _warfarin_risk(state: State) -> str:
    kidney = state.kidney
    risks = [
        words
        for words, holds in (
            ("dialysis", kidney.dialysis),
            (f"CKD {kidney.stage}", kidney.stage in hazard.SEVERE_STAGES and not kidney.dialysis),
            ("a kidney transplant", kidney.transplant),
            ("primary hyperparathyroidism", state.chart.has("primary_hyperparathyroidism")),
        )
        if holds
    ]
    return joined(risks)


def _lacking(analytes: Iterable[str]) -> Callable[[State], str]:
    return lambda state: joined(LACKING_NAMES[analyte] for analyte in hazard.lacking(state.chart, analytes))


def _vitamin_d(state: State) -> str:
    dose = hazard.vitamin_d_dose(state.chart)
    return f"{dose.normalize():f} IU a day" if dose is not None else "not stated as a daily amount, so counted as high"


def _days(state: State) -> str:
    days = [order.days for order in state.hazards["aluminium"].orders if order.days is not None]
    return f"{max(days):.0f} days" if days else ""


HAZARD_TEXTS: Mapping[str, Callable[[State], str]] = {
    **{f"hazard.{sub_code}": _drugs(sub_code) for sub_code in hazard.SUB_CODES},
    "hazard.load_state": lambda state: next((short for short, _ in _load_reasons(state)), ""),
    "hazard.load_state_full": lambda state: "; ".join(whole for _, whole in _load_reasons(state)),
    "hazard.vitamin_d_dose": _vitamin_d,
    "hazard.high_calcium": lambda state: _short(_highest(state)),
    "hazard.high_calcium_full": lambda state: _whole(_highest(state)),
    "hazard.low_calcium": lambda state: _short(_lowest(state)),
    "hazard.low_calcium_full": lambda state: _whole(_lowest(state)),
    "hazard.kidney": _kidney,
    "hazard.kidney_full": lambda state: _kidney(state, with_date=True),
    "hazard.ckd": _ckd,
    "hazard.aluminium_state": lambda state: f"a course of {_days(state)}" if not state.kidney.g3a_or_worse else _ckd(state),
    "hazard.aluminium_days": _days,
    "hazard.phosphate_state": _phosphate_state,
    "hazard.phosphate_state_full": lambda state: _phosphate_state(state, with_date=True),
    "hazard.warfarin_risk": _warfarin_risk,
    "hazard.granuloma_lacking": _lacking(hazard.BEFORE_VITAMIN_D_IN_GRANULOMA),
    "hazard.antiresorptive_lacking": _lacking(hazard.BEFORE_ANTIRESORPTIVES),
    "hazard.alp_values": lambda state: joined(shown(lab) for lab in hazard.low_alps(state.chart)[:2]),
    "hazard.alp_dates": lambda state: joined(f"{shown(lab)} ({day(lab)})" for lab in hazard.low_alps(state.chart)),
}
