"""The orders in play, imaging that was done, and the baseline."""

from __future__ import annotations

from .. import orders as orders_module
from .. import pth
from ..state import State
from .naming import Named


def imaging(state: State) -> Named:
    chart, calcification = state.chart, state.calcification
    days = chart.thresholds.lookback_days["imaging"]
    final = orders_module.imaged(chart, calcification, days, final=True)
    yield "imaging.of_site", final if final or chart.complete("reports") else "the reports did not come whole"
    yield "imaging.of_site_preliminary", not final and orders_module.imaged(chart, calcification, days, final=False)


def orders(state: State) -> Named:
    chart = state.chart
    groups = {group for order in chart.in_play for group in orders_module.groups_of(chart, order)}
    for name, group in (
        ("baseline", "BASE"),
        ("extended", "EXT"),
        ("imaging", "IMG"),
        ("metabolic_imaging", "MBIMG"),
        ("mineral_drug", "RX"),
        ("excision", "OP"),
        ("parathyroidectomy", "PTX"),
    ):
        yield f"order.{name}", group in groups
    categories = {category for order in chart.in_play for category in order.categories}
    yield "order.drug_for_a_level", not categories.isdisjoint(orders_module.FOR_A_LEVEL)
    yield "order.calcium_or_vitamin_d", not categories.isdisjoint(orders_module.CALCIUM_LOAD)
    yield (
        "order.binder_or_dialysis",
        not categories.isdisjoint(orders_module.BINDERS) or any(orders_module.of_dialysis(chart, o) for o in chart.in_play),
    )
    yield "order.beyond_baseline", orders_module.beyond_baseline(chart)
    yield "order.calcium_drug", orders_module.calcium_drug(chart)
    yield "order.only_baseline", orders_module.only_baseline(chart)
    yield "order.only_pth", orders_module.only_pth_or_adjusted(chart)
    yield "order.pth_for_calcification", bool(pth.ordered_for_calcification(chart))
    yield "order.active_vitamin_d_test", bool(state.active_vitamin_d_tests)
    yield "order.only_active_vitamin_d", orders_module.only_active_vitamin_d(chart)
    yield "order.extended_for_calcification", bool(state.extended_tests)
    yield "order.workup_for_calcification", bool(state.workup_tests)
    # Where each has an indication on the chart the card does not speak; else it speaks of those that have none.
    drugs = {category for order in state.unindicated_drugs or state.questioned_drugs for category in order.categories}
    yield "order.metabolic_drug", bool(state.questioned_drugs)
    yield "order.metabolic_drug_off_label", bool(drugs & orders_module.OFF_LABEL)
    yield "order.metabolic_drug_binder", bool(drugs & {"rx-binder-ca", "rx-binder-nonca", "rx-binder-al", "rx-calcimimetic", "rx-vitd-active"})
    yield "order.metabolic_drug_warfarin", "rx-warfarin" in drugs
    indicated = bool(state.questioned_drugs) and not state.unindicated_drugs
    yield "order.drug_has_other_indication", indicated if indicated or chart.complete("conditions") else "the Conditions did not come whole"


def baseline(state: State) -> Named:
    chart, baseline = state.chart, state.baseline
    yield "baseline.incomplete", bool(baseline.lacking) or baseline.unpaired
    yield "baseline.lacking", bool(baseline.lacking)
    yield "baseline.stale", bool(baseline.stale)
    yield "baseline.requested", bool(baseline.wanted) and all(orders_module.satisfied(analyte, state.requested) for analyte in baseline.wanted)
    yield "baseline.received_whole", chart.complete("observations")
