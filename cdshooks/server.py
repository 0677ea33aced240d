"""The production server: it starts the workers, says when the service really answers, and stops gracefully."""

from __future__ import annotations

import gc
import logging
import resource
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from typing import Any

from flask import Flask
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from .app import content_of, create_app
from .content import Content
from .errors import ServeError
from .settings import Settings
from .web.gateway import Gateway

STOP_SECONDS = 20  # what a worker gets to finish the call in its hands
HEAD_SECONDS = 10  # for the head of a request, and between two calls on one connection
CONNECTIONS = 4096  # of one worker; more wait to be accepted
SPARE_FILES = 100  # what a process opens besides
PROBE_SECONDS = 0.02


@cache
def application(settings: Settings) -> Flask:
    """The service with all its content, made once; workers that are forked share it. Raises ContentError."""
    content = content_of(settings)
    _log_events()
    app = create_app(settings, content, demo_requests=_samples(content) if settings.demo else None)
    calm_collections()
    return app


def calm_collections() -> None:
    """Have garbage collected seldom, and content never looked at again."""
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


def serve(settings: Settings, workers: int, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; calls in hand are finished. `ready` is called once, when the service answers.

    Raises ServeError if the address cannot be used, and ContentError if the content is faulty: both before anything listens.
    """
    address = _usable_address(settings.host, settings.port)
    application(settings)
    connections = _connections()
    server = Server(
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
    )
    threading.Thread(target=_announce, args=(server, address, settings.port, ready), daemon=True).start()
    server.serve(target_loader=partial(_gateway, settings), wrap_loader=False)  # type: ignore[arg-type]  # RSGI takes objects, too


def _gateway(settings: Settings) -> Gateway:
    app = application(settings)
    app.config["MAX_CONTENT_LENGTH"] = None  # the gateway keeps to the limit; Flask would copy each body three times to count it again
    return Gateway(app, most_bytes=settings.max_body_bytes, seconds=settings.body_seconds)


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


def _announce(server: Any, address: str, port: int, ready: Callable[[], None]) -> None:
    while len(server.wrks) < server.workers:
        time.sleep(PROBE_SECONDS)  # touch nothing while workers are forked off: a lock held here would stay locked there
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    url = f"http://{f'[{local}]' if ':' in local else local}:{port}/healthz"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy of the environment knows nothing of this
    while True:
        try:
            with direct.open(url, timeout=5):
                break
        except OSError:
            time.sleep(PROBE_SECONDS)
    ready()
