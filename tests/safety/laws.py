"""The laws of safety: what must hold for every chart, each a function from a case to what it violates.

A case is one chart with its answer; answers are worked out once and shared by all laws. `tests/safety/test_laws.py` runs the laws over a
thousand charts and more in every test run, `python -m tests.safety` over as many as one likes.
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from cdshooks.answer import Answer, answer
from cdshooks.cards import identify
from cdshooks.errors import MissingDataError
from cdshooks.judging import NOW
from cdshooks.prefetch import read_prefetch
from cdshooks.request import parse_request

from ..builders import content
from .charts import CODES, INDEX, OPTIONAL_KEYS, Chart, Draft, Json, Result, charts, in_conventional, in_si, request
from .oracle import ALP_HIGH, INPATIENT, MULTIFOCAL, SKIN, Verdict, certainly_critical, judge

REASSURING = frozenset(pitfall.id for pitfall in content().pitfalls if pitfall.reassures)
CTD, BONE, WRONG_VITAMIN_D = "connective-tissue-disease-calcinosis", "neurologic-heterotopic-ossification", "active-vitamin-d-test-misordered"
LOCAL, VESSELS, CRITICAL = "extended-metabolic-workup-low-yield", "vascular-insufficiency-local-calcification", "critical-calcium-value"
# Rules that speak of a danger, and not of data that are lacking (a warning that the baseline is incomplete ends, rightly, when a result comes).
DANGER_RULES = {*range(1, 9), 18, *range(20, 25), 27, 29}
DANGERS = frozenset(pitfall.id for pitfall in content().pitfalls if pitfall.rule in DANGER_RULES)
# Draft orders of `charts` that are baseline or safety tests, and those of a known kind.
NEVER_REMOVED = frozenset({"calcium", "phosphate", "albumin", "creatinine", "vitamin_d_25oh"})
UNRELATED = frozenset({"osteoporosis", "nephrolithiasis", "words"})
BUDGET = {"patient-view": 1, "order-select": 2, "order-sign": 3}
WEIGHT = ("critical", "warning", "info")
# Published by the card format; a card may carry no other.
CARD_FIELDS = {"uuid", "summary", "indicator", "detail", "source", "suggestions", "selectionBehavior", "overrideReasons", "links"}


def reply(body: Json, now: datetime = NOW) -> Answer | None:
    """Answer a request through the whole pipeline, from bytes to cards; None where it is refused for want of required data."""
    service = next(service for service in content().services.values() if service.hook == body["hook"])
    parsed = parse_request(json.dumps(body).encode(), service.id, service.hook)
    try:
        return answer(parsed, read_prefetch(parsed, service.templates), content(), now)
    except MissingDataError:
        return None


def topics(given: Answer | None) -> list[str]:
    return [card["source"]["topic"]["code"] for card in given.cards] if given else []


def before_budget(given: Answer | None) -> dict[str, str]:
    """What would speak if the budget allowed: pitfall -> indicator."""
    if given is None:
        return {}
    over = [result for result in given.results if given.kept_back.get(result.pitfall.id) == "over the budget of cards"]
    return {result.pitfall.id: result.indicator for result in (*given.spoken, *over)}


def reassured(given: Answer | None) -> frozenset[str]:
    return REASSURING & before_budget(given).keys()


@dataclass
class Case:
    """One chart, its request and answer, and what the oracle says."""

    chart: Chart

    @cached_property
    def body(self) -> Json:
        return request(self.chart)

    @cached_property
    def answer(self) -> Answer | None:
        return reply(self.body)

    @cached_property
    def verdict(self) -> Verdict:
        return judge(self.chart)

    @cached_property
    def topics(self) -> list[str]:
        return topics(self.answer)

    @cached_property
    def reassured(self) -> frozenset[str]:
        """The reassuring pitfalls that fire and are not dominated."""
        return reassured(self.answer)

    @cached_property
    def cards(self) -> list[Json]:
        number = iter(range(10_000))
        return identify(self.answer.cards, lambda: f"{next(number)}") if self.answer else []

    @property
    def gate(self) -> bool:
        return self.answer is not None and not any(self.answer.findings.state.checklist.values())

    def text(self, card: Json) -> str:
        return f"{card['summary']}\n{card['detail']}"


Law = Callable[[Case], Iterator[str]]
LAWS: dict[str, tuple[str, Law]] = {}


def law(name: str, words: str) -> Callable[[Law], Law]:
    def add(function: Law) -> Law:
        LAWS[name] = (words, function)
        return function

    return add


def _against(case: Case, *items: int) -> Iterator[str]:
    """A reassuring card although one of these items is not proven."""
    for topic in case.reassured:
        for item in items:
            for why in case.verdict.against.get(item, ()):
                if not _allowed(topic, item, why):
                    yield f"{topic} although {why}"


def _allowed(topic: str, item: int, why: str) -> bool:
    """The three cards that rest on a part of the checklist, as the clinical text grants it."""
    if topic == CTD and item == MULTIFOCAL:
        return True
    if topic == BONE and item == 8:
        return why == ALP_HIGH
    return (topic == WRONG_VITAMIN_D and item in (8, 10, MULTIFOCAL)) or (
        topic == WRONG_VITAMIN_D and item == 7 and why not in ("pregnancy", "critical_illness", "intensive care")
    )


@law("A3", "a reassuring card only where the oracle confirms every item that the card rests on")
def oracle_confirms(case: Case) -> Iterator[str]:
    yield from _against(case, *range(1, 13))
    if case.gate and case.chart.hook == "order-select" and not case.verdict.confirmed:
        yield f"the gate is open although {dict(case.verdict.against)}"


@law("A3 converse", "the gate is open wherever the oracle confirms and leaves nothing open")
def gate_is_not_vacuous(case: Case) -> Iterator[str]:
    if case.chart.hook == "order-select" and case.verdict.confirmed and not case.verdict.open and not case.gate:
        yield f"closed: {[f'{item}: {why}' for item, why in case.answer.findings.state.checklist.items() if why] if case.answer else 'refused'}"


@law("I01", "nothing reassures with a calcium or phosphate out of range, near a limit or flagged")
def I01(case: Case) -> Iterator[str]:
    yield from _against(case, 3, 4, 9)


@law("I02", "nothing reassures with a required value missing, stale, preliminary, ambiguous, implausible, contradictory or only a bound")
def I02(case: Case) -> Iterator[str]:
    yield from _against(case, 2, 5)


@law("I03", "nothing reassures on adjusted calcium alone with a low albumin, or when ionised calcium disagrees")
def I03(case: Case) -> Iterator[str]:
    yield from (why for why in _against(case, 3, 7) if "albumin low" in why or "ionised" in why)


@law("I04", "nothing reassures with an out-of-range calcium or phosphate in the previous 365 days")
def I04(case: Case) -> Iterator[str]:
    yield from _against(case, 9)


@law("I05", "nothing reassures with eGFR below 60, CKD, acute kidney injury, dialysis, transplant, pregnancy or critical illness")
def I05(case: Case) -> Iterator[str]:
    yield from _against(case, 6)
    yield from (why for why in _against(case, 7) if why.endswith(("pregnancy", "critical_illness", "intensive care")))


@law("I06", "nothing reassures below 18 years or without a birth date")
def I06(case: Case) -> Iterator[str]:
    yield from _against(case, 1)


@law("I07", "no product and no adjusted calcium from values outside the pairing window")
def I07(case: Case) -> Iterator[str]:
    for card in case.cards:
        text = case.text(card)
        if re.search(r"[Aa]djusted(?: calcium)? \**\d", text) and not (_paired(case.chart, "albumin", 4) or case.chart.of("adjusted")):
            yield f"an adjusted calcium is printed: {text}"
        if re.search(r"\d \(?mg2/dL2|mg2/dL2\)? \(", text) and not any(
            _paired(case.chart, "phosphate", 24, measure) for measure in ("calcium", "adjusted")
        ):
            yield f"a product is printed: {text}"


def _paired(chart: Chart, other: str, hours: float, measure: str = "calcium") -> bool:
    return any(abs(a.hours - b.hours) <= hours and a.clock == b.clock == "exact" for a in chart.of(measure) for b in chart.of(other))


@law("I08", "a critical calcium is the first card, whatever else fires")
def I08(case: Case) -> Iterator[str]:
    scope = any(
        history.category in INDEX and history.clinical == "active" and history.verification == "confirmed" for history in case.chart.histories
    )
    silent = case.chart.deceased or any(history.category in ("comfort_care", "palliative_care") for history in case.chart.histories)
    if (
        case.answer
        and scope
        and not silent
        and certainly_critical(case.chart)
        and (case.topics[:1] != [CRITICAL] or case.cards[0]["indicator"] == "info")
    ):
        yield f"critical, but the cards are {case.topics}"


@law("I09", "where calciphylaxis must be thought of, no card calls the calcification local")
def I09(case: Case) -> Iterator[str]:
    sign = any(history.category in SKIN and history.clinical == "active" and history.verification == "confirmed" for history in case.chart.histories)
    if sign and case.reassured & {LOCAL, VESSELS}:
        yield f"{set(case.reassured)} beside a skin sign"


def _danger(given: Answer | None) -> bool:
    return bool(DANGERS & before_budget(given).keys())


@law("I10", "adding an abnormal value or taking a required one away never adds reassurance, and never takes every danger card away")
def I10(case: Case) -> Iterator[str]:
    chart, number = case.chart, zlib.crc32(repr(case.chart).encode())
    analyte, told, unit = (
        ("calcium", "11.6", "mg/dL"),
        ("calcium", "8.1", "mg/dL"),
        ("phosphate", "5.9", "mg/dL"),
        ("ionised", "1.42", "mmol/L"),
        ("adjusted", "2.80", "mmol/L"),
    )[number % 5]
    oldest = max((result.hours for result in chart.of("calcium", "adjusted", "ionised", "phosphate", "albumin")), default=24)
    # Not at the moment of a result that it replaces, or that may be its correction: then nothing is added.
    unsettled = ("corrected", "amended", "preliminary", "registered")
    steps = (30, 2000) if any(result.status in unsettled for result in chart.results) else (0, 30, 2000)
    hours = max(oldest, min(364 * 24, oldest + steps[number % len(steps)]))
    abnormal = chart.birth == "full" and chart.age_days >= 19 * 365  # the values are abnormal for adults, and must not lie before the birth
    if hours <= 364.9 * 24 and abnormal:
        more = reply(request(replace(chart, results=(*chart.results, Result(analyte, told, unit, hours=hours)))))
        if reassured(more) - case.reassured or (more and reassured(more)):
            yield f"{set(reassured(more))} with {analyte} {told} {unit} {hours:.0f} h ago"
        if more is not None and _danger(case.answer) and not _danger(more):
            yield f"{before_budget(case.answer)} became {before_budget(more)} with {analyte} {told} {unit} {hours:.0f} h ago"
    gone = (("calcium", "adjusted", "ionised"), ("calcium",), ("phosphate",), ("albumin",), ("creatinine", "egfr"))[number % 5]
    less = reply(request(replace(chart, results=tuple(result for result in chart.results if result.analyte not in gone))))
    if reassured(less):
        yield f"{set(reassured(less))} without {gone}"


@law("I11", "a deletion names only an order in play, no baseline or safety test, none for another reason, and in a critical card only a drug")
def I11(case: Case) -> Iterator[str]:
    for card in case.cards:
        for suggestion in card.get("suggestions", ()):
            if "isRecommended" in suggestion:
                yield "a suggestion is pre-selected"
            for action in suggestion.get("actions", ()):
                if action["type"] == "delete":
                    yield from _wrongly_deleted(case, card, action["resourceId"])
                elif action["type"] != "create" or action["resource"].get("status") != "draft":
                    yield f"an action {action['type']}"
        if "systemActions" in card:
            yield "a system action"


def _wrongly_deleted(case: Case, card: Json, resource: str) -> Iterator[str]:
    kind, _, name = resource.partition("/")
    draft = case.chart.drafts[int(name.removeprefix("draft-"))]
    if case.chart.hook == "order-select" and resource not in case.body["context"]["selections"]:
        yield f"{draft.name} is not selected"
    if draft.name in NEVER_REMOVED:
        yield f"{draft.name} would be removed"
    if kind == "ServiceRequest" and draft.reason in UNRELATED:
        yield f"{draft.name} is ordered for {draft.reason}"
    if card["indicator"] == "critical" and kind != "MedicationRequest":
        yield f"a critical card removes {draft.name}"


@law("I12", "nothing reassures when a query failed or came in part")
def I12(case: Case) -> Iterator[str]:
    yield from _against(case, 11)
    keys = [*OPTIONAL_KEYS, "observations", "conditions"]
    key = keys[zlib.crc32(repr(case.chart).encode()) % len(keys)]
    how = "absent" if key == "patient" else "paged"
    if case.reassured:
        failed = reply(request(replace(case.chart, failed=((key, how),))))
        if reassured(failed):
            yield f"{set(reassured(failed))} with {key} {how}"


@law("I13", "the same chart in mg/dL and in mmol/L gives the same cards, but for the print")
def I13(case: Case) -> Iterator[str]:
    si = in_si(case.chart)
    if any(len({result.unit for result in si.of(analyte)}) > 1 for analyte in CODES):
        return  # two codes would become one, and so one value the correction of the other
    one, other = (_shape(reply(request(chart))) for chart in (si, in_conventional(si)))
    if one != other:
        yield f"{one} in SI units, {other} in conventional ones"


def _shape(given: Answer | None) -> Any:
    if given is None:
        return None
    cards = [(card["source"]["topic"]["code"], card["indicator"], [s["label"] for s in card.get("suggestions", ())]) for card in given.cards]
    return cards, sorted((result.pitfall.id, result.outcome) for result in given.results)


@law("I14", "shuffling or repeating results and records changes nothing")
def I14(case: Case) -> Iterator[str]:
    shuffle = random.Random(zlib.crc32(repr(case.chart).encode()))
    mixed = json.loads(json.dumps(case.body))
    for key in ("observations", "conditions", "medication-statements"):
        bundle = mixed["prefetch"].get(key)
        if bundle and bundle.get("entry"):
            again = json.loads(json.dumps(shuffle.choice(bundle["entry"])))
            if key == "observations" and shuffle.random() < 0.5:
                again["resource"]["id"] += "-again"
            bundle["entry"].append(again)
            shuffle.shuffle(bundle["entry"])
            bundle["total"] = len(bundle["entry"])
    given = reply(mixed)
    if (given.cards if given else None) != (case.answer.cards if case.answer else None):
        yield f"{case.topics} became {topics(given)}, or their words changed"


@law("I15", "every card is well formed")
def I15(case: Case) -> Iterator[str]:
    ids = [card["uuid"] for card in case.cards] + [s["uuid"] for card in case.cards for s in card.get("suggestions", ())]
    if len(ids) != len(set(ids)):
        yield "two cards or suggestions share an id"
    for card in case.cards:
        if not 0 < len(card["summary"].encode("utf-16-le")) // 2 < 140:
            yield f"summary of {len(card['summary'])}: {card['summary']}"
        if card["indicator"] not in WEIGHT or not card["source"]["label"]:
            yield f"indicator {card['indicator']}, source {card['source']}"
        if ("selectionBehavior" in card) != bool(card.get("suggestions")):
            yield "selectionBehavior goes with suggestions"
        if not all(reason["display"] for reason in card["overrideReasons"]):
            yield "an override reason without display"
        if set(card) - CARD_FIELDS:
            yield f"fields {set(card) - CARD_FIELDS}"


@law("I16", "without a calcification on record there is no card; an order of unknown kind is never reassured")
def I16(case: Case) -> Iterator[str]:
    chart = case.chart
    # The codes of these are those of a calcification, too: 61778004, and M61.1 under M61.
    also = {"tumoral_calcinosis", "fibrodysplasia_ossificans"}
    elsewhere = {*INDEX, *also, "calciphylaxis", "fetal_brain", "brain_malformation"}
    histories = tuple(history for history in chart.histories if history.category not in elsewhere)
    drafts = tuple(replace(draft, reason="" if draft.reason in INDEX else draft.reason) for draft in chart.drafts)
    if case.topics:
        without = reply(request(replace(chart, histories=histories, drafts=drafts)))
        if topics(without):
            yield f"{topics(without)} without a calcification"
    if case.reassured:
        unknown = reply(request(replace(chart, drafts=(Draft("unknown"), Draft("referral")))))
        if reassured(unknown):
            yield f"{set(reassured(unknown))} of an order of unknown kind"


@law("I17", "91 days later nothing reassures (8 days later in hospital)")
def I17(case: Case) -> Iterator[str]:
    if case.reassured:
        days = 8 if case.chart.encounter in INPATIENT else 91
        later = reply(case.body, NOW + timedelta(days=days))
        if reassured(later):
            yield f"{set(reassured(later))} after {days} days"


@law("I19", "the budget of cards is kept, the weightiest first")
def I19(case: Case) -> Iterator[str]:
    indicators = [card["indicator"] for card in case.cards]
    if len(indicators) > BUDGET[case.chart.hook] or indicators.count("info") > (case.chart.hook == "order-select"):
        yield f"{indicators} on {case.chart.hook}"
    if indicators != sorted(indicators, key=WEIGHT.index):
        yield f"{indicators} out of order"
    if len(case.topics) != len(set(case.topics)):
        yield "a pitfall speaks twice"


@law("H15", "another patient's resource lets nothing reassure, and adds no card")
def H15(case: Case) -> Iterator[str]:
    if case.reassured:
        mixed = reply(request(replace(case.chart, foreign="Observation")))
        if reassured(mixed) or before_budget(mixed).keys() - before_budget(case.answer).keys():
            yield f"{set(before_budget(mixed))} with another patient's result"


def draw(count: int, number: int) -> list[Chart]:
    """Draw `count` charts with Hypothesis; the same number draws the same charts."""
    drawn: list[Chart] = []

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(charts())
    def collect(chart: Chart) -> None:
        drawn.append(chart)

    collect()
    return drawn
