"""The straight line from a hook request to its cards; HTTP, `explain`, replay and the tests all call this one function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fhir_mappings import Facts, read_facts

from .cards import Json, render
from .content import Content
from .findings import Findings, find
from .pitfalls.arbitration import arbitrate
from .pitfalls.engine import Result
from .prefetch import Prefetch
from .request import HookRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """All that is needed to say why each pitfall did or did not speak. `cards` are without uuids; `kept_back` says of each pitfall that
    fired but does not speak why."""

    cards: tuple[Json, ...]
    spoken: tuple[Result, ...]
    results: tuple[Result, ...]
    kept_back: Mapping[str, str]
    findings: Findings
    facts: Facts


def answer(request: HookRequest, prefetch: Prefetch, content: Content, now: datetime, *, every_line: bool = False) -> Answer:
    """Answer a hook request. Same request, same content, same `now`: same cards.

    `every_line` evaluates also the conditions that no longer decide anything, for explanation.
    """
    facts = read_facts(
        prefetch.chart, content.mappings, patient=request.patient_id, now=now, drafts=request.draft_bundles, server=request.fhir_server
    )
    findings = find(
        facts,
        content.mappings,
        content.thresholds,
        now,
        hook=request.hook,
        selections=frozenset(request.selections),
        incomplete=prefetch.not_whole(encounter_named=bool(request.encounter_id)),
    )
    evaluation = content.engine.evaluation(findings)
    rules = content.rules[request.hook]
    results = tuple(evaluation.explained(rule) if every_line else evaluation.result(rule) for rule in rules)
    spoken, kept_back = arbitrate(results, request.hook, content.arbitration, content.thresholds.budget, evaluation)
    cards = tuple(render(result, findings, evaluation, content) for result in spoken)
    return Answer(cards, spoken, results, kept_back, findings, facts)
