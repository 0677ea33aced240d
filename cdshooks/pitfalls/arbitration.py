"""From the pitfalls that fire to the few that speak: silence, dominance, hook policy, budget, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from decimal import Decimal
from functools import partial

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
    return _select(candidates, dominating, kept_back, lambda result: _against_policy(result, hook, rules), rules, hook, budget)


def _select(
    candidates: Sequence[Result],
    dominating: Sequence[Result],
    shadowed: Mapping[str, str],
    barred: Callable[[Result], str],
    rules: Arbitration,
    hook: str,
    budget: Mapping[str, Decimal],
) -> tuple[tuple[Result, ...], Mapping[str, str]]:
    """Dominance, hook policy and budget. A pitfall that may not speak on this hook, or falls over the budget, still blocks reassurance, but it
    silences no danger: then the choice is made again without its voice."""
    mute = frozenset(result.pitfall.id for result in candidates if barred(result))
    while True:
        kept_back = dict(shadowed)
        speaking = _keep(candidates, kept_back, partial(_dominated_by, candidates=candidates, dominating=dominating, mute=mute))
        speaking = _keep(speaking, kept_back, barred)
        speaking.sort(key=lambda result: _rank(result, rules))
        shown = tuple(_within_budget(speaking, kept_back, hook, budget))
        fallen = {result.pitfall.id for result in speaking} - {result.pitfall.id for result in shown} - mute
        silenced = {name for result in candidates if not result.pitfall.reassures for name in fallen if kept_back.get(result.pitfall.id) == _by(name)}
        if not silenced:
            return shown, kept_back
        mute |= silenced


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


def _by(name: str) -> str:
    return f"dominated by {name}"


def _dominated_by(result: Result, *, candidates: Iterable[Result], dominating: Sequence[Result], mute: Set[str]) -> str:
    for other in candidates:
        heard = other.pitfall.id not in mute or result.pitfall.reassures
        by_name = result.pitfall.id in other.pitfall.dominates and other in dominating
        if other is not result and heard and (by_name or (other.pitfall.dominates_info and result.indicator == "info")):
            return _by(other.pitfall.id)
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
