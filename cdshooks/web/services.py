"""CDS Hooks over HTTP: discovery, and the hook calls. A view reads, calls the core, and writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import msgspec
from flask import Flask, Response, abort, g, request
from werkzeug.exceptions import UnsupportedMediaType

from ..cards import identify
from ..content import Content, Service
from ..fhir_client import CLOSED, FhirServers, Permission, why_not
from ..prefetch import Prefetch, Value, accepted, by_type, completed, gaps, judged
from ..request import HookRequest, parse_request
from .door import Door
from .stages import Stages
from .waiting import result_of, resumed

MAX_AGE_SECONDS = 300
FETCHING = 0.9  # of a call's time; the rest is for the answer
COMPRESSIONS = ("gzip", "deflate", "br", "zstd", "compress")


class Answering(Protocol):
    """The core: `cdshooks.answer.answer`, or a fake of it."""

    def __call__(self, request: HookRequest, prefetch: Prefetch, content: Content, now: datetime, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Fhir:
    """What calls may fetch, and how: the servers, where the caller's calls may go, the other names of our keys, and until when."""

    servers: FhirServers
    permission: Permission = field(default_factory=Permission)
    aliases: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 2


def register(
    app: Flask,
    content: Content,
    *,
    door: Door | None,
    answer: Answering,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
    fhir: Fhir,
) -> None:
    """Serve discovery, which is open to all, and every service of `content`, which is for whom the door lets in; without a door, for all."""
    discovery = msgspec.json.encode({"services": [_advertised(service) for service in content.services.values()]})
    encode = msgspec.json.Encoder().encode

    @app.get("/cds-services")
    def discover() -> Response:
        return Response(discovery, content_type="application/json", headers={"Cache-Control": f"max-age={MAX_AGE_SECONDS}"})

    @app.post("/cds-services/<service_id>")
    def call(service_id: str) -> Response:
        if not resumed():
            _begin(content, service_id, door)
        stages = g.stages
        prefetch = _prefetch(g.service, g.hook_request, _for_caller(fhir))
        stages.done("prefetch")
        g.answer = given = answer(g.hook_request, prefetch, content, clock())
        stages.done("answer")
        body = encode({"cards": identify(given.cards, new_id)})
        stages.done("encode")
        return Response(body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _begin(content: Content, service_id: str, door: Door | None) -> None:
    """All that is done once for a call, before anything is waited for: who asks for what. Leaves it in `flask.g`."""
    service = content.services.get(service_id)
    if service is None:
        abort(404, f"there is no such service; it must be one of {', '.join(content.services)}")
    g.service = service
    if door is not None:
        g.caller = door.caller(request.environ, service.id)
    _require_json()
    raw = request.get_data(cache=False)
    g.size = len(raw)
    g.stages = Stages()
    g.hook_request = parse_request(raw, service.id, service.hook)
    g.stages.done("parse")


def _for_caller(fhir: Fhir) -> Fhir:
    """What this caller's calls may fetch: where there is a door, from the servers of the client that came in by it."""
    if "caller" not in g:
        return fhir
    client = g.caller.client
    return replace(fhir, permission=Permission(client.fhir_servers, token_needed=True), aliases=client.prefetch_aliases)


def _prefetch(service: Service, asked: HookRequest, fhir: Fhir) -> Prefetch:
    """What came, and what could be fetched of what did not. Leaves in `flask.g` how that ended."""
    values: Mapping[str, Value] = judged(asked, service.templates, fhir.aliases)
    missing = gaps(values, asked, service.templates)
    closed = why_not(asked, fhir.permission) if missing else ""
    if closed:
        g.not_asked = closed
    elif missing:
        deadline = g.started + FETCHING * fhir.seconds
        g.fetched = result_of(lambda: fhir.servers.fetch(asked, missing, fhir.permission, deadline))
        values = completed(values, g.fetched.by_key, asked)
    values = by_type(values, asked, service.templates, fhir.aliases)
    if missing:
        g.prefetch = values
    return accepted(values, CLOSED.get(closed, ""))


def _advertised(service: Service) -> dict[str, Any]:
    """A service as discovery tells it. What is empty is left out: CDS Hooks forbids '', {} and null. Key order is kept."""
    told = {
        "hook": service.hook,
        "title": service.title,
        "description": service.description,
        "id": service.id,
        "prefetch": dict(service.templates),
        "usageRequirements": service.usage_requirements,
    }
    return {name: value for name, value in told.items() if value}


def _require_json() -> None:
    """Refuse what says that it is not plain JSON; a missing Content-Type is let pass.

    A header is the sender's own text, and not repeated unless well known.
    """
    if request.content_type == "application/json" and "Content-Encoding" not in request.headers:
        return  # as nearly every call
    kind = request.mimetype
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMediaType("this Content-Type is not supported: send application/json")
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType("this charset of Content-Type is not supported: send UTF-8")
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        named = f"Content-Encoding {encoding}" if encoding in COMPRESSIONS else "this Content-Encoding"
        raise UnsupportedMediaType(f"{named} is not supported: send the body uncompressed")
