"""One structured log event for each hook call and each error: who asked what, how it ended, how long it took. Never chart data."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from flask import Flask, Response, g, request

from ..request import UUID

LOG = logging.getLogger("cdshooks.event")


def register(app: Flask, digest: str) -> None:
    """Log an event as one line of JSON for everything but undisturbed discovery, health and pages."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def tell(response: Response) -> Response:
        noted = vars(g)
        if LOG.isEnabledFor(logging.INFO) and ("service" in noted or response.status_code >= 400):
            LOG.info(msgspec.json.encode(_event(noted, response.status_code, digest)).decode())
        return response


def _event(noted: Mapping[str, Any], status: int, digest: str) -> dict[str, Any]:
    """`noted` is what the views left in `flask.g`."""
    event: dict[str, Any] = {
        "event": "hook" if "service" in noted else "error",
        "method": request.method,
        "status": status,
        "ms": round(1000 * (time.perf_counter() - noted["started"]), 2),
        "content": digest,
    }
    # Only the route: a path is the client's own text, and might hold anything.
    if request.url_rule is not None:
        event["route"] = request.url_rule.rule
    if "service" in noted:
        event |= {"service": noted["service"].id, "hook": noted["service"].hook}
    if "size" in noted:
        event["bytes"] = noted["size"]
    if "stages" in noted:
        event["stages"] = {name: round(1000 * (ended - began), 2) for name, began, ended in noted["stages"]}
    if "caller" in noted:
        event |= _of_caller(noted["caller"])
    if "refused" in noted:
        event |= _of_refused(noted["refused"])
    if "hook_request" in noted:
        event |= _of_request(noted["hook_request"])
    event |= _of_fetching(noted)
    if "answer" in noted:
        event |= _of_answer(noted["answer"])
    if "incident" in noted:
        event["incident"] = noted["incident"]
    return event


def _of_caller(caller: Any) -> dict[str, Any]:
    return {"client": caller.client.name} | ({"tenant": caller.tenant} if caller.tenant is not None else {})


def _of_refused(error: Any) -> dict[str, Any]:
    """Why somebody was not let in: for us, not for them. `claimed` is whose call it said it was; nothing of the JWT itself."""
    return {"refused": error.check, "reason": error.reason} | ({"claimed": error.client} if error.client else {})


def _of_request(hook_request: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"token": hook_request.has_token}
    if UUID.fullmatch(hook_request.hook_instance):  # anything else might be a name
        told["hookInstance"] = hook_request.hook_instance
    if hook_request.warnings:
        told["warnings"] = hook_request.warnings
    return told


def _of_fetching(noted: Mapping[str, Any]) -> dict[str, Any]:
    """What was lacking: why nobody was asked for it, or how many requests ended how; and how each key stands now. Never where anything is."""
    told: dict[str, Any] = {}
    if "not_asked" in noted:
        told["fhirNotAsked"] = noted["not_asked"]
    if "fetched" in noted:
        told["fhir"] = dict(noted["fetched"].outcomes)
    if "prefetch" in noted:
        told["prefetch"] = dict(Counter(value.state for value in noted["prefetch"].values()))
    return told


def _of_answer(given: Any) -> dict[str, Any]:
    return {
        "cards": [card["source"]["topic"]["code"] for card in given.cards],
        "problems": dict(Counter(problem.reason for problem in given.facts.problems)),
    }
