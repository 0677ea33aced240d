"""A Quantity to a number in the analyte's canonical unit, by a closed list of units: what is not understood is refused, never guessed."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from .checks import property_of
from .mappings import Analyte, Mappings, ResultCode
from .wire import Concept, Quantity, words_of

UCUM = "http://unitsofmeasure.org"
COMPARATORS = frozenset({"<", "<=", ">", ">="})
NUMBER = re.compile(rb"-?\d{1,30}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?")
# No quantity of this catalog is within twelve orders of magnitude of these; beyond, arithmetic is not even tried.
LARGEST_EXPONENT = 12
PO4 = re.compile(r"PO\s*4|PO₄", re.IGNORECASE)
MEASURED = frozenset({"mass", "molar", "activity"})
BARE_NUMBER = "1"  # UCUM for a number without a unit; an index is commonly sent without any


class UnitError(Exception):
    """A quantity that cannot be used; `reason` is one of `facts.REASONS`, `below` says that it lies below the plausible limits."""

    def __init__(self, reason: str, detail: str = "", *, below: bool = False) -> None:
        self.reason, self.detail, self.below = reason, detail, below
        super().__init__(reason)


class Measured(NamedTuple):
    """A quantity understood: its value in the canonical unit, the UCUM unit it came in, and how it was shown."""

    value: Decimal
    unit: str
    shown: str


@lru_cache(maxsize=4096)
def fold(unit: str) -> str:
    """Trim, normalise (NFKC), and write the micro sign and the Greek mu as u."""
    return unicodedata.normalize("NFKC", unit.strip()).replace("\u03bc", "u").replace("\u00b5", "u")


def number_of(raw: bytes) -> Decimal:
    """The exact decimal of a JSON number's own text. Raises UnitError."""
    if not raw or raw == b"null":
        raise UnitError("no-value")
    if not NUMBER.fullmatch(raw):
        raise UnitError(
            "value-type" if raw[:1] not in b"-0123456789" else "implausible", "not a number" if raw[:1] not in b"-0123456789" else "out of all bounds"
        )
    value = Decimal(raw.decode())
    if value and abs(value.adjusted()) > LARGEST_EXPONENT:
        raise UnitError("implausible", "out of all bounds")
    return value


def unit_of(quantity: Quantity, mappings: Mappings) -> str:
    """The UCUM unit of a quantity. Raises UnitError.

    Code and human unit must both be on the closed list and say the same; one of them is enough where the other is absent. Anything else is
    ambiguous: of two units that disagree nobody knows which was meant.
    """
    code, human = quantity.code, quantity.unit
    if quantity.system and quantity.system.rstrip("/") != UCUM:
        raise UnitError("unit-conflict", f"unit system {quantity.system!r} is not UCUM")
    known = mappings.units.get(fold(code)) if code else None
    said = mappings.units.get(fold(human)) if human else None
    if code:
        if known is None:
            raise UnitError("unit-unknown", f"unit {code!r}")
        if human and said != known:
            raise UnitError("unit-conflict", f"code {code!r} and unit {human!r} disagree")
        return known
    if not human:
        raise UnitError("unit-missing")
    if said is None:
        raise UnitError("unit-unknown", f"unit {human!r}")
    return said


def shown(quantity: Quantity) -> str:
    """Value and unit as they were sent."""
    unit = quantity.unit or quantity.code or ""
    return f"{quantity.comparator or ''}{bytes(quantity.value).decode('utf-8', 'replace')} {unit}".strip()


def measure(quantity: Quantity, analyte: Analyte, result: ResultCode, mappings: Mappings, code: Concept | None) -> Measured:
    """Convert a quantity to the analyte's canonical unit, exactly. Raises UnitError.

    Phosphate that any word of its `code` or unit calls PO4 mass is refused, as it is three times as much.
    """
    value = number_of(bytes(quantity.value))
    bare = analyte.unit == BARE_NUMBER and not quantity.unit and not quantity.code
    unit = BARE_NUMBER if bare else unit_of(quantity, mappings)
    factor = analyte.factors.get(unit)
    if factor is None:
        raise UnitError("unit-unknown", f"unit {unit!r} is not accepted for {analyte.id}")
    measured = property_of(unit)
    if result.property in MEASURED and measured in MEASURED and measured != result.property:
        raise UnitError("unit-conflict", f"the code is of a {result.property} quantity, the unit {unit!r} of a {measured} one")
    if analyte.id == "phosphate" and measured == "mass" and PO4.search(f"{words_of(code)} {quantity.unit or ''}"):
        raise UnitError("unit-ambiguous", "given as PO4: not the mass of phosphorus")
    converted = factor.of(value)
    if not analyte.plausible[0] <= converted <= analyte.plausible[1]:
        detail = f"{shown(quantity)} is outside {analyte.plausible[0]}-{analyte.plausible[1]} {analyte.unit}"
        raise UnitError("implausible", detail, below=0 <= converted < analyte.plausible[0])
    return Measured(converted, unit, shown(quantity))


def side(quantity: Quantity | None, unit: str, analyte: Analyte, mappings: Mappings) -> Decimal | None:
    """One limit of a reference range in the canonical unit; without a unit of its own it has the value's. Raises UnitError."""
    if quantity is None or not bytes(quantity.value):
        return None
    own = unit_of(quantity, mappings) if quantity.unit or quantity.code else unit
    factor = analyte.factors.get(own)
    if factor is None or property_of(own) != property_of(unit):
        raise UnitError("unit-unknown", f"unit {own!r} of the range")
    return factor.of(number_of(bytes(quantity.value)))
