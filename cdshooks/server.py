"""The production server: it starts the workers, says when the service really answers, and stops gracefully."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import socket
import ssl
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from typing import Any

import msgspec
from flask import Flask
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from fhir_mappings import ContentError

from .app import AHEAD, clients_of, content_of, create_app
from .content import Content, load_content
from .errors import ClientsError, ServeError, StoreError
from .judging import judge
from .settings import Settings
from .store import Store
from .web import metrics, tracing
from .web.gateway import Gateway

STOP_SECONDS = 20  # what a worker gets to finish the call in its hands
HEAD_SECONDS = 10  # for the head of a request, and between two calls on one connection
CONNECTIONS = 4096  # of one worker; more wait to be accepted
SPARE_FILES = 100  # what a process opens besides
PROBE_SECONDS = 0.02
HANDOVER_SECONDS = 1  # that an old worker goes on accepting beside its successor
AWAKE_SECONDS = 0.25
LOG = logging.getLogger("cdshooks.reload")


_live: dict[Settings, Flask] = {}  # the application that was last found good


def application(settings: Settings) -> Flask:
    """The service with all its content, made once; workers that are forked share it.

    Raises ContentError, ClientsError, and StoreError if the database cannot be brought up to date.
    """
    if settings not in _live:
        _log_events()
        _live[settings] = _made(settings)
        calm_collections()
    return _live[settings]


def renew(settings: Settings) -> bool:
    """Read content and clients again. If nothing is wrong with them, workers made from now on have them; else all stays as it is.

    Either is told in the log.
    """
    began = time.monotonic()
    try:
        _usable_certificate(settings)
        app = _made(settings)
        faults = [fault for verdict in judge(load_content(settings.site, codes_only=True)) for fault in verdict.told]
    except ContentError as error:
        faults = [str(fault) for fault in error.faults]
    except ClientsError as error:
        faults = list(error.faults)
    except (ServeError, StoreError) as error:
        faults = [str(error)]
    except Exception as error:  # the service outlives whatever a file may hold; of a crash only its kind is told
        faults = [f"the check itself failed: {type(error).__qualname__}"]
    if faults:
        _tell(logging.ERROR, {"event": "reload", "result": "refused", "says": "the content from before stays", "faults": faults})
        return False
    _live[settings] = app
    calm_collections()
    taken = round(1000 * (time.monotonic() - began))
    _tell(logging.INFO, {"event": "reload", "result": "taken over", "content": app.config["CONTENT_DIGEST"], "ms": taken})
    return True


def _made(settings: Settings) -> Flask:
    content = content_of(settings)
    clients = clients_of(settings, content)
    store = store_of(settings)
    samples = _samples(content) if settings.demo else None
    return create_app(settings, content, demo_requests=samples, clients=clients, store=store, figures=_figures())


@cache
def _figures() -> metrics.Figures:
    return metrics.Figures()  # one for the process: what was counted outlives the content


def _tell(level: int, event: Mapping[str, Any]) -> None:
    LOG.log(level, msgspec.json.encode(event).decode())


def store_of(settings: Settings) -> Store | None:
    """The store, brought up to date; None without authentication, as there is then nothing to keep."""
    if settings.auth == "none":
        return None
    store = Store(settings.database_url.get_secret_value())
    store.migrate()
    return store


def calm_collections() -> None:
    """Have garbage collected seldom, and content never looked at again."""
    gc.unfreeze()  # content that was replaced dies here
    gc.collect()
    gc.set_threshold(50_000, 20, 20)  # a call makes thousands of short-lived values, and hardly a cycle
    gc.freeze()  # content never dies: forked workers keep sharing its memory


def _samples(content: Content) -> Callable[[datetime], Mapping[str, Mapping[str, Any]]]:
    from . import demo  # what the sample patients need stays out of a production process

    return lambda now: {sample.name: sample.body for sample in demo.samples(content, now)}


def _log_events() -> None:
    """Events go to stderr, one JSON object a line, and nothing else on that line."""
    # What no event tells need not be found out for each ("Optimization" in Python's logging HOWTO).
    logging._srcfile, logging.logThreads, logging.logProcesses = None, False, False
    logger = logging.getLogger("cdshooks")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Awake(threading.Event):
    """An event that is waited for in short sleeps. Python runs a signal's handler in the main thread alone, and a signal that comes just before this
    thread falls asleep, or to another thread, does not wake it: a stop or a reload would then wait for the next signal."""

    def wait(self, timeout: float | None = None) -> bool:
        while timeout is None and not self.is_set():
            super().wait(AWAKE_SECONDS)
        return super().wait(timeout)


class _Server(Server):  # type: ignore[misc,valid-type]  # granian chooses the class when it is imported
    """granian's server, which replaces its workers one by one on SIGHUP: here only if there is something good to replace them by."""

    renew: Callable[[], bool]

    def signal_handler_reload(self, *_: object) -> None:
        # In the signal handler, and so in the only thread that forks: no other can hold a lock meanwhile. Workers go on answering.
        if self.renew():
            super().signal_handler_reload()


