"""The words that cards interpolate: values with their units and dates as they were sent, and lists in plain English."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from fhir_mappings import Lab, Order
from fhir_mappings.ranges import expected_at

from .calciphylaxis import SIGNS
from .calcium import COMPUTED, adjusted_of, same_draw_ionised
from .childhood import has_band
from .heritable import WORDS
from .phosphate import Clue
from .product import Product
from .scope import local_causes
from .unusable import REASONS, Reading, Unusable

if TYPE_CHECKING:
    from .contrast import Given
    from .state import State

NUMBER = re.compile(r"-?\d+\.\d{3,}")
MEASURE = {"calcium_total": "Total calcium", "calcium_adjusted": "Albumin-adjusted calcium", "calcium_ionised": "Ionised calcium"}
MEASURE_IN_SHORT = {"calcium_total": "", "calcium_adjusted": "adjusted ", "calcium_ionised": "ionised "}
EGFR_UNIT = "mL/min/1.73 m2"
PHRASES = {
    "trauma": "prior trauma",
    "tracheostomy": "prior tracheostomy",
    "surgery": "prior surgery",
    "extravasation": "prior extravasation",
    "infection": "prior infection",
    "inflammation": "chronic inflammation",
}


def shown(lab: Lab) -> str:
    """A value as it was sent, with at most two decimals."""
    return NUMBER.sub(lambda match: str(Decimal(match.group()).quantize(Decimal("0.01"))), lab.shown)


def full(lab: Lab, unit: str, *, status: bool = True) -> str:
    """A value as it was sent, with the canonical value beside it where the units differ, and a word when another result contradicts it or
    (unless its `status` is told apart) when it is not final."""
    doubt = " (unverified, conflicting result)" if lab.conflicting else ""
    doubt += " (not final)" if status and not lab.final else ""
    if lab.unit == unit or lab.comparator:
        return f"{shown(lab)}{doubt}"
    return f"{shown(lab)} ({lab.value.quantize(Decimal('0.01'))} {unit}){doubt}"


def day(lab: Lab) -> str:
    return lab.when.at.date().isoformat()


def with_date(text: str, date: str) -> str:
    """A value with its date, inside the brackets that it may end with."""
    return f"{text[:-1]}, {date})" if text.endswith(")") else f"{text} ({date})"


def joined(words: Iterable[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def _of(analyte: str, known: str = "{}") -> Callable[[State], str]:
    def text(state: State) -> str:
        lab = state.chart.fresh(analyte)
        return known.format(full(lab, state.chart.mappings.analytes[analyte].unit)) if lab is not None else ""

    return text


def _dated(analyte: str) -> Callable[[State], str]:
    """The newest value with its date, for a card that shows values of several days; one that is not fresh is told as such, not kept back."""

    def text(state: State) -> str:
        lab = state.chart.newest(analyte)
        if lab is None:
            return ""
        age = "" if state.chart.fresh(analyte) is not None else ", too old to count"
        return with_date(full(lab, state.chart.mappings.analytes[analyte].unit), f"{day(lab)}{age}")

    return text


def _speaking(state: State) -> Lab | None:
    """The calcium a high-calcium card names: a measured value before the computed one."""
    order = {"calcium_total": 0, "calcium_ionised": 1, "calcium_adjusted": 2}
    return min(state.calcium.high, key=lambda lab: order[lab.analyte], default=None)


def _measure(lab: Lab | None) -> str:
    return MEASURE[lab.analyte] if lab is not None else ""


def _named(calcium: Lab) -> str:
    """A calcium for a summary: only total calcium goes without its name."""
    return f"{MEASURE_IN_SHORT[calcium.analyte]}{shown(calcium)}"


def _beside(state: State, calcium: Lab) -> str:
    """The other measures of calcium beside the one that speaks: those of its draw, else the newest fresh one with its date."""
    chart, hours = state.chart, state.chart.thresholds.pair_hours["calcium_albumin"]
    total = calcium if calcium.analyte == "calcium_total" else chart.paired_with(calcium, "calcium_total", hours)
    computed, albumin = adjusted_of(chart, total) if total is not None else (None, None)
    if calcium.attributes is COMPUTED and total is not None and albumin is not None:
        words = [f"computed from total {full(total, 'mg/dL')} and albumin {shown(albumin)}"]
    elif calcium.analyte == "calcium_total":
        adjusted = chart.paired_with(calcium, "calcium_adjusted", hours) or computed
        words = [_or_newest("adjusted", adjusted, state.calcium.adjusted, "not computed")]
    else:
        words = [_or_newest("total", total, state.calcium.total, "not available")]
    if calcium.analyte != "calcium_ionised":
        words.append(_or_newest("ionised", same_draw_ionised(chart, calcium), state.calcium.ionised, "not available"))
    return ", ".join(words)


def _or_newest(name: str, of_the_draw: Lab | None, newest: Lab | None, otherwise: str) -> str:
    if of_the_draw is not None:
        return f"{name} {full(of_the_draw, _unit(of_the_draw))}"
    if newest is None:
        return f"{name} {otherwise}"
    return with_date(f"{name} {full(newest, _unit(newest))}", f"another draw, {day(newest)}")


def _unit(calcium: Lab) -> str:
    return "mmol/L" if calcium.analyte == "calcium_ionised" else "mg/dL"


def _cause(state: State) -> str:
    causes = local_causes(state.chart, state.calcification)
    return PHRASES[causes[0].category] if causes else ""


def _cause_date(state: State) -> str:
    causes = local_causes(state.chart, state.calcification)
    moment = (causes[0].onset or causes[0].recorded) if causes else None
    return str(moment.at.year) if moment is not None else "undated"


def _egfr(state: State) -> str:
    kidney = state.kidney
    if kidney.egfr is None:
        return ""
    return f"{'above ' if kidney.at_least else ''}{kidney.egfr:.0f}"


def _egfr_dated(state: State) -> str:
    source = state.kidney.source
    return f"{_egfr(state)} {EGFR_UNIT} ({day(source)})" if source is not None else ""


def _display(state: State, category: str) -> str:
    records = state.chart.facts.histories.get(category, ())
    named = next((record.display for record in records if record.display), "")
    return named or state.chart.mappings.histories[category].title


def _stale(state: State) -> str:
    """What the baseline has that is too old, with its dates: to be seen, and not to be judged by."""
    newest = [(analyte, state.chart.newest(analyte)) for analyte in state.baseline.stale]
    return joined(f"{_in_a_sentence(_short(state, analyte))} of {day(lab)}" for analyte, lab in newest if lab is not None)


def _fresh_days(state: State) -> str:
    return str(state.chart.thresholds.fresh_days("calcium_total", state.chart.inpatient))


def _limits(state: State, lab: Lab | None) -> str:
    """The range that a value is held against, in the unit that the value was sent in."""
    if lab is None or lab.limits is None:
        return "no range known"
    return f"{_limit(state, lab, lab.limits.low)}-{_limit(state, lab, lab.limits.high)} {lab.unit}"


def _limit(state: State, lab: Lab, limit: Decimal | None) -> str:
    """One limit, which is kept in the canonical unit, in the unit of the value."""
    if limit is None:
        return ""
    factor = state.chart.mappings.analytes[lab.analyte].factors[lab.unit]
    return _plain(factor.back(limit).quantize(Decimal("0.01")))


def _plain(number: Decimal | None) -> str:
    return "" if number is None else f"{number.normalize():f}"


def _short(state: State, analyte: str) -> str:
    definition = state.chart.mappings.analytes[analyte]
    return definition.short or definition.title


def _titles(state: State, analytes: Iterable[str]) -> str:
    return joined(_in_a_sentence(_short(state, analyte)) for analyte in analytes)


def _in_a_sentence(name: str) -> str:
    """A name without its capital, unless it is an abbreviation."""
    return name[0].lower() + name[1:] if name[1:2].islower() else name


def _bare(analyte: str) -> Callable[[State], str]:
    """The number and unit of a fresh value, short enough for a summary."""

    def text(state: State) -> str:
        lab = state.chart.fresh(analyte)
        return shown(lab) if lab is not None else ""

    return text


def _critical(read: Callable[[Lab], str]) -> Callable[[State], str]:
    return lambda state: read(state.calcium.critical) if state.calcium.critical is not None else ""


def _critical_ionised(state: State) -> str:
    """The ionised calcium of the critical draw."""
    critical = state.calcium.critical
    ionised = same_draw_ionised(state.chart, critical) if critical is not None else None
    return full(ionised, "mmol/L") if ionised is not None else ""


def _high(read: Callable[[Lab], str]) -> Callable[[State], str]:
    return lambda state: read(lab) if (lab := _speaking(state)) is not None else ""


def _speaking_phosphate(state: State) -> Lab | None:
    """The phosphate that speaks: a high one, or else a low one, before the newest, which may be preliminary."""
    found = state.phosphate
    return next(iter((*found.high, *found.low)), state.chart.fresh("phosphate"))


def _phosphate(read: Callable[[Lab], str]) -> Callable[[State], str]:
    return lambda state: read(lab) if (lab := _speaking_phosphate(state)) is not None else ""


def _phosphate_limit(state: State, side: str) -> str:
    lab = _speaking_phosphate(state)
    limit = getattr(lab.limits, side) if lab is not None and lab.limits is not None else None
    return f"{_limit(state, lab, limit)} {lab.unit}" if lab is not None and limit is not None else "not known"


def _clues(read: Callable[[Clue], str], *, only_first: bool = False) -> Callable[[State], str]:
    """The clues around the phosphate that speaks: a high one, or else a low one."""

    def text(state: State) -> str:
        found = state.phosphate
        words = list(dict.fromkeys(read(clue) for clue in (found.clues if found.high else found.lowering)))
        return "; ".join(words[:1] if only_first else words)

    return text


def _product(read: Callable[[Product], str]) -> Callable[[State], str]:
    return lambda state: read(state.product) if state.product is not None else ""


def product_number(product: Product, value: Decimal, places: str) -> str:
    """A product for print."""
    # Cut, not rounded: a product just below a limit must not be printed as having reached it.
    return f"{'at least ' if product.at_least else ''}{value.quantize(Decimal(places), ROUND_DOWN)}"


def _product_si(state: State) -> str:
    product = state.product
    return product_number(product, product.value / state.chart.thresholds.product["per_mmol2"], "0.01") if product is not None else ""


def _with_calcium(read: Callable[[Lab], str]) -> Callable[[State], str]:
    """The PTH that goes with a high calcium."""
    return lambda state: read(state.pth_with_calcium.pth) if state.pth_with_calcium is not None else ""


def _beside_pth(read: Callable[[Lab], str]) -> Callable[[State], str]:
    """The high calcium that a PTH goes with."""
    return lambda state: read(state.pth_with_calcium.calcium) if state.pth_with_calcium is not None else ""


def _pth_status(lab: Lab) -> str:
    return "" if lab.final else f", {lab.status}"


def _biotin(state: State) -> str:
    biotin = state.biotin
    if not biotin.taken:
        return ""
    return f"{_plain(biotin.dose)} mg a day" if biotin.dose is not None else "of unknown dose"


def _called(state: State, value: Unusable) -> str:
    return f"{_short(state, value.analyte)} {value.shown}".strip()


def _unusable_more(state: State) -> str:
    more = len(state.unusable) - 1
    return f" (and {more} more)" if more > 0 else ""


def _received(state: State, value: Unusable) -> str:
    date = value.when.date().isoformat() if value.when else "undated"
    status = f", {value.status}" if value.status else ""
    maybe = _may_be(state, value)
    return f"{_called(state, value)} ({date}{status}): {REASONS[value.reason]}{f'; {maybe}' if maybe else ''}"


def _may_be(state: State, value: Unusable) -> str:
    """What a rejected number would be in each unit that is used for it."""
    unit = state.chart.mappings.analytes[value.analyte].unit
    if value.number is None:
        return ""
    if value.reason == "unit-ambiguous":
        as_po4 = value.number / state.chart.thresholds.phosphate["po4_per_phosphorus"]
        return f"would be {_plain(value.number)} {unit} of phosphorus, or {as_po4.quantize(Decimal('0.01'))} {unit} of it if this is the mass of PO4"
    wanted = [reading for reading in value.readings if reading.plausible or value.reason != "implausible"]
    return f"would be {' or '.join(_reading(value.number, reading, unit) for reading in wanted)}" if wanted else ""


def _reading(number: Decimal, reading: Reading, unit: str) -> str:
    converted = [] if reading.unit == unit else [f"{reading.value.quantize(Decimal('0.01'))} {unit}"]
    beside = ", ".join([*converted, *([] if reading.plausible else ["not plausible"])])
    return f"{_plain(number)} {reading.unit}{f' ({beside})' if beside else ''}"


def _age(state: State) -> str:
    """Completed years; under two years of age completed months."""
    born, today = state.chart.facts.patient.born, state.chart.now.date()
    if born is None:
        return ""
    months = (today.year - born[1].year) * 12 + today.month - born[1].month - (today.day < born[1].day)
    return f"{months // 12}" if months >= 24 else f"{months} months"


def _childs_value(state: State, lab: Lab) -> str:
    unit = state.chart.mappings.analytes[lab.analyte].unit
    name = f"{_in_a_sentence(_short(state, lab.analyte))} {full(lab, unit)} ({day(lab)}"
    if lab.limits is None:
        return f"{name}, without a range for this age)"
    return (
        f"{name}, with the adults' range; about {_limits(state, lab)} is expected)"
        if has_band(state.chart, lab)
        else f"{name}, with the adults' range)"
    )


def _expected(state: State) -> str:
    """What is expected of phosphate and ALP at the child's age."""
    chart, words = state.chart, []
    for analyte in ("phosphate", "alp"):
        definition = chart.mappings.analytes[analyte]
        band = expected_at(definition, chart.facts.patient, chart.now.date())
        if band is not None:
            words.append(f"{_in_a_sentence(_short(state, analyte))} {_plain(band.low)}-{_plain(band.high)} {definition.unit}")
    return joined(words)


