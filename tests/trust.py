"""Clients under test: key pairs, their key sets, the JWTs they sign, and a service that knows them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask.testing import FlaskClient

from cdshooks.app import create_app
from cdshooks.auth import Authenticator
from cdshooks.clients import Client
from cdshooks.judging import NOW
from cdshooks.keysets import KeySet
from cdshooks.settings import Settings
from cdshooks.store import Store

from .builders import content

Json = dict[str, Any]
BASE = "https://cds.example.org/hooks"
SERVICE = "metabolic-workup-patient-view"
URL = f"{BASE}/cds-services/{SERVICE}"
ISS = "https://ehr.north.example"
JKU = "https://ehr.north.example/.well-known/jwks.json"
AT = NOW.timestamp()


@cache
def key(kind: str, number: int = 0) -> Any:
    """A private key, the same for the same words."""
    curves: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
    return ec.generate_private_key(curves[kind]) if kind in curves else rsa.generate_private_key(65537, int(kind.removeprefix("RSA-")))


def jwk(kind: str, kid: str, number: int = 0, **members: Any) -> Json:
    """The public key as a key set holds it."""
    algorithm = jwt.algorithms.RSAAlgorithm if kind.startswith("RSA") else jwt.algorithms.ECAlgorithm
    told: Json = algorithm.to_jwk(key(kind, number).public_key(), as_dict=True)
    told.pop("key_ops", None)
    return told | {"kid": kid} | members


def jwks(*keys: Json) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


EC, RSA = jwk("P-384", "ec-1"), jwk("RSA-2048", "rsa/1+=")
ORDINARY = jwks(EC, RSA)


def claims(**members: Any) -> Json:
    """The claims of a valid JWT; a value of `...` takes one away."""
    whole = {"iss": ISS, "aud": URL, "exp": int(AT) + 300, "iat": int(AT), "jti": "j-1"} | members
    return {name: value for name, value in whole.items() if value is not ...}


def header(**members: Any) -> Json:
    whole = {"alg": "ES384", "kid": "ec-1", "typ": "JWT", "jku": JKU} | members
    return {name: value for name, value in whole.items() if value is not ...}


def part(document: Any) -> bytes:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def signed(told: Any, kind: str = "P-384", number: int = 0, **members: Any) -> str:
    """A JWT, signed as its header says (or with `by`), whatever its claims are."""
    by = members.pop("by", None)
    head = header(**members)
    signing_input = part(head) + b"." + part(told)
    signature = jwt.get_algorithm_by_name(by or head["alg"]).sign(signing_input, key(kind, number))
    return (signing_input + b"." + part(signature)).decode()


def token(kind: str = "P-384", **told: Any) -> str:
    """A valid JWT with other claims."""
    return signed(claims(**told), kind, **({"alg": "RS384", "kid": "rsa/1+="} if kind.startswith("RSA") else {}))


def client(**members: Any) -> Client:
    return Client.model_validate({"name": "north", "iss": ISS, "jku": JKU} | members)


OPENED: list[Store] = []


def close_stores() -> None:
    """Close the stores of all services that were made."""
    while OPENED:
        OPENED.pop().close()


class Keys:
    """A key set server that counts, and can be made to fail or to change."""

    def __init__(self, document: bytes | Exception = ORDINARY, seconds: float = 3600) -> None:
        self.document, self.seconds, self.fetches = document, seconds, 0

    def __call__(self) -> tuple[bytes, float]:
        self.fetches += 1
        if isinstance(self.document, Exception):
            raise self.document
        return self.document, self.seconds


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, at: float = 0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class Memory:
    """What remembers JWTs, in a set."""

    def __init__(self) -> None:
        self.used: set[tuple[str, str]] = set()

    def first_use(self, issuer: str, jti: str, *, now: float, until: float) -> bool:
        assert now < until
        first = (issuer, jti) not in self.used
        self.used.add((issuer, jti))
        return first


def service(folder: Path, *clients: Client, source: Callable[[], tuple[bytes, float]] | None = None, **settings: Any) -> FlaskClient:
    """The service with a store in this folder; each client's keys come from `source`."""
    known = clients or (client(),)
    made = Settings(_env_file=None, **{"public_url": BASE, **settings})  # type: ignore[call-arg]
    store = Store(f"sqlite:///{folder}/store.db")
    store.migrate()
    OPENED.append(store)
    keys = {each.iss: KeySet(source or Keys(), monotonic=Clock()) for each in known}
    return create_app(made, content(), clock=lambda: NOW, clients=known, keys=keys, store=store).test_client()


def authenticator(*clients: Client, source: Callable[[], tuple[bytes, float]] | None = None, memory: Any = None, at: float = AT) -> Authenticator:
    known = clients or (client(),)
    keys = {each.iss: KeySet(source or Keys(), monotonic=Clock()) for each in known}
    return Authenticator(known, keys, memory or Memory(), BASE, lambda: at)
