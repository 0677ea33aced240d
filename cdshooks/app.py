"""The only place that wires: settings and content in, a Flask application out. Importing it starts nothing and reads no environment."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Flask

from .answer import answer as answer_request
from .auth import Authenticator
from .clients import Client, load_clients
from .content import Content, load_content
from .errors import ClientsError
from .fhir_client import FhirServers, Permission
from .keysets import KeySet, KeySetError, read_keys, source_of
from .settings import Settings
from .store import Store
from .web import cors, demo, errors, events, headers, metrics, openapi, ops, pitfalls, services
from .web.door import Door

KEYS_LOG = logging.getLogger("cdshooks.keys")
AHEAD = "cdshooks.ahead"  # in the extensions of the application
VARIANT = "89ab" * 4  # the two highest bits of this digit are fixed


def utcnow() -> datetime:
    """The one clock of the service."""
    return datetime.now(UTC)


def new_uuid() -> str:
    """A fresh name for a card or suggestion: what `uuid.uuid4` makes (RFC 9562, version 4), in a quarter of its time."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{VARIANT[int(digits[16], 16)]}{digits[17:20]}-{digits[20:]}"


def content_of(settings: Settings) -> Content:
    """Load the content that these settings ask for. Raises ContentError with every fault."""
    return replace(load_content(settings.site), base_url=settings.public_url)


def clients_of(settings: Settings, content: Content) -> tuple[Client, ...]:
    """The clients that these settings name. Raises ClientsError with every fault, those of their key files included."""
    if settings.clients is None:
        return ()
    keys = {key for service in content.services.values() for key in service.templates}
    clients = load_clients(settings.clients, services=content.services, prefetch_keys=sorted(keys))
    faults = [fault for client in clients if client.jwks_file is not None and (fault := _fault_of_keys(client))]
    if faults:
        raise ClientsError(f"{settings.clients}: {fault}" for fault in faults)
    return clients


def _fault_of_keys(client: Client) -> str:
    """What is wrong with a key set that lies in a file; '' if nothing. Those that are fetched are not asked for at the start."""
    try:
        read_keys(source_of(client)()[0])
    except KeySetError as error:
        return f"client {client.name!r}: jwks_file {str(client.jwks_file)!r}: {error}"
    return ""


def key_sets(clients: Iterable[Client]) -> dict[str, KeySet]:
    """The key set of each client, by issuer; nothing is fetched yet."""
    return {client.iss: KeySet(source_of(client), told=partial(_told_of_keys, client.name)) for client in clients}


def _told_of_keys(client: str, why: str) -> None:
    KEYS_LOG.warning(json.dumps({"event": "key set", "client": client, "reason": why}))


def create_app(
    settings: Settings,
    content: Content,
    *,
    clock: Callable[[], datetime] = utcnow,
    answer: services.Answering = answer_request,
    new_id: Callable[[], str] = new_uuid,
    demo_requests: demo.Requests | None = None,
    clients: Iterable[Client] = (),
    keys: Mapping[str, KeySet] | None = None,
    store: Store | None = None,
    figures: metrics.Figures | None = None,
    needed: Mapping[str, ops.Check] | None = None,
) -> Flask:
    """Wire the service. `clock`, `answer`, `new_id` and `keys` are replaced by tests; `demo_requests` offers the sample patients' requests.

    Without authentication, `clients` and `store` are not used. `figures` outlive the application when its content is replaced; `needed` is what
    must be there, besides the store, for the service to be ready.
    """
    door = _door(settings, content, tuple(clients), keys, store, clock) if settings.auth == "jwt" else None
    checks = dict(needed or {})
    if store is not None:
        checks["store"] = partial(_check_of, store)
    app = Flask("cdshooks", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["CONTENT_DIGEST"] = content.digest
    app.url_map.merge_slashes = False  # done below, without the redirect that would lose a POST's body
    events.register(app, content.digest)
    metrics.register(app, figures or metrics.Figures(), content.digest)
    headers.register(app, https=settings.public_url.startswith("https:"))
    cors.register(app, settings.cors_origins)
    errors.register(app)
    fhir = services.Fhir(
        FhirServers(most_bytes=settings.max_body_bytes), Permission(settings.fhir_servers, token_needed=False), seconds=settings.budget_ms / 1000
    )
    services.register(app, content, door=door, answer=answer, clock=clock, new_id=new_id, fhir=fhir)
    ops.register(app, content, checks)
    pitfalls.register(app, content)
    openapi.register(app, content, lambda: iter(demo_requests(clock()) if demo_requests is not None else ()))
    if demo_requests is not None:
        demo.register(app, demo_requests, clock)
    app.extensions[AHEAD] = (*((door.ahead,) if door else ()), ops.ahead(checks))  # waited for in a thread; a test client waits in the view
    app.wsgi_app = _Collapsed(app.wsgi_app)  # type: ignore[method-assign]  # Flask's documented way to wrap itself
    return app


def _door(
    settings: Settings,
    content: Content,
    clients: tuple[Client, ...],
    keys: Mapping[str, KeySet] | None,
    store: Store | None,
    clock: Callable[[], datetime],
) -> Door:
    store = store or Store(settings.database_url.get_secret_value())
    found = key_sets(clients) if keys is None else keys
    return Door(Authenticator(clients, found, store, settings.public_url, lambda: clock().timestamp()), content.services)


def _check_of(store: Store) -> str:
    return "" if store.reachable() else "not reachable"


class _Collapsed:
    """Serve `//` as `/` and a path that ends with `/` as one that does not: clients build URLs by hand, and a redirect loses CORS and body."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]]) -> None:
        self.wsgi = wsgi

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if "//" in path or (path.endswith("/") and path != "/"):
            environ["PATH_INFO"] = re.sub("/+", "/", path).rstrip("/") or "/"
        return self.wsgi(environ, start_response)
