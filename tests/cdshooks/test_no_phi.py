"""Nothing of a patient, and no token, is written anywhere but in the answer to the caller: marked values through every path, success and failure."""

from __future__ import annotations

import io
import json
import logging
import queue
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cdshooks.app import create_app
from cdshooks.judging import NOW
from cdshooks.settings import Settings
from cdshooks.web import tracing

from ..builders import content, sample_bodies
from ..conformance.service import call, condition, path_of, searchset
from .test_server import address_of, rest_of, serving

MARK = "zqmarkq"
NUMBER = "8716253"  # a value, where letters cannot stand
MARKS = (MARK.encode(), NUMBER.encode())
HEADERS = {
    "Authorization": f"Bearer {MARK}.token",
    "Cookie": f"session={MARK}",
    "Origin": f"https://{MARK}.example",
    "User-Agent": MARK,
    "X-Request-Id": MARK,
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": f"a={MARK}",
    "baggage": f"patient={MARK}",
}
Json = dict[str, Any]
Ask = tuple[str, bytes, Json]


def marked(body: Json) -> Json:
    """A sample patient's call with marks wherever a client may write what it likes."""
    patient = body["context"]["patientId"]
    text = json.dumps(body).replace(f"Patient/{patient}", f"Patient/{MARK}").replace(f'"{patient}"', f'"{MARK}"')
    document: Json = json.loads(text)
    document |= {
        "hookInstance": f"{MARK}-instance",
        "fhirServer": f"https://{MARK}.example/fhir",
        "fhirAuthorization": {"access_token": MARK, "token_type": "Bearer", "expires_in": 300, "scope": f"{MARK}.read", "subject": MARK},
        "extension": {MARK: MARK},
    }
    document["context"] |= {"userId": f"Practitioner/{MARK}", "encounterId": f"e-{MARK}"}
    for bundle in document["prefetch"].values():
        for entry in (bundle or {}).get("entry", ()):
            resource = entry["resource"]
            resource |= {"note": [{"text": MARK}], "identifier": [{"system": MARK, "value": MARK}], MARK: MARK, "text": {"div": MARK}}
            resource.setdefault("code", {}).setdefault("coding", []).extend(
                [{"system": f"urn:{MARK}", "code": MARK}, {"system": "http://loinc.org", "code": f"{NUMBER}-1", "display": MARK}]
            )
    return document


def unreadable() -> Json:
    """Resources of which each cannot be used for another reason."""
    value = {"resourceType": "Observation", "id": MARK, "status": "final", "subject": {"reference": f"Patient/{MARK}"}}
    calcium = {"code": {"coding": [{"system": "http://loinc.org", "code": "17861-6"}]}}
    at = {"effectiveDateTime": "2026-06-14T08:00:00Z"}
    rows = [
        calcium | at | {"valueQuantity": {"value": float(NUMBER), "unit": "mg/dL"}},
        calcium | at | {"valueQuantity": {"value": 9.5, "unit": MARK}},
        calcium | {"valueQuantity": {"value": 9.5, "unit": "mg/dL"}, "effectiveDateTime": MARK},
        calcium | at | {"valueString": MARK},
        calcium | at | {"valueQuantity": MARK},
        {"code": {"coding": [{"system": MARK, "code": NUMBER}]}, "subject": {"reference": f"Patient/other-{MARK}"}},
    ]
    return marked(
        call("patient-view", context={"patientId": MARK}, prefetch={"observations": searchset(*(value | row for row in rows)), "conditions": None})
    )


def asks() -> Iterator[tuple[int, Ask]]:
    """Every status that a client can bring about, each by marked bytes: the status, and path, body and headers."""
    json_ = HEADERS | {"Content-Type": "application/json"}
    for body in sample_bodies().values():
        yield 200, (path_of(body["hook"]), json.dumps(marked(body)).encode(), json_)
    view = path_of("patient-view")
    good = marked(call(prefetch={"observations": None, "conditions": searchset(condition())}))
    yield 200, (view, json.dumps(unreadable()).encode(), json_)
    faults: list[Json | bytes] = [
        good | {"hook": MARK},
        good | {"context": MARK},
        good | {"context": {"userId": MARK, "patientId": f"{MARK}/../x"}},
        good | {"fhirServer": MARK},
        good | {"fhirAuthorization": {"access_token": [MARK]}},
        good | {"prefetch": [MARK]},
        f'{{"{MARK}": "{MARK}", "{MARK}": {NUMBER}}}'.encode(),
        f'{{"hook": "{MARK}'.encode(),
        f'"{MARK}"'.encode(),
        MARK.encode() + b"\xff",
    ]
    for fault in faults:
        yield 400, (view, fault if isinstance(fault, bytes) else json.dumps(fault).encode(), json_)
    yield 412, (view, json.dumps(good | {"prefetch": {MARK: {"resourceType": MARK}, "observations": MARK}}).encode(), json_)
    yield 412, (view, json.dumps(good | {"prefetch": {"observations": None, "conditions": searchset(condition(f"other-{MARK}"))}}).encode(), json_)
    yield 404, (f"/cds-services/{MARK}", json.dumps(good).encode(), json_)
    yield 404, (f"/{MARK}?patient={MARK}", b"{}", json_)
    for header in ({"Content-Type": f"text/{MARK}"}, {"Content-Type": f"application/json; charset={MARK}"}, {"Content-Encoding": MARK}):
        yield 415, (view, json.dumps(good).encode(), json_ | header)
    yield 413, (view, MARK.encode() * 100_000, json_)


