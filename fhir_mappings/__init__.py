"""FHIR resources to clinical facts, by tables that informaticists edit. Knows neither HTTP, nor hooks, nor rules."""

from __future__ import annotations

from .errors import ContentError, Fault, MappingError
from .facts import REASONS, Dose, Draw, Exposure, Facts, History, Lab, Limits, Moment, Order, Patient, Problem, Report, paired
from .loading import load_mappings
from .mappings import Mappings, Row
from .ranges import adult_limits, years_between
from .readers import read_facts

__all__ = [
    "REASONS",
    "ContentError",
    "Dose",
    "Draw",
    "Exposure",
    "Facts",
    "Fault",
    "History",
    "Lab",
    "Limits",
    "MappingError",
    "Mappings",
    "Moment",
    "Order",
    "Patient",
    "Problem",
    "Report",
    "Row",
    "adult_limits",
    "load_mappings",
    "paired",
    "read_facts",
    "years_between",
]
