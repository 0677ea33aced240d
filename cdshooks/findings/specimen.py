"""Signs that a blood sample was spoilt: EDTA of another tube, haemolysis, or blood cells that stayed too long on the sample.

None of them says that a value is wrong: many such samples are truly hyperkalaemic or hypocalcaemic. They say that it must be repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from fhir_mappings import Draw, Lab, Problem, paired

from .calcium import MEASURES, Calcium
from .chart import HIGH_FLAGS, Chart, bounds, is_high, is_low
from .kidney import Kidney

# What EDTA lowers beside calcium: it binds magnesium, iron and zinc, and so takes the metal out of alkaline phosphatase.
LOWERED = ("alp", "magnesium", "iron", "zinc")
SAMPLED = ("calcium_total", "calcium_adjusted")
SAYS_HAEMOLYSED = HIGH_FLAGS | {"A", "AA", "POS", "DET"}


@dataclass(frozen=True, slots=True)
class Edta:
    """The pattern of EDTA in one draw. `calcium` is None when it was too low to be believed; `low` what else is low."""

    calcium: Lab | None
    potassium: Lab
    low: tuple[Lab, ...]


@dataclass(frozen=True, slots=True)
class Specimen:
    """What is known of the samples that the newest results come from.

    `edta` is the pattern in the draw of the calcium that speaks, unless a repeat agrees; `edta_unknown` why it cannot be told ('' if it
    can). `haemolysis` are the signs in the sample of the newest phosphate, `haemolysis_any` in that of the newest calcium, potassium or
    phosphate (then `haemolysed`). `late` is a high potassium that reached the laboratory late. `critical` says what makes the sample of
    the critical calcium suspect.
    """

    edta: Edta | None
    edta_unknown: str
    haemolysis: str
    haemolysis_any: str
    haemolysed: Lab | None
    late: Lab | None
    critical: str

    @property
    def suspect(self) -> str:
        """What makes any of these samples suspect, in words; '' when nothing does."""
        return _words(self.edta) or self.haemolysis_any or _late_words(self.late)

    @property
    def labs(self) -> tuple[Lab, ...]:
        """A value of each suspect sample."""
        found = (self.edta.potassium if self.edta is not None else None, self.haemolysed, self.late)
        return tuple(lab for lab in found if lab is not None)


def read_specimen(chart: Chart, calcium: Calcium, kidney: Kidney) -> Specimen:
    """Look for spoilt samples among the newest results."""
    speaking = [lab for measure in SAMPLED for lab in chart.for_danger(measure)]
    patterns = (found for lab in speaking if (found := edta_of(chart, lab)) and not _repeat_agrees(chart, lab))
    edta = next(patterns, None) or _too_low(chart)
    potassium = chart.fresh("potassium")
    haemolysis, _ = _first_haemolysed(chart, chart.for_danger("phosphate"), kidney)
    haemolysis_any, haemolysed = _first_haemolysed(chart, (*chart.for_danger("phosphate"), *chart.for_danger("potassium"), *speaking), kidney)
    return Specimen(
        edta=edta,
        edta_unknown="" if edta is not None else next(_edta_unknown(chart, speaking), ""),
        haemolysis=haemolysis,
        haemolysis_any=haemolysis_any,
        haemolysed=haemolysed,
        late=potassium if potassium is not None and _late(chart, potassium) else None,
        critical=_doubt_of(chart, calcium.critical, kidney) if calcium.critical is not None else "",
    )


def edta_of(chart: Chart, calcium: Lab) -> Edta | None:
    """The pattern of EDTA in the draw of a calcium: low calcium and high potassium with another low value, or both grossly so."""
    _, highest = bounds(calcium)
    gross = calcium.analyte in SAMPLED and highest is not None and highest <= chart.thresholds.specimen["edta_gross_calcium"]
    return _pattern(chart, calcium, calcium, gross) if gross or is_low(calcium) else None


def _pattern(chart: Chart, calcium: Lab | None, draw: Lab | Draw, gross: bool) -> Edta | None:
    table = chart.thresholds.specimen
    potassium = max(_drawn_with(chart, "potassium", draw), key=lambda lab: lab.value, default=None)
    least = bounds(potassium)[0] if potassium is not None else None
    if potassium is None or least is None or least < table["edta_potassium"]:
        return None
    low = tuple(lab for analyte in LOWERED for lab in _drawn_with(chart, analyte, draw) if is_low(lab))
    return Edta(calcium, potassium, low) if low or (gross and least >= table["edta_gross_potassium"]) else None


def _too_low(chart: Chart) -> Edta | None:
    """The pattern around a calcium that is too low to be believed, and newer than any that is usable."""
    for problem in chart.facts.problems:
        if problem.below and problem.when is not None and problem.analyte in SAMPLED and _is_newest(chart, problem, Draw(problem.when)):
            found = _pattern(chart, None, Draw(problem.when), gross=True)
            if found is not None and not _repeat_agrees(chart, Draw(problem.when)):
                return found
    return None


def _is_newest(chart: Chart, problem: Problem, draw: Draw) -> bool:
    newest, since = chart.newest(problem.analyte), chart.ago(chart.thresholds.fresh_days(problem.analyte, chart.inpatient))
    return draw.when.until >= since and (newest is None or draw.when.until >= newest.when.at)


def _drawn_with(chart: Chart, analyte: str, draw: Lab | Draw) -> tuple[Lab, ...]:
    """The values of an analyte from the same specimen, or drawn at exact times so close that it may be the same."""
    return tuple(lab for lab in chart.labs(analyte) if paired(draw, lab, chart.thresholds.pair_hours["edta"]))


def _later(chart: Chart, analyte: str, draw: Lab | Draw) -> Iterator[Lab]:
    """The values of an analyte from a later draw."""
    span = timedelta(hours=float(chart.thresholds.pair_hours["edta"]))
    return (lab for lab in chart.labs(analyte) if lab.when.at - draw.when.until > span and not (lab.specimen and lab.specimen == draw.specimen))


def _repeat_agrees(chart: Chart, draw: Lab | Draw) -> bool:
    """Whether a calcium of a later draw is low, too, without the pattern: then the low calcium is real."""
    later = (lab for measure in MEASURES for lab in _later(chart, measure, draw))
    return any(is_low(lab) and edta_of(chart, lab) is None for lab in later)


def _edta_unknown(chart: Chart, speaking: Iterable[Lab]) -> Iterator[str]:
    least = chart.thresholds.specimen["edta_potassium"]
    for lab in speaking:
        if not is_low(lab) or _repeat_agrees(chart, lab):
            continue
        potassium = _drawn_with(chart, "potassium", lab)
        if not potassium:
            yield "no potassium of the draw of the low calcium is known"
        elif any(known.value >= least for known in potassium) and not any(_drawn_with(chart, analyte, lab) for analyte in LOWERED):
            yield "no ALP, magnesium, iron or zinc of the draw of the low calcium is known"


def _first_haemolysed(chart: Chart, labs: Iterable[Lab], kidney: Kidney) -> tuple[str, Lab | None]:
    return next(((signs, lab) for lab in labs if (signs := haemolysis_of(chart, lab, kidney))), ("", None))


def haemolysis_of(chart: Chart, lab: Lab, kidney: Kidney | None = None) -> str:
    """The sign of haemolysis in the sample of a value, in words; '' when there is none.

    The laboratory's index or answer is enough. Potassium and phosphate high together are a sign only with a high LDH, or, where no LDH of the
    draw is known, while the kidneys are known (`kidney`) to be too good to explain them; and not when a later potassium is high, too.
    """
    for index in _drawn_with(chart, "haemolysis_index", lab):
        if is_high(index) or index.flags & SAYS_HAEMOLYSED:
            return f"haemolysis index {index.value.normalize():f}"
    if any(answer.value for answer in _drawn_with(chart, "haemolysis_presence", lab)):
        return "the laboratory reports haemolysis"
    return _cells_burst(chart, lab, kidney)


def _cells_burst(chart: Chart, lab: Lab, kidney: Kidney | None) -> str:
    potassium = [found for found in _drawn_with(chart, "potassium", lab) if is_high(found)]
    phosphate = [found for found in _drawn_with(chart, "phosphate", lab) if is_high(found)]
    if not potassium or not phosphate or any(map(is_high, _later(chart, "potassium", potassium[-1]))):
        return ""
    ldh = _drawn_with(chart, "ldh", lab)
    if any(map(is_high, ldh)):
        return "potassium, phosphate and LDH are high together"
    good = kidney is not None and kidney.known_good(chart)
    return "potassium and phosphate are high together" if good and not ldh else ""


def _late(chart: Chart, lab: Lab) -> bool:
    return lab.hours_to_receipt is not None and lab.hours_to_receipt > chart.thresholds.specimen["receipt_hours"] and is_high(lab)


def _doubt_of(chart: Chart, critical: Lab, kidney: Kidney) -> str:
    """What makes the sample of the critical calcium suspect."""
    late = next((lab for lab in _drawn_with(chart, "potassium", critical) if _late(chart, lab)), None)
    return _words(edta_of(chart, critical)) or haemolysis_of(chart, critical, kidney) or _late_words(late)


def _words(edta: Edta | None) -> str:
    return f"potassium {edta.potassium.shown} in the same sample fits EDTA contamination" if edta is not None else ""


def _late_words(late: Lab | None) -> str:
    return f"{late.hours_to_receipt:.0f} h from collection to receipt, with potassium {late.shown}" if late is not None else ""
