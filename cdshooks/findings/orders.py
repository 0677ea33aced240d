"""The orders of the session: which groups are in play, what they are for, and what is already being asked for."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from fhir_mappings import Order

from .chart import Chart
from .kidney import CODED_KIDNEY_DISEASE
from .scope import Calcification, recorded_within

# Drugs that treat a metabolic disease, questioned when no metabolic disease is proven ...
METABOLIC_DRUGS = frozenset(
    {
        "rx-binder-ca",
        "rx-binder-nonca",
        "rx-calcimimetic",
        "rx-vitd-active",
        "rx-antiresorptive",
        "rx-etidronate",
        "rx-thiosulfate",
    }
)
# ... and two that have common uses of their own, questioned only when the calcification is the stated reason.
ONLY_WITH_REASON = frozenset({"rx-binder-al", "rx-warfarin"})
OFF_LABEL = frozenset({"rx-antiresorptive", "rx-etidronate", "rx-thiosulfate", "rx-warfarin"})
BINDERS = frozenset({"rx-binder-ca", "rx-binder-nonca", "rx-binder-al"})
CALCIUM_LOAD = frozenset({"rx-binder-ca", "rx-calcium-vitd", "rx-vitd-active"})  # drugs that bring calcium, or raise calcium and phosphate
UNQUESTIONED = frozenset({"lab-base", "lab-vitd25"})
# Drugs that are given for a level of phosphate, calcium, PTH or ALP.
FOR_A_LEVEL = frozenset({"rx-binder-ca", "rx-binder-nonca", "rx-binder-al", "rx-vitd-active", "rx-antiresorptive", "rx-etidronate"})
# Histories for which a child takes active vitamin D, whatever the level of the day.
RICKETS = ("phosphate_disorder", "vitamin_d_deficiency")
ACTIVE_VITAMIN_D = frozenset({"vitamin_d_125oh"})
KDIGO_SET = ("calcium_total", "phosphate", "pth", "alp")
BASE_ANALYTES = frozenset(
    {"calcium_total", "calcium_adjusted", "calcium_ionised", "phosphate", "albumin", "creatinine", "egfr", "magnesium", "potassium", "vitamin_d_25oh"}
)


def groups_of(chart: Chart, order: Order) -> frozenset[str]:
    """The groups of clinical table A4 that an order belongs to."""
    return frozenset(group for name in order.categories if (group := chart.mappings.orders[name].group))


def about_calcification(chart: Chart, order: Order, unstated: bool) -> bool:
    """Whether every reason of an order is the calcification; an order without a reason counts when `unstated` says so."""
    if not order.reasons:
        return unstated
    roles = chart.mappings.by_role
    index = set(roles["index"]) - set(roles["skin-sign"])  # an order for calciphylaxis is for that disease
    return all(reason.kind == "mapped" and not reason.categories.isdisjoint(index) for reason in order.reasons)


def questioned_tests(chart: Chart, calcification: Calcification, *groups: str) -> tuple[Order, ...]:
    """Orders in play of the groups that are about the calcification: by reason, or without one while the calcification is recent."""
    recent = recorded_within(calcification, chart, chart.thresholds.lookback_days["calcification_recent"])
    return tuple(order for order in chart.in_play if groups_of(chart, order) & set(groups) and about_calcification(chart, order, recent))


def questioned_drugs(chart: Chart) -> tuple[Order, ...]:
    """Draft drugs (and parathyroidectomy) that treat a metabolic disease, given for the calcification or for no stated reason."""

    def questioned(order: Order) -> bool:
        plain = order.categories & METABOLIC_DRUGS or "proc-ptx" in order.categories
        if plain:
            return about_calcification(chart, order, unstated=True)
        return bool(order.categories & ONLY_WITH_REASON) and about_calcification(chart, order, unstated=False)

    return tuple(order for order in chart.in_play if questioned(order))


def only_for_a_level(chart: Chart, questioned: Iterable[Order]) -> tuple[Order, ...]:
    """Those of the questioned drugs that are given for a level, and for nothing else on record: rickets explains active vitamin D."""
    explained = frozenset({"rx-vitd-active"}) if chart.has(*RICKETS) else frozenset()
    return tuple(order for order in questioned if order.categories & FOR_A_LEVEL - explained)


def active_vitamin_d_tests(chart: Chart) -> tuple[Order, ...]:
    """Orders in play of 1,25-(OH)2-D alone, for the calcification or without a reason."""
    return tuple(order for order in chart.in_play if order.analytes == ACTIVE_VITAMIN_D and about_calcification(chart, order, unstated=True))


def only_active_vitamin_d(chart: Chart) -> bool:
    """Whether all extended tests and metabolic imaging in play come down to 1,25-(OH)2-D."""
    extended = [order for order in chart.in_play if groups_of(chart, order) & {"EXT", "MBIMG"}]
    return bool(extended) and all(order.analytes == ACTIVE_VITAMIN_D for order in extended)


def of_dialysis(chart: Chart, order: Order) -> bool:
    """Whether an order is one of dialysis: its code is that of the procedure."""
    system, _, code = order.code.partition("|")
    return "dialysis" in chart.mappings.history(system, code)


def questioned_binders(chart: Chart) -> tuple[Order, ...]:
    """Draft phosphate binders in play that are for the phosphate: by their reason, or without one (aluminium, an antacid, only by reason)."""
    related = {*chart.mappings.by_role["index"], *chart.mappings.by_role["kidney"], "phosphate_disorder"}

    def for_phosphate(order: Order) -> bool:
        if not order.reasons:
            return "rx-binder-al" not in order.categories
        return all(reason.kind == "mapped" and not reason.categories.isdisjoint(related) for reason in order.reasons)

    return tuple(order for order in chart.in_play if order.draft and order.categories & BINDERS and for_phosphate(order))


def only_pth_or_adjusted(chart: Chart) -> bool:
    """Whether the tests in play beyond the baseline are PTH alone (or adjusted calcium): the right next test in hypercalcaemia."""
    acting = [order for order in chart.in_play if groups_of(chart, order) - {"BASE"}]
    return bool(acting) and all(order.categories <= {"lab-pth", "lab-base"} and order.analytes <= BASE_ANALYTES | {"pth"} for order in acting)


def only_baseline(chart: Chart) -> bool:
    """Whether baseline tests are all that is in play; an order whose code is not known is more."""
    return bool(chart.in_play) and all(groups_of(chart, order) == {"BASE"} for order in chart.in_play)


def deletable(chart: Chart, orders: Iterable[Order]) -> tuple[Order, ...]:
    """Of these orders, those whose removal takes no baseline or safety test with it (a PTH-with-calcium panel stays)."""
    return tuple(order for order in orders if order.draft and not order.analytes & BASE_ANALYTES and "BASE" not in groups_of(chart, order))


def requested(chart: Chart) -> frozenset[str]:
    """Analytes that the session's drafts, or a recent active order on the chart, will bring."""
    return frozenset(analyte for order in asked_for(chart) for analyte in order.analytes)


