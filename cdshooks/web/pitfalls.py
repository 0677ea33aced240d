"""The public pages of the pitfalls: for the clinician who asks "why do I see this", and as one JSON document for whoever reviews them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec
from flask import Flask, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from ..basis import all_bases
from ..content import Content
from .headers import PAGE

HEADERS = PAGE | {"Cache-Control": "max-age=300"}
STYLE = files("cdshooks.web") / "templates" / "page.css"


def register(app: Flask, content: Content) -> None:
    """Serve GET /pitfalls, /pitfalls/<id>, /pitfalls.json and the style of the pages."""
    pages = Environment(loader=PackageLoader("cdshooks.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)

    @cache
    def bases() -> dict[str, object]:
        return all_bases(content)  # on the first request only, so that the start stays quick

    def page(template: str, status: int = 200, **values: object) -> Response:
        text = pages.get_template(template).render(content=bases(), **values)
        return Response(text, status=status, content_type="text/html; charset=utf-8", headers=HEADERS)

    @app.get("/pitfalls")
    def pitfalls() -> Response:
        return page("pitfalls.html")

    @app.get("/pitfalls.json")
    def pitfalls_json() -> Response:
        return Response(msgspec.json.encode(bases()), content_type="application/json", headers=HEADERS)

    @app.get("/pitfalls/<pitfall_id>")
    def pitfall(pitfall_id: str) -> Response:
        known = {found["id"]: found for found in bases()["pitfalls"]}  # type: ignore[attr-defined]
        if pitfall_id not in known:
            return page("missing.html", 404)
        return page("pitfall.html", pitfall=known[pitfall_id], titles={name: found["title"] for name, found in known.items()})

    @app.get("/assets/page.css")
    def style() -> Response:
        return Response(STYLE.read_bytes(), content_type="text/css; charset=utf-8", headers=HEADERS)
