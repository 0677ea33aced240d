"""The findings, family by family: each name of the vocabulary with its value, or with the reason why it is unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..state import State
from . import (
    calcification,
    calcium,
    congenital,
    drugs,
    exams,
    hazard,
    history,
    kidney,
    orders,
    people,
    phosphate,
    reassurance,
    results,
    specimen,
)
from .naming import Named

__all__ = ["FAMILIES", "Named"]

# The family of a finding is what stands before its dot.
FAMILIES: Mapping[str, Callable[[State], Named]] = {
    "hook": people.hook,
    "site": people.site,
    "patient": people.patient,
    "care": people.care,
    "author": people.author,
    "calcification": calcification.calcification,
    "calcium": calcium.calcium,
    "pth": calcium.pth,
    "phosphate": phosphate.phosphate,
    "specimen": specimen.specimen,
    "contrast": specimen.contrast,
    "product": phosphate.product,
    "brain": congenital.brain,
    "infant": congenital.infant,
    "heritable": congenital.heritable,
    "egfr": kidney.egfr,
    "ckd": kidney.ckd,
    "kidney": kidney.acute,
    "kdigo": kidney.kdigo,
    "local": history.local,
    "history": history.history,
    "calciphylaxis": history.calciphylaxis,
    "imaging": orders.imaging,
    "order": orders.orders,
    "exam": exams.exam,
    "hazard": hazard.hazard,
    "baseline": orders.baseline,
    "results": results.results,
    "child": results.child,
    "drug": drugs.drug,
    "vitamin_d": drugs.vitamin_d,
    "checklist": reassurance.checklist,
    "minerals": reassurance.minerals,
}