def _equation(state: State) -> str:
    kidney = state.kidney
    if not kidney.computed:
        return "as reported"
    return f"bedside Schwartz, height {shown(kidney.height)}" if kidney.height is not None else "CKD-EPI 2021"


def _drug(state: State) -> str:
    return _labels(state.unindicated_drugs)


def _sign(state: State) -> str:
    return SIGNS[state.calciphylaxis.signs[0].category] if state.calciphylaxis.signs else ""


def _sign_date(state: State) -> str:
    moments = [moment for sign in state.calciphylaxis.signs[:1] if (moment := sign.onset or sign.recorded) is not None]
    return moments[0].at.date().isoformat() if moments else "undated"


def _labels(orders: Iterable[Order]) -> str:
    return joined(order.label for order in orders if order.label)


def _stage(state: State) -> str:
    return state.kidney.stage or ("on dialysis" if state.kidney.dialysis else "with a kidney transplant" if state.kidney.transplant else "")


def _have(state: State) -> str:
    labs = [(analyte, state.chart.fresh(analyte)) for analyte in ("calcium_total", "calcium_ionised", "phosphate", "albumin", "creatinine", "egfr")]
    return "; ".join(
        f"{_short(state, analyte)} {shown(lab)} ({day(lab)}{'' if lab.final else ', not final'})" for analyte, lab in labs if lab is not None
    )


