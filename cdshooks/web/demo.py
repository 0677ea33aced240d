"""Ready hook requests of the sample patients, for `serve --demo`: fetch one, post it back, see the card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from flask import Flask, Response, abort

Requests = Callable[[datetime], Mapping[str, Mapping[str, Any]]]


def register(app: Flask, requests: Requests, clock: Callable[[], datetime]) -> None:
    """Serve GET /demo/requests (the names) and GET /demo/requests/<name>.json; times in them count back from now.

    Makes them once before anything is served, so that a sample that cannot be made stops the start, and not a call."""
    requests(clock())

    @app.get("/demo/requests")
    def names() -> Response:
        return _answer({"requests": [f"/demo/requests/{name}.json" for name in requests(clock())]})

    @app.get("/demo/requests/<name>.json")
    def one(name: str) -> Response:
        body = requests(clock()).get(name)
        return _answer(body) if body is not None else abort(404)


def _answer(body: Any) -> Response:
    return Response(msgspec.json.encode(body), content_type="application/json", headers={"Cache-Control": "no-store"})
