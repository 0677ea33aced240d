"""Firing pitfalls to CDS Hooks cards: every limit of the card format, and every rule of wording, in one place.

Source of the limits: CDS Hooks 2.0.1, "CDS Service Response".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from fhir_mappings import Order

from .content import Content
from .findings import Findings
from .findings.hazard import SUB_CODES
from .pitfalls.engine import Evaluation, Result
from .pitfalls.loading import INTERPOLATION, KEEP_SENTENCE
from .pitfalls.model import Pitfall, Suggestion

Json = dict[str, Any]
SUMMARY_LIMIT = 139  # "fewer than 140 characters"
ALWAYS_OFFERED = ("chart-wrong", "disagree")
# Texts that may be shortened in a summary: words, never values.
SHORTENABLE = frozenset(
    {
        "local.cause",
        "order.drug",
        "order.tests",
        "baseline.lacking",
        "history.connective_tissue",
        "history.vascular_insufficiency",
        "calcium.doubt",
        "contrast.agent",
        "specimen.haemolysis",
        "phosphate.doubt",
        "calciphylaxis.risk",
        "calciphylaxis.drug",
        "exam.dxa_spine",
        "exam.overlay",
        "exam.bone_scan",
        "exam.parathyroid",
        "exam.contrast_ct",
    }
    | {f"hazard.{sub_code}" for sub_code in SUB_CODES}  # the drugs of each
)
SHORTEST = 12
PANEL_FROM = 3  # that many lacking baseline tests are proposed as one panel
ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {character: f"\\{character}" for character in "\\`*_[]{}|~#"})
UNMARKED = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "{": "(", "}": ")"} | dict.fromkeys("\\`*_|~#", " "))
LINK = re.compile(r"://|www\.|@", re.IGNORECASE)
BLANKS = re.compile(r"[\s\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")


def render(result: Result, findings: Findings, evaluation: Evaluation, content: Content) -> Json:
    """Make the card of one firing pitfall, without uuids (see `identify`)."""
    pitfall, card = result.pitfall, result.pitfall.card
    suggestions = list(_suggestions(card.suggestions, findings, evaluation, content))
    rendered: Json = {
        "summary": _summary((result.variant.summary if result.variant else "") or card.summary, pitfall, findings),
        "indicator": result.indicator,
        "detail": _detail(result, findings, evaluation),
        "source": _source(pitfall, content),
    }
    if suggestions:
        rendered["suggestions"] = suggestions
        rendered["selectionBehavior"] = card.selection
    rendered["overrideReasons"] = [
        {"code": code, "system": f"{content.base_url}/CodeSystem/override-reasons", "display": content.overrides[code]}
        for code in dict.fromkeys((*card.override, *ALWAYS_OFFERED))
    ]
    rendered["links"] = [
        {"label": "Why this card", "url": f"{content.base_url}/pitfalls/{pitfall.id}", "type": "absolute"},
        *({"label": source.label, "url": source.url, "type": "absolute"} for source in pitfall.evidence.sources if source.url),
    ]
    return rendered


def identify(cards: Iterable[Json], new_id: Callable[[], str]) -> list[Json]:
    """Give every card and suggestion a fresh uuid: without one no feedback can name it."""
    return [
        {"uuid": new_id(), **card, **({"suggestions": [{"uuid": new_id(), **s} for s in card["suggestions"]]} if "suggestions" in card else {})}
        for card in cards
    ]


def _source(pitfall: Pitfall, content: Content) -> Json:
    source: Json = {"label": pitfall.card.source.label}
    if pitfall.card.source.url:
        source["url"] = pitfall.card.source.url
    source["topic"] = {"system": f"{content.base_url}/CodeSystem/topics", "code": pitfall.id, "display": pitfall.title}
    return source


def _summary(template: str, pitfall: Pitfall, findings: Findings) -> str:
    """Interpolate a summary into at most 139 characters: words are shortened, values never; at worst the title speaks."""
    texts = {name: _plain(_text(name, findings)) for name in _pieces(template)[1::2]}
    excess = _length(_filled(template, texts)) - SUMMARY_LIMIT
    if excess <= 0:
        return _filled(template, texts)
    for name in sorted(texts, key=lambda name: -len(texts[name])):
        if excess > 0 and name.split("|")[0] in SHORTENABLE:
            keep = max(SHORTEST, len(texts[name]) - excess - 1)
            if keep < len(texts[name]):
                texts[name] = texts[name][:keep].rstrip(" ,;") + "…"
            excess = _length(_filled(template, texts)) - SUMMARY_LIMIT
    return _filled(template, texts) if excess <= 0 else pitfall.title


def _length(text: str) -> int:
    """Length as the strictest client may count it: in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@cache
