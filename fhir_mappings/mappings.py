"""Immutable look-up tables from (system, code) to a clinical concept: one dictionary look-up a coding, nothing computed per request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
# An ATC code of seven characters names its substance, but for the combinations, numbered from 50 and 70.
ATC_SUBSTANCE = re.compile(r"[A-Z]\d\d[A-Z]{2}(?![57])\d\d", re.ASCII)


class Factor(NamedTuple):
    """An exact conversion, multiply and divide: 1/88.40 is no decimal, but 88.40 umol/L must give 1 mg/dL."""

    over: Decimal
    under: Decimal = Decimal(1)

    def of(self, value: Decimal) -> Decimal:
        """Convert a value to the canonical unit."""
        return value * self.over / self.under

    def back(self, value: Decimal) -> Decimal:
        """Convert a value from the canonical unit."""
        return value * self.under / self.over


@dataclass(frozen=True, slots=True)
class Band:
    """One fallback reference band: for whom (age in days and in completed years, both half-open; sex; setting), and its limits in the
    canonical unit."""

    low: Decimal | None
    high: Decimal | None
    from_days: int = 0
    to_days: int = 200 * 366
    from_years: int = 0
    to_years: int = 200
    sex: str = ""
    trimester: int = 0  # of pregnancy; 0: whoever is not pregnant
    source: str = ""


@dataclass(frozen=True, slots=True)
class Analyte:
    """One canonical analyte of catalog/analytes.

    `factors` maps each accepted UCUM unit to the exact conversion of a value in it to `unit`. `bands` are the fallback ranges of
    adults and children. `differ_percent` is how far two finals of one moment may differ before they contradict each other.
    `order` is the order category that a request for this analyte belongs to; `orderable` the (system, code, display) used to order it.
    `coded` marks an answer instead of a measurement: 1 where it says present, 0 where it says absent.
    """

    id: str
    title: str
    unit: str
    plausible: tuple[Decimal, Decimal]
    factors: Mapping[str, Factor]
    short: str = ""
    bands: tuple[Band, ...] = ()
    range_within: tuple[Decimal, Decimal] | None = None  # a reported range outside these is discarded (clinical C8.2)
    differ_percent: Decimal | None = None
    order: str = ""
    orderable: tuple[str, str, str] | None = None
    coded: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResultCode:
    """What a result code means: an analyte with the quantity its name promises, or a named exclusion (`excluded` is set).

    `property` is "mass", "molar", "either", "activity", "other": the unit must agree with it.
    """

    analyte: str
    property: str = "either"
    excluded: str = ""
    attributes: frozenset[str] = frozenset()  # "blood", "point-of-care", "ph-adjusted", "calculated", "ckd-epi-2021", "cystatin", ...
    display: str = ""


@dataclass(frozen=True, slots=True)
class HistoryCategory:
    """One history category of catalog/histories.toml.

    `roles`: "index" (opens the scope), "local" (a local cause), "systemic" (blocks reassurance while active), "shift", "critical-illness",
    "pregnancy", "skin-sign", "kidney", "context". `resolved_counts`: a resolved record still counts (an injury of twenty years ago does).
    """

    id: str
    title: str
    roles: frozenset[str]
    resolved_counts: bool
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderCategory:
    """One order category of catalog/orders. `group` is BASE, EXT, IMG, MBIMG, RX, OP, PTX or '' (clinical A4)."""

    id: str
    title: str
    group: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderCode:
    """What an order code means: its categories, the analytes it brings (panels expanded), the region it images, the drug it is."""

    categories: frozenset[str]
    analytes: frozenset[str] = frozenset()
    region: str = ""
    attributes: frozenset[str] = frozenset()
    display: str = ""
    panel: bool = False
    drugs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BodySite:
    id: str  # "thigh"
    region: str  # "leg", "upper_limb", "head_neck", "trunk", "intracranial", "periarticular", "vascular", "visceral", "eye", "any"
    display: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a code table, with its origin: what `cdshooks mappings show` prints."""

    system: str
    code: str
    display: str
    kind: str  # "analyte", "history", "order", "medication", "site", "context"
    concept: str
    use: str  # "use", "exclude", "residual", "provisional"
    source: str
    origin: str  # "catalog/codes/loinc_results.csv line 31" or "site/codes.csv line 4"
    attributes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mappings:
    """Everything a request needs to look up. Build it with `load_mappings`; never change it."""

    analytes: Mapping[str, Analyte]
    histories: Mapping[str, HistoryCategory]
    orders: Mapping[str, OrderCategory]
    medications: Mapping[str, str]  # medication category -> title
    results: Mapping[tuple[str, str], ResultCode]
    history_codes: Mapping[tuple[str, str], frozenset[str]]  # exact (SNOMED, local) and, for ICD, dotless nodes
    residual_codes: frozenset[tuple[str, str]]
    order_codes: Mapping[tuple[str, str], OrderCode]
    medication_codes: Mapping[tuple[str, str], frozenset[str]]  # categories of exposure; the order categories are in order_codes
    body_sites: Mapping[tuple[str, str], BodySite]
    icd_region: Callable[[str, str], str]  # (system, dotless ICD-10 code) -> region, from its site character or block
    context: Mapping[tuple[str, str], str]  # (system, code) -> "encounter_class:AMB", "location:icu", "specialty:nephrology"
    units: Mapping[str, str]  # folded unit string -> UCUM
    open_atc: Mapping[str, str]  # beginnings of ATC codes that may hold a substance of the catalog without naming it
    systems: Mapping[str, str]  # other names of a code system (OIDs, old URIs) -> its canonical URI
    by_role: Mapping[str, tuple[str, ...]]  # history categories by role
    rows: tuple[Row, ...] = field(repr=False, default=())
    digest: str = ""

    def canonical(self, system: str | None) -> str:
        """The canonical URI of a code system, under whatever name it came."""
        return self.systems.get(system or "", system or "")

    def site(self, system: str | None, code: str | None) -> BodySite | None:
        """Return the body site of a code, or None when it is not mapped."""
        return self.body_sites.get((self.canonical(system), code or ""))

    def meaning(self, system: str | None, code: str | None) -> str:
        """Return what a code of context means ("specialty:nephrology", "specimen:urine"), or ''."""
        return self.context.get((self.canonical(system), code or ""), "")

    def medication(self, system: str | None, code: str | None) -> frozenset[str]:
        """Return the medication categories of a code."""
        return self.medication_codes.get((self.canonical(system), code or ""), frozenset())

    def names_another_drug(self, system: str | None, code: str | None) -> bool:
        """Whether an ATC code that is not mapped names a substance, which is then known to be none of the catalog's.

        Codes of combinations (the series from 50 and 70) and of groups that mix minerals, vitamins or thiazides into other drugs do not.
        """
        if self.canonical(system) != ATC or not ATC_SUBSTANCE.fullmatch(code or ""):
            return False
        return not any((code or "").startswith(group) for group in self.open_atc)

    def result(self, system: str, code: str) -> ResultCode | None:
        """Return what a result code means, or None when it is not mapped."""
        found = self.results.get((system, code))
        return self.results.get((self.systems[system], code)) if found is None and system in self.systems else found

    def history(self, system: str, code: str) -> frozenset[str]:
        """Return the history categories of a code; ICD codes match by prefix on whole nodes (M34 covers M34.81, M3 covers nothing)."""
        system = self.systems.get(system, system)
        if system not in (ICD10CM, ICD10):
            return self.history_codes.get((system, code), frozenset())
        dotless = code.replace(".", "").upper()
        found: frozenset[str] = frozenset()
        for end in range(3, min(len(dotless), 7) + 1):
            found |= self.history_codes.get((system, dotless[:end]), frozenset())
        return found

    def residual(self, system: str, code: str) -> bool:
        """Whether a code is a residual one, which decides nothing by itself; ICD codes match by prefix on whole nodes."""
        system = self.systems.get(system, system)
        if system not in (ICD10CM, ICD10):
            return (system, code) in self.residual_codes
        dotless = code.replace(".", "").upper()
        return any((system, dotless[:end]) in self.residual_codes for end in range(3, min(len(dotless), 7) + 1))

    def order(self, system: str, code: str) -> OrderCode | None:
        """Return what an order code means, or None when it is not mapped."""
        return self.order_codes.get((self.systems.get(system, system), code))
