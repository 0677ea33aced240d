"""The public keys of clients: their key sets are fetched or read, checked, kept, and renewed when a key is rotated, but never often."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from requests.auth import AuthBase

from .clients import Client

CONNECT_SECONDS, READ_SECONDS = 2.0, 2.0  # each; WAIT_SECONDS in all
WAIT_SECONDS = 4.0  # what a call waits for a key set
WAITING = 16  # calls that wait for one key set at once: more would keep the calls of other clients from being checked
MOST_BYTES = 256 * 1024
MOST_KEYS = 100
HOUR, DAY = 3600.0, 86400.0
RARELY = 60.0  # seconds between two fetches, whatever kids come
AGAIN = 5.0  # after a first failure; doubled with each up to RARELY
RSA_BITS = range(2048, 8193)
KEY_OF = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
}
# The members of a public key. The private ones of a set that was published by mistake are not read.
PUBLIC = ("kty", "crv", "x", "y", "n", "e")
MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})")


class KeySetError(Exception):
    """A key set that cannot be had or used; the message says why."""


class KeysBusy(Exception):
    """Enough calls wait for this key set."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, ready to verify with, and what it may be used for. `alg` is empty when the set does not say."""

    kty: str
    crv: str
    alg: str
    public: Any

    def suits(self, algorithm: str) -> bool:
        return KEY_OF.get(algorithm) == (self.kty, self.crv) and self.alg in ("", algorithm)


Keys = Mapping[str, tuple[Key, ...]]
Source = Callable[[], tuple[bytes, float]]  # the document, and for how many seconds it is fresh


