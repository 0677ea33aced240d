"""Who calls: a client's JWT in, a `Caller` out, or an AccessError. Each check has a name, one function, and its place in one list."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from jwt import PyJWS
from jwt.exceptions import PyJWTError

from .clients import Client
from .errors import AccessError, NotAuthenticated, NotNow, NotPermitted, StoreError
from .keysets import Key, KeysBusy, KeySet

LEEWAY = 60  # seconds that two clocks may differ
LIFETIME = 3600  # of a JWT at most
MOST_CHARACTERS = 16_384
MOST_SECONDS = 2**40  # a time beyond is none
JWS = PyJWS()


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose call it is, proven. `tenant` is None when the JWT names none."""

    client: Client
    issuer: str
    tenant: str | None


@dataclass(slots=True)
class Case:
    """One JWT under examination: what is asked of it, and what has been found out so far."""

    authorization: str
    audiences: Sequence[str]  # the URL that was called, by each of its names
    service: str
    now: float
    clients: Mapping[str, Client]  # by issuer
    keys: Mapping[str, KeySet]  # by issuer
    token: str = ""
    header: Mapping[str, Any] = field(default_factory=dict)
    claims: Mapping[str, Any] = field(default_factory=dict)
    client: Client | None = None
    key: Key | None = None

    def fails(self, check: str, reason: str, kind: type[AccessError] = NotAuthenticated) -> NoReturn:
        raise kind(check, reason, self.client.name if self.client else "")

    @property
    def known(self) -> Client:
        """The client whose JWT it says it is."""
        assert self.client is not None, "`iss` is checked first"
        return self.client


def _scheme(case: Case) -> None:
    scheme, _, token = case.authorization.strip().partition(" ")
    if not case.authorization:
        case.fails("scheme", "there is no Authorization header")
    if scheme.lower() != "bearer" or not token.strip():
        case.fails("scheme", "the Authorization header is not 'Bearer' and a JWT")
    case.token = token.strip()


def _form(case: Case) -> None:
    if len(case.token) > MOST_CHARACTERS:
        case.fails("form", f"it is longer than {MOST_CHARACTERS} characters")
    try:
        read = JWS.decode_complete(case.token, options={"verify_signature": False})
        claims = json.loads(read["payload"])
    except (PyJWTError, ValueError, RecursionError):
        case.fails("form", "it is no JWT: three base64url parts, of which two are JSON")
    if not isinstance(claims, dict):
        case.fails("form", "its claims are not an object")
    case.header, case.claims = read["header"], claims


def _iss(case: Case) -> None:
    issuer = case.claims.get("iss")
    case.client = case.clients.get(issuer) if isinstance(issuer, str) else None
    if case.client is None:
        case.fails("iss", "no client of the clients file has this issuer" if issuer else "it is missing")


def _typ(case: Case) -> None:
    kind = case.header.get("typ")
    if not isinstance(kind, str) or kind.lower() != "jwt":
        case.fails("typ", "it is not 'JWT'")


def _crit(case: Case) -> None:
    if "crit" in case.header or "b64" in case.header:
        case.fails("crit", "it asks for an extension (crit, b64), and none is understood")


def _alg(case: Case) -> None:
    if case.header.get("alg") not in case.known.algorithms:
        case.fails("alg", f"it is none of the client's algorithms, {', '.join(case.known.algorithms)}")


def _jku(case: Case) -> None:
    if "jku" in case.header and (case.known.jku is None or case.header["jku"] != case.known.jku):
        case.fails("jku", "it is not the URL of the clients file; it was not fetched")


def _kid(case: Case) -> None:
    if not isinstance(case.header.get("kid"), str) or not case.header["kid"]:
        case.fails("kid", "it is missing")


def _aud(case: Case) -> None:
    told = case.claims.get("aud")
    told = [told] if isinstance(told, str) else told
    if not isinstance(told, list) or not told or not all(isinstance(each, str) for each in told):
        case.fails("aud", "it is missing, or neither a text nor a list of texts")
    if not any(_is_called(each, case.audiences) or each in case.known.audiences for each in told):
        case.fails("aud", "it names neither the URL that was called (under CDSHOOKS_PUBLIC_URL) nor one of the client's audiences")


def _is_called(audience: str, called: Sequence[str]) -> bool:
    return (audience[:-1] if audience.endswith("/") else audience) in called  # one slash at the end is often typed


def _seconds(case: Case, claim: str) -> float:
    value = case.claims.get(claim)
    if isinstance(value, bool) or not isinstance(value, int | float):
        case.fails(claim, "it is missing" if value is None else "it is no number of seconds")
    if not 0 <= value < MOST_SECONDS:
        case.fails(claim, "it is no time")
    return value


def _exp(case: Case) -> None:
    if _seconds(case, "exp") <= case.now - LEEWAY:
        case.fails("exp", f"the JWT has expired, with {LEEWAY} s of leeway")


def _iat(case: Case) -> None:
    issued = _seconds(case, "iat")
    if issued > case.now + LEEWAY:
        case.fails("iat", f"it is in the future, with {LEEWAY} s of leeway")
    if _seconds(case, "exp") - issued > LIFETIME:
        case.fails("iat", f"between iat and exp there may be {LIFETIME} s at most")


