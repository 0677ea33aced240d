"""The words that cards interpolate: values with their units and dates as they were sent, and lists in plain English."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from fhir_mappings import Lab

from .chart import is_high
from .heritable import WORDS
from .scope import local_causes

if TYPE_CHECKING:
    from .state import State

NUMBER = re.compile(r"-?\d+\.\d{3,}")
PHRASES = {
    "trauma": "prior injury",
    "tracheostomy": "prior tracheostomy",
    "surgery": "prior surgery",
    "extravasation": "prior extravasation",
    "infection": "prior infection",
    "inflammation": "chronic inflammation",
}


def shown(lab: Lab) -> str:
    """A value as it was sent, with at most two decimals."""
    return NUMBER.sub(lambda match: str(Decimal(match.group()).quantize(Decimal("0.01"))), lab.shown)


def full(lab: Lab, unit: str) -> str:
    """A value as it was sent, with the canonical value beside it where the units differ."""
    if lab.unit == unit or lab.comparator:
        return shown(lab)
    return f"{shown(lab)} ({lab.value.quantize(Decimal('0.01'))} {unit})"


def day(lab: Lab) -> str:
    return lab.when.at.date().isoformat()


def joined(words: Iterable[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def _of(analyte: str, known: str = "{}") -> Callable[[State], str]:
    def text(state: State) -> str:
        lab = state.chart.fresh(analyte)
        return known.format(full(lab, state.chart.mappings.analytes[analyte].unit)) if lab is not None else ""

    return text


def _speaking(state: State) -> Lab | None:
    """The calcium a high-calcium card names: a measured value before the computed one."""
    order = {"calcium_total": 0, "calcium_ionised": 1, "calcium_adjusted": 2}
    return min(state.calcium.high, key=lambda lab: order[lab.analyte], default=None)


def _measure(lab: Lab | None) -> str:
    names = {"calcium_total": "Total calcium", "calcium_adjusted": "Albumin-adjusted calcium", "calcium_ionised": "Ionised calcium"}
    return names[lab.analyte] if lab is not None else ""


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


def _display(state: State, category: str) -> str:
    records = state.chart.facts.histories.get(category, ())
    named = next((record.display for record in records if record.display), "")
    return named or state.chart.mappings.histories[category].title


def _limits(lab: Lab | None) -> str:
    if lab is None or lab.limits is None:
        return "no range known"
    return f"{_plain(lab.limits.low)}-{_plain(lab.limits.high)}"


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


def _high(read: Callable[[Lab], str]) -> Callable[[State], str]:
    return lambda state: read(lab) if (lab := _speaking(state)) is not None else ""


def _phosphate(read: Callable[[Lab], str]) -> Callable[[State], str]:
    """The phosphate that speaks: a high one before the newest, which may be preliminary."""

    def text(state: State) -> str:
        values = state.chart.for_danger("phosphate")
        speaking = next((lab for lab in values if is_high(lab)), values[0] if values else None)
        return read(speaking) if speaking is not None else ""

    return text


def _drug(state: State) -> str:
    return state.questioned_drugs[0].label if state.questioned_drugs else ""


def _stage(state: State) -> str:
    return state.kidney.stage or ("on dialysis" if state.kidney.dialysis else "with a kidney transplant" if state.kidney.transplant else "")


def _have(state: State) -> str:
    labs = [(analyte, state.chart.fresh(analyte)) for analyte in ("calcium_total", "calcium_ionised", "phosphate", "albumin", "creatinine", "egfr")]
    return "; ".join(f"{_short(state, analyte)} {shown(lab)} ({day(lab)})" for analyte, lab in labs if lab is not None)


TEXTS: Mapping[str, Callable[[State], str]] = {
    "calcium.critical_value": _critical(shown),
    "calcium.critical_date": _critical(day),
    "calcium.critical_status": _critical(lambda lab: lab.status),
    "calcium.critical_measure": _critical(_measure),
    "calcium.high_value": _high(shown),
    "calcium.high_full": _high(lambda lab: full(lab, "mmol/L" if lab.analyte == "calcium_ionised" else "mg/dL")),
    "calcium.high_date": _high(day),
    "calcium.high_measure": _high(_measure),
    "calcium.high_range": lambda state: _limits(_speaking(state)),
    "calcium.total": _of("calcium_total"),
    "calcium.total_short": _bare("calcium_total"),
    "calcium.adjusted": lambda state: full(state.calcium.adjusted, "mg/dL") if state.calcium.adjusted is not None else "",
    "calcium.ionised": _of("calcium_ionised"),
    "calcium.date": lambda state: day(state.calcium.total) if state.calcium.total is not None else "",
    "phosphate.value": _phosphate(lambda lab: full(lab, "mg/dL")),
    "phosphate.short": _phosphate(shown),
    "phosphate.upper_limit": _phosphate(lambda lab: _plain(lab.limits.wide_high) if lab.limits else "not known"),
    "phosphate.date": _phosphate(day),
    "albumin.value": _of("albumin"),
    "creatinine.value": _of("creatinine"),
    "pth.value": _of("pth"),
    "alp.value": _of("alp"),
    "egfr.value": _egfr,
    "ckd.stage": _stage,
    "local.cause": _cause,
    "local.cause_date": _cause_date,
    "history.connective_tissue": lambda state: _display(state, "connective_tissue_disease"),
    "history.vascular_insufficiency": lambda state: _display(state, "vascular_insufficiency"),
    "brain.lacking": lambda state: _titles(state, state.brain.lacking),
    "infant.day": lambda state: str(state.brain.days[1]) if state.brain.days is not None else "not known",
    "heritable.pattern": lambda state: next((WORDS[name] for name, holds in state.patterns.items() if holds), ""),
    "baseline.lacking": lambda state: _titles(state, state.baseline.lacking) or "a same-day calcium and phosphate pair",
    "baseline.have": _have,
    "baseline.stale": lambda state: _titles(state, state.baseline.stale),
    "kdigo.lacking": lambda state: _titles(state, state.kdigo_lacking),
    "order.drug": _drug,
    "order.tests": lambda state: joined(order.label for order in state.workup_tests if order.label),
}
