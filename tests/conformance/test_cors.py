"""Clients in browsers, case by case (N01-N03)."""

from __future__ import annotations

import pytest

from cdshooks.app import create_app
from cdshooks.settings import Settings
from tests.builders import content

from .service import call, client, path_of, post

ORIGIN = "https://sandbox.example"
PATHS = ["/cds-services", path_of("order-select"), "/cds-services/"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("auth", ["none", "jwt"])
def test_N01_a_preflight_is_answered_without_asking_who_it_is(path: str, auth: str) -> None:
    response = client(cors_origins=ORIGIN, auth=auth).options(
        path, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    )
    assert response.status_code == 204 and response.data == b""
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN and response.headers["Vary"] == "Origin"
    assert response.headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, Accept"
    assert response.headers["Access-Control-Max-Age"] == "600" and "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "https://sandbox.example.evil.example", "http://sandbox.example", "null", ""])
@pytest.mark.parametrize("path", PATHS)
def test_N02_another_origin_is_not_allowed(path: str, origin: str) -> None:
    response = client(cors_origins=ORIGIN).options(path, headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in response.headers and response.headers["Vary"] == "Origin"


def test_N02_without_configuration_no_origin_is_allowed() -> None:
    assert "Access-Control-Allow-Origin" not in client().get("/cds-services", headers={"Origin": ORIGIN}).headers


def _crash(*_: object) -> None:
    raise RuntimeError


@pytest.mark.parametrize(
    ("status", "ask"),
    [
        (400, lambda at: post(b"{", at=at, headers={"Origin": ORIGIN})),
        (404, lambda at: at.post("/cds-services/none", headers={"Origin": ORIGIN})),
        (405, lambda at: at.get(path_of("order-sign"), headers={"Origin": ORIGIN})),
        (412, lambda at: post(call(prefetch={"x": None}), at=at, headers={"Origin": ORIGIN})),
        (413, lambda at: post(b" " * 20_000, at=at, headers={"Origin": ORIGIN})),
        (415, lambda at: post(call(), at=at, headers={"Origin": ORIGIN}, content_type="text/plain")),
        (500, lambda at: post(call(), at=at, headers={"Origin": ORIGIN})),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
@pytest.mark.parametrize("origins", [ORIGIN, "*"])
def test_N03_refusals_carry_the_headers_too(status: int, ask: object, origins: str) -> None:
    settings = Settings(_env_file=None, auth="none", cors_origins=origins, max_body_bytes=10_000)  # type: ignore[call-arg,arg-type]
    response = ask(create_app(settings, content(), answer=_crash).test_client())  # type: ignore[operator]
    assert response.status_code == status and response.headers["Access-Control-Allow-Origin"] == origins


def test_N03_a_refused_login_carries_the_headers_too() -> None:
    response = post(call(), at=client(auth="jwt", cors_origins=ORIGIN), headers={"Origin": ORIGIN})
    assert response.status_code == 401 and response.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_N01_a_preflight_for_a_path_that_does_not_exist_lets_the_browser_see_the_404() -> None:
    asked = client(cors_origins="*")
    headers = {"Origin": "https://sandbox.example", "Access-Control-Request-Method": "POST"}
    assert asked.options(f"{path_of('patient-view')}/feedback", headers=headers).status_code == 204
    missing = asked.post(f"{path_of('patient-view')}/feedback", headers=headers)
    assert (missing.status_code, missing.headers["Access-Control-Allow-Origin"]) == (404, "*")
