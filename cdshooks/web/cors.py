"""Cross-origin headers for clients in browsers: on every answer, errors too, as a browser hides an answer that lacks them."""

from __future__ import annotations

from flask import Flask, Response, request

PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept",
    "Access-Control-Max-Age": "600",
}


def register(app: Flask, origins: tuple[str, ...]) -> None:
    """Allow `origins` (or '*', all); answer every preflight without asking who it is."""
    allowed = frozenset(origins)

    @app.before_request
    def preflight() -> Response | None:
        if request.method != "OPTIONS":
            return None
        known = request.url_rule is not None
        # A preflight for a path that does not exist is answered, too: else the browser hides the 404 that follows.
        if not known and "Access-Control-Request-Method" not in request.headers:
            return None
        allow = ", ".join(sorted(request.url_rule.methods or ())) if request.url_rule is not None else "OPTIONS"
        response = Response(status=204, headers={**PREFLIGHT, "Allow": allow})
        del response.headers["Content-Type"]  # there is no content
        return response

    if not allowed:
        return

    @app.after_request
    def allow_origin(response: Response) -> Response:
        if "*" in allowed:
            response.headers["Access-Control-Allow-Origin"] = "*"
        else:
            response.headers["Vary"] = "Origin"
            origin = request.headers.get("Origin")
            if origin in allowed:
                response.headers["Access-Control-Allow-Origin"] = origin
        return response
