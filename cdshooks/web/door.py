"""The door of the services: who calls is found out once for each call, in a thread of its own when the gateway asks ahead of the view.

To find out may take a wait, for the store or for a key set, which must not hold up the calls of others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from ..auth import Authenticator, Caller
from ..errors import NotNow

PATH = re.compile(r"/+cds-services/+([^/]+)/*")  # as routing will see it
FOUND, LATE = "cdshooks.caller", "cdshooks.late"  # in the WSGI environ; no header can set these


class Door:
    """Lets in who proves to be a client."""

    def __init__(self, authenticator: Authenticator, services: Collection[str]) -> None:
        self.authenticator, self.services = authenticator, services

    def ahead(self, environ: dict[str, Any]) -> Callable[[], None] | None:
        """What to do before the view runs, in any thread: find out who calls. None if this is no call of a service."""
        match = PATH.fullmatch(environ["PATH_INFO"])
        if environ["REQUEST_METHOD"] != "POST" or match is None or match[1] not in self.services:
            return None
        return lambda: self._find(environ, match[1])

    def caller(self, environ: dict[str, Any], service: str) -> Caller:
        """Who calls. Raises AccessError. A JWT is looked at once: asked again, the same is said."""
        if FOUND not in environ:
            if LATE in environ:
                raise NotNow("time", "to check the JWT took too long")
            self._find(environ, service)
        found: Caller | Exception = environ[FOUND]
        if isinstance(found, Exception):
            raise found
        return found

    def _find(self, environ: dict[str, Any], service: str) -> None:
        try:
            environ[FOUND] = self.authenticator.caller(environ.get("HTTP_AUTHORIZATION", ""), service)
        except Exception as error:  # our own faults, too: raised again by the view, where the error handlers are
            environ[FOUND] = error
