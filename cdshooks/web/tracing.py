"""Spans of OpenTelemetry for hook calls, if it is installed and told where to send them; nothing otherwise. No chart data."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Flask, Response, g, request

from ..request import UUID

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

LOG = logging.getLogger("cdshooks.tracing")
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
NAME = "metabolic-workup-cds"
MISSING = f"OpenTelemetry is not installed: pip install '{NAME}[otel]'"


def provider_of(environment: Mapping[str, str]) -> TracerProvider | None:
    """What OpenTelemetry's own variables ask for; None if they name no endpoint. To be made in each worker: its thread does not survive a fork."""
    endpoint = next((name for name in ENDPOINTS if environment.get(name)), None)
    if endpoint is None or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        LOG.warning(msgspec.json.encode({"event": "tracing", "says": f"{endpoint} is set, but {MISSING}"}).decode())
        return None
    named = {} if environment.get("OTEL_SERVICE_NAME") else {"service.name": NAME}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def register(app: Flask, provider: TracerProvider, digest: str) -> None:
    """Tell a span for each hook call, with one for each of its stages."""
    tell = _teller(provider, digest)

    @app.after_request
    def trace(response: Response) -> Response:
        noted = vars(g)
        if "service" in noted:
            tell(noted, response.status_code)
        return response


def _teller(provider: TracerProvider, digest: str) -> Callable[[Mapping[str, Any], int], None]:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    tracer, propagator = provider.get_tracer(NAME), TraceContextTextMapPropagator()

    def tell(noted: Mapping[str, Any], status: int) -> None:
        now, clock = time.time_ns(), time.perf_counter()
        at: Callable[[float], int] = lambda moment: now - int(1e9 * (clock - moment))  # noqa: E731
        # Of what a caller sends only the two numbers of traceparent: tracestate and baggage may hold any text.
        caller = propagator.extract({"traceparent": request.headers.get("traceparent", "")}, Context())
        attributes = _attributes(noted, status, digest)
        span = tracer.start_span(f"hook {noted['service'].hook}", caller, SpanKind.SERVER, attributes, start_time=at(noted["started"]))
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        within = set_span_in_context(span, caller)
        for name, began, ended in noted.get("stages", ()):
            tracer.start_span(name, within, start_time=at(began)).end(at(ended))
        span.end(now)

    return tell


def _attributes(noted: Mapping[str, Any], status: int, digest: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "http.request.method": "POST",
        "http.route": request.url_rule.rule if request.url_rule is not None else "",
        "http.response.status_code": status,
        "cdshooks.service": noted["service"].id,
        "cdshooks.content": digest,
    }
    if "size" in noted:
        told["http.request.body.size"] = noted["size"]
    if "hook_request" in noted and UUID.fullmatch(noted["hook_request"].hook_instance):  # anything else might be a name
        told["cdshooks.hook_instance"] = noted["hook_request"].hook_instance
    if "answer" in noted:
        told["cdshooks.cards"] = [card["source"]["topic"]["code"] for card in noted["answer"].cards]
        told["cdshooks.problems"] = sorted({problem.reason for problem in noted["answer"].facts.problems})
    if "incident" in noted:
        told["cdshooks.incident"] = noted["incident"]
    return told
