"""Who may call, case by case (J01-J22), with what of N and F concerns it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cdshooks.errors import NotAuthenticated
from cdshooks.keysets import RARELY, KeySet, KeySetError
from tests import trust
from tests.trust import AT, BASE, ISS, JKU, URL, Clock, Keys, authenticator, claims, client, jwk, jwks, signed, token

from .service import HOOKS, call, cards, issues

NORTH, SOUTH = client(), client(name="south", iss="https://ehr.south.example", jku="https://ehr.south.example/jwks.json")


def ask(at: FlaskClient, jwt: str | None, hook: str = "patient-view", **headers: str) -> TestResponse:
    told = {} if jwt is None else {"Authorization": f"Bearer {jwt}"}
    return at.post(f"/cds-services/metabolic-workup-{hook}", json=call(hook), headers=told | headers)


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def at(tmp_path: Path, keys: Keys) -> FlaskClient:
    return trust.service(tmp_path, source=keys)


def refused(response: TestResponse, caplog: pytest.LogCaptureFixture, check: str, status: int = 401) -> None:
    """It is refused in the same words whatever failed; the log names the check."""
    assert response.status_code == status
    words = {401: ("login", "authentication is required"), 403: ("forbidden", "not permitted")}[status]
    assert issues(response) == [{"severity": "error", "code": words[0], "details": {"text": words[1]}}]
    assert response.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)
    assert response.headers["Cache-Control"] == "no-store"
    event = json.loads([record.getMessage() for record in caplog.records if record.name == "cdshooks.event"][-1])
    assert (event["refused"], event["status"]) == (check, status) and event["reason"]


@pytest.fixture(autouse=True)
def _events(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO, "cdshooks.event")
    yield
    trust.close_stores()


def test_J01_an_es384_jwt_gets_cards(at: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    assert cards(ask(at, token())) == []
    assert json.loads(caplog.messages[-1])["client"] == "north"


def test_J02_rs384(at: FlaskClient) -> None:
    assert ask(at, token("RSA-2048")).status_code == 200


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer ", "Basic dTpw", "bearer", "Bearer a b", "Bearer a,Bearer b"])
def test_J03_no_jwt(at: FlaskClient, keys: Keys, caplog: pytest.LogCaptureFixture, sent: str) -> None:
    response = at.post("/cds-services/metabolic-workup-patient-view", json=call(), headers={"Authorization": sent} if sent else {})
    refused(response, caplog, "form" if " " in sent.strip() and "Basic" not in sent else "scheme")
    assert keys.fetches == 0


def test_J03_the_scheme_is_read_in_any_case(at: FlaskClient) -> None:
    assert at.post(f"/cds-services/{trust.SERVICE}", json=call(), headers={"Authorization": f"bEARER  {token()}"}).status_code == 200


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, ["ES384"], ...])
def test_J04_unsigned(at: FlaskClient, caplog: pytest.LogCaptureFixture, alg: Any) -> None:
    head = trust.header(alg=alg)
    refused(ask(at, f"{trust.part(head).decode()}.{trust.part(claims()).decode()}."), caplog, "alg")


def test_J04_an_empty_signature(at: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    refused(ask(at, token().rpartition(".")[0] + "."), caplog, "signature")


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_J05_signed_with_the_public_key_as_a_password(at: FlaskClient, caplog: pytest.LogCaptureFixture, alg: str) -> None:
    import hashlib
    import hmac

    public = trust.key("P-384").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing_input = trust.part(trust.header(alg=alg)) + b"." + trust.part(claims())
    signature = hmac.new(public, signing_input, getattr(hashlib, f"sha{alg[2:]}")).digest()
    refused(ask(at, (signing_input + b"." + trust.part(signature)).decode()), caplog, "alg")


@pytest.mark.parametrize("iss", ["https://evil.example", ISS + "/", ISS.upper(), "", None, 7, [ISS], ...])
def test_J06_an_unknown_issuer_causes_no_fetch(at: FlaskClient, keys: Keys, caplog: pytest.LogCaptureFixture, iss: Any) -> None:
    refused(ask(at, token(iss=iss)), caplog, "iss")
    assert keys.fetches == 0


@pytest.mark.parametrize(
    "jku",
    [
        "http://ehr.north.example/.well-known/jwks.json",
        "https://evil.example/.well-known/jwks.json",
        JKU + ".evil.example",
        JKU + "?x",
        "https://ehr.north.example@evil.example/.well-known/jwks.json",
        "https://EHR.north.example/.well-known/jwks.json",
        "https://ehr.north.example:443/.well-known/jwks.json",
        "file:///etc/passwd",
        "",
        None,
        [JKU],
    ],
)
def test_J07_another_jku_causes_no_fetch(at: FlaskClient, keys: Keys, caplog: pytest.LogCaptureFixture, jku: Any) -> None:
    refused(ask(at, signed(claims(), jku=jku)), caplog, "jku")
    assert keys.fetches == 0


@pytest.mark.parametrize(
    "aud",
    [
        f"{BASE}/cds-services/metabolic-workup-order-sign",
        f"{BASE}/cds-services",
        BASE,
        URL + "//",
        URL + "/feedback",
        URL + "?x",
        "https://elsewhere.example/cds-services/metabolic-workup-patient-view",
        f"http://localhost/cds-services/{trust.SERVICE}",
        "sand_man",
        "",
        None,
        [],
        [7, URL],
        {"a": URL},
        ...,
    ],
)
def test_J08_another_audience(at: FlaskClient, caplog: pytest.LogCaptureFixture, aud: Any) -> None:
    refused(ask(at, token(aud=aud)), caplog, "aud")


@pytest.mark.parametrize("aud", [["https://other.example", URL], [URL], URL + "/"])
def test_J09_our_url_among_the_audiences(at: FlaskClient, aud: Any) -> None:
    assert ask(at, token(aud=aud)).status_code == 200


def test_J09_an_audience_that_the_client_cannot_change(tmp_path: Path) -> None:
    assert ask(trust.service(tmp_path, client(audiences=["sand_man"])), token(aud="sand_man")).status_code == 200


@pytest.mark.parametrize("exp", [AT - 60, AT - 3000, 0, -1, ..., str(int(AT) + 300), True, None, float("inf"), float("nan"), 10**400, AT * 1000])
def test_J10_expired_or_no_time(at: FlaskClient, caplog: pytest.LogCaptureFixture, exp: Any) -> None:
    refused(ask(at, token(exp=exp, iat=AT - 3000)), caplog, "exp")


def test_J10_just_within_the_leeway(at: FlaskClient) -> None:
    assert ask(at, token(exp=AT - 59, iat=AT - 300.5)).status_code == 200


@pytest.mark.parametrize("iat", [AT + 3600, AT + 61, ..., "now", None, False])
def test_J11_issued_in_the_future_or_never(at: FlaskClient, caplog: pytest.LogCaptureFixture, iat: Any) -> None:
    refused(ask(at, token(iat=iat, exp=AT + 4000)), caplog, "iat")


def test_J11_a_jwt_lives_an_hour_at_most(at: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    refused(ask(at, token(iat=AT, exp=AT + 3601)), caplog, "iat")
    assert ask(at, token(iat=AT + 60, exp=AT + 3660)).status_code == 200


def test_J12_a_jwt_is_good_once(at: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    sent = token()
    assert ask(at, sent).status_code == 200
    refused(ask(at, sent), caplog, "jti")
    refused(ask(at, token(exp=AT + 301)), caplog, "jti")  # another JWT with the same name
    assert ask(at, token(jti="j-2")).status_code == 200


def test_J12_also_across_two_workers(tmp_path: Path) -> None:
    one, two = trust.service(tmp_path), trust.service(tmp_path)
    assert [ask(worker, token()).status_code for worker in (one, two, one)] == [200, 401, 401]


@pytest.mark.parametrize("jti", ["", None, 7, ...])
def test_J12_a_jwt_without_a_name(at: FlaskClient, caplog: pytest.LogCaptureFixture, jti: Any) -> None:
    refused(ask(at, token(jti=jti)), caplog, "jti")


@pytest.mark.parametrize("jti", ["x" * 5000, "\x00", "\ud800", "Müller"])
def test_J12_any_text_is_a_name(at: FlaskClient, jti: str) -> None:
    assert [ask(at, token(jti=jti)).status_code for _ in range(2)] == [200, 401]


def test_J12_a_jwt_that_is_refused_is_not_used_up(at: FlaskClient) -> None:
    assert ask(at, token()[:-6] + "AAAAAA").status_code == 401
    assert ask(at, token()).status_code == 200


def test_J13_clients_may_use_the_same_names(tmp_path: Path) -> None:
    at = trust.service(tmp_path, NORTH, SOUTH)
    assert ask(at, token()).status_code == 200
    assert ask(at, signed(claims(iss=SOUTH.iss), jku=SOUTH.jku)).status_code == 200


def test_J14_a_new_key_is_fetched_once_and_a_flood_of_names_once_a_minute() -> None:
    clock, keys = Clock(), Keys()
    kept = KeySet(keys, monotonic=clock)
    door = authenticator(source=keys)
    door.keys = {ISS: kept}
    door.caller(f"Bearer {token()}", trust.SERVICE)
    keys.document = jwks(jwk("P-384", "ec-2", 2))
    rotated = [f"Bearer {signed(claims(jti=f'r-{number}'), 'P-384', 2, kid='ec-2')}" for number in range(3)]
    with pytest.raises(NotAuthenticated):
        door.caller(rotated[0], trust.SERVICE)
    assert keys.fetches == 1  # it is too early
    clock.at = RARELY
    door.caller(rotated[1], trust.SERVICE)
    door.caller(rotated[2], trust.SERVICE)
    for number in range(200):
        clock.at += 1
        with pytest.raises(NotAuthenticated):
            door.caller(f"Bearer {signed(claims(jti='x'), kid=f'garbage-{number}')}", trust.SERVICE)
    assert keys.fetches == 2 + 200 // RARELY


def test_J15_a_key_that_was_agreed_on(tmp_path: Path) -> None:
    (tmp_path / "north.jwks.json").write_bytes(trust.ORDINARY)
    known = client(jku=None, jwks_file=tmp_path / "north.jwks.json")
    assert ask(trust.service(tmp_path, known), signed(claims(), jku=...)).status_code == 200


def test_J15_a_jku_is_refused_where_none_was_agreed_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    refused(ask(trust.service(tmp_path, client(jku=None, jwks_file="x")), token()), caplog, "jku")


def test_J15_a_jwt_need_not_repeat_the_jku(at: FlaskClient) -> None:
    assert ask(at, signed(claims(), jku=...)).status_code == 200


@pytest.mark.parametrize(
    ("alg", "kind", "members"),
    [
        pytest.param("ES384", "RSA-2048", {}, id="RSA key for ES384"),
        pytest.param("ES384", "P-256", {}, id="P-256 key for ES384"),
        pytest.param("RS384", "P-384", {}, id="EC key for RS384"),
        pytest.param("ES384", "P-384", {"alg": "ES512"}, id="key for another algorithm"),
        pytest.param("ES384", "P-384", {"use": "enc"}, id="key to encrypt with"),
        pytest.param("ES384", "P-384", {"key_ops": ["sign"]}, id="key to sign with"),
        pytest.param("RS384", "RSA-1024", {}, id="short RSA key"),
    ],
)
def test_J16_a_key_that_does_not_suit(tmp_path: Path, caplog: pytest.LogCaptureFixture, alg: str, kind: str, members: dict[str, Any]) -> None:
    keys = Keys(jwks(jwk(kind, "odd") | members, trust.EC))
    by = {"RSA-2048": "RS384", "RSA-1024": "RS384", "P-256": "ES256", "P-384": "ES384"}[kind]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        sent = signed(claims(), kind, alg=alg, kid="odd", by=by)
    refused(ask(trust.service(tmp_path, source=keys), sent), caplog, "key")


def test_J16_an_algorithm_that_is_not_this_clients(at: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    refused(ask(at, signed(claims(), "RSA-2048", alg="RS256", kid="rsa/1+=")), caplog, "alg")


@pytest.mark.parametrize(("alg", "kind"), [("ES256", "P-256"), ("ES512", "P-521"), ("RS256", "RSA-2048"), ("PS384", "RSA-2048")])
def test_J16_algorithms_that_a_client_may_be_given(tmp_path: Path, alg: str, kind: str) -> None:
    at = trust.service(tmp_path, client(algorithms=[alg]), source=Keys(jwks(jwk(kind, "k", use="sig", alg=alg))))
    assert ask(at, signed(claims(), kind, alg=alg, kid="k")).status_code == 200


def test_J17_tampered_claims(at: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    head, _, signature = token().split(".")
    refused(ask(at, f"{head}.{trust.part(claims(jti='other')).decode()}.{signature}"), caplog, "signature")


def test_J17_signed_by_somebody_else(at: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    refused(ask(at, signed(claims(), "P-384", 9)), caplog, "signature")


@pytest.mark.parametrize("tenant", ["t-3", ..., None])
def test_J18_a_tenant_that_is_not_allowed(tmp_path: Path, caplog: pytest.LogCaptureFixture, tenant: Any) -> None:
    at = trust.service(tmp_path, client(tenants=["t-1", "t-2"]))
    refused(ask(at, token(tenant=tenant)), caplog, "tenant", 403)
    # Only who can sign is told that it is the tenant.
    refused(ask(at, signed(claims(tenant=tenant), "P-384", 9)), caplog, "signature")
    assert ask(at, token(tenant="t-2")).status_code == 200
    assert json.loads(caplog.messages[-1])["tenant"] == "t-2"


def test_J18_a_service_that_is_not_this_clients(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    at = trust.service(tmp_path, client(services=["metabolic-workup-order-sign"]))
    refused(ask(at, token()), caplog, "service", 403)
    assert ask(at, token(aud=f"{BASE}/cds-services/metabolic-workup-order-sign"), "order-sign").status_code == 200


def test_J18_any_tenant_where_none_is_named(at: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(at, token(tenant="any")).status_code == 200
    refused(ask(at, token(tenant=["a"], jti="2")), caplog, "tenant")


def test_J19_nbf_and_sub(at: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(at, token(nbf=AT + 59, sub="our-client-id")).status_code == 200
    refused(ask(at, token(nbf=AT + 61, jti="2")), caplog, "nbf")
    refused(ask(at, token(nbf="soon", jti="3")), caplog, "nbf")


def test_J20_no_log_holds_a_jwt_or_what_was_sent_in_it(at: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    marked = "S3CR3T-MARK"
    for sent in (
        token(jti=marked),
        token(jti=marked),
        token(jti="2", aud=marked),
        token(jti="3", iss=marked),
        token(jti="4", exp=marked),
        signed(claims(jti="5"), kid=marked),
        signed(claims(jti="6"), jku=marked),
        signed(claims(jti="7"), "P-384", 9),
        marked,
        f"{marked}.{marked}.{marked}",
    ):
        ask(at, sent)
        assert sent not in caplog.text and sent.split(".")[-1] not in caplog.text
    assert marked not in caplog.text and len(caplog.messages) >= 10


def test_J21_behind_a_proxy_the_public_url_counts(tmp_path: Path) -> None:
    at = trust.service(tmp_path)
    forwarded = {"Host": "internal:8000", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    assert ask(at, token(), **forwarded).status_code == 200
    assert ask(at, token(jti="2", aud=f"http://internal:8000/cds-services/{trust.SERVICE}"), **forwarded).status_code == 401
    assert ask(at, token(jti="3", aud=f"https://evil.example/cds-services/{trust.SERVICE}"), **forwarded).status_code == 401


def test_J21_a_path_that_was_typed_by_hand_is_the_same_service(at: FlaskClient) -> None:
    sent = {"Authorization": f"Bearer {token()}"}
    assert at.post(f"/cds-services//{trust.SERVICE}/", json=call(), headers=sent).status_code == 200


def test_J22_the_jku_of_another_client(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = Keys()
    refused(ask(trust.service(tmp_path, NORTH, SOUTH, source=keys), signed(claims(), jku=SOUTH.jku)), caplog, "jku")
    assert keys.fetches == 0


@pytest.mark.parametrize("members", [{"typ": ...}, {"typ": "at+jwt"}, {"typ": None}])
def test_a_jwt_says_that_it_is_one(at: FlaskClient, caplog: pytest.LogCaptureFixture, members: Any) -> None:
    refused(ask(at, signed(claims(), **members)), caplog, "typ")


def test_a_jwt_says_so_in_any_case(at: FlaskClient) -> None:
    assert ask(at, signed(claims(), typ="jwt")).status_code == 200


@pytest.mark.parametrize("crit", [["exp"], ["unknown"], [], None])
def test_extensions_that_must_be_understood_are_refused(at: FlaskClient, caplog: pytest.LogCaptureFixture, crit: Any) -> None:
    assert ask(at, signed(claims(), crit=crit)).status_code == 401


def test_keys_inside_the_jwt_are_not_used(at: FlaskClient) -> None:
    own = {"jwk": jwk("P-384", "ec-1", 9), "x5u": "https://evil.example", "x5c": ["AAAA"]}
    assert ask(at, signed(claims(), "P-384", 9, **own)).status_code == 401
    assert ask(at, signed(claims(), **own)).status_code == 200


@pytest.mark.parametrize("kid", [..., "", None, 1, ["ec-1"]])
def test_a_jwt_names_its_key(at: FlaskClient, kid: Any) -> None:
    assert ask(at, signed(claims(), kid=kid)).status_code == 401


@pytest.mark.parametrize(
    "payload", [b"[]", b"null", b"{", b'"x"', b"\xff", b"[" * 9000, b'{"iss":' + b"1" * 6000 + b"}", b"{}" + b" " * 20_000], ids=lambda raw: raw[:8]
)
def test_claims_that_are_none(at: FlaskClient, payload: bytes) -> None:
    assert ask(at, signed(payload)).status_code == 401


def test_discovery_health_and_pages_need_no_jwt(at: FlaskClient) -> None:
    for path in ("/cds-services", "/healthz", "/readyz", "/pitfalls", "/pitfalls.json"):
        assert at.get(path).status_code == 200
        assert at.get(path, headers={"Authorization": "Bearer nonsense"}).status_code == 200


@pytest.mark.parametrize("hook", HOOKS)
def test_each_service_is_protected(at: FlaskClient, hook: str) -> None:
    assert ask(at, None, hook).status_code == 401
    assert ask(at, token(aud=f"{BASE}/cds-services/metabolic-workup-{hook}"), hook).status_code == 200


def test_an_unknown_service_is_404_before_anybody_is_asked_who_they_are(at: FlaskClient) -> None:
    assert at.post("/cds-services/none-such", json=call()).status_code == 404


def test_N01_a_preflight_needs_no_jwt(tmp_path: Path) -> None:
    at = trust.service(tmp_path, cors_origins="https://ehr.test")
    asked = {"Origin": "https://ehr.test", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    response = at.options(f"/cds-services/{trust.SERVICE}", headers=asked)
    assert response.status_code == 204 and "Authorization" in response.headers["Access-Control-Allow-Headers"]


def test_N03_a_browser_is_shown_the_401(tmp_path: Path) -> None:
    response = ask(trust.service(tmp_path, cors_origins="https://ehr.test"), None, Origin="https://ehr.test")
    assert response.status_code == 401 and response.headers["Access-Control-Allow-Origin"] == "https://ehr.test"


@pytest.mark.parametrize("aud", [URL, f"{URL}/feedback"])
def test_F13_feedback_may_name_either_url(aud: str) -> None:
    assert authenticator().caller(f"Bearer {token(aud=aud)}", trust.SERVICE, feedback=True).client.name == "north"


def test_F13_feedback_of_another_service() -> None:
    with pytest.raises(NotAuthenticated, match="aud"):
        authenticator().caller(f"Bearer {token(aud=f'{BASE}/cds-services/other/feedback')}", trust.SERVICE, feedback=True)


def test_without_its_store_the_service_lets_nobody_in_and_says_503(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    at = trust.service(tmp_path)
    trust.close_stores()
    for file in tmp_path.glob("store.db*"):
        file.unlink()
    (tmp_path / "store.db").mkdir()
    response = ask(at, token())
    assert response.status_code == 503 and response.headers["Retry-After"] and issues(response)[0]["code"] == "transient"
    assert json.loads(caplog.messages[-1])["refused"] == "store"
    assert at.get("/readyz").status_code == 503 and at.get("/healthz").status_code == 200
    assert ask(at, None).status_code == 401


def test_a_client_whose_keys_cannot_be_had_is_refused_like_any_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = Keys(KeySetError("it was answered 500"))
    refused(ask(trust.service(tmp_path, source=keys), token()), caplog, "key")


def test_a_service_without_clients_refuses_everybody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    at = trust.service(tmp_path)
    at.application.extensions["cdshooks.ahead"][0].__self__.authenticator.clients = {}
    refused(ask(at, token()), caplog, "iss")
