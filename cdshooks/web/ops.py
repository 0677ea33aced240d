"""Is it alive, is it ready, with which content: the questions of operators and load balancers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from flask import Flask, Response, request

from ..content import Content

Check = Callable[[], str]  # what keeps something from being ready, or "" when nothing does
CHECKED = "cdshooks.checked"  # in the WSGI environ: what each check said


def ahead(needed: Mapping[str, Check]) -> Callable[[dict[str, Any]], Callable[[], None] | None]:
    """Ask all checks before the view of /readyz runs, in any thread: what is asked, as a database, may take its time to answer."""

    def look(environ: dict[str, Any]) -> Callable[[], None] | None:
        if not needed or environ["PATH_INFO"].strip("/") != "readyz":
            return None
        return lambda: environ.update({CHECKED: _said(needed)})

    return look


def _said(needed: Mapping[str, Check]) -> dict[str, str]:
    return {name: check() or "ok" for name, check in needed.items()}


def register(app: Flask, content: Content, needed: Mapping[str, Check]) -> None:
    """Serve /healthz and /readyz. A process that answers has its content; `needed` is what else must be there, by name, asked each time."""

    @app.get("/healthz")
    def healthz() -> Response:
        return _answer({"status": "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        said = request.environ[CHECKED] if CHECKED in request.environ else _said(needed)
        checks = {"content": "ok"} | said
        ready = set(checks.values()) == {"ok"}
        about = {"content": content.digest, "pitfalls": len(content.pitfalls), "services": sorted(content.services)}
        return _answer({"status": "ready" if ready else "not ready", **about, "checks": checks}, 200 if ready else 503)


def _answer(told: Mapping[str, object], status: int = 200) -> Response:
    return Response(msgspec.json.encode(told), status, content_type="application/json", headers={"Cache-Control": "no-store"})
