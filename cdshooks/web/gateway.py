"""Between the network and Flask: a body is read whole, under a deadline and a limit, before anything is asked of the one thread that computes.

Speaks RSGI (granian's interface) outward and WSGI inward: routes, errors, CORS and events are Flask's alone, also for a body that did not come.
"""

from __future__ import annotations

import asyncio
import io
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, Protocol

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, RequestTimeout, ServiceUnavailable

from .door import LATE
from .waiting import ELSEWHERE, MustWait

MOST_WAITING = 32  # calls that wait at once; more queue, and their time runs all the same
AHEAD_SECONDS = 10  # more than any single wait is given; reached only in a queue of such waits

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]
Ahead = Callable[[Environ], Callable[[], None] | None]  # what must be waited for before a call can be computed, if anything
Answer = tuple[int, list[tuple[str, str]], bytes]
REST_SECONDS = 1
GRACE_SECONDS = 1  # for a body that is on its way when the worker is to end


class Body(Protocol):
    """What RSGI hands in to read a body from, and to answer to."""

    async def __call__(self) -> bytes: ...
    def __aiter__(self) -> Any: ...
    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...


class Gateway:
    """A WSGI application as granian calls it: one call at a time, in the thread of the event loop; only bodies are waited for side by side.

    Whoever sends slowly, or stops in the middle, holds a socket and at most `most_bytes` for at most `seconds`, and nobody up. What a call must
    wait for, a database or another server, is waited for in threads, which compute nothing: `ahead` before the view is asked, and the rest when
    the view says so.
    """

    def __init__(
        self,
        wsgi: Wsgi,
        *,
        most_bytes: int,
        seconds: float,
        ahead: Sequence[Ahead] = (),
        rest: Callable[[], None] = lambda: None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        """`rest` is called between two calls, within a second of each; `end` when the last is answered and the worker ends."""
        self.wsgi, self.most_bytes, self.seconds, self.ahead, self.rest, self.end = wsgi, most_bytes, seconds, ahead, rest, end
        self.pool = ThreadPoolExecutor(MOST_WAITING, thread_name_prefix="waiting")
        self.stopping = False
        self.reading: set[asyncio.Timeout] = set()
        self.resting: asyncio.TimerHandle | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Be told of SIGTERM and SIGINT, too. granian's own handlers are those of the event loop, and still run."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self.stop))

    def __rsgi_del__(self, _: asyncio.AbstractEventLoop) -> None:
        self.end()

    def stop(self) -> None:
        """Wait for no body any longer than the network may need for one that is on its way."""
        self.stopping = True
        last = asyncio.get_running_loop().time() + GRACE_SECONDS
        for patience in self.reading:
            if not patience.expired() and (until := patience.when()) is not None:
                patience.reschedule(min(until, last))

    async def __rsgi__(self, scope: Any, body: Body) -> None:
        environ = _environ(scope)
        try:
            environ["wsgi.input"] = await self._body(environ, body)
        except RuntimeError:
            return  # the client has gone: there is nobody to answer
        await self._ahead(environ)
        body.response_bytes(*await self._answer(environ))
        if self.resting is None:
            self.resting = asyncio.get_running_loop().call_later(REST_SECONDS, self._rest)

    def _rest(self) -> None:
        self.resting = None
        self.rest()

    async def _answer(self, environ: Environ) -> Answer:
        """What Flask answers. Should it have to wait for another server first, that is done in the pool, and Flask is asked again."""
        try:
            return _called(self.wsgi, environ)
        except MustWait as wait:
            waited = await asyncio.get_running_loop().run_in_executor(self.pool, wait.waited)
        return _called(self.wsgi, environ | waited)

    async def _ahead(self, environ: Environ) -> None:
        for look in self.ahead:
            if (errand := look(environ)) is not None:
                try:
                    async with asyncio.timeout(AHEAD_SECONDS):
                        await asyncio.get_running_loop().run_in_executor(self.pool, errand)
                except TimeoutError:
                    environ[LATE] = True

    async def _body(self, environ: Environ, body: Body) -> io.BytesIO | _Unread:
        """The body, whole; or a stream that tells Flask, if it is asked for the body, why there is none."""
        chunked = environ.pop("HTTP_TRANSFER_ENCODING", None) is not None
        length = int(environ.get("CONTENT_LENGTH", "0"))
        if length > self.most_bytes:
            return _Unread(RequestEntityTooLarge)
        if not (chunked or length):
            return io.BytesIO()
        try:
            async with asyncio.timeout(min(GRACE_SECONDS, self.seconds) if self.stopping else self.seconds) as patience:
                self.reading.add(patience)
                try:
                    read = await (self._chunks(body) if chunked else body())
                finally:
                    self.reading.remove(patience)
        except TimeoutError:
            return _Unread(ServiceUnavailable if self.stopping else RequestTimeout)
        except RequestEntityTooLarge:
            return _Unread(RequestEntityTooLarge)
        environ["CONTENT_LENGTH"] = str(len(read))
        return io.BytesIO(read)

    async def _chunks(self, body: Body) -> bytes:
        read = bytearray()
        async for chunk in body:
            if len(read) + len(chunk) > self.most_bytes:
                raise RequestEntityTooLarge
            read += chunk
        return bytes(read)


class _Unread(io.RawIOBase):
    """A body that was not read to its end. Only asking for it is an error: an unknown address is still a 404."""

    def __init__(self, reason: type[HTTPException]) -> None:
        self.reason = reason

    def readable(self) -> bool:
        return True

    def readinto(self, _: object) -> NoReturn:
        raise self.reason


BASE = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.input_terminated": True,
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    ELSEWHERE: True,
}


def _environ(scope: Any) -> Environ:
    """The head of a request as WSGI has it (PEP 3333), with nothing of the process's environment."""
    name, _, port = scope.server.rpartition(":")
    path = scope.path
    environ: Environ = BASE | {
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": path if path.isascii() else path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0],
        "wsgi.url_scheme": scope.scheme,
    }
    for header, value in scope.headers.items():
        if "_" in header:
            continue  # as other servers do: in WSGI it could pass for the header that is written with `-`
        key = f"HTTP_{header.upper().replace('-', '_')}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if f"HTTP_{key}" in environ:
            environ[key] = environ.pop(f"HTTP_{key}")
    return environ


def _called(wsgi: Wsgi, environ: Environ) -> Answer:
    told: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
        told[:] = int(status[:3]), headers

    chunks = wsgi(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        getattr(chunks, "close", lambda: None)()
    return told[0], told[1], body