def asked_for(chart: Chart) -> tuple[Order, ...]:
    """What is being asked for: the session's drafts, and the recent active orders on the chart."""
    limit = chart.ago(chart.thresholds.lookback_days["pending_order"])
    pending = (order for order in chart.facts.orders if order.status == "active" and order.when is not None and order.when.until >= limit)
    return (*chart.facts.drafts, *pending)


def with_attribute(chart: Chart, attribute: str) -> bool:
    """Whether a draft, or an active order on the chart, carries a remark of the code tables."""
    return any(attribute in order.attributes for order in (*chart.facts.drafts, *(o for o in chart.facts.orders if o.status == "active")))


def beyond_baseline(chart: Chart) -> bool:
    """Whether an order in play is known, and is more than baseline tests and 25-OH-D, which are never questioned."""
    return any(order.categories - UNQUESTIONED for order in chart.in_play)


def calcium_drug(chart: Chart) -> bool:
    """Whether a calcium salt, as a supplement or as a phosphate binder, is in play."""
    return any(order.drugs & {"calcium_salt", "binder_calcium"} for order in chart.in_play)


def satisfied(analyte: str, requested_now: frozenset[str]) -> bool:
    """Whether an analyte is being asked for; an eGFR brings creatinine with it, an ionised calcium stands in for total calcium."""
    stand_ins = {"creatinine": {"egfr"}, "calcium_total": {"calcium_ionised"}}
    return analyte in requested_now or not requested_now.isdisjoint(stand_ins.get(analyte, set()))


def imaged(chart: Chart, calcification: Calcification, days: Decimal, final: bool) -> bool:
    """Whether an X-ray, ultrasound, CT or MRI report of the site is on the chart within `days`, with the asked status.

    Only a report whose region is that of the calcification counts; where either is unknown it cannot be shown to be of the site.
    """
    limit = chart.ago(days)
    ours = calcification.regions - {"any", "multiple"}
    return any(
        "img-target" in report.categories
        and report.final is final
        and report.when is not None
        and report.when.until >= limit
        and not ours.isdisjoint(report.regions)
        for report in chart.facts.reports
    )


# Histories that are an indication of their own for a questioned drug: then the drug is not (only) for the calcification.
INDICATIONS = {
    "rx-antiresorptive": ("osteoporosis", "paget", "malignancy"),
    "rx-etidronate": ("paget", "osteoporosis", "hip_arthroplasty", "neurologic"),
    "rx-thiosulfate": ("calciphylaxis",),
    "rx-warfarin": ("atrial_fibrillation", "venous_thromboembolism"),
}
KIDNEY_INDICATIONS = (
    *CODED_KIDNEY_DISEASE,
    "dialysis",
    "kidney_transplant",
    "hypoparathyroidism",
    "pseudohypoparathyroidism",
    "hyperparathyroidism",
    "primary_hyperparathyroidism",
)


def other_indication(chart: Chart, order: Order) -> bool:
    """Whether the chart holds a coded indication for each category of a questioned drug. A parathyroidectomy has none but its diagnosis."""
    wanted = [INDICATIONS.get(drug, KIDNEY_INDICATIONS) for drug in order.categories if drug.startswith("rx-")]
    return bool(wanted) and all(chart.has(*names) for names in wanted)