def _speaking_low(state: State) -> Lab | None:
    """The calcium a low-calcium card names: ionised calcium beats the total for naming the disorder, and both go before the computed one."""
    order = {"calcium_ionised": 0, "calcium_total": 1, "calcium_adjusted": 2}
    return min(state.calcium.low, key=lambda lab: order[lab.analyte], default=None)


def _low(read: Callable[[Lab], str]) -> Callable[[State], str]:
    return lambda state: read(lab) if (lab := _speaking_low(state)) is not None else ""


def _doubts(state: State) -> tuple[str, ...]:
    return (*state.adjustment.reasons, *state.adjustment.disagreements)


def _doubt_advice(state: State) -> str:
    if not state.chart.thresholds.site["prefer_ionised"]:
        return "Repeat calcium and albumin in one draw."
    return "Consider ionised calcium." if state.calcium.ionised is None else "Consider repeating ionised calcium."


def _drawn(analyte: str) -> Callable[[State], str]:
    """A value of the suspect sample."""

    def text(state: State) -> str:
        hours = state.chart.thresholds.pair_hours["edta"]
        found = [lab for suspect in state.specimen.labs if (lab := state.chart.paired_with(suspect, analyte, hours)) is not None]
        return shown(found[0]) if found else ""

    return text


def _pattern(state: State) -> str:
    """What stands beside the low calcium: 'K 9.1 mmol/L and low ALP and magnesium'."""
    edta = state.specimen.edta
    if edta is None:
        return ""
    names = joined(_in_a_sentence(_short(state, lab.analyte)) for lab in edta.low)
    return f"K {shown(edta.potassium)}{f' and low {names}' if names else ''}"


