"""GET /openapi.json: every path of the service as it is now, in OpenAPI 3.1, from the routes of the application and its content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from flask import Flask, Response

from ..content import Content, Service
from ..prefetch import REQUIRED
from ..request import request_schema

Json = dict[str, Any]
Paths = Iterator[tuple[str, Json]]
PROJECT = "metabolic-workup-cds"


def register(app: Flask, content: Content, samples: Callable[[], Iterator[str]]) -> None:
    """Serve GET /openapi.json. `samples` names the sample requests, which are there in a demonstration only."""

    @cache
    def told() -> bytes:
        return msgspec.json.encode(document(app, content, samples))

    @app.get("/openapi.json")
    def openapi() -> Response:
        return Response(told(), content_type="application/json", headers={"Cache-Control": "max-age=300"})


def document(app: Flask, content: Content, samples: Callable[[], Iterator[str]] = lambda: iter(())) -> Json:
    """The description of all routes that `app` has. Raises KeyError for a route that nobody has described here."""
    described = _described(content, samples)
    rules = sorted(rule.rule for rule in app.url_map.iter_rules())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": PROJECT,
            "version": version(PROJECT),
            "summary": "A CDS Hooks service for the metabolic workup of soft-tissue calcification",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": content.base_url or "/"}],
        "paths": {path: item for rule in rules for path, item in described[rule]()},
        "components": {"schemas": SCHEMAS, "securitySchemes": {"client": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}},
    }


def _described(content: Content, samples: Callable[[], Iterator[str]]) -> Mapping[str, Callable[[], Paths]]:
    """What each route of the application is, by its rule."""
    pitfalls = [pitfall.id for pitfall in content.pitfalls]
    return {
        "/cds-services": lambda: _one("/cds-services", "The services, with their prefetch templates", _json(DISCOVERY)),
        "/cds-services/<service_id>": lambda: _services(content),
        "/healthz": lambda: _one("/healthz", "Alive", _json(_object(status={"const": "ok"}))),
        "/readyz": lambda: _one("/readyz", "Ready, and with which content", _json(READY), {"503": {"description": "Not ready", **_json(READY)}}),
        "/metrics": lambda: _one("/metrics", "Figures for Prometheus", _text("text/plain")),
        "/openapi.json": lambda: _one("/openapi.json", "This document", _json({"type": "object", "required": ["openapi", "info", "paths"]})),
        "/pitfalls": lambda: _one("/pitfalls", "All pitfalls, as a page", _text("text/html")),
        "/pitfalls.json": lambda: _one("/pitfalls.json", "All pitfalls, as one document", _json({"type": "object", "required": ["pitfalls"]})),
        "/pitfalls/<pitfall_id>": lambda: _named("/pitfalls/{pitfall_id}", "One pitfall, as a page", "pitfall_id", pitfalls, _text("text/html")),
        "/assets/page.css": lambda: _one("/assets/page.css", "The style of the pages", _text("text/css")),
        "/demo/requests": lambda: _one("/demo/requests", "The sample requests", _json(_object(requests=_array({"type": "string"})))),
        "/demo/requests/<name>.json": lambda: _named(
            "/demo/requests/{name}.json", "A hook request of a sample patient", "name", list(samples()), _json({"type": "object"})
        ),
    }


def _one(path: str, summary: str, answer: Json, more: Json | None = None) -> Paths:
    operation = {"summary": summary, "responses": {"200": {"description": summary, **answer}, **(more or {}), "default": REFUSED}}
    yield path, {"get": operation, "options": PREFLIGHT}


def _named(path: str, summary: str, name: str, names: list[str], answer: Json) -> Paths:
    """A path with one parameter, of which all values are known."""
    ((_, item),) = _one(path, summary, answer, {"404": {"description": "There is none of this name", "content": _either(answer)}})
    yield path, {**item, "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "enum": names}}]}


def _either(answer: Json) -> Json:
    """A page's 404 is a page, everything else an OperationOutcome."""
    return answer["content"] if "text/html" in answer["content"] else REFUSED["content"]  # type: ignore[no-any-return]


