"""The door: who calls is found out once a call, ahead of the view, for calls of services only; what is found is what the view is told."""

from __future__ import annotations

from typing import Any

import pytest

from cdshooks.auth import Caller
from cdshooks.errors import NotAuthenticated, NotNow
from cdshooks.web.door import LATE, Door
from tests.trust import SERVICE, authenticator, token


def environ(path: str = f"/cds-services/{SERVICE}", method: str = "POST", jwt: str | None = None) -> dict[str, Any]:
    return {"PATH_INFO": path, "REQUEST_METHOD": method, "HTTP_AUTHORIZATION": f"Bearer {jwt or token()}"}


def door() -> Door:
    return Door(authenticator(), [SERVICE])


@pytest.mark.parametrize("path", [f"/cds-services/{SERVICE}", f"//cds-services//{SERVICE}//"])
def test_a_caller_is_found_ahead_and_no_replay_of_itself(path: str) -> None:
    at, called = door(), environ(path)
    errand = at.ahead(called)
    assert errand is not None
    errand()
    first = at.caller(called, SERVICE)
    assert isinstance(first, Caller) and at.caller(called, SERVICE) is first
    with pytest.raises(NotAuthenticated, match="used before"):
        at.caller(environ(), SERVICE)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/cds-services", "GET"),
        ("/cds-services/", "POST"),
        (f"/cds-services/{SERVICE}", "GET"),
        (f"/cds-services/{SERVICE}", "OPTIONS"),
        ("/cds-services/none-such", "POST"),
        (f"/cds-services/{SERVICE}/x", "POST"),
        (f"/x/cds-services/{SERVICE}", "POST"),
        ("/healthz", "GET"),
    ],
)
def test_nothing_else_needs_a_caller(path: str, method: str) -> None:
    assert door().ahead(environ(path, method)) is None


def test_a_refusal_ahead_is_a_refusal_in_the_view_every_time() -> None:
    at, called = door(), environ(jwt="nonsense")
    errand = at.ahead(called)
    assert errand is not None
    errand()
    for _ in range(2):
        with pytest.raises(NotAuthenticated, match="form"):
            at.caller(called, SERVICE)


def test_our_own_fault_ahead_is_a_fault_in_the_view_and_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    at, called = door(), environ()
    monkeypatch.setattr(at.authenticator, "keys", {})
    errand = at.ahead(called)
    assert errand is not None
    errand()
    with pytest.raises(KeyError):
        at.caller(called, SERVICE)


def test_what_took_too_long_is_not_waited_for_again() -> None:
    with pytest.raises(NotNow, match="too long"):
        door().caller(environ() | {LATE: True}, SERVICE)


def test_without_the_gateway_the_view_asks_by_itself() -> None:
    assert door().caller(environ(), SERVICE).client.name == "north"