def serve(settings: Settings, workers: int, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; calls in hand are finished. `ready` is called once, when the service answers.

    SIGHUP reads content, clients and certificate again. Raises ServeError if the address or the certificate cannot be used, and what `application`
    raises: all before anything listens.
    """
    address = _usable_address(settings.host, settings.port)
    _usable_certificate(settings)
    with tempfile.TemporaryDirectory(prefix="cdshooks-figures-") as folder:
        os.environ[metrics.FOLDER] = folder
        application(settings)
        server = _server(settings, address, workers)
        server.renew, server.main_loop_interrupt = partial(renew, settings), _Awake()
        threading.Thread(target=_announce, args=(server, address, settings, ready), daemon=True).start()
        server.serve(target_loader=partial(_gateway, settings), wrap_loader=False)


def _server(settings: Settings, address: str, workers: int) -> _Server:
    connections = _connections()
    return _Server(
        "cdshooks",
        address=address,
        port=settings.port,
        interface=Interfaces.RSGI,
        workers=workers,
        http=HTTPModes.http1,
        runtime_mode=RuntimeModes.st,
        loop=Loops.asyncio,
        backlog=connections,
        backpressure=connections,
        http1_settings=HTTP1Settings(header_read_timeout=1000 * HEAD_SECONDS),
        websockets=False,
        log_level=LogLevels.warning,
        workers_kill_timeout=STOP_SECONDS,
        respawn_interval=HANDOVER_SECONDS,
        ssl_cert=settings.tls_certificate,
        ssl_key=settings.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
    )


def _gateway(settings: Settings) -> Gateway:
    """What a worker serves: made in it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # to all processes of a terminal that closes; only the first of ours has content to read
    app = application(settings)
    app.config["MAX_CONTENT_LENGTH"] = None  # the gateway keeps to the limit; Flask would copy each body three times to count it again
    figures, spans = _figures(), tracing.provider_of(os.environ)
    if spans is not None:
        tracing.register(app, spans, app.config["CONTENT_DIGEST"])

    def end() -> None:
        figures.count()
        if spans is not None:
            spans.shutdown()

    return Gateway(app, most_bytes=settings.max_body_bytes, seconds=settings.body_seconds, ahead=app.extensions[AHEAD], rest=figures.count, end=end)


def _connections() -> int:
    """How many connections a worker may hold open. A process that runs out of files could accept none, not even a health check's."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(wanted - SPARE_FILES, 1)


def _usable_address(host: str, port: int) -> str:
    """The address behind `host`. Raises ServeError if nobody can listen there, or somebody does already."""
    try:
        family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family) as probe:
            # As servers do: a port that is only waiting for old connections to fade is free. Another listener still makes this fail.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found)
    except OSError as error:
        raise ServeError(f"cannot listen at {host} port {port}: {error.strerror or error}; choose another with --host or --port") from None
    return str(found[0])


def _usable_certificate(settings: Settings) -> None:
    """Raise ServeError if certificate and key cannot be read, or are not of one another."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return
    try:
        # An encrypted key is refused here: nobody is there to be asked for its password.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ServeError(
            f"--tls-certificate {settings.tls_certificate} and --tls-key {settings.tls_key} cannot be used: {reason}; "
            "they must be PEM files, the certificate (with those of its issuers below it) and its unencrypted key"
        ) from None


def _announce(server: Any, address: str, settings: Settings, ready: Callable[[], None]) -> None:
    while len(server.wrks) < server.workers:
        time.sleep(PROBE_SECONDS)  # touch nothing while workers are forked off: a lock held here would stay locked there
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    scheme = "http" if settings.tls_key is None else "https"
    url = f"{scheme}://{f'[{local}]' if ':' in local else local}:{settings.port}/healthz"
    # A proxy of the environment knows nothing of this; and a certificate is for the name that clients use, not for this address.
    trusting = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusting)
    while True:
        try:
            with direct.open(url, timeout=5):
                break
        except OSError:
            time.sleep(PROBE_SECONDS)
    ready()
