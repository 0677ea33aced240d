"""CDS Hooks over HTTP: discovery, and the hook calls. A view reads, calls the core, and writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import msgspec
from flask import Flask, Response, abort, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized, UnsupportedMediaType

from ..cards import identify
from ..content import Content, Service
from ..prefetch import Prefetch, read_prefetch
from ..request import HookRequest, parse_request
from .stages import Stages

MAX_AGE_SECONDS = 300
COMPRESSIONS = ("gzip", "deflate", "br", "zstd", "compress")


class Answering(Protocol):
    """The core: `cdshooks.answer.answer`, or a fake of it."""

    def __call__(self, request: HookRequest, prefetch: Prefetch, content: Content, now: datetime, /) -> Any: ...


def register(app: Flask, content: Content, *, locked: bool, answer: Answering, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
    """Serve discovery and every service of `content`. `locked` refuses all hook calls: authentication is asked for, and cannot be given."""
    discovery = msgspec.json.encode({"services": [_advertised(service) for service in content.services.values()]})
    encode = msgspec.json.Encoder().encode

    @app.get("/cds-services")
    def discover() -> Response:
        return Response(discovery, content_type="application/json", headers={"Cache-Control": f"max-age={MAX_AGE_SECONDS}"})

    @app.post("/cds-services/<service_id>")
    def call(service_id: str) -> Response:
        service = content.services.get(service_id)
        if service is None:
            abort(404, f"there is no such service; it must be one of {', '.join(content.services)}")
        g.service = service
        if locked:
            raise Unauthorized(www_authenticate=WWWAuthenticate("bearer"))
        _require_json()
        raw = request.get_data(cache=False)
        g.size = len(raw)
        stages = g.stages = Stages()
        g.hook_request = hook_request = parse_request(raw, service.id, service.hook)
        stages.done("parse")
        prefetch = read_prefetch(hook_request, service.templates)
        stages.done("prefetch")
        g.answer = given = answer(hook_request, prefetch, content, clock())
        stages.done("answer")
        body = encode({"cards": identify(given.cards, new_id)})
        stages.done("encode")
        return Response(body, content_type="application/json", headers={"Cache-Control": "no-store"})


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
