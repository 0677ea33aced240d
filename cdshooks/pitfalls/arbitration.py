"""From the pitfalls that fire to the few that speak: silence, dominance, hook policy, budget, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from .engine import Evaluation, Result
from .model import INDICATORS, Arbitration


def arbitrate(
    results: Sequence[Result],
    hook: str,
    rules: Arbitration,
    budget: Mapping[str, Decimal],
    evaluation: Evaluation,
) -> tuple[tuple[Result, ...], Mapping[str, str]]:
    """Return the results that speak, in the order of their cards, and why each other firing pitfall was kept back (id -> reason).

    Shadow pitfalls are evaluated and recorded, but never shown, and they dominate nothing.
    """
    firing = [result for result in results if result.outcome == "fires"]
    kept_back = {result.pitfall.id: "in shadow: evaluated, never shown" for result in firing if result.pitfall.status == "shadow"}
    candidates = [result for result in firing if result.pitfall.id not in kept_back]
    for expression, name in rules.silence.items():
        if evaluation.holds(expression):
            return (), kept_back | {result.pitfall.id: f"silent: {name}" for result in candidates}
    dominating = [result for result in candidates if not (when := result.pitfall.dominates_when) or evaluation.holds(when)]
    speaking = _keep(candidates, kept_back, lambda result: _dominated_by(result, _that_may(result, candidates, hook, rules), dominating))
    speaking = _keep(speaking, kept_back, lambda result: _against_policy(result, hook, rules))
    speaking.sort(key=lambda result: _rank(result, rules))
    return tuple(_within_budget(speaking, kept_back, hook, budget)), kept_back


def _keep(results: Iterable[Result], kept_back: dict[str, str], why_not: Callable[[Result], str]) -> list[Result]:
    kept: list[Result] = []
    reasons: dict[str, str] = {}
    for result in results:
        reason = why_not(result)
        if reason:
            reasons[result.pitfall.id] = reason
        else:
            kept.append(result)
    kept_back.update(reasons)
    return kept


def _that_may(result: Result, candidates: Sequence[Result], hook: str, rules: Arbitration) -> Iterable[Result]:
    """The pitfalls that may keep this one back. One that may not speak on this hook still blocks reassurance, but silences no danger."""
    return candidates if result.pitfall.reassures else (other for other in candidates if not _against_policy(other, hook, rules))


def _dominated_by(result: Result, candidates: Iterable[Result], dominating: Sequence[Result]) -> str:
    for other in candidates:
        by_name = result.pitfall.id in other.pitfall.dominates and other in dominating
        if other is not result and (by_name or (other.pitfall.dominates_info and result.indicator == "info")):
            return f"dominated by {other.pitfall.id}"
    return ""


def _against_policy(result: Result, hook: str, rules: Arbitration) -> str:
    if result.indicator == "info" and hook not in rules.info_hooks:
        return f"info cards speak only on {', '.join(sorted(rules.info_hooks))}"
    return ""


def _rank(result: Result, rules: Arbitration) -> tuple[int, bool, int, bool, int]:
    rule = result.pitfall.rule
    first = rule in {"info": rules.info_first, "warning": rules.warning_first}.get(result.indicator, ())
    place = rules.in_place_of.get(rule, rule) if result.indicator == "warning" else rule
    return INDICATORS.index(result.indicator), not first, place, place == rule, rule


def _within_budget(speaking: Iterable[Result], kept_back: dict[str, str], hook: str, budget: Mapping[str, Decimal]) -> list[Result]:
    shown: list[Result] = []
    infos = 0
    for result in speaking:
        info = result.indicator == "info"
        if len(shown) >= budget[hook] or (info and infos >= budget["info"]):
            kept_back[result.pitfall.id] = "over the budget of cards"
            continue
        shown.append(result)
        infos += info
    return shown
