"""Named checks of the catalog: what a schema cannot see, a code's own check digit and its own name can."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import cache

from .mappings import ICD10, ICD10CM, LOINC, RXNORM, SNOMED, Analyte, Factor, Row

NO_TEXT = (ICD10, "http://www.whocc.no/atc", "http://nucc.org/provider-taxonomy")  # systems whose texts are not ours to ship
ITSELF = Factor(Decimal(1))
MASS, MOLAR = re.compile(r"\[Mass/volume\]|mCnc"), re.compile(r"\[Moles/volume\]|sCnc")
# What the LOINC name of a result must say (component) for its analyte, and must not say unless the row is an exclusion (specimen).
COMPONENTS = {
    "calcium_total": r"^Calcium ",
    "calcium_adjusted": r"^Calcium .*corrected for albumin",
    "calcium_adjusted_protein": r"^Calcium .*corrected for total protein",
    "calcium_ionised": r"^Calcium\.ionized ((?!pH 7\.4).)*$",
    "calcium_ionised_ph74": r"^Calcium\.ionized .*pH 7\.4",
    "phosphate": r"^Phosphate ",
    "albumin": r"^(Albumin|Microalbumin) ",
    "creatinine": r"^Creatinine ",
    "egfr": r"^Glomerular filtration rate((?!black).)*$",
    "egfr_race_specific": r"^Glomerular filtration rate.* black population",
    "egfr_cystatin": r"^Glomerular filtration rate.*[Cc]ystatin",
    "magnesium": r"^Magnesium ",
    "alp": r"^Alkaline phosphatase \[",
    "potassium": r"^Potassium ",
    "pth": r"^Parathyrin\.intact ",
    "vitamin_d_25oh": r"^25-[Hh]ydroxyvitamin D",
    "vitamin_d_125oh": r"^(1,25-Dihydroxyvitamin D|Calcitriol) ",
    "ph": r"^pH of ",
}
OTHER_SPECIMEN = re.compile(r"[Uu]rine| Ur-|[Bb]ody fluid|[Dd]ialysis fluid|post dialysis|Cord blood|Red Blood Cells|/Calcium\.total")
UNIT_PROPERTY = {"mass": re.compile(r"^[munp]?g/"), "molar": re.compile(r"mol/|eq/"), "activity": re.compile(r"^(U|\[IU\]|[un]?kat)/")}

_DIHEDRAL = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_PERMUTATION = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
    (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
    (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
    (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)


def verhoeff_holds(code: str) -> bool:
    """Whether a SNOMED CT identifier's check digit is right (Verhoeff's dihedral check)."""
    if not code.isascii() or not code.isdigit() or not 6 <= len(code) <= 18:
        return False
    check = 0
    for position, digit in enumerate(reversed(code)):
        check = _DIHEDRAL[check][_PERMUTATION[position % 8][int(digit)]]
    return check == 0


def mod10_holds(code: str) -> bool:
    """Whether a LOINC code's check digit is right (Luhn's mod 10)."""
    match = re.fullmatch(r"(\d{1,7})-(\d)", code, re.ASCII)
    if match is None:
        return False
    total = 0
    for position, digit in enumerate(reversed(match[1])):
        doubled = int(digit) * (2 if position % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return (10 - total % 10) % 10 == int(match[2])


def check_digit(row: Row) -> Iterator[str]:
    """The code's own check digit."""
    if row.system == LOINC and not row.code.startswith("LA") and not mod10_holds(row.code):  # answers (LA) have another check
        yield f"LOINC code {row.code!r} fails its check digit"
    if row.system == SNOMED and not verhoeff_holds(row.code):
        yield f"SNOMED CT code {row.code!r} fails its check digit"


def code_shape(row: Row) -> Iterator[str]:
    """The shape of codes that have no check digit."""
    if row.system in (ICD10, ICD10CM) and not re.fullmatch(r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?|[A-Z]\d{2}-[A-Z]\d{2}", row.code):
        yield f"{row.code!r} is no ICD-10 code or range"
    if row.system == RXNORM and not (row.code.isascii() and row.code.isdigit()):
        yield f"{row.code!r} is no RxNorm identifier"


def text_and_source(row: Row) -> Iterator[str]:
    """Every row has its source; every row its official text, where we may ship it."""
    if not row.source:
        yield "has no source"
    if not row.display and row.system not in NO_TEXT:
        yield "has no display"


def name_fits_analyte(row: Row) -> Iterator[str]:
    """The LOINC name against the analyte it is mapped to: component, specimen, mass or molar."""
    if row.system != LOINC or row.kind != "analyte" or row.use == "provisional":
        return
    expected = COMPONENTS.get(row.concept)
    if expected is not None and not re.search(expected, row.display) and "not:ratio" not in row.attributes:
        yield f"the name {row.display!r} does not speak of {row.concept}"
    if expected is not None and row.use == "use" and OTHER_SPECIMEN.search(row.display):
        yield f"the name {row.display!r} is of another specimen; it must be an exclusion"
    said = "mass" if MASS.search(row.display) else "molar" if MOLAR.search(row.display) else ""
    written = next((a.removeprefix("property:") for a in row.attributes if a.startswith("property:")), "")
    if said and written != said:
        yield f"the name says {said}, the row says property:{written or '(nothing)'}"


ROW_CHECKS: tuple[Callable[[Row], Iterator[str]], ...] = (check_digit, code_shape, text_and_source, name_fits_analyte)


def claimed_twice(rows: Iterable[Row]) -> Iterator[tuple[Row, str]]:
    """A code that two rows claim for different things. A code may tell several histories; it may mean one analyte, drug or order only."""
    seen: dict[tuple[str, str, str, str], Row] = {}
    for row in rows:
        several = row.concept if row.kind == "history" else ""
        key = (row.system, row.code, "result or order" if row.kind in ("analyte", "order") else row.kind, several)
        other = seen.setdefault(key, row)
        if other is not row:
            yield row, f"code {row.code!r} is already claimed by {other.concept} ({other.origin})"


def units_fit(analyte: Analyte) -> Iterator[str]:
    """An analyte that is read has plausible limits and a factor of one for its own unit; its bands make sense."""
    if not analyte.factors:
        return
    if analyte.factors.get(analyte.unit) != ITSELF:
        yield f"its own unit {analyte.unit!r} has no factor of 1"
    if analyte.plausible[0] >= analyte.plausible[1]:
        yield "plausible: the lower limit is not below the upper one"
    for number, band in enumerate(analyte.bands):
        if band.low is not None and band.high is not None and band.low >= band.high:
            yield f"band[{number}]: low is not below high"
        if not band.source:
            yield f"band[{number}]: has no source"


@cache
def property_of(unit: str) -> str:
    """The kind of quantity a unit measures: "mass", "molar", "activity" or "other"."""
    return next((name for name, pattern in UNIT_PROPERTY.items() if pattern.search(unit)), "other")
