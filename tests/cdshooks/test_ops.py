"""Alive, ready, and careful headers."""

from __future__ import annotations

import pytest
from werkzeug.test import EnvironBuilder

from cdshooks.app import AHEAD, create_app
from cdshooks.settings import Settings

from ..builders import content
from ..conformance.service import client, post


def test_alive_says_nothing_more() -> None:
    assert client().get("/healthz").get_json() == {"status": "ok"}


def test_ready_says_with_which_content() -> None:
    told = client().get("/readyz").get_json()
    assert told == {
        "status": "ready",
        "content": content().digest,
        "pitfalls": len(content().pitfalls),
        "services": sorted(content().services),
        "checks": {"content": "ok"},
    }


def test_not_ready_while_anything_that_must_be_there_is_not() -> None:
    lacking = ["no answer"]
    made = Settings(_env_file=None, auth="none")  # type: ignore[call-arg]
    at = create_app(made, content(), needed={"store": lambda: lacking[0] if lacking else ""}).test_client()
    reply = at.get("/readyz")
    assert (reply.status_code, reply.get_json()["status"], reply.get_json()["checks"]) == (503, "not ready", {"content": "ok", "store": "no answer"})
    assert at.get("/healthz").status_code == 200
    lacking.clear()  # asked each time
    assert (at.get("/readyz").status_code, at.get("/readyz").get_json()["checks"]["store"]) == (200, "ok")


def test_what_must_be_there_is_asked_for_ahead_of_the_view_and_once() -> None:
    asked: list[str] = []

    def check() -> str:
        asked.append("")
        return "no answer"

    made = Settings(_env_file=None, auth="none")  # type: ignore[call-arg]
    app = create_app(made, content(), needed={"store": check})
    (look,) = app.extensions[AHEAD]
    environ = EnvironBuilder(path="/readyz").get_environ()
    errand = look(environ)
    assert errand is not None and look(EnvironBuilder(path="/healthz").get_environ()) is None
    errand()
    with app.request_context(environ):
        assert app.full_dispatch_request().status_code == 503
    assert len(asked) == 1


@pytest.mark.parametrize("path", ["/pitfalls", "/pitfalls/critical-calcium-value", "/pitfalls/none", "/assets/page.css"])
def test_pages_have_the_whole_set_of_careful_headers(path: str) -> None:
    headers = client().get(path).headers
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(headers["Content-Security-Policy"].split("; "))
    for name, value in {
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }.items():
        assert headers[name] == value
    assert headers["Permissions-Policy"]


def test_no_answer_is_sniffed_and_https_is_kept_to_where_it_is_there() -> None:
    plain, secure = client(), client(public_url="https://cds.example.org")
    for path in ("/cds-services", "/healthz", "/metrics", "/openapi.json", "/pitfalls", "/nowhere"):
        assert plain.get(path).headers.getlist("X-Content-Type-Options") == ["nosniff"]
        assert "Strict-Transport-Security" not in plain.get(path).headers
        assert secure.get(path).headers.getlist("Strict-Transport-Security") == ["max-age=31536000"]
    assert post(b"{", at=secure).headers["X-Content-Type-Options"] == "nosniff"
