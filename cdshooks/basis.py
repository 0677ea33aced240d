"""The basis of each pitfall, for independent review: what it looks at, its logic in words, thresholds, evidence, and what it does not know.

The same document makes the public pages and `/pitfalls.json`. Everything in it is read from the content; nothing is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from .content import FOLDER, Content
from .findings.grounds import BIRTH_DATE, HEALTH_STATUS, SEX, taken_from_the_person, thresholds_of
from .findings.vocabulary import VOCABULARY
from .pitfalls.engine import names_in
from .pitfalls.loading import INTERPOLATION
from .pitfalls.model import Pitfall, Source, Suggestion, Vignette
from .pitfalls.words import Clause, in_words

Json = dict[str, Any]
OUTCOMES = {"fires": "speaks", "quiet": "stays silent", "unknown": "cannot decide, and stays silent", "kept back": "holds, but is kept back"}
LEVELS = {
    "guideline": "guideline",
    "paper": "published paper",
    "textbook": "textbook knowledge, to be signed off by a clinician",
    "design": "a product choice, to be signed off by a clinician",
    "seed": "the statement this service was built from",
}
THRESHOLD = re.compile(r"^\"?(?P<name>[\w-]+)\"?\s*=\s*(?P<value>[\d.]+)\s*(?:#\s*(?P<remark>.*))?$")
TABLE = re.compile(r"^\[(?P<name>[\w.]+)\]\s*(?:#\s*(?P<remark>.*))?$")
RESOURCES = {
    "patient": "the Patient's birth date and sex",
    "conditions": "Conditions",
    "procedures": "Procedures",
    "medication-requests": "MedicationRequests",
    "medication-statements": "MedicationStatements",
    "medication-administrations": "MedicationAdministrations",
    "service-requests": "active ServiceRequests",
    "reports": "DiagnosticReports",
    "encounter": "the Encounter",
    "user-role": "the user's PractitionerRole",
}


def all_bases(content: Content) -> Json:
    """One document for all pitfalls, in the order of their rules."""
    return {
        "content": content.digest,
        "services": [{"id": service.id, "hook": service.hook, "title": service.title} for service in content.services.values()],
        "pitfalls": [basis_of(pitfall, content) for pitfall in content.pitfalls],
    }


def basis_of(pitfall: Pitfall, content: Content) -> Json:
    """All that there is to say about one pitfall, ready for JSON and for a page."""
    names = tuple(dict.fromkeys(name for expression in pitfall.expressions for name in names_in(expression)))
    deciding = tuple(dict.fromkeys(name for expression in (*pitfall.when, *pitfall.unless) for name in names_in(expression)))
    return {
        "id": pitfall.id,
        "rule": pitfall.rule,
        "title": pitfall.title,
        "url": f"{content.base_url}/pitfalls/{pitfall.id}",
        "version": pitfall.version,
        "status": pitfall.status,
        "hooks": [service.hook for service in content.services.values() if service.hook in pitfall.hooks],
        "indicators": list(dict.fromkeys([pitfall.indicator, *(v.indicator for v in pitfall.variants if v.indicator)])),
        "about": " ".join(pitfall.about.split()),
        "reassures": pitfall.reassures,
        "logic": _logic(pitfall, content),
        "looks_at": _looks_at(names, content),
        "thresholds": list(_thresholds(deciding, content)),
        "card": _card(pitfall, content),
        "evidence": _evidence(pitfall, content),
        "site_changes": dict(pitfall.changes or {}),
        "vignettes": [_vignette(vignette) for vignette in pitfall.vignettes],
        "source_attributes": source_attributes(pitfall, content),
    }


def _logic(pitfall: Pitfall, content: Content) -> Json:
    return {
        "scope": [_line(expression) for expression in pitfall.scope],
        "when": [_line(expression) for expression in pitfall.when],
        "unless": [_line(expression) for expression in pitfall.unless],
        "variants": [
            {"name": variant.name, "when": [_line(expression) for expression in variant.when], "indicator": variant.indicator or pitfall.indicator}
            for variant in pitfall.variants
        ],
        "dominated_by": [other.id for other in content.pitfalls if _dominates(other, pitfall)],
        "silent_when": list(content.arbitration.silence.values()),
    }


def _dominates(other: Pitfall, pitfall: Pitfall) -> bool:
    may_be_info = "info" in (pitfall.indicator, *(variant.indicator for variant in pitfall.variants))
    return other is not pitfall and (pitfall.id in other.dominates or (other.dominates_info and may_be_info))


def _line(expression: str) -> Json:
    clause = in_words(expression)
    return {"expression": expression, "words": str(clause), "clause": _tree(clause)}


def _tree(clause: Clause) -> Json:
    """The clause as nested lists: {"kind", "text"} or {"kind", "parts"}."""
    return {"kind": clause.kind} | ({"parts": [_tree(part) for part in clause.parts]} if clause.parts else {"text": clause.text})


def _looks_at(names: Iterable[str], content: Content) -> Json:
    findings = [VOCABULARY[name] for name in names]
    analytes = sorted({analyte for finding in findings for analyte in finding.analytes})
    resources = {resource for finding in findings for resource in finding.resources}
    return {
        "findings": [{"name": finding.name, "says": finding.says} for finding in findings],
        "results": [content.mappings.analytes[analyte].title for analyte in analytes],
        "records": [words for key, words in RESOURCES.items() if key in resources],
    }


def _thresholds(names: Iterable[str], content: Content) -> Iterator[Json]:
    """The numbers behind these findings, with the site's values in force, and where each number comes from."""
    remarks = threshold_remarks()
    for wanted in thresholds_of(names):
        table, _, one = wanted.partition(".")
        values: Mapping[str, Any] = getattr(content.thresholds, table)
        for name in [one] if one else values:
            yield {"name": f"{table}.{name}", "value": float(values[name]), "source": remarks.get(f"{table}.{name}") or remarks.get(table, "")}


