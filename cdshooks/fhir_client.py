"""Ask the caller's FHIR server for what a hook call lacks: in parallel, once each, until one deadline, and nowhere else.

Everything that a request or a server says about where to go is checked against the list of bases that may be called. Nothing is kept of a
call but whether its server answered.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import urljoin

import requests
import urllib3
from circuitbreaker import CircuitBreaker
from msgspec import Raw
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util import Retry, Timeout, Url, parse_url
from urllib3.util.connection import create_connection

from .prefetch import ABSENT, EMPTY, Fetched, Gap, Value, judge
from .request import HookRequest, unambiguous

MOST_PAGES = 10  # of one query, the first included
MOST_PARALLEL = 32  # requests to one server at once, of all calls together
FAILURES = 5  # calls in a row that a server leaves unanswered before it is left alone
ALONE_SECONDS = 30
GRACE_SECONDS = 0.05  # for requests that are given up at the deadline to say so, and to hand over the pages they have
CHUNK = 65_536
HEADERS = {"Accept": "application/fhir+json", "User-Agent": "metabolic-workup-cds"}
TOKEN = re.compile("[!-~]+")
DEFAULT_PORTS = {"http": 80, "https": 443}

# How a request ends without a usable answer, and what is said of it.
FAILED = {
    "no-access": "the FHIR server denies access",
    "refused": "the FHIR server refuses the query",
    "unusable": "the FHIR server's answer is not what was asked for",
    "too-large": "the FHIR server's answers are larger than this service accepts",
    "timeout": "the FHIR server did not answer in time",
    "unreachable": "the FHIR server cannot be reached",
    "server-error": "the FHIR server failed",
    "left-alone": "the FHIR server has failed repeatedly, and is left alone for a while",
    "not-covered": "the token's scope does not cover it",
    "next-page-elsewhere": "its next page is not under the FHIR server's address",
    "next-page-again": "its next page was read before",
    "too-many-pages": f"it has more than {MOST_PAGES} pages",
    "narrowed": "the token's scope covers a part of it",
}
OF_THE_SERVER = frozenset({"timeout", "unreachable", "server-error"})
CLOSED = {
    "no-server": "the call names none",
    "not-allowed": "its address is not among those that may be called",
    "no-token": "no access token came with the call",
    "token-unusable": "the access token is no text that a header can hold",
    "token-expired": "the access token has expired",
    "token-of-another-patient": "the access token is for another patient",
}


@dataclass(frozen=True, slots=True)
class Permission:
    """Where calls may go for a client: to these base URLs and what lies under them; `token_needed` if only with a token."""

    servers: tuple[str, ...] = ()
    token_needed: bool = True


@dataclass(frozen=True, slots=True)
class Got:
    """What was fetched by key, and how many requests ended how. Neither tells where anything was asked."""

    by_key: Mapping[str, Fetched] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)


class FhirServers:
    """All FHIR servers that calls may go to. Each has its own connections, threads and circuit breaker, so that none holds up another."""

    def __init__(self, *, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._servers: dict[str, _Server] = {}
        self._lock = threading.Lock()

    def fetch(self, request: HookRequest, gaps: Iterable[Gap], permission: Permission, deadline: float) -> Got:
        """Fetch what fills the gaps, until `deadline` (of `time.perf_counter`). What cannot be had is told, never raised.

        Only for calls of which `why_not` finds nothing to say.
        """
        base = next(base for base in permission.servers if within(base, request.fhir_server))
        filled = self._server(base).ask(_Call(request, deadline, _Allowance(self._most_bytes)), list(gaps))
        return Got(
            {key: Fetched(each.pages, FAILED.get(each.failure, "")) for key, each in filled.items()},
            Counter(outcome for each in filled.values() for outcome in each.outcomes),
        )

    def _server(self, base: str) -> _Server:
        with self._lock:
            if base not in self._servers:
                self._servers[base] = _Server()
            return self._servers[base]


def why_not(request: HookRequest, permission: Permission) -> str:
    """Which of `CLOSED` keeps us from asking the FHIR server of a call; "" if nothing does."""
    lent = request.authorization
    if not request.fhir_server:
        return "no-server"
    if not any(within(base, request.fhir_server) for base in permission.servers):
        return "not-allowed"
    if lent is None:
        return "no-token" if permission.token_needed else ""
    if not TOKEN.fullmatch(lent.token.reveal()):  # it would fail in every call, and be laid to the server
        return "token-unusable"
    if lent.expires_in <= 0:
        return "token-expired"
    return "" if lent.patient in (None, request.patient_id) else "token-of-another-patient"


# Addresses


def within(base: str, url: str) -> bool:
    """Whether a URL is `base` or lies under it: same scheme, host and port, and its path below the base's, by whole segments."""
    ours, theirs = _parsed(base), _parsed(url)
    if ours is None or theirs is None or _origin(ours) != _origin(theirs):
        return False
    path, below = (ours.path or "/").rstrip("/"), theirs.path or "/"
    return (below == path or below.startswith(f"{path}/")) and not re.search(r"(^|/)(\.|%2e){1,2}(/|$)|%2f|%5c", below, re.IGNORECASE)


