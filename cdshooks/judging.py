"""Judge content by its vignettes: each goes through the whole pipeline, from the bytes of a request to the card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from .answer import Answer, answer
from .content import FOLDER, Content
from .pitfalls.loading import read_toml
from .pitfalls.model import Pitfall, Vignette
from .pitfalls.vignettes import VignetteError, Words, request_of
from .prefetch import read_prefetch
from .request import parse_request

# Vignettes tell time backwards from a fixed now, so that they mean the same on every day.
NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a pitfall did with one of its vignettes; `faults` is empty when it did what is expected."""

    pitfall: Pitfall
    vignette: Vignette
    answer: Answer | None
    faults: tuple[str, ...]

    @property
    def told(self) -> tuple[str, ...]:
        """The faults, each with its place."""
        return tuple(f"content/pitfalls/{self.pitfall.id}.toml: vignette {self.vignette.name!r}: {fault}" for fault in self.faults)


def words_of(content: Content) -> Words:
    """The words that vignettes may use with this content."""
    return Words(content.mappings, read_toml(FOLDER / "vignette_words.toml", "content/vignette_words.toml", []))


def judge(content: Content) -> Iterator[Verdict]:
    """Run every vignette of every pitfall."""
    words = words_of(content)
    for pitfall in content.pitfalls:
        for vignette in pitfall.vignettes:
            yield judge_one(pitfall, vignette, content, words)


def judge_one(pitfall: Pitfall, vignette: Vignette, content: Content, words: Words) -> Verdict:
    """Run one vignette through the whole pipeline and compare."""
    try:
        body = request_of(vignette.given, NOW, words)
    except VignetteError as error:
        return Verdict(pitfall, vignette, None, (str(error),))
    service = next(service for service in content.services.values() if service.hook == body["hook"])
    request = parse_request(json.dumps(body).encode(), service.id, service.hook)
    given = answer(request, read_prefetch(request, service.templates), content, NOW, every_line=True)
    return Verdict(pitfall, vignette, given, tuple(_compare(pitfall, vignette, given)))


def _compare(pitfall: Pitfall, vignette: Vignette, given: Answer) -> Iterator[str]:
    card = next((card for card in given.cards if card["source"]["topic"]["code"] == pitfall.id), None)
    result = next((result for result in given.results if result.pitfall.id == pitfall.id), None)
    outcome = result.outcome if result is not None else "not evaluated on this hook"
    if outcome == "fires" and card is None:
        outcome = "kept back"
    if outcome != vignette.expect:
        yield f"expected {vignette.expect}, but it is {outcome}{_why(given, pitfall)}"
    elif card is not None:
        yield from _compare_card(vignette, card)


def _compare_card(vignette: Vignette, card: dict[str, object]) -> Iterator[str]:
    text = json.dumps([card["summary"], card["detail"], card.get("suggestions")], ensure_ascii=False)
    if vignette.indicator and card["indicator"] != vignette.indicator:
        yield f"expected indicator {vignette.indicator}, but it is {card['indicator']}"
    yield from (f"expected the card to say {words!r}: {card['summary']}" for words in vignette.says if words not in text)
    yield from (f"expected the card not to say {words!r}" for words in vignette.says_not if words in text)


def _why(given: Answer, pitfall: Pitfall) -> str:
    if pitfall.id in given.kept_back:
        return f" ({given.kept_back[pitfall.id]})"
    result = next((result for result in given.results if result.pitfall.id == pitfall.id), None)
    lines = [line for line in result.when if not line.holds] if result else []
    lines += [line for line in result.unless if line.holds] if result else []
    unproven = [f"{item}: {why}" for item, why in given.findings.state.checklist.items() if why]
    return "".join(f"; {line.expression} = {line.holds}{' missing ' + ', '.join(line.missing) if line.missing else ''}" for line in lines) + (
        f"; unproven {unproven}" if pitfall.reassures and unproven else ""
    )
