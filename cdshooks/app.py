"""The only place that wires: settings and content in, a Flask application out. Importing it starts nothing and reads no environment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from flask import Flask

from .answer import answer as answer_request
from .content import Content, load_content
from .settings import Settings
from .web import cors, demo, errors, events, headers, metrics, openapi, ops, pitfalls, services

VARIANT = "89ab" * 4  # the two highest bits of this digit are fixed


def utcnow() -> datetime:
    """The one clock of the service."""
    return datetime.now(UTC)


def new_uuid() -> str:
    """A fresh name for a card or suggestion: what `uuid.uuid4` makes (RFC 9562, version 4), in a quarter of its time."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{VARIANT[int(digits[16], 16)]}{digits[17:20]}-{digits[20:]}"


def content_of(settings: Settings) -> Content:
    """Load the content that these settings ask for. Raises ContentError with every fault."""
    return replace(load_content(settings.site), base_url=settings.public_url)


def create_app(
    settings: Settings,
    content: Content,
    *,
    clock: Callable[[], datetime] = utcnow,
    answer: services.Answering = answer_request,
    new_id: Callable[[], str] = new_uuid,
    demo_requests: demo.Requests | None = None,
    figures: metrics.Figures | None = None,
    needed: Mapping[str, ops.Check] | None = None,
) -> Flask:
    """Wire the service. `clock`, `answer` and `new_id` are replaced by tests; `demo_requests` offers the sample patients' requests.

    `figures` outlive the application when its content is replaced; `needed` is what must be there for the service to be ready.
    """
    app = Flask("cdshooks", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["CONTENT_DIGEST"] = content.digest
    app.url_map.merge_slashes = False  # done below, without the redirect that would lose a POST's body
    events.register(app, content.digest)
    metrics.register(app, figures or metrics.Figures(), content.digest)
    headers.register(app, https=settings.public_url.startswith("https:"))
    cors.register(app, settings.cors_origins)
    errors.register(app)
    services.register(app, content, locked=settings.auth == "jwt", answer=answer, clock=clock, new_id=new_id)
    ops.register(app, content, needed or {})
    pitfalls.register(app, content)
    openapi.register(app, content, lambda: iter(demo_requests(clock()) if demo_requests is not None else ()))
    if demo_requests is not None:
        demo.register(app, demo_requests, clock)
    app.wsgi_app = _Collapsed(app.wsgi_app)  # type: ignore[method-assign]  # Flask's documented way to wrap itself
    return app


class _Collapsed:
    """Serve `//` as `/` and a path that ends with `/` as one that does not: clients build URLs by hand, and a redirect loses CORS and body."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]]) -> None:
        self.wsgi = wsgi

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if "//" in path or (path.endswith("/") and path != "/"):
            environ["PATH_INFO"] = re.sub("/+", "/", path).rstrip("/") or "/"
        return self.wsgi(environ, start_response)
