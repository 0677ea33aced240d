"""Calcification of the brain, and the tests that an infant with it needs before a window closes."""

from __future__ import annotations

from dataclasses import dataclass

from . import orders
from .chart import Chart
from .scope import Calcification, pregnant

CMV_TESTS = frozenset({"cmv_pcr"})
# What a calcification of the brain asks for once, as hypoparathyroidism and PTH resistance are treatable causes of it.
BRAIN_LABS = ("calcium_total", "phosphate", "pth", "magnesium")


@dataclass(frozen=True, slots=True)
class Brain:
    """A calcification in the skull, or a coded fetal injury of the brain; and, for an infant, the tests for its cause.

    `days` are the youngest and oldest age in days that the birth date allows. `cmv_test` and `genetics` are true when the test is known
    to be ordered or done. `lacking` are the results that a calcification of the brain asks for and that are not fresh.
    """

    calcified: bool
    fetal: bool
    in_pregnancy: bool
    days: tuple[int, int] | None
    cmv_test: bool
    genetics: bool
    lacking: tuple[str, ...]

    @property
    def coded(self) -> bool:
        return self.calcified or self.fetal


def read_brain(chart: Chart, calcification: Calcification) -> Brain:
    """Read what a chart says of the brain, and of the tests for congenital causes."""
    fetal = chart.has("fetal_brain")
    return Brain(
        calcified=calcification.of("calcification_intracranial") or "intracranial" in calcification.regions,
        fetal=fetal,
        in_pregnancy=fetal and pregnant(chart),
        days=chart.age_days(),
        cmv_test=bool(CMV_TESTS & (orders.requested(chart) | set(chart.facts.resulted))),
        genetics=orders.with_attribute(chart, "genetics"),
        lacking=tuple(analyte for analyte in BRAIN_LABS if not _known(chart, analyte)),
    )


def _known(chart: Chart, analyte: str) -> bool:
    # An ionised or adjusted calcium answers the question as well as the total does.
    stand_ins = ("calcium_total", "calcium_adjusted", "calcium_ionised") if analyte == "calcium_total" else (analyte,)
    return any(chart.fresh(name) is not None for name in stand_ins)
