"""What findings and the texts of cards share: one chart, and what is derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from fhir_mappings import Order

from . import checklist, hazard, orders, scope
from .adjustment import Adjustment, read_adjustment
from .baseline import Baseline, read_baseline
from .calciphylaxis import Calciphylaxis, read_calciphylaxis
from .calcium import Calcium, read_calcium
from .chart import Chart
from .childhood import Childhood, read_childhood
from .contrast import Contrast, read_contrast
from .exams import Exams, read_exams
from .hazard import Hazard
from .heritable import patterns
from .infant import Brain, read_brain
from .kidney import Kidney, read_kidney
from .phosphate import Phosphate, read_phosphate
from .product import Product, read_product
from .pth import Biotin, WithCalcium, read_biotin, with_high_calcium
from .scope import Calcification
from .specimen import Specimen, read_specimen
from .unusable import Unusable, read_unusable


class State:
    """One chart, and what is derived from it: worked out once, when it is first asked for."""

    chart: Chart

    def __init__(self, chart: Chart) -> None:
        self.chart = chart

    @cached_property
    def calcium(self) -> Calcium:
        return read_calcium(self.chart)

    @cached_property
    def kidney(self) -> Kidney:
        return read_kidney(self.chart)

    @cached_property
    def adjustment(self) -> Adjustment:
        return read_adjustment(self.chart, self.calcium, self.kidney)

    @cached_property
    def specimen(self) -> Specimen:
        return read_specimen(self.chart, self.calcium, self.kidney)

    @cached_property
    def contrast(self) -> Contrast:
        return read_contrast(self.chart, self.calcium, self.kidney)

    @cached_property
    def pth_with_calcium(self) -> WithCalcium | None:
        """The PTH that goes with a high calcium."""
        return with_high_calcium(self.chart, self.calcium)

    @cached_property
    def biotin(self) -> Biotin:
        return read_biotin(self.chart, self.kidney)

    @cached_property
    def unusable(self) -> tuple[Unusable, ...]:
        return read_unusable(self.chart, self.kidney)

    @cached_property
    def childhood(self) -> Childhood:
        return read_childhood(self.chart)

    @cached_property
    def phosphate(self) -> Phosphate:
        return read_phosphate(self.chart, self.kidney)

    @cached_property
    def product(self) -> Product | None:
        return read_product(self.chart, self.phosphate)

    @cached_property
    def calcification(self) -> Calcification:
        return scope.read_calcification(self.chart)

    @cached_property
    def brain(self) -> Brain:
        return read_brain(self.chart, self.calcification)

    @cached_property
    def patterns(self) -> Mapping[str, bool]:
        """The patterns of an inherited disorder, by name."""
        return patterns(self.chart, self.calcification)

    @cached_property
    def calciphylaxis(self) -> Calciphylaxis:
        return read_calciphylaxis(self.chart, self.kidney)

    @cached_property
    def exams(self) -> Exams:
        return read_exams(self.chart, self.calcification)

    @cached_property
    def checklist(self) -> Mapping[str, str]:
        """Each item of the checklist of reassurance with the reason why it is not proven; '' means proven."""
        return checklist.check(self)

    @cached_property
    def workup_tests(self) -> tuple[Order, ...]:
        return orders.questioned_tests(self.chart, self.calcification, "EXT", "MBIMG")

    @cached_property
    def extended_tests(self) -> tuple[Order, ...]:
        return orders.questioned_tests(self.chart, self.calcification, "EXT")

    @cached_property
    def questioned_drugs(self) -> tuple[Order, ...]:
        return orders.questioned_drugs(self.chart)

    @cached_property
    def unindicated_drugs(self) -> tuple[Order, ...]:
        """Those of them for which the chart holds no other coded indication."""
        return tuple(order for order in self.questioned_drugs if not orders.other_indication(self.chart, order))

    @cached_property
    def active_vitamin_d_tests(self) -> tuple[Order, ...]:
        return orders.active_vitamin_d_tests(self.chart)

    @cached_property
    def questioned_binders(self) -> tuple[Order, ...]:
        return orders.questioned_binders(self.chart)

    @cached_property
    def hazards(self) -> Mapping[str, Hazard]:
        return hazard.read_hazards(self)

    @cached_property
    def removable_drugs(self) -> tuple[Order, ...]:
        return hazard.removable(self, self.hazards)

    @cached_property
    def hazard_lacking(self) -> tuple[str, ...]:
        """The safety tests of the hazards that hold which are neither known nor being asked for."""
        return tuple(a for a in hazard.lacking_safety(self.chart, self.hazards) if not orders.satisfied(a, self.requested))

    @cached_property
    def baseline(self) -> Baseline:
        return read_baseline(self.chart)

    @cached_property
    def requested(self) -> frozenset[str]:
        """The analytes that orders will bring."""
        return orders.requested(self.chart)

    @cached_property
    def requested_codes(self) -> frozenset[str]:
        """The codes (`system|code`) of what is being asked for."""
        return frozenset(order.code for order in orders.asked_for(self.chart))

    @cached_property
    def kdigo_lacking(self) -> tuple[str, ...]:
        return tuple(a for a in orders.KDIGO_SET if self.chart.fresh(a) is None and not orders.satisfied(a, self.requested))