def _pieces(template: str) -> tuple[str, ...]:
    """A text of the content taken apart once: words, name, words, name, ..., words."""
    return tuple(INTERPOLATION.split(template))


def _filled(template: str, texts: Mapping[str, str]) -> str:
    pieces = list(_pieces(template))
    pieces[1::2] = [texts[name] for name in pieces[1::2]]
    return "".join(pieces)


def _text(name: str, findings: Findings) -> str:
    """The text behind `name` or `name|words when there is nothing`."""
    name, _, otherwise = name.partition("|")
    return findings.text(name) or otherwise


def _plain(text: str) -> str:
    """Chart text for a summary: one line, no characters that a client might take for markup."""
    return BLANKS.sub(" ", text.translate(UNMARKED)).strip()


def escape(text: str) -> str:
    """Chart text for Markdown: nothing in it can become markup, HTML, or a link."""
    text = BLANKS.sub(" ", text).strip().translate(ESCAPED)
    return LINK.sub(lambda match: match.group().replace(":", "&#58;").replace(".", "&#46;").replace("@", "&#64;"), text)


def _detail(result: Result, findings: Findings, evaluation: Evaluation) -> str:
    pitfall = result.pitfall
    lines = [line.text for line in pitfall.card.detail if not line.when or evaluation.holds(line.when) is True]
    if result.variant and result.variant.first_line:
        lines.insert(0, result.variant.first_line)
    if pitfall.reassures and not lines[-1].endswith(KEEP_SENTENCE):
        lines.append(KEEP_SENTENCE)
    texts = {name: escape(_text(name, findings)) for line in lines for name in _pieces(line)[1::2]}
    return "\n".join(f"- {_filled(line, texts)}" for line in lines)


# Suggestions


def _suggestions(suggestions: Iterable[Suggestion], findings: Findings, evaluation: Evaluation, content: Content) -> Iterator[Json]:
    for suggestion in suggestions:
        if not suggestion.when or evaluation.holds(suggestion.when) is True:
            yield from _one_kind(suggestion, findings, content)


def _one_kind(suggestion: Suggestion, findings: Findings, content: Content) -> Iterator[Json]:
    wanted = [*_analytes(suggestion.add, findings, content), *_places(suggestion.place, findings, content)]
    if suggestion.delete and (suggestion.add or suggestion.place):
        yield from _replacement(suggestion, wanted, findings)
    elif suggestion.delete:
        yield from _deletion(suggestion, findings)
    elif suggestion.add_lacking:
        yield from _lacking(suggestion, findings, content)
    elif suggestion.add or suggestion.place:
        yield from _additions(suggestion, wanted, findings)
    else:
        yield {"label": suggestion.label}


def _deletion(suggestion: Suggestion, findings: Findings) -> Iterator[Json]:
    orders = findings.orders(suggestion.delete)
    for group in [(order,) for order in orders] if suggestion.apart else [orders] if orders else []:
        yield {"label": _label(suggestion.label, _names(group)), "actions": _removals(group)}


def _removals(orders: Iterable[Order]) -> list[Json]:
    return [{"type": "delete", "description": f"Remove {_plain(order.label) or order.id}", "resourceId": order.id} for order in orders]


def _replacement(suggestion: Suggestion, wanted: list[Orderable], findings: Findings) -> Iterator[Json]:
    """Remove orders and add their alternative in one. Where nothing may be removed the alternative is offered by itself; where it is already
    being asked for there is only something to remove."""
    orders = findings.orders(suggestion.delete)
    creations = _creations(suggestion, wanted, findings)
    if orders:
        yield {"label": _label(suggestion.label if wanted else "Remove {}", _names(orders)), "actions": [*_removals(orders), *creations]}
    elif creations:
        yield {"label": f"Add {', '.join(name for name, _, _ in wanted)}", "actions": creations}


