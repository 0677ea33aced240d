"""Is it alive, is it ready, with which content: the questions of operators and load balancers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from flask import Flask, Response, request

from ..content import Content

REACHED = "cdshooks.store"  # in the WSGI environ: whether the store answered


def store_ahead(reachable: Callable[[], bool]) -> Callable[[dict[str, Any]], Callable[[], None] | None]:
    """Ask the store before the view of /readyz runs, in any thread: it may take its time to answer."""

    def ahead(environ: dict[str, Any]) -> Callable[[], None] | None:
        return (lambda: environ.update({REACHED: reachable()})) if environ["PATH_INFO"] == "/readyz" else None

    return ahead


def register(app: Flask, content: Content, reachable: Callable[[], bool] | None) -> None:
    """Serve /healthz and /readyz. A process that answers is ready, if the store answers it; None where no store is used."""
    unready = msgspec.json.encode({"status": "unready", "content": content.digest, "store": "not reachable"})
    ready = msgspec.json.encode({"status": "ready", "content": content.digest, "services": sorted(content.services)})

    @app.get("/healthz")
    def healthz() -> Response:
        return _answer(b'{"status":"ok"}')

    @app.get("/readyz")
    def readyz() -> Response:
        if reachable is None or (request.environ[REACHED] if REACHED in request.environ else reachable()):
            return _answer(ready)
        return _answer(unready, 503)


def _answer(body: bytes, status: int = 200) -> Response:
    return Response(body, status, content_type="application/json", headers={"Cache-Control": "no-store"})
