"""Headers that tell browsers to be careful: a few on every answer, the whole set on pages."""

from __future__ import annotations

from flask import Flask, Response

# Nothing but the page's own style is loaded, no script runs, nobody frames it: chart text never reaches these pages, and this keeps it so.
PAGE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000"


def register(app: Flask, *, https: bool) -> None:
    """Put on every answer what no answer should lack. `https`: clients reach the service by https, and are told to keep to it."""
    always = {"X-Content-Type-Options": "nosniff"} | ({"Strict-Transport-Security": HSTS} if https else {})

    @app.after_request
    def careful(response: Response) -> Response:
        response.headers.extend(always)
        return response