def _services(content: Content) -> Paths:
    for service in content.services.values():
        yield f"/cds-services/{service.id}", {"post": _call(service), "options": PREFLIGHT}


def _call(service: Service) -> Json:
    return {
        "summary": service.title,
        "description": service.description,
        "security": [{"client": []}, {}],
        "requestBody": {"required": True, **_json(_request(service))},
        "responses": {
            "200": {"description": "Cards; none means that the chart was looked at and there is nothing to say", **_json(_ref("Cards"))},
            **{status: {**REFUSED, "description": says} for status, says in REFUSALS.items()},
            "default": REFUSED,
        },
    }


def _request(service: Service) -> Json:
    schema = {key: value for key, value in request_schema(service.hook).items() if key != "$schema"}
    keys = {
        key: {"type": ["object", "null"], "description": f"{'required; ' if key in REQUIRED else ''}{template}"}
        for key, template in service.templates.items()
    }
    prefetch = {**schema["properties"]["prefetch"], "properties": keys}
    return {**schema, "properties": {**schema["properties"], "prefetch": prefetch}}


def _json(schema: Json) -> Json:
    return {"content": {"application/json": {"schema": schema}}}


def _text(kind: str) -> Json:
    return {"content": {kind: {"schema": {"type": "string"}}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _array(items: Json) -> Json:
    return {"type": "array", "items": items}


def _object(*, optional: Json | None = None, **members: Json) -> Json:
    return {"type": "object", "required": list(members), "properties": {**members, **(optional or {})}}


TEXT: Json = {"type": "string", "minLength": 1}
REFUSALS = {
    "400": "The request is not one; every fault is named",
    "401": "Authentication is asked for",
    "403": "It is known who calls, and not permitted",
    "408": "The body did not come whole in time",
    "412": "Required data did not come",
    "413": "The body is too large",
    "415": "Not JSON",
    "500": "A fault of the service, with an incident id",
    "503": "The service is stopping, or whether to let the caller in cannot be told at the moment: send again",
}
CODING = _object(optional={"display": TEXT}, system=TEXT, code=TEXT)
ACTION = _object(
    optional={"resource": {"type": "object"}, "resourceId": {"type": ["string", "array"]}},
    type={"enum": ["create", "update", "delete"]},
    description=TEXT,
)
CARD = _object(
    optional={
        "detail": TEXT,
        "suggestions": _array(_object(optional={"uuid": TEXT, "isRecommended": {"type": "boolean"}, "actions": _array(ACTION)}, label=TEXT)),
        "selectionBehavior": {"enum": ["at-most-one", "any"]},
        "overrideReasons": _array(CODING),
        "links": _array(_object(label=TEXT, url=TEXT, type={"enum": ["absolute", "smart"]})),
    },
    uuid={"type": "string", "format": "uuid"},
    summary={"type": "string", "minLength": 1, "maxLength": 139},
    indicator={"enum": ["info", "warning", "critical"]},
    source=_object(optional={"url": TEXT}, label=TEXT, topic=CODING),
)
ISSUE = _object(
    optional={"expression": _array(TEXT)}, severity={"enum": ["fatal", "error", "warning", "information"]}, code=TEXT, details=_object(text=TEXT)
)
SCHEMAS: Json = {
    "Cards": _object(cards=_array(_ref("Card"))),
    "Card": CARD,
    "OperationOutcome": _object(resourceType={"const": "OperationOutcome"}, issue={**_array(ISSUE), "minItems": 1}),
}
DISCOVERY = _object(
    services=_array(_object(optional={"usageRequirements": TEXT}, hook=TEXT, title=TEXT, description=TEXT, id=TEXT, prefetch={"type": "object"}))
)
READY = _object(
    status={"enum": ["ready", "not ready"]},
    content=TEXT,
    pitfalls={"type": "integer"},
    services=_array(TEXT),
    checks={"type": "object", "additionalProperties": {"type": "string"}},
)
REFUSED: Json = {"description": "An OperationOutcome that says why", **_json(_ref("OperationOutcome"))}
PREFLIGHT: Json = {"summary": "CORS preflight", "responses": {"204": {"description": "What is allowed, in headers"}}}