def _names(orders: Iterable[Order]) -> str:
    return ", ".join(_plain(order.label) or order.id for order in orders)


def _label(template: str, names: str) -> str:
    return template.replace("{}", names)


def _lacking(suggestion: Suggestion, findings: Findings, content: Content) -> Iterator[Json]:
    analytes = findings.analytes(suggestion.add_lacking)
    if suggestion.add_lacking == "baseline" and len(analytes) >= PANEL_FROM:
        yield from _additions(suggestion, list(_places(("renal_panel",), findings, content)), findings)
    else:
        yield from _additions(suggestion, list(_analytes(analytes, findings, content)), findings)


Orderable = tuple[str, Json, bool]  # name in words, coding, whether the body site belongs into the order


def _analytes(names: Iterable[str], findings: Findings, content: Content) -> Iterator[Orderable]:
    for name in names:
        analyte = content.mappings.analytes[name]
        if analyte.orderable is not None and name not in findings.state.requested:
            system, code, display = analyte.orderable
            yield analyte.short or analyte.title, {"system": system, "code": code, "display": display}, False


def _places(names: Iterable[str], findings: Findings, content: Content) -> Iterator[Orderable]:
    for name in names:
        entry = content.orderables[name]
        if f"{entry['system']}|{entry['code']}" not in findings.state.requested_codes:
            yield entry["name"], {"system": entry["system"], "code": entry["code"], "display": entry["display"]}, bool(entry.get("site"))


def _creations(suggestion: Suggestion, orderables: Iterable[Orderable], findings: Findings) -> list[Json]:
    return [
        {
            "type": "create",
            "description": f"Add {name}{' (urgent)' if suggestion.stat else ''}",
            "resource": service_request(coding, findings, stat=suggestion.stat, with_site=site, note=suggestion.note),
        }
        for name, coding, site in orderables
    ]


def _additions(suggestion: Suggestion, orderables: list[Orderable], findings: Findings) -> Iterator[Json]:
    actions = _creations(suggestion, orderables, findings)
    if suggestion.together and actions:
        yield {"label": _label(suggestion.label, ", ".join(name for name, _, _ in orderables)), "actions": actions}
    else:
        for (name, _, _), action in zip(orderables, actions, strict=True):
            yield {"label": _label(suggestion.label, name), "actions": [action]}


def service_request(coding: Json, findings: Findings, *, stat: bool = False, with_site: bool = False, note: str = "") -> Json:
    """A draft order in the client's FHIR version, complete: status, intent, code, subject, and the calcification as its reason."""
    state = findings.state
    subject = {"reference": f"Patient/{state.chart.facts.patient.id}"}
    concept = {"coding": [coding], "text": coding["display"]}
    records = [record for record in state.calcification.records if record.resource.startswith("Condition/")]
    reason = [{"reference": records[0].resource}] if records else []
    sites = _body_site(records[0].body_sites) if with_site and records else []
    version = state.chart.facts.fhir_version
    if version == "DSTU2":
        return _compact(
            {
                "resourceType": "DiagnosticOrder",
                "status": "draft",
                "priority": "stat" if stat else "",
                "subject": subject,
                "item": [{"code": concept} | ({"bodySite": sites[0]} if sites else {})],
            }
        )
    resource: Json = {
        "resourceType": "ProcedureRequest" if version == "STU3" else "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "priority": "stat" if stat else "",
        "code": {"concept": concept} if version == "R5" else concept,
        "subject": subject,
        "bodySite": sites,
    }
    if version == "R5":
        resource["reason"] = [{"reference": reference} for reference in reason]
    else:
        resource["reasonReference"] = reason
    resource["note"] = [{"text": note}] if note else []
    return _compact(resource)


def _body_site(sites: Iterable[tuple[str, str, str]]) -> list[Json]:
    return [{"coding": [_compact({"system": system, "code": code, "display": display})]} for system, code, display in sites]


def _compact(resource: Json) -> Json:
    """Leave out what is empty: CDS Hooks and FHIR forbid null, '', [] and {}."""
    return {key: value for key, value in resource.items() if value}