def unmarked(*written: bytes | str) -> None:
    for text in written:
        raw = text.encode() if isinstance(text, str) else text
        assert not [mark for mark in MARKS if mark in raw.lower()], raw[:3000]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """All that any logger writes at any level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    loggers = [logging.getLogger(), logging.getLogger("cdshooks")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    yield stream
    for logger, level in zip(loggers, before, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


def crash(request: Any, *_: object) -> None:
    raise ValueError(f"{request.patient_id} {MARK} {NUMBER}")


def test_nothing_marked_is_written_in_process(written: io.StringIO, capfd: pytest.CaptureFixture[str]) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for auth, answer, expected in (("none", None, None), ("jwt", None, 401), ("none", crash, 500)):
        made = Settings(_env_file=None, auth=auth, max_body_bytes=500_000)  # type: ignore[call-arg]
        app = create_app(made, content(), clock=lambda: NOW, **({"answer": answer} if answer else {}))  # type: ignore[arg-type]
        tracing.register(app, provider, content().digest)
        at = app.test_client()
        for status, (path, body, headers) in asks():
            reply = at.post(path, data=body, headers=headers)
            is_hook = path.startswith("/cds-services/metabolic")
            wanted = expected if expected == 401 and is_hook else 500 if expected == 500 and status == 200 else status
            assert reply.status_code == wanted, (path, reply.data[:500])
            unmarked(str(reply.headers), *(() if wanted == 200 else (reply.data,)))
        unmarked(*(at.get(path).data for path in ("/metrics", "/readyz", "/openapi.json")))
    spans = exporter.get_finished_spans()
    assert len(spans) > 100 and len(written.getvalue()) > 10_000
    unmarked(written.getvalue(), *capfd.readouterr(), *(span.to_json() for span in spans))


class Collector(BaseHTTPRequestHandler):
    """What stands where spans are sent to."""

    received: queue.Queue[bytes]

    def do_POST(self) -> None:
        self.received.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[tuple[str, queue.Queue[bytes]]]:
    received: queue.Queue[bytes] = queue.Queue()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Collector,), {"received": received})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


@pytest.mark.slow
def test_nothing_marked_is_written_by_the_real_server(tmp_path: Path, collector: tuple[str, queue.Queue[bytes]]) -> None:
    endpoint, received = collector
    options = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200", "CDSHOOKS_CORS_ORIGINS": "https://ehr.example"}
    with serving(tmp_path, "--demo", CDSHOOKS_MAX_BODY_BYTES="500000", CDSHOOKS_BODY_SECONDS="1", **options) as (url, process):
        errors: list[str] = []
        assert process.stderr is not None
        reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
        reader.start()
        for status, (path, body, headers) in asks():
            found, head, told = posted(url + path, body, headers)
            assert found == status, told[:500]
            unmarked(head, *(() if status == 200 else (told,)))
        with socket.create_connection(address_of(url), timeout=20) as line:
            line.sendall(
                f"POST {path_of('patient-view')} HTTP/1.1\r\nHost: {MARK}\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n{MARK}".encode()
            )
            late = b"".join(iter(lambda: line.recv(65536), b""))
        assert late.startswith(b"HTTP/1.1 408")
        with urllib.request.urlopen(f"{url}/metrics", timeout=20) as reply:
            unmarked(late, reply.read())
        process.terminate()
        process.wait(timeout=60)
        reader.join(20)
        output, _ = rest_of(process) if not reader.is_alive() else ("", "")
        unmarked(output, *errors)
        assert len(errors) > 40 and all(json.loads(line) for line in errors)
    spans = [received.get_nowait() for _ in range(received.qsize())]
    assert b"metabolic-workup-order-select" in b"".join(spans)
    unmarked(*spans)


def posted(url: str, body: bytes, headers: Json) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as reply:
            return reply.status, str(reply.headers), reply.read()
    except urllib.error.HTTPError as error:
        return error.code, str(error.headers), error.read()