def _parsed(url: str) -> Url | None:
    """A URL as the library that calls it reads it; None for what no FHIR server sends."""
    if not re.fullmatch(r"https?://[!-~]+", url, re.IGNORECASE) or re.search(r"[\\#]", url) or re.search(r"/\.{1,2}(/|\?|$)", url):
        return None  # the parser would take the dots away unseen
    try:
        parsed = parse_url(url)
    except HTTPError:
        return None
    return parsed if parsed.host and not parsed.auth else None


def _origin(url: Url) -> tuple[str, str, int]:
    scheme = (url.scheme or "").lower()
    return scheme, (url.host or "").lower(), url.port or DEFAULT_PORTS.get(scheme, 0)


def usable_addresses(host: str, port: int) -> list[str]:
    """The addresses of a host that may be called.

    Naming a server is the permission to call it, on a private network, too. But what a name turns to must be an address of a host: never
    one that is link-local (where clouds keep their credentials), multicast or unspecified.
    """
    if _is_address(host):
        return [host.strip("[]")]
    found = (str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return [address for address in dict.fromkeys(found) if _is_of_a_host(address)]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_of_a_host(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    plain = getattr(address, "ipv4_mapped", None) or address
    return not (plain.is_link_local or plain.is_multicast or plain.is_unspecified)


# SMART scopes. Source: SMART App Launch 1.0 and 2.2, "Scopes for requesting FHIR Resources".

SMART = re.compile(r"(?:user|patient|system)/(\*|[A-Z][A-Za-z]*)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)(\?.*)?")
BESIDE = re.compile(r"openid|profile|fhirUser|launch(/\S+)?|(offline|online)_access")


def coverage(scope: str, kind: str, interaction: Literal["read", "search"]) -> Literal["whole", "part", "none"]:
    """How much of an interaction a scope permits. What is not understood is no reason not to try."""
    scopes = scope.split()
    read = [SMART.fullmatch(each) for each in scopes]
    if not any(read) or any(match is None and not BESIDE.fullmatch(each) for each, match in zip(scopes, read, strict=True)):
        return "whole"
    covering = [match for match in read if match and match[1] in ("*", kind) and _permits(match[2], interaction)]
    if not covering:
        return "none"
    return "part" if all(match[3] for match in covering) else "whole"


def _permits(permissions: str, interaction: str) -> bool:
    return permissions in ("read", "*") or (permissions != "write" and interaction[0] in permissions)


# One call


class _Failure(Exception):
    """A request without a usable answer; `outcome` is one of `FAILED`."""

    def __init__(self, outcome: str) -> None:
        self.outcome = outcome
        super().__init__(outcome)


class _Allowance:
    """How many bytes one call may still receive, over all its requests."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Raises _Failure when all is taken."""
        with self._lock:
            self._left -= count
            if self._left < 0:
                raise _Failure("too-large")


@dataclass(frozen=True, slots=True)
class _Call:
    """A hook call for which something is fetched."""

    request: HookRequest
    deadline: float
    allowance: _Allowance

    @property
    def base(self) -> str:
        return self.request.fhir_server

    def seconds_left(self) -> float:
        """How long it may still take. Raises _Failure when no time is left."""
        left = self.deadline - time.perf_counter()
        if left <= 0:
            raise _Failure("timeout")
        return left

    @property
    def headers(self) -> dict[str, str]:
        lent = self.request.authorization
        return HEADERS if lent is None else HEADERS | {"Authorization": f"Bearer {lent.token.reveal()}"}

    def coverage(self, gap: Gap) -> Literal["whole", "part", "none"]:
        lent = self.request.authorization
        return "whole" if lent is None else coverage(lent.scope, gap.kind, "search" if gap.expected == "Bundle" else "read")


class _Filled(NamedTuple):
    """What became of a gap: its pages, what ended it early if anything did, and how each of its requests ended."""

    pages: tuple[Value, ...]
    failure: str
    outcomes: tuple[str, ...]


class _Unanswered(Exception):
    """No request of a call was answered: what the circuit breaker counts."""


class _Server:
    """One server of the list: its connections, its threads, and whether it is left alone at present."""

    def __init__(self) -> None:
        self._session = _session()
        self._threads = ThreadPoolExecutor(MOST_PARALLEL, thread_name_prefix="fhir")
        self._breaker = CircuitBreaker(failure_threshold=FAILURES, recovery_timeout=ALONE_SECONDS, expected_exception=_Unanswered)
        self._probing = threading.Lock()

    def ask(self, call: _Call, gaps: list[Gap]) -> dict[str, _Filled]:
        """Fill all gaps, unless the server is left alone. After a while one call, and no other, finds out whether it answers again."""
        if self._breaker.closed:
            return self._counted(call, gaps)
        if self._breaker.opened or not self._probing.acquire(blocking=False):
            return {gap.key: _ended("left-alone") for gap in gaps}
        try:
            return self._counted(call, gaps)
        finally:
            self._probing.release()

    def _counted(self, call: _Call, gaps: list[Gap]) -> dict[str, _Filled]:
        """Fill all gaps, and have the circuit breaker know whether anything was answered."""
        filled: dict[str, _Filled] = {}
        with suppress(_Unanswered), self._breaker:
            filled = self._side_by_side(call, gaps)
            outcomes = {outcome for each in filled.values() for outcome in each.outcomes}
            if outcomes and outcomes <= OF_THE_SERVER:
                raise _Unanswered
        return filled

    def _side_by_side(self, call: _Call, gaps: list[Gap]) -> dict[str, _Filled]:
        """Fill all gaps at once; what is not there at the deadline is given up."""
        futures = {gap.key: self._threads.submit(self._fill, call, gap) for gap in gaps}
        wait(futures.values(), timeout=max(call.deadline - time.perf_counter(), 0) + GRACE_SECONDS)
        return {key: self._result(future) for key, future in futures.items()}

    def _result(self, future: Future[_Filled]) -> _Filled:
        if future.done():
            return future.result()
        future.cancel()  # one that runs already ends by its own timeout, soon
        return _ended("timeout")

    def _fill(self, call: _Call, gap: Gap) -> _Filled:
        covered = call.coverage(gap)
        if covered == "none":
            return _ended("not-covered")
        pages: list[Value] = []
        failure = "narrowed" if covered == "part" else ""
        try:
            for page in self._pages(call, gap):
                pages.append(page)
        except _Failure as early:
            failure = early.outcome
        return _Filled(tuple(pages), failure, (*map(_outcome, pages), *filter(None, [failure])))

    def _pages(self, call: _Call, gap: Gap) -> Iterator[Value]:
        """The pages of a gap, each of which tells where the next one lies. Raises _Failure where the way ends early."""
        sent = 0 if gap.page is None else 1
        url = f"{call.base}/{gap.query}" if gap.page is None else _next(call.base, gap.page)
        seen: set[str] = set()
        for _ in range(MOST_PAGES - sent):
            if url in seen:
                raise _Failure("next-page-again")
            seen.add(url)
            page = self._answer(call, gap, url)
            yield page
            if page.next_page is None:
                return
            url = _next(call.base, page.next_page)
        raise _Failure("too-many-pages")

    def _answer(self, call: _Call, gap: Gap, url: str) -> Value:
        status, body = self._get(call, url)
        if status in (404, 410) and gap.expected != "Bundle":
            return EMPTY
        if status != 200:
            raise _Failure(_of_status(status))
        value = judge(Raw(body), gap.expected) if unambiguous(body) else ABSENT
        if value.state == "absent" or (value.raw is None and value.state == "empty"):  # the second is null, which says nothing here
            raise _Failure("unusable")
        return value

    def _get(self, call: _Call, url: str) -> tuple[int, bytes]:
        """One GET: its status and, of a success, its body. Tokens go to the server's own address only; redirects are not followed."""
        if not within(call.base, url):
            raise _Failure("next-page-elsewhere")
        timeout: Any = Timeout(total=call.seconds_left())  # requests takes urllib3's, which is the only one with a total
        try:
            with self._session.get(url, headers=call.headers, timeout=timeout, allow_redirects=False, stream=True) as response:
                return response.status_code, b"".join(_body(call, response)) if response.status_code == 200 else b""
        except _Failure:
            raise
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
            raise _Failure("timeout") from None
        except (requests.RequestException, HTTPError, OSError, ValueError):  # their texts hold URLs
            raise _Failure("unreachable") from None


def _ended(failure: str) -> _Filled:
    return _Filled((), failure, (failure,))


def _outcome(page: Value) -> str:
    """How a request with an answer ended."""
    return {"empty": "empty", "unavailable": "operation-outcome"}.get(page.state, "data")


def _next(base: str, told: str) -> str:
    url = urljoin(f"{base}/", told) if told else ""
    if not within(base, url):
        raise _Failure("next-page-elsewhere")
    return url


def _body(call: _Call, response: requests.Response) -> Iterator[bytes]:
    """The body, piece by piece as it comes, within the allowance and the time of the call."""
    while piece := response.raw.read1(CHUNK, decode_content=True):
        call.allowance.take(len(piece))
        call.seconds_left()
        yield piece


def _of_status(status: int) -> str:
    if status in (401, 403):
        return "no-access"
    return "server-error" if status >= 500 or status == 429 else "refused"


# Connections


class _Retries(Retry):
    """Once more when nothing was answered or a gateway says that nobody did: a GET may be repeated. Never after a timeout: its time is gone."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Self:
        if isinstance(error, urllib3.exceptions.TimeoutError) and not isinstance(error, NewConnectionError):  # which is one by descent only
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


RETRIES = _Retries(
    total=1,
    redirect=0,
    status_forcelist=(502, 503, 504),
    allowed_methods=("GET",),
    backoff_factor=0,
    raise_on_status=False,
    respect_retry_after_header=False,  # it would wait beyond the deadline
)


def _connected(connection: HTTPConnection) -> socket.socket:
    """Connect to an address that was checked: the name is looked up once, so it cannot turn to another in between."""
    try:
        addresses = usable_addresses(connection.host, connection.port)
    except (OSError, UnicodeError):
        addresses = []
    for number, address in enumerate(addresses, start=1):
        try:
            return create_connection((address, connection.port), connection.timeout, connection.source_address, connection.socket_options)
        except TimeoutError:
            raise urllib3.exceptions.ConnectTimeoutError(connection, "no connection in time") from None
        except OSError:
            if number == len(addresses):
                break
    raise NewConnectionError(connection, "no usable address")


class _PlainConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _TlsConnection(HTTPSConnection):
    """The certificate is checked against the name, whatever the address."""

    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    """Connections to checked addresses only; TLS trusts what the system trusts, and what SSL_CERT_FILE names."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=ssl.create_default_context())
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


def _session() -> requests.Session:
    """A session that remembers nothing of a call, and takes nothing from the environment: no proxy, no netrc, no cookie."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    session.headers["Accept-Encoding"] = "gzip"
    adapter = _Adapter(max_retries=RETRIES, pool_connections=1, pool_maxsize=MOST_PARALLEL)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
