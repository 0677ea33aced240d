"""Say in plain lines why each pitfall did or did not speak: facts, problems, findings, every condition, the cards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_mappings import REASONS, Lab, Moment

from .answer import Answer
from .pitfalls.engine import LineResult, Result
from .prefetch import Prefetch
from .request import HookRequest

WORDS = {True: "holds", False: "fails", None: "unknown"}


def explain(request: HookRequest, prefetch: Prefetch, given: Answer) -> dict[str, Any]:
    """Everything that decided an answer, as one JSON-ready value. It holds chart data: show it to whoever may see the chart, and do not log it."""
    facts, findings = given.facts, given.findings
    return {
        "hook": request.hook,
        "service": request.service,
        "warnings": list(request.warnings),
        "prefetch": prefetch.states,
        "prefetch reasons": prefetch.reasons,
        "facts": {
            "labs": [_lab(lab) for labs in facts.labs.values() for lab in labs],
            "histories": [
                {
                    "category": record.category,
                    "code": record.code,
                    "status": record.status,
                    "from": _moment(record.onset or record.recorded),
                    "regions": sorted(record.regions),
                    "resource": record.resource,
                }
                for records in facts.histories.values()
                for record in records
            ],
            "drafts": [
                {
                    "id": order.id,
                    "label": order.label,
                    "categories": sorted(order.categories),
                    "analytes": sorted(order.analytes),
                    "in play": order in findings.state.chart.in_play,
                }
                for order in facts.drafts
            ],
            "exposures": [{"category": e.category, "active": e.active, "last": _moment(e.last), "resource": e.resource} for e in facts.exposures],
            "unmapped": [
                {"resource": kind, "system": system, "code": code, "count": n} for (kind, system, code), n in sorted(facts.unmapped.items())
            ],
        },
        "problems": [
            {"resource": p.resource, "element": p.element, "reason": p.reason, "meaning": REASONS[p.reason], "detail": p.detail, "analyte": p.analyte}
            for p in facts.problems
        ],
        "findings": dict(sorted(findings.values.items())),
        "unknown": dict(sorted(findings.unknown.items())),
        "checklist": {item: why or "proven" for item, why in findings.state.checklist.items()},
        "pitfalls": [_pitfall(result, given) for result in given.results],
        "cards": list(given.cards),
    }


def _lab(lab: Lab) -> dict[str, Any]:
    limits = lab.limits
    return {
        "analyte": lab.analyte,
        "sent": lab.shown,
        "value": f"{lab.comparator}{lab.value.normalize():f}",
        "when": _moment(lab.when),
        "status": lab.status,
        "range": None if limits is None else f"{limits.low}-{limits.high} ({limits.source})",
        "flags": sorted(lab.flags),
        "code": lab.code,
        "resource": lab.resource,
    }


def _moment(moment: Moment | None) -> str | None:
    if moment is None:
        return None
    at = moment.at.isoformat(timespec="minutes")
    return at if moment.exact else f"{at} or up to {moment.until.isoformat(timespec='minutes')}"


def _pitfall(result: Result, given: Answer) -> dict[str, Any]:
    pitfall = result.pitfall
    kept_back = given.kept_back.get(pitfall.id, "")
    return {
        "id": pitfall.id,
        "title": pitfall.title,
        "outcome": "kept back" if kept_back else result.outcome,
        "because": kept_back or _because(result),
        "when": [_line(line) for line in result.when],
        "unless": [_line(line) for line in result.unless],
        "variant": result.variant.name if result.variant else None,
    }


def _because(result: Result) -> str:
    if result.outcome == "fires":
        return "every condition holds and no exception does"
    failed = [line.expression for line in result.when if line.holds is False] + [line.expression for line in result.unless if line.holds]
    if failed:
        return f"decided by: {'; '.join(failed)}"
    missing = dict.fromkeys(name for line in (*result.when, *result.unless) for name in line.missing)
    return f"not known: {', '.join(missing)}"


def _line(line: LineResult) -> dict[str, Any]:
    said: dict[str, Any] = {"condition": line.expression, "result": WORDS[line.holds]}
    if line.missing:
        said["missing"] = list(line.missing)
    return said


def in_words(explained: dict[str, Any]) -> Iterator[str]:
    """The same as lines of text."""
    yield f"{explained['hook']} at {explained['service']}"
    yield from _section("Warnings", explained["warnings"])
    reasons = explained["prefetch reasons"]
    yield from _section(
        "Prefetch", (f"{key}: {state}{f' ({reasons[key]})' if key in reasons else ''}" for key, state in explained["prefetch"].items())
    )
    facts = explained["facts"]
    yield from _section(
        "Labs",
        (
            f"{lab['analyte']}: {lab['sent']} = {lab['value']}, {lab['when']}, {lab['status']}, range {lab['range']}"
            f"{', flagged ' + ' '.join(lab['flags']) if lab['flags'] else ''} [{lab['resource']}]"
            for lab in facts["labs"]
        ),
    )
    yield from _section(
        "History",
        (
            f"{h['category']}: {h['code']} {h['status']} since {h['from'] or 'unknown'}"
            f"{' at ' + ', '.join(h['regions']) if h['regions'] else ''} [{h['resource']}]"
            for h in facts["histories"]
        ),
    )
    yield from _section(
        "Orders",
        (
            f"{o['id']}: {o['label'] or '?'} -> {', '.join(o['categories']) or 'no category'}{'' if o['in play'] else ' (not in play)'}"
            for o in facts["drafts"]
        ),
    )
    yield from _section(
        "Drugs", (f"{e['category']}: {'active' if e['active'] else 'until ' + str(e['last'])} [{e['resource']}]" for e in facts["exposures"])
    )
    yield from _section("Not mapped", (f"{u['resource']} {u['system']}|{u['code']} x{u['count']}" for u in facts["unmapped"]))
    yield from _section(
        "Problems",
        (f"{p['resource']} {p['element']}: {p['meaning']}{' (' + p['detail'] + ')' if p['detail'] else ''}" for p in explained["problems"]),
    )
    yield from _section("Checklist of reassurance", (f"{item}: {why}" for item, why in explained["checklist"].items()))
    yield ""
    yield "Pitfalls"
    for pitfall in explained["pitfalls"]:
        yield from _pitfall_in_words(pitfall, explained["unknown"])
    yield ""
    yield f"{len(explained['cards'])} card(s)"
    yield from (f"  [{card['indicator']}] {card['summary']}" for card in explained["cards"])


def _pitfall_in_words(pitfall: dict[str, Any], unknown: dict[str, str]) -> Iterator[str]:
    yield f"  {pitfall['id']}: {pitfall['outcome']} - {pitfall['because']}"
    for kind in ("when", "unless"):
        for line in pitfall[kind]:
            yield f"    {kind:<6} {line['result']:<7} {line['condition']}"
            yield from (f"             missing {name}: {unknown.get(name, '')}" for name in line.get("missing", ()))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    items = list(lines)
    if items:
        yield ""
        yield title
        yield from (f"  {item}" for item in items)