def threshold_remarks() -> dict[str, str]:
    """The remark beside each table and number of thresholds.toml: its meaning and its source."""
    remarks, table = {}, ""
    for line in (FOLDER / "thresholds.toml").read_text(encoding="utf-8").splitlines():
        if match := TABLE.match(line):
            table = match["name"]
            remarks[table] = match["remark"] or ""
        elif match := THRESHOLD.match(line):
            remarks[f"{table}.{match['name']}"] = match["remark"] or ""
    return remarks


def _card(pitfall: Pitfall, content: Content) -> Json:
    card = pitfall.card
    return {
        "summary": _readable(card.summary),
        "other_summaries": [_readable(variant.summary) for variant in pitfall.variants if variant.summary],
        "detail": [{"text": _readable(line.text), "when": str(in_words(line.when)) if line.when else ""} for line in card.detail],
        "suggestions": [_readable(suggestion.label.replace("{}", _what(suggestion, content))) for suggestion in card.suggestions],
    }


def _what(suggestion: Suggestion, content: Content) -> str:
    """What stands in a suggestion's label, for a reader without a chart."""
    analytes = content.mappings.analytes
    named = [analytes[name].short or analytes[name].title for name in suggestion.add] + [
        content.orderables[name]["name"] for name in suggestion.place
    ]
    return ", ".join(named) or {
        "baseline": "each missing baseline test",
        "kdigo": "each missing member of the set",
        "unusable": "each result that could not be used",
    }.get(suggestion.add_lacking, "the selected orders")


def _readable(template: str) -> str:
    """A template as plain text, its interpolations told as what stands there."""
    return INTERPOLATION.sub(lambda match: f"[{re.sub('[._]', ' ', match.group(1).split('|')[0])}]", template).replace("**", "")


def _evidence(pitfall: Pitfall, content: Content) -> Json:
    evidence = pitfall.evidence
    return {
        "level": evidence.level,
        "level_means": LEVELS[evidence.level],
        "statements": list(evidence.statements),
        "sources": [_source(source) for source in evidence.sources],
        "unknown": evidence.notes,
        "reviewed": evidence.reviewed.isoformat(),
        "reviewed_by": evidence.reviewed_by or content.governance.reviewed_by,
        "review_due": _months_later(evidence.reviewed, content.governance.review_months).isoformat(),
        "owner": content.governance.owner,
    }


def _months_later(day: date, months: int) -> date:
    month = day.month - 1 + months
    return date(day.year + month // 12, month % 12 + 1, min(day.day, 28))


def _source(source: Source) -> Json:
    return {"label": source.label} | ({"url": source.url} if source.url else {})


def _vignette(vignette: Vignette) -> Json:
    return {
        "name": vignette.name,
        "kind": vignette.kind,
        "given": vignette.given.strip().splitlines(),
        "expect": vignette.expect,
        "outcome": OUTCOMES[vignette.expect],
        "indicator": vignette.indicator,
    }


def source_attributes(pitfall: Pitfall, content: Content) -> Json:
    """The thirteen source attributes of 45 CFR 170.315(b)(11)(iv)(A) for evidence-based decision support interventions.

    What is used of the person is told from the pitfall's findings. Race, ethnicity, language, sexual orientation, gender identity and
    social determinants are elements and codes that no reader looks at.
    """
    taken = taken_from_the_person(_all_names(pitfall, content), content.mappings)
    return {
        "bibliographic_citation": "; ".join(source.label for source in pitfall.evidence.sources),
        "developer": content.governance.developer,
        "funding_source": content.governance.funding,
        "release_and_revision_dates": {
            "released": pitfall.released.isoformat() if pitfall.released else None,
            "revised": pitfall.revised.isoformat() if pitfall.revised else None,
        },
        "uses_race": False,
        "uses_ethnicity": False,
        "uses_language": False,
        "uses_sexual_orientation": False,
        "uses_gender_identity": False,
        "uses_sex": SEX in taken,
        "uses_date_of_birth": BIRTH_DATE in taken,
        "uses_social_determinants_of_health": False,
        "uses_health_status_assessments": HEALTH_STATUS in taken,
    }


def _all_names(pitfall: Pitfall, content: Content) -> tuple[str, ...]:
    """Every finding that may change whether or how a pitfall speaks, with those that silence all."""
    expressions = (*content.arbitration.silence, *pitfall.expressions)
    return tuple(dict.fromkeys(name for expression in expressions for name in names_in(expression)))
