"""Every answer that is not a success: a FHIR OperationOutcome, the same shape for our refusals, for Flask's own, and for a crash."""

from __future__ import annotations

import logging
import traceback
import uuid
from collections.abc import Iterable

import msgspec
from flask import Flask, Response, g
from werkzeug.exceptions import HTTPException

from ..errors import AccessError, Issue, MissingDataError, NotAuthenticated, NotNow, NotPermitted, Refusal, RequestError

LOG = logging.getLogger("cdshooks.crash")
STATUS = {RequestError: 400, MissingDataError: 412}
ACCESS = {NotAuthenticated: 401, NotPermitted: 403, NotNow: 503}
RETRY_SECONDS = 5
# FHIR issue types and words for the statuses that come from routing and from the door. Werkzeug's own words are written for browsers.
WORDS = {
    400: ("structure", "the request cannot be read"),
    401: ("login", "authentication is required"),
    403: ("forbidden", "not permitted"),
    404: ("not-found", "there is nothing at this address; GET /cds-services lists the services"),
    405: ("not-supported", "this method is not supported here; the Allow header names those that are"),
    408: ("timeout", "the body did not come whole in time"),
    413: ("too-long", "the body is larger than this service accepts"),
    415: ("not-supported", "the body must be JSON, with Content-Type application/json"),
    503: ("transient", "the service is stopping or overloaded; send the request again"),
}


def register(app: Flask) -> None:
    """Give `app` an OperationOutcome for every error."""
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(AccessError, _not_let_in)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _crashed)


def outcome(status: int, issues: Iterable[Issue], headers: dict[str, str] | None = None) -> Response:
    """An OperationOutcome as a response that no cache keeps."""
    body = {"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in issues]}
    response = Response(msgspec.json.encode(body), status=status, content_type="application/json", headers=headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def _issue(issue: Issue) -> dict[str, object]:
    told: dict[str, object] = {"severity": "error", "code": issue.code, "details": {"text": issue.text}}
    if issue.expression:
        told["expression"] = [issue.expression]
    return told


def _refused(error: Refusal) -> Response:
    return outcome(STATUS[type(error)], error.issues)


def _not_let_in(error: AccessError) -> Response:
    """The caller is not told what failed: the log is."""
    status = ACCESS[type(error)]
    g.refused = error
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(RETRY_SECONDS)}}
    return outcome(status, [Issue(*WORDS[status])], headers.get(status))


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    code, words = WORDS.get(status, ("processing", error.name))
    # A description of our own says more than the general words; Werkzeug's are told by their being those of the class.
    text = words if error.description in (None, type(error).description) else str(error.description)
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "WWW-Authenticate", "Retry-After")}
    return outcome(status, [Issue(code, text)], headers)


def _crashed(error: Exception) -> Response:
    """Our own bug. The log gets the places, never the values: an exception's text and a frame's variables may hold a patient's data."""
    incident = str(uuid.uuid4())
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    g.incident = incident
    LOG.error(msgspec.json.encode({"incident": incident, "exception": type(error).__qualname__, "at": frames}).decode())
    return outcome(500, [Issue("exception", f"the service failed; please report incident {incident}")])
