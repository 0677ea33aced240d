"""Spans: one a hook call, with its stages; nothing where OpenTelemetry is not asked for or not installed."""

from __future__ import annotations

import sys

import pytest
from flask.testing import FlaskClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from cdshooks.app import create_app
from cdshooks.judging import NOW
from cdshooks.settings import Settings
from cdshooks.web import tracing

from ..builders import content, sample_bodies
from ..conformance.service import call, path_of, post

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def traced(**options: object) -> tuple[FlaskClient, InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = create_app(Settings(_env_file=None, auth="none"), content(), clock=lambda: NOW, **options)  # type: ignore[call-arg,arg-type]
    tracing.register(app, provider, content().digest)
    return app.test_client(), exporter


def test_a_call_is_a_span_with_its_stages_within() -> None:
    at, exporter = traced()
    reply = post(sample_bodies()["hypercalcaemia"], at=at)
    *stages, whole = exporter.get_finished_spans()
    assert (whole.name, whole.kind) == ("hook order-select", SpanKind.SERVER)
    assert [stage.name for stage in stages] == ["parse", "prefetch", "answer", "encode"]
    told = dict(whole.attributes or {})
    assert told["cdshooks.cards"] == tuple(card["source"]["topic"]["code"] for card in reply.get_json()["cards"])
    assert told["http.response.status_code"] == 200 and told["cdshooks.content"] == content().digest
    for stage in stages:
        assert stage.parent is not None and whole.context is not None and stage.parent.span_id == whole.context.span_id
        assert stage.start_time is not None and stage.end_time is not None and whole.start_time is not None and whole.end_time is not None
        assert whole.start_time <= stage.start_time <= stage.end_time <= whole.end_time


def test_a_refused_call_has_the_stages_that_it_came_through() -> None:
    at, exporter = traced()
    post(call(prefetch={}), at=at)
    *stages, whole = exporter.get_finished_spans()
    assert [stage.name for stage in stages] == ["parse"] and (whole.attributes or {})["http.response.status_code"] == 412


def test_a_crash_is_an_error_with_its_incident() -> None:
    def crash(*_: object) -> None:
        raise RuntimeError

    at, exporter = traced(answer=crash)
    assert post(call(), at=at).status_code == 500
    incident = exporter.get_finished_spans()[-1]
    assert incident.status.status_code is StatusCode.ERROR and "cdshooks.incident" in (incident.attributes or {})


def test_the_trace_of_the_caller_is_continued_and_nothing_else_of_it_taken() -> None:
    at, exporter = traced()
    post(call(), at=at, headers={"traceparent": CALLER, "tracestate": "patient=smith", "baggage": "patient=smith"})
    whole = exporter.get_finished_spans()[-1]
    assert whole.context is not None and f"{whole.context.trace_id:032x}" == CALLER.split("-")[1] and not whole.context.trace_state
    post(call(), at=at, headers={"traceparent": "smith"})
    assert exporter.get_finished_spans()[-1].parent is None


def test_other_requests_are_no_spans() -> None:
    at, exporter = traced()
    for path in ("/healthz", "/cds-services", path_of("nonsense")):
        at.get(path)
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    "environment", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, ENDPOINT | {"OTEL_SDK_DISABLED": "true"}], ids=["unset", "empty", "off"]
)
def test_nothing_is_made_where_nothing_is_asked_for(environment: dict[str, str]) -> None:
    assert tracing.provider_of(environment) is None


def test_asked_for_and_not_installed_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert tracing.provider_of(ENDPOINT) is None
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in caplog.text and "metabolic-workup-cds[otel]" in caplog.text


def test_asked_for_and_installed_is_a_provider_of_this_service() -> None:
    provider = tracing.provider_of(ENDPOINT)
    assert provider is not None and provider.resource.attributes["service.name"] == "metabolic-workup-cds"
    provider.shutdown()
