"""Key sets: read with care, kept, renewed behind the calls, asked for rarely; and fetched from real servers that behave badly."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cdshooks import keysets
from cdshooks.keysets import AGAIN, DAY, HOUR, MOST_BYTES, MOST_KEYS, RARELY, WAITING, KeysBusy, KeySet, KeySetError, fetch, freshness, read_keys
from tests import trust
from tests.keyserver import answer, certificate, environment, serving
from tests.trust import Clock, Keys, jwks


def test_keys_are_found_by_name_and_suit_their_algorithms() -> None:
    found = read_keys(trust.ORDINARY)
    assert set(found) == {"ec-1", "rsa/1+="}
    (ec,), (rsa,) = found["ec-1"], found["rsa/1+="]
    assert [algorithm for algorithm in keysets.KEY_OF if ec.suits(algorithm)] == ["ES384"]
    assert [algorithm for algorithm in keysets.KEY_OF if rsa.suits(algorithm)] == ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
    assert not ec.suits("HS384") and not ec.suits("none")


@pytest.mark.parametrize(
    "odd",
    [
        5,
        None,
        {},
        {"kty": "oct", "kid": "x", "k": "AAAA"},
        {"kty": "EC", "kid": "x", "crv": "P-384"},
        {"kty": "EC", "kid": "x", "crv": "P-384", "x": "AAAA", "y": "AAAA"},
        {"kty": "EC", "kid": "x", "crv": "P-384", "x": 7, "y": None},
        {"kty": "EC", "kid": "x", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"},
        {"kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": "x", "n": "", "e": ""},
        {"kty": ["EC"], "kid": "x", "crv": {}},
        {"kty": "EC", "crv": "P-384", "x": trust.EC["x"], "y": trust.EC["y"]},
        trust.EC | {"kid": 7},
        trust.EC | {"use": "enc"},
        trust.EC | {"alg": "ECDH-ES"},
        trust.EC | {"alg": ["ES384"]},
        trust.EC | {"key_ops": "sign"},
    ],
)
def test_what_is_no_key_of_use_is_left_out_and_harms_no_other(odd: Any) -> None:
    document = json.dumps({"keys": [odd, trust.RSA]}).encode()
    assert set(read_keys(document)) == {"rsa/1+="}


def test_a_private_key_that_was_published_is_read_as_its_public_half() -> None:
    private: dict[str, Any] = __import__("jwt").algorithms.ECAlgorithm.to_jwk(trust.key("P-384"), as_dict=True)
    private.pop("key_ops", None)
    (found,) = read_keys(jwks(private | {"kid": "k"}))["k"]
    assert not hasattr(found.public, "sign")


def test_a_name_that_two_keys_share_means_the_one_that_suits() -> None:
    kept = KeySet(Keys(jwks(trust.EC, trust.RSA | {"kid": "ec-1"})), monotonic=Clock())
    es, rs = kept.find("ec-1", "ES384"), kept.find("ec-1", "RS384")
    assert es is not None and rs is not None and (es.kty, rs.kty) == ("EC", "RSA")


@pytest.mark.parametrize(
    "document", [b"", b"{", b"[]", b"null", b'{"keys": {}}', b"[" * 100_000, jwks(), jwks(*[trust.EC] * (MOST_KEYS + 1))], ids=lambda raw: raw[:9]
)
def test_what_is_no_key_set(document: bytes) -> None:
    with pytest.raises(KeySetError):
        read_keys(document)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("", HOUR),
        ("public", HOUR),
        ("public, max-age=600", 600),
        ("MAX-AGE=600", 600),
        ("max-age=0", RARELY),
        ("no-store", RARELY),
        ("no-cache, max-age=9999", RARELY),
        ("max-age=99999999", DAY),
        ("s-maxage=5, x-max-age=7", HOUR),
        ("max-age=never", HOUR),
    ],
)
def test_a_set_is_fresh_as_it_says_within_reason(told: str, seconds: float) -> None:
    assert freshness(told) == seconds


def test_a_known_key_costs_no_fetch_while_the_set_is_fresh() -> None:
    clock, keys = Clock(), Keys(seconds=600)
    kept = KeySet(keys, monotonic=clock)
    assert all(kept.find("ec-1", "ES384") for _ in range(3)) and keys.fetches == 1
    clock.at = 599
    assert kept.find("ec-1", "ES384") and keys.fetches == 1


def _settled(kept: KeySet) -> None:
    if (coming := kept._coming) is not None:
        coming.result(10)


def test_a_stale_set_is_renewed_behind_the_call_and_a_key_that_is_gone_ends() -> None:
    clock, keys = Clock(), Keys(seconds=600)
    kept = KeySet(keys, monotonic=clock)
    kept.find("ec-1", "ES384")
    keys.document, clock.at = jwks(trust.RSA), 601
    assert kept.find("ec-1", "ES384")  # does not wait
    _settled(kept)
    assert keys.fetches == 2 and kept.find("ec-1", "ES384") is None and kept.find("rsa/1+=", "RS384")


def test_a_set_that_cannot_be_renewed_stays_in_use_and_is_told() -> None:
    clock, keys, told = Clock(), Keys(seconds=600), list[str]()
    kept = KeySet(keys, monotonic=clock, told=told.append)
    kept.find("ec-1", "ES384")
    keys.document, clock.at = KeySetError("it was answered 500"), 1e6
    for _ in range(5):
        assert kept.find("ec-1", "ES384")
        _settled(kept)
    assert keys.fetches == 2 and told == ["it was answered 500"]


def test_after_failures_it_is_asked_for_ever_more_rarely_up_to_once_a_minute() -> None:
    clock, keys = Clock(), Keys(RuntimeError("anything at all"))
    kept = KeySet(keys, monotonic=clock)
    times = []
    for second in range(400):
        clock.at = second
        before = keys.fetches
        assert kept.find("ec-1", "ES384") is None
        times += [second] * (keys.fetches - before)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == [AGAIN, 2 * AGAIN, 4 * AGAIN, 8 * AGAIN, RARELY, RARELY, RARELY, RARELY, RARELY][: len(gaps)] and len(gaps) >= 6
    keys.document = trust.ORDINARY
    clock.at = 1000
    assert kept.find("ec-1", "ES384")


def test_calls_share_one_fetch_and_only_a_few_wait_for_it() -> None:
    started, go = threading.Event(), threading.Event()
    fetches: list[int] = []

    def slow() -> tuple[bytes, float]:
        fetches.append(1)
        started.set()
        assert go.wait(20)
        return trust.ORDINARY, HOUR

    kept = KeySet(slow, monotonic=Clock())
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(kept.find("ec-1", "ES384") is not None)
        except KeysBusy:
            found.append("busy")

    threads = [threading.Thread(target=ask) for _ in range(WAITING + 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        if found.count("busy") < 3:
            thread.join(0.05)
    assert started.wait(20) and found == ["busy"] * 3
    go.set()
    for thread in threads:
        thread.join(20)
    assert found == ["busy"] * 3 + [True] * WAITING and len(fetches) == 1


Serving = Callable[[Callable[[Any], None]], str]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """Serve https on loopback with a handler; give the URL. Its certificate is trusted as an operator would have it trusted."""
    pem = certificate(tmp_path)
    for name, value in environment(pem).items():
        monkeypatch.setenv(name, value)
    with ExitStack() as running:
        yield lambda handle: running.enter_context(serving(pem, handle))


def test_a_key_set_is_fetched_over_tls_without_credentials(served: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login us password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    heard: list[Any] = []

    def handle(handler: Any) -> None:
        heard.append(handler.headers)
        answer(handler, 200, trust.ORDINARY, Cache_Control="max-age=1200", Set_Cookie="a=b")

    url = served(handle)
    assert fetch(url) == (trust.ORDINARY, 1200) and fetch(url)[0] == trust.ORDINARY
    assert all("Authorization" not in headers and "Cookie" not in headers for headers in heard)
    assert heard[0]["Accept-Encoding"] == "identity"


def test_a_chunked_key_set_is_read(served: Serving) -> None:
    def handle(handler: Any) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(trust.ORDINARY), 100):
            piece = trust.ORDINARY[start : start + 100]
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    assert fetch(served(handle))[0] == trust.ORDINARY


def test_a_redirect_is_not_followed(served: Serving) -> None:
    elsewhere: list[int] = []
    other = served(lambda _: elsewhere.append(1))
    with pytest.raises(KeySetError, match="302 instead of 200; redirects are not followed"):
        fetch(served(lambda handler: answer(handler, 302, b"", Location=other)))
    assert elsewhere == []


@pytest.mark.parametrize("status", [204, 401, 404, 500])
def test_only_200_is_a_key_set(served: Serving, status: int) -> None:
    with pytest.raises(KeySetError, match=str(status)):
        fetch(served(lambda handler: answer(handler, status, b"")))


def test_an_endless_key_set_is_given_up(served: Serving) -> None:
    def handle(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * 65536)

    with pytest.raises(KeySetError, match=str(MOST_BYTES)):
        fetch(served(handle))


def test_a_key_set_that_comes_by_drops_is_given_up(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysets, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(keysets, "READ_SECONDS", 0.2)
    ended = threading.Event()

    def handle(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not ended.wait(0.02):
            handler.wfile.write(b" ")

    with pytest.raises(KeySetError, match="in time"):
        fetch(served(handle))
    ended.set()


def test_a_server_that_says_nothing_is_given_up(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keysets, "READ_SECONDS", 0.1)
    ended = threading.Event()
    with pytest.raises(KeySetError, match="cannot be fetched"):
        fetch(served(lambda _: ended.wait(20)))
    ended.set()


def test_a_certificate_that_is_not_trusted_ends_the_fetch(served: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    url = served(lambda handler: answer(handler, 200, trust.ORDINARY))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(KeySetError, match="SSLError"):
        fetch(url)


def test_a_certificate_for_another_name_ends_the_fetch(served: Serving) -> None:
    url = served(lambda handler: answer(handler, 200, trust.ORDINARY))
    with pytest.raises(KeySetError, match="SSLError"):
        fetch(url.replace("localhost", "127.0.0.1"))


def test_nobody_there() -> None:
    with pytest.raises(KeySetError, match="cannot be fetched"):
        fetch("https://localhost:1/jwks.json")
