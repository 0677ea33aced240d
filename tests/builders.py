"""Plain builders with good defaults: content, requests, answers. Few fixtures; every test says what it needs."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any

from cdshooks.answer import Answer, answer
from cdshooks.content import Content, load_content
from cdshooks.demo import samples
from cdshooks.judging import NOW, words_of
from cdshooks.pitfalls.vignettes import request_of
from cdshooks.prefetch import read_prefetch
from cdshooks.request import parse_request

Json = dict[str, Any]


@cache
def content() -> Content:
    """The content as it ships, loaded once for all tests: it is immutable."""
    return load_content()


def body(given: str) -> Json:
    """A hook request from a few vignette lines."""
    return request_of(given, NOW, words_of(content()))


def sample_bodies(now: datetime = NOW) -> dict[str, Json]:
    """The sample patients' hook requests by name."""
    return {sample.name: sample.body for sample in samples(content(), now)}


def ask(request: Json | str, now: datetime = NOW) -> Answer:
    """Answer a request (a body, or vignette lines) through the whole pipeline, from bytes to cards."""
    document = body(request) if isinstance(request, str) else request
    service = next(service for service in content().services.values() if service.hook == document["hook"])
    parsed = parse_request(json.dumps(document).encode(), service.id, service.hook)
    return answer(parsed, read_prefetch(parsed, service.templates), content(), now, every_line=True)


def topics(given: Answer) -> list[str]:
    """The pitfalls whose cards were shown, in order."""
    return [card["source"]["topic"]["code"] for card in given.cards]