def _critical_doubt(state: State) -> str:
    given = state.contrast.critical
    return state.specimen.critical or (f"{_agent(given)} {given.hours:.0f} h before the draw" if given is not None else "")


def _agent(given: Given | None) -> str:
    return (given.exposure.display or "a gadolinium contrast agent") if given is not None else ""


def _receipt(state: State) -> str:
    late = state.specimen.late
    return f"{late.hours_to_receipt:.0f} h" if late is not None else ""


TEXTS: Mapping[str, Callable[[State], str]] = {
    "calcium.critical_value": _critical(shown),
    "calcium.critical_full": _critical(lambda lab: full(lab, _unit(lab), status=False)),
    "calcium.critical_date": _critical(day),
    "calcium.critical_status": _critical(lambda lab: lab.status),
    "calcium.critical_measure": _critical(_measure),
    "calcium.critical_name": _critical(lambda lab: f"{MEASURE_IN_SHORT[lab.analyte]}calcium"),
    "calcium.critical_beside": lambda state: _beside(state, state.calcium.critical) if state.calcium.critical is not None else "",
    "calcium.critical_ionised": _critical_ionised,
    "calcium.high_value": _high(_named),
    "calcium.high_beside": lambda state: _beside(state, lab) if (lab := _speaking(state)) is not None else "",
    "calcium.high_full": _high(lambda lab: full(lab, _unit(lab))),
    "calcium.high_date": _high(day),
    "calcium.high_measure": _high(_measure),
    "calcium.high_range": lambda state: _limits(state, _speaking(state)),
    "calcium.critical_doubt": _critical_doubt,
    "calcium.low_value": _low(_named),
    "calcium.low_beside": lambda state: _beside(state, lab) if (lab := _speaking_low(state)) is not None else "",
    "calcium.low_full": _low(lambda lab: full(lab, "mmol/L" if lab.analyte == "calcium_ionised" else "mg/dL")),
    "calcium.low_date": _low(day),
    "calcium.low_measure": _low(_measure),
    "calcium.low_range": lambda state: _limits(state, _speaking_low(state)),
    "calcium.doubt": lambda state: next(iter(_doubts(state)), ""),
    "calcium.doubts": lambda state: "; ".join(_doubts(state)),
    "calcium.doubt_advice": _doubt_advice,
    "calcium.total": _of("calcium_total"),
    "calcium.total_short": _bare("calcium_total"),
    "calcium.dated": _dated("calcium_total"),
    "calcium.adjusted": lambda state: full(state.calcium.adjusted, "mg/dL") if state.calcium.adjusted is not None else "",
    "calcium.ionised": _of("calcium_ionised"),
    "calcium.measures": lambda state: joined(f"{MEASURE[lab.analyte].lower()} {full(lab, _unit(lab))}" for lab in state.calcium.measures),
    "calcium.date": lambda state: day(state.calcium.total) if state.calcium.total is not None else "",
    "phosphate.value": _phosphate(lambda lab: full(lab, "mg/dL")),
    "phosphate.short": _phosphate(shown),
    "phosphate.dated": _phosphate(lambda lab: with_date(full(lab, "mg/dL"), day(lab))),
    "phosphate.upper_limit": lambda state: _phosphate_limit(state, "wide_high"),
    "phosphate.date": _phosphate(day),
    "specimen.calcium": _drawn("calcium_total"),
    "specimen.potassium": _drawn("potassium"),
    "specimen.phosphate": _drawn("phosphate"),
    "specimen.magnesium": _drawn("magnesium"),
    "specimen.alp": _drawn("alp"),
    "specimen.date": lambda state: day(state.specimen.labs[0]) if state.specimen.labs else "",
    "specimen.pattern": _pattern,
    "specimen.haemolysis": lambda state: state.specimen.haemolysis_any,
    "specimen.receipt": _receipt,
    "contrast.agent": lambda state: _agent(state.contrast.gadolinium),
    "contrast.hours": lambda state: f"{state.contrast.gadolinium.hours:.0f}" if state.contrast.gadolinium is not None else "",
    "magnesium.value": _of("magnesium"),
    "magnesium.dated": _dated("magnesium"),
    "phosphate.lower_limit": lambda state: _phosphate_limit(state, "wide_low"),
    "phosphate.doubt": _clues(lambda clue: clue.name, only_first=True),
    "phosphate.clues": _clues(lambda clue: clue.told),
    "product.value": _product(lambda product: product_number(product, product.value, "0.1")),
    "product.si": _product_si,
    "product.draw": _product(lambda product: "same draw" if product.same_draw else "drawn within 24 hours"),
    "product.measure": _product(lambda product: _measure(product.calcium)),
    "product.calcium": _product(lambda product: full(product.calcium, "mg/dL")),
    "product.phosphate": _product(lambda product: full(product.phosphate, "mg/dL")),
    "product.date": _product(lambda product: day(product.phosphate)),
    "albumin.value": _of("albumin"),
    "albumin.dated": _dated("albumin"),
    "creatinine.value": _of("creatinine"),
    "creatinine.dated": _dated("creatinine"),
    "pth.value": _of("pth"),
    "pth.dated": _dated("pth"),
    "pth.short": _with_calcium(shown),
    "pth.with_calcium": _with_calcium(lambda lab: full(lab, "pg/mL", status=False)),
    "pth.with_calcium_range": lambda state: _limits(state, state.pth_with_calcium.pth if state.pth_with_calcium else None),
    "pth.with_calcium_date": _with_calcium(day),
    "pth.with_calcium_status": _with_calcium(_pth_status),
    "pth.calcium_short": _beside_pth(shown),
    "pth.calcium_full": _beside_pth(lambda lab: full(lab, _unit(lab))),
    "pth.calcium_measure": _beside_pth(_measure),
    "pth.calcium_range": lambda state: _limits(state, state.pth_with_calcium.calcium if state.pth_with_calcium else None),
    "pth.calcium_date": _beside_pth(day),
    "vitamin_d.stores": _of("vitamin_d_25oh"),
    "drug.biotin": _biotin,
    # Of several, one that may be critical comes first.
    "results.unusable_first": lambda state: _called(state, state.unusable[0]) if state.unusable else "",
    "results.unusable_more": _unusable_more,
    "results.unusable_reason": lambda state: REASONS[state.unusable[0].reason] if state.unusable else "",
    "results.unusable_all": lambda state: "; ".join(_received(state, value) for value in state.unusable),
    "child.age": _age,
    "child.values": lambda state: "; ".join(_childs_value(state, lab) for lab in state.childhood.without_range),
    "child.expected": _expected,
    "egfr.equation": _equation,
    "alp.value": _of("alp"),
    "alp.dated": _dated("alp"),
    "egfr.value": _egfr,
    "egfr.dated": _egfr_dated,
    "ckd.stage": _stage,
    "local.cause": _cause,
    "local.cause_date": _cause_date,
    "history.connective_tissue": lambda state: _display(state, "connective_tissue_disease"),
    "history.vascular_insufficiency": lambda state: _display(state, "vascular_insufficiency"),
    "brain.lacking": lambda state: _titles(state, state.brain.lacking),
    "infant.day": lambda state: str(state.brain.days[1]) if state.brain.days is not None else "not known",
    "heritable.pattern": lambda state: next((WORDS[name] for name, holds in state.patterns.items() if holds), ""),
    "baseline.lacking": lambda state: _titles(state, state.baseline.lacking),
    "baseline.have": _have,
    "baseline.stale": _stale,
    "baseline.fresh_days": _fresh_days,
    "kdigo.lacking": lambda state: _titles(state, state.kdigo_lacking),
    "order.drug": _drug,
    "order.tests": lambda state: joined(order.label for order in state.workup_tests if order.label),
    "calciphylaxis.sign": _sign,
    "calciphylaxis.sign_date": _sign_date,
    "calciphylaxis.risk": lambda state: joined(state.calciphylaxis.risks),
    "calciphylaxis.drug": lambda state: _labels(state.calciphylaxis.harmful),
    "exam.dxa_spine": lambda state: _labels(state.exams.dxa_spine),
    "exam.overlay": lambda state: joined(state.exams.overlays),
    "exam.bone_scan": lambda state: _labels(state.exams.bone_scan),
    "exam.parathyroid": lambda state: _labels(state.exams.parathyroid),
    "exam.contrast_ct": lambda state: _labels(state.exams.contrast_ct),
}
