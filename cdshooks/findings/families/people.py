"""The hook, the site, the patient, the care that is given, and the author of the orders."""

from __future__ import annotations

from ..state import State
from .naming import Named

HOOKS = ("patient-view", "order-select", "order-sign")


def hook(state: State) -> Named:
    for hook in HOOKS:
        yield f"hook.{hook.replace('-', '_')}", state.chart.hook == hook


def site(state: State) -> Named:
    yield "site.prefers_ionised", bool(state.chart.thresholds.site["prefer_ionised"])


def patient(state: State) -> Named:
    ages = state.chart.age_years()
    yield "patient.age", float(ages[0]) if ages is not None else "the birth date is unknown"
    yield "patient.adult", "the birth date does not tell" if ages is None or ages[0] < 18 <= ages[1] else ages[0] >= 18
    limit = int(state.chart.thresholds.phosphate["tumoral_age"])
    yield "patient.under_40", "the birth date is unknown" if ages is None else ages[0] < limit
    yield "patient.deceased", state.chart.facts.patient.deceased


def care(state: State) -> Named:
    # Being silent because of comfort care must rest on a record, so its absence is enough to say no.
    yield "care.comfort_only", state.chart.has("comfort_care")


def author(state: State) -> Named:
    # Only a known specialty keeps a card back, so an unknown one is no.
    specialties = {specialty.removeprefix("specialty:") for specialty in state.chart.facts.specialties}
    yield "author.metabolic_specialist", any(word in name for name in specialties for word in ("nephrology", "endocrinology", "genetics"))
    yield (
        "author.tumour_specialist",
        "surgical_oncology" in specialties or (any("oncology" in name for name in specialties) and any("orthopaed" in name for name in specialties)),
    )