def _nbf(case: Case) -> None:
    if case.claims.get("nbf") is not None and _seconds(case, "nbf") > case.now + LEEWAY:
        case.fails("nbf", f"the JWT is not valid yet, with {LEEWAY} s of leeway")


def _jti(case: Case) -> None:
    if not isinstance(case.claims.get("jti"), str) or not case.claims["jti"]:
        case.fails("jti", "it is missing")


def _key(case: Case) -> None:
    kid, algorithm = case.header.get("kid"), case.header.get("alg")
    if not isinstance(kid, str) or algorithm not in case.known.algorithms:
        case.fails("key", "kid or alg is not in order")  # reached only when all checks are made, whatever failed before
    try:
        case.key = case.keys[case.known.iss].find(kid, algorithm)
    except KeysBusy:
        case.fails("key", "many calls wait for the client's key set", NotNow)
    if case.key is None:
        case.fails("key", "the client's key set has no key of this kid that suits alg")


def _signature(case: Case) -> None:
    if case.key is None:
        case.fails("signature", "there is no key to check it with")
    try:
        JWS.decode(case.token, case.key.public, algorithms=[case.header["alg"]])
    except PyJWTError:
        case.fails("signature", "it does not fit the key")


def _tenant(case: Case) -> None:
    tenant = case.claims.get("tenant")
    if tenant is not None and not isinstance(tenant, str):
        case.fails("tenant", "it is no text")
    if case.known.tenants and tenant not in case.known.tenants:
        case.fails("tenant", "it is none of the client's tenants", NotPermitted)


def _service(case: Case) -> None:
    if case.known.services and case.service not in case.known.services:
        case.fails("service", "it is none of the client's services", NotPermitted)


# In this order: nothing is asked of a client before it is known, nothing fetched before `iss` and `jku` are its own, and what is cheap comes
# before what is dear. What the caller may do (403) is told only to one whose signature is right.
CHECKS: tuple[tuple[str, Callable[[Case], None]], ...] = (
    ("scheme", _scheme),
    ("form", _form),
    ("iss", _iss),
    ("typ", _typ),
    ("crit", _crit),
    ("alg", _alg),
    ("jku", _jku),
    ("kid", _kid),
    ("aud", _aud),
    ("exp", _exp),
    ("iat", _iat),
    ("nbf", _nbf),
    ("jti", _jti),
    ("key", _key),
    ("signature", _signature),
    ("tenant", _tenant),
    ("service", _service),
)
NEEDED_BY_ALL = ("scheme", "form", "iss")  # without these there is nothing to check the others against
OF_HEADER = ("typ", "crit", "alg", "jku", "kid")


class Memory(Protocol):
    """What remembers the JWTs that were used: `cdshooks.store.Store`, or a fake of it."""

    def first_use(self, issuer: str, jti: str, *, now: float, until: float) -> bool:
        """Whether this is the first use of (issuer, jti) anywhere; remembered `until`. Raises StoreError."""


class Authenticator:
    """Check the JWT of each call against the clients. May be used from several threads."""

    def __init__(self, clients: Sequence[Client], keys: Mapping[str, KeySet], memory: Memory, base_url: str, clock: Callable[[], float]) -> None:
        self.clients = {client.iss: client for client in clients}
        self.keys, self.memory, self.base_url, self.clock = keys, memory, base_url, clock

    def caller(self, authorization: str, service: str, *, feedback: bool = False) -> Caller:
        """Who calls this service, or sends it feedback. Raises AccessError."""
        url = f"{self.base_url}/cds-services/{service}"
        # No version of CDS Hooks says which URL the `aud` of feedback is: clients send the one or the other.
        audiences = (f"{url}/feedback", url) if feedback else (url,)
        case = Case(authorization, audiences, service, self.clock(), self.clients, self.keys)
        for _, check in CHECKS:
            check(case)
        self._use(case)
        return Caller(case.known, case.known.iss, case.claims.get("tenant"))

    def _use(self, case: Case) -> None:
        """Remember the JWT last, when all else is right: nobody else can use up a client's `jti`."""
        # As long as any host of ours may still take it: the clocks of two may differ by the leeway.
        until = case.claims["exp"] + 2 * LEEWAY
        try:
            first = self.memory.first_use(case.known.iss, case.claims["jti"], now=case.now, until=until)
        except StoreError as error:
            case.fails("store", str(error), NotNow)
        if not first:
            case.fails("jti", "the JWT was used before")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check makes of a JWT: `reason` is None if it passes; `said` is what the JWT holds there, None if nothing."""

    name: str
    reason: str | None
    said: Any


def examine(token: str, audience: str, clients: Sequence[Client], keys: Mapping[str, KeySet], now: float) -> Iterator[Finding]:
    """Each check of a JWT that is sent to the URL `audience`, up to the first without which no other can be made. Uses it up for nobody."""
    url = audience.rstrip("/")
    service = url.rpartition("/cds-services/")[2].removesuffix("/feedback")
    case = Case(f"Bearer {token}", (url,), service, now, {client.iss: client for client in clients}, keys)
    for name, check in CHECKS:
        reason = None
        try:
            check(case)
        except AccessError as error:
            reason = error.reason
        yield Finding(name, reason, (case.header if name in OF_HEADER else case.claims).get(name))
        if reason is not None and name in NEEDED_BY_ALL:
            return
