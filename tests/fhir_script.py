"""A FHIR server that answers by a script, over real HTTP on loopback, and remembers what it was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Json = dict[str, Any]
ROOT = "/fhir/r4"


@dataclass(frozen=True)
class Asked:
    """One request that came."""

    method: str
    path: str  # below the base, with the query
    headers: Mapping[str, str]

    @property
    def kind(self) -> str:
        return self.path.partition("?")[0].partition("/")[0]


@dataclass(frozen=True)
class Reply:
    """What is answered: a status, a body (JSON, or bytes as they are), and headers. `before` is called first, and may wait."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None


@dataclass
class Script:
    """The server: `replies` by resource type, or by type and query; what is not scripted is empty, or not there."""

    base: str = ""
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def kinds(self) -> list[str]:
        return sorted(asked.kind for asked in self.asked)

    def reply(self, asked: Asked) -> Reply:
        found = self.replies.get(asked.path) or self.replies.get(asked.kind)
        if found is not None:
            return found
        if "/" in asked.path.partition("?")[0]:
            return Reply(404, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found"}]})
        return Reply(200, {"resourceType": "Bundle", "type": "searchset", "total": 0})


@contextmanager
def scripted(host: str = "127.0.0.1", certificate: Path | None = None, **replies: Reply) -> Iterator[Script]:
    """Serve a script until the end of the block; over TLS if there is a certificate (a PEM file with its key)."""
    script = Script(replies=dict(replies))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = Asked(self.command, self.path.removeprefix(f"{ROOT}/"), dict(self.headers.items()))
            script.asked.append(asked)
            reply = script.reply(asked)
            reply.before()
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            try:
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/fhir+json", "Content-Length": str(len(body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the client did not wait

        do_POST = do_PUT = do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    script.base = f"{'http' if certificate is None else 'https'}://{host}:{server.server_port}{ROOT}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
