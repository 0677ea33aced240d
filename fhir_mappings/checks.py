"""Named checks of the catalog: what a schema cannot see, a code's own check digit and its own name can."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    "haemolysis_index": r"^Hemolysis Index ",
    "haemolysis_presence": r"^Sample hemolyzed ",
    "iron": r"^Iron ",
    "zinc": r"^Zinc ",
    "ldh": r"^Lactate dehydrogenase ",
    "pth": r"^Parathyrin\.intact ",
    "vitamin_d_25oh": r"^25-[Hh]ydroxyvitamin D",
    "vitamin_d_125oh": r"^(1,25-Dihydroxyvitamin D|Calcitriol) ",
    "ph": r"^pH of ",
    "alp_bone": r"^Alkaline phosphatase\.bone ",
    "ana": r"^Nuclear Ab ",
    "anion_gap": r"^Anion [Gg]ap",
    "base_excess": r"[Bb]ase [Ee]xcess",
    "beta_hydroxybutyrate": r"^Beta hydroxybutyrate ",
    "bicarbonate": r"^(Bicarbonate|Carbon dioxide, total) ",
    "bilirubin": r"^Bilirubin\.total ",
    "body_height": r"^Body height",
    "body_weight": r"[Bb]ody weight",
    "ca_p_product": r"^Calcium-phosphorus product",
    "calcitonin": r"^Calcitonin ",
    "centromere_antibody": r"^Centromere ",
    "chloride": r"^Chloride ",
    "ck": r"^Creatine kinase ",
    "cmv_culture": r"^Cytomegalovirus .*culture",
    "cmv_pcr": r"^Cytomegalovirus DNA ",
    "cmv_serology": r"^Cytomegalovirus Ig[GM] ",
    "ctx": r"C-telopeptide ",
    "ferritin": r"^Ferritin ",
    "fgf23": r"^Fibroblast growth factor 23",
    "free_t4": r"^Thyroxine \(T4\) free ",
    "gestational_age": r"^Gestational age",
    "glucose": r"^Glucose ",
    "icterus_index": r"^Icteric Index ",
    "icterus_presence": r"^Sample icteric ",
    "lactate": r"^Lactate \[",
    "lipaemia_index": r"^Lipemic Index ",
    "lipaemia_presence": r"^Sample lipemic ",
    "ntx": r"N-telopeptide ",
    "osteocalcin": r"^Osteocalcin ",
    "p1np": r"^Procollagen Peptide\.1 N-term ",
    "pregnancy_status": r"^Pregnancy status",
    "procollagen_1": r"^Procollagen type I ",
    "pthrp": r"^Parathyrin related protein ",
    "scl70_antibody": r"^SCL-70 ",
    "sodium": r"^Sodium ",
    "total_protein": r"^Protein ",
    "triglycerides": r"^Triglyceride ",
    "tsh": r"^Thyrotropin ",
    "urate": r"^Urate ",
    "urea": r"^Urea \[",
    "urea_nitrogen": r"^Urea nitrogen ",
    "urine_calcium_creatinine": r"^Calcium/Creatinine ",
    "urine_phosphate": r"^Phosphate ",
    "urine_phosphate_creatinine": r"^Phosphate/Creatinine ",
    "vitamin_d_metabolites": r"^Vitamin D\+Metabolites ",
}
# A weight after dialysis is no specimen.
OTHER_SPECIMEN = re.compile(r"[Uu]rine| Ur-|[Bb]ody fluid|[Dd]ialysis fluid|(?<!Measured --)post dialysis|Cord blood|Red Blood Cells|/Calcium\.total")
UNIT_PROPERTY = {"mass": re.compile(r"^[munp]?g/"), "molar": re.compile(r"mol/|eq/"), "activity": re.compile(r"^(U|\[IU\]|[un]?kat)/")}

USES = ("use", "exclude", "residual", "provisional")
USES_OF: Mapping[str, tuple[str, ...]] = {
    "analyte": ("use", "exclude", "provisional"),
    "history": ("use", "exclude", "residual", "provisional"),
    **dict.fromkeys(("order", "medication", "site", "context"), ("use", "provisional")),
}
REGIONS = ("leg", "upper_limb", "head_neck", "trunk", "intracranial", "periarticular", "vascular", "visceral", "eye", "any")
# The attributes of each kind of row: None for a bare word, else the values after the colon; () where other checks know them.
ATTRIBUTES_OF: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "analyte": {
        "property": ("mass", "molar", "either", "activity", "other"),
        "not": (),
        "member": (),
        **dict.fromkeys(("blood", "calculated", "ckd-epi-2021", "partial")),
    },
    "history": {"not": ()},
    "order": {
        "region": REGIONS,
        "modality": ("ct", "dxa", "mr", "nm", "us", "xr"),
        "contrast": ("any", "w", "wo", "wo_w"),
        "member": (),
        "exam": (),
        "genetics": None,
    },
    "medication": {"order": (), "maybe-binder": None},
    "site": {"region": REGIONS},
}
NEEDED = {"panel": "member", "medication": "order", "site": "region"}
# Imaging whose pitfalls depend on what exactly is imaged: what the LOINC name of an order says for each exam.
EXAMS = {
    "dxa-spine": r"^DXA Lumbar spine",
    "dxa-hip": r"^DXA (Hip|Femur)",
    "dxa-forearm": r"^DXA Radius and Ulna",
    "bone-scan-whole-body": r"^NM Whole body Bone",
    "parathyroid": r"\bParathyroid\b",
}

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
    first, _, last = row.code.partition("-")
    if row.system in (ICD10, ICD10CM) and last and (first[0] != last[0] or first >= last):
        yield f"the range {row.code!r} does not ascend within one letter: write one for each letter"
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


def use_fits_kind(row: Row) -> Iterator[str]:
    """A use that means something for this kind of row."""
    if row.kind in USES_OF and row.use in USES and row.use not in USES_OF[row.kind]:
        yield f"use {row.use!r} means nothing for {row.kind}; it may be {', '.join(USES_OF[row.kind])}"
    if row.kind == "analyte" and row.use == "use" and any(attribute.startswith("not:") for attribute in row.attributes):
        yield "an attribute not: is for exclusions: use must be 'exclude'"


def attributes_are_known(row: Row) -> Iterator[str]:
    """Attributes that are read for this kind of row, with values that are known; and those that it cannot do without."""
    if row.kind not in USES_OF:
        return
    known = ATTRIBUTES_OF.get(row.kind, {})
    heads = set()
    for attribute in sorted(row.attributes):
        head, colon, value = attribute.partition(":")
        heads.add(head)
        if head not in known or bool(colon) != (known[head] is not None):
            yield f"attribute {attribute!r} is none of {row.kind}: {', '.join(sorted(known)) or 'it has none'}"
        elif (values := known[head]) and value not in values:
            yield f"attribute {attribute!r}: {value!r} is none of {', '.join(values)}"
    needed = NEEDED.get("panel" if row.concept == "panel" else row.kind)
    if needed and needed not in heads:
        yield f"attribute {needed}: is missing"


def name_fits_exam(row: Row) -> Iterator[str]:
    """The exam of an imaging order is one that is known, and for LOINC the one that its name says."""
    exams = {a.removeprefix("exam:") for a in row.attributes if a.startswith("exam:")}
    yield from (f"exam {exam!r} is none of {', '.join(EXAMS)}" for exam in sorted(exams - EXAMS.keys()))
    if row.system != LOINC or row.kind != "order" or row.concept != "img-metabolic" or row.use == "provisional":
        return
    said = {exam for exam, pattern in EXAMS.items() if re.search(pattern, row.display)}
    yield from (f"the name {row.display!r} is not of exam {exam!r}" for exam in sorted(exams & EXAMS.keys() - said))
    yield from (f"the name {row.display!r} is of exam {exam!r}, the row does not say exam:{exam}" for exam in sorted(said - exams))


ROW_CHECKS: tuple[Callable[[Row], Iterator[str]], ...] = (
    check_digit,
    code_shape,
    text_and_source,
    name_fits_analyte,
    name_fits_exam,
    use_fits_kind,
    attributes_are_known,
)


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
