"""Where calls may go, what a scope covers, which addresses are called, and when a server is left alone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import circuitbreaker
import pytest
import trustme

from cdshooks.fhir_client import FAILURES, FhirServers, Got, Permission, coverage, usable_addresses, within
from cdshooks.prefetch import Gap
from cdshooks.request import Authorization, HookRequest, Secret
from tests.fhir_script import Reply, Script, scripted

BASE = "https://ehr.test/fhir/r4"
SCOPE = "patient/*.rs"


def request(base: str) -> HookRequest:
    lent = Authorization(Secret("the-token"), 300, SCOPE, None)
    return HookRequest("s", "patient-view", "i", "p-1", "Practitioner/1", "", (), None, {}, base, lent, ())


def fetch(servers: FhirServers, base: str, *gaps: Gap) -> Got:
    wanted = gaps or (Gap("observations", "Observation", "Observation?patient=p-1"),)
    return servers.fetch(request(base), wanted, Permission((base,)), time.perf_counter() + 20)


@pytest.fixture
def fhir() -> Iterator[Script]:
    with scripted() as script:
        yield script


@pytest.mark.parametrize(
    "url",
    [
        BASE,
        f"{BASE}/",
        f"{BASE}/Observation?patient=1&code=a|b",
        f"{BASE}?_getpages=7c9b",
        "https://EHR.test/fhir/r4/Patient/1",
        "https://ehr.test:443/fhir/r4/x",
        f"{BASE}/a..b",
        f"{BASE}/Observation?cursor=..%2f",
    ],
)
def test_what_lies_under_a_base(url: str) -> None:
    assert within(BASE, url)


@pytest.mark.parametrize(
    "url",
    [
        "http://ehr.test/fhir/r4/x",
        "https://ehr.test:8443/fhir/r4/x",
        "https://ehr.test.evil.test/fhir/r4/x",
        "https://evil.test/fhir/r4/x",
        "https://ehr.test@evil.test/fhir/r4/x",
        "https://user@ehr.test/fhir/r4/x",
        "https://ehr.test/fhir/r44",
        "https://ehr.test/fhir",
        f"{BASE}/../r5",
        f"{BASE}/./x",
        f"{BASE}/%2e%2e/r5",
        f"{BASE}/x%2F..%2F..",
        f"{BASE}/..%5cx",
        f"{BASE}\\..\\x",
        f"{BASE}/x#y",
        f"{BASE}/ x",
        f"{BASE}/\nx",
        f"{BASE}/\u2024\u2024/x",
        "ftp://ehr.test/fhir/r4",
        "/fhir/r4",
        "",
        "https://",
        "https://[::1/fhir/r4",
    ],
)
def test_what_does_not_lie_under_a_base(url: str) -> None:
    assert not within(BASE, url)


@pytest.mark.parametrize(
    ("scope", "search", "read"),
    [
        ("", "whole", "whole"),
        ("patient/*.read", "whole", "whole"),
        ("patient/*.*", "whole", "whole"),
        ("user/Observation.rs", "whole", "whole"),
        ("user/Observation.s", "whole", "none"),
        ("user/Observation.cruds", "whole", "whole"),
        ("user/Observation.cud", "none", "none"),
        ("user/Observation.write", "none", "none"),
        ("user/Condition.read", "none", "none"),
        ("openid fhirUser launch/patient offline_access user/Condition.read", "none", "none"),
        ("user/Condition.read Observation.Search (Labs)", "whole", "whole"),
        ("patient/Observation.rs?category=laboratory", "part", "part"),
        ("patient/Observation.rs?category=laboratory patient/*.rs", "whole", "whole"),
        ("patient/Observation.sr", "whole", "whole"),
    ],
)
def test_what_a_scope_covers(scope: str, search: str, read: str) -> None:
    assert (coverage(scope, "Observation", "search"), coverage(scope, "Observation", "read")) == (search, read)


def _turns_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Have every name turn to these addresses, one more each time that it is asked for. Returns the names that were asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **options: Any) -> Any:
        if host[0].isdigit():
            return real(host, port, *args, **options)
        asked.append(host)
        address = addresses[min(len(asked), len(addresses)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "0.0.0.0", "224.0.0.1", "::"])
def test_a_name_that_turns_to_what_is_no_host_is_not_called(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    _turns_to(monkeypatch, address)
    assert usable_addresses("ehr.test", 443) == []
    got = fetch(FhirServers(most_bytes=1000), "http://ehr.test/fhir")
    assert (got.by_key["observations"].pages, dict(got.outcomes)) == ((), {"unreachable": 1})


def test_the_address_that_was_checked_is_the_one_that_is_called(fhir: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _turns_to(monkeypatch, "127.0.0.1", "169.254.169.254")
    named = fhir.base.replace("127.0.0.1", "ehr.test")
    assert dict(fetch(FhirServers(most_bytes=1000), named).outcomes) == {"empty": 1}
    assert asked == ["ehr.test"]
    assert fhir.asked[0].headers["Host"].startswith("ehr.test:")


def test_the_certificate_must_be_trusted_and_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, pem, root = trustme.CA(), tmp_path / "both.pem", tmp_path / "root.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
    authority.cert_pem.write_to_path(root)
    with scripted("localhost", pem) as script:
        other = script.base.replace("localhost", "127.0.0.1")
        assert dict(fetch(FhirServers(most_bytes=1000), script.base).outcomes) == {"unreachable": 1}
        monkeypatch.setenv("SSL_CERT_FILE", str(root))
        assert dict(fetch(FhirServers(most_bytes=1000), script.base).outcomes) == {"empty": 1}
        assert dict(fetch(FhirServers(most_bytes=1000), other).outcomes) == {"unreachable": 1}


def test_a_proxy_or_netrc_of_the_environment_is_not_used(fhir: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login x password y\n")
    for name, value in {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1", "NETRC": str(tmp_path / "netrc")}.items():
        monkeypatch.setenv(name, value)
    assert dict(fetch(FhirServers(most_bytes=1000), fhir.base).outcomes) == {"empty": 1}
    assert fhir.asked[0].headers["Authorization"] == "Bearer the-token"


def test_after_a_while_one_call_finds_out_whether_the_server_answers_again(fhir: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(circuitbreaker, "monotonic", lambda: now[0])
    servers = FhirServers(most_bytes=10_000)
    fhir.replies["Observation"] = Reply(500, {})
    for _ in range(FAILURES):
        assert dict(fetch(servers, fhir.base).outcomes) == {"server-error": 1}
    assert dict(fetch(servers, fhir.base).outcomes) == {"left-alone": 1}
    now[0] += 31
    probed, released = threading.Event(), threading.Event()
    fhir.replies["Observation"] = Reply(200, {"resourceType": "Bundle"}, before=lambda: (probed.set(), released.wait()))
    outcomes: list[dict[str, int]] = []
    probe = threading.Thread(target=lambda: outcomes.append(dict(fetch(servers, fhir.base).outcomes)))
    probe.start()
    assert probed.wait(20)
    assert dict(fetch(servers, fhir.base).outcomes) == {"left-alone": 1}
    released.set()
    probe.join()
    assert outcomes == [{"empty": 1}]
    assert dict(fetch(servers, fhir.base).outcomes) == {"empty": 1}


def test_a_server_that_fails_does_not_count_against_another(fhir: Script) -> None:
    servers = FhirServers(most_bytes=10_000)
    with scripted(Observation=Reply(500, {})) as failing:
        for _ in range(FAILURES + 1):
            fetch(servers, failing.base)
    assert dict(fetch(servers, fhir.base).outcomes) == {"empty": 1}


def test_a_token_is_not_shown() -> None:
    lent = Authorization(Secret("the-token"), 300, SCOPE, None)
    assert "the-token" not in repr(lent) + str(lent.token) + f"{lent.token!r}{lent}" + repr(request(BASE))
    assert lent.token.reveal() == "the-token"