def read_keys(document: bytes) -> Keys:
    """The keys of a JWK Set by `kid`; those that cannot verify a signature are left out. Raises KeySetError."""
    try:
        entries = json.loads(document)["keys"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise KeySetError("it is no JWK Set: an object with a list `keys`") from None
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise KeySetError(f"`keys` must be a list of at most {MOST_KEYS}")
    found: dict[str, tuple[Key, ...]] = {}
    for entry in entries:
        if isinstance(entry, dict) and isinstance(kid := entry.get("kid"), str) and kid and (key := _key(entry)) is not None:
            found[kid] = (*found.get(kid, ()), key)
    if not found:
        raise KeySetError("no key of it is of use: each needs `kid`, and to be an RSA key of 2048 to 8192 bits or of the curve P-256, P-384 or P-521")
    return found


def _key(entry: Mapping[str, Any]) -> Key | None:
    """One key, or None if it is not one that verifies signatures."""
    kty, crv, alg = entry.get("kty"), entry.get("crv") or "", entry.get("alg") or ""
    fitting = [algorithm for algorithm, needs in KEY_OF.items() if needs == (kty, crv if kty == "EC" else "") and alg in ("", algorithm)]
    operations = entry.get("key_ops") or ["verify"]
    if not fitting or entry.get("use") not in (None, "sig") or not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        public = PyJWK({name: entry[name] for name in PUBLIC if name in entry}, fitting[0]).key
    except (PyJWTError, ValueError, TypeError, KeyError, OverflowError):
        return None
    if kty == "RSA" and public.key_size not in RSA_BITS:
        return None
    return Key(str(kty), "" if kty == "RSA" else str(crv), str(alg), public)


class _NoCredentials(AuthBase):
    """Keeps requests from looking for a password of its own in the user's files."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def fetch(url: str) -> tuple[bytes, float]:
    """Get a key set: no redirect, no credentials, no compression, little time, few bytes. Raises KeySetError."""
    until = time.monotonic() + CONNECT_SECONDS + READ_SECONDS
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "metabolic-workup-cds"}
    try:
        with (
            requests.Session() as session,
            session.get(
                url, headers=headers, timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=False, stream=True, auth=_NoCredentials()
            ) as reply,
        ):
            if reply.status_code != 200:
                raise KeySetError(f"it was answered {reply.status_code} instead of 200{'; redirects are not followed' if reply.is_redirect else ''}")
            return _body(reply, until), freshness(reply.headers.get("Cache-Control", ""))
    except (requests.RequestException, OSError) as error:
        raise KeySetError(f"it cannot be fetched: {type(error).__name__}") from None


def _body(reply: requests.Response, until: float) -> bytes:
    """The body, as it comes: whoever sends drop by drop is given no more time than others."""
    body = b""
    # decode_content stays off: what is compressed against our wish is no JSON, and swells to nothing.
    while piece := reply.raw.read1(MOST_BYTES):
        body += piece
        if len(body) > MOST_BYTES:
            raise KeySetError(f"it is larger than {MOST_BYTES} bytes")
        if time.monotonic() > until:
            raise KeySetError("it did not come whole in time")
    return body


def freshness(cache_control: str) -> float:
    """For how long a key set may be used without asking again: as it says, within reason; an hour if it says nothing."""
    told = cache_control.lower()
    if "no-store" in told or "no-cache" in told:
        return RARELY
    found = MAX_AGE.search(told)
    return min(max(float(found[1]), RARELY), DAY) if found else HOUR


def source_of(client: Client, get: Callable[[str], tuple[bytes, float]] = fetch) -> Source:
    """Where a client's keys come from. A file beside a `jku` wins: then nothing is fetched."""
    if client.jwks_file is not None:
        path = client.jwks_file
        return lambda: (_read(path), HOUR)
    url = client.jku or ""
    return lambda: get(url)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeySetError(f"{path}: {error.strerror}") from None


class KeySet:
    """A client's keys: kept while fresh, renewed behind the calls when they are not, and renewed at once, but rarely, for a kid that is new.

    A set that cannot be renewed stays in use. May be asked from several threads.
    """

    def __init__(self, source: Source, *, monotonic: Callable[[], float] = time.monotonic, told: Callable[[str], None] = lambda _: None) -> None:
        self._source, self._monotonic, self._told = source, monotonic, told
        self._lock = threading.Lock()
        self._keys: Keys = {}
        self._fresh_until = self._next = float("-inf")
        self._failures = self._waiting = 0
        self._coming: Future[None] | None = None

    def find(self, kid: str, algorithm: str) -> Key | None:
        """The key of this name that suits the algorithm. Waits, for a little, only if the name is new and asking is due. Raises KeysBusy."""
        known = kid in self._keys
        if not known or self._monotonic() >= self._fresh_until:
            coming = self._renewal()
            if coming is not None and not known:
                self._wait(coming)
        return next((key for key in self._keys.get(kid, ()) if key.suits(algorithm)), None)

    def _renewal(self) -> Future[None] | None:
        """The renewal that is under way, or one begun now; None while it is too early for another."""
        with self._lock:
            if self._coming is None and self._monotonic() >= self._next:
                coming: Future[None] = Future()
                threading.Thread(target=self._renew, args=(coming,), daemon=True).start()
                self._coming = coming  # the thread takes the lock before it clears this
            return self._coming

    def _wait(self, coming: Future[None]) -> None:
        with self._lock:
            if self._waiting >= WAITING:
                raise KeysBusy
            self._waiting += 1
        try:
            coming.result(WAIT_SECONDS)
        except Late:
            pass  # without it, the key is unknown
        finally:
            with self._lock:
                self._waiting -= 1

    def _renew(self, coming: Future[None]) -> None:
        try:
            document, seconds = self._source()
            keys: Keys | None = read_keys(document)
        except KeySetError as error:
            keys, seconds = None, 0.0
            self._told(str(error))
        except Exception as error:  # a thread that died here would leave the set without renewal for ever
            keys, seconds = None, 0.0
            self._told(f"it cannot be read: {type(error).__name__}")
        with self._lock:
            now = self._monotonic()
            self._failures = 0 if keys is not None else self._failures + 1
            self._next = now + (RARELY if keys is not None else min(AGAIN * 2 ** min(self._failures - 1, 9), RARELY))
            if keys is not None:
                self._keys, self._fresh_until = keys, now + seconds
            self._coming = None
        coming.set_result(None)
