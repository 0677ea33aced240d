"""Is it alive, is it ready, with which content: the questions of operators and load balancers."""

from __future__ import annotations

import msgspec
from flask import Flask, Response

from ..content import Content


def register(app: Flask, content: Content) -> None:
    """Serve /healthz and /readyz. There is no state beside the content, so a process that answers is ready."""
    ready = msgspec.json.encode({"status": "ready", "content": content.digest, "services": sorted(content.services)})

    @app.get("/healthz")
    def healthz() -> Response:
        return _answer(b'{"status":"ok"}')

    @app.get("/readyz")
    def readyz() -> Response:
        return _answer(ready)


def _answer(body: bytes) -> Response:
    return Response(body, content_type="application/json", headers={"Cache-Control": "no-store"})
