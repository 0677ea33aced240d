"""The exceptions of cdshooks, and the issues they tell.

CdsHooksError
├── SettingsError        settings that are not understood; carries every fault found
├── ClientsError         a clients file that cannot be used; carries every fault found
├── ServeError           the server cannot be started as asked
├── StoreError           the database cannot be reached, or cannot be used as asked
├── AccessError          a caller who is not let in; carries the reason, which is for the log and not for the caller
│   ├── NotAuthenticated nobody knows who calls (HTTP 401)
│   ├── NotPermitted     it is known who calls, and not permitted (HTTP 403)
│   └── NotNow           whether to let the caller in cannot be told at the moment (HTTP 503)
└── Refusal              a request that cannot be answered; carries every Issue found
    ├── RequestError     the request is not one (HTTP 400)
    └── MissingDataError required FHIR data was not sent (HTTP 412)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that stands against a request. `code` is of FHIR's issue-type; `expression` names the element; no chart data in `text`."""

    code: str
    text: str
    expression: str = ""


class CdsHooksError(Exception):
    """Any error of this package."""


class SettingsError(CdsHooksError):
    """Settings that cannot be understood. `faults` holds all of them, each naming the setting, its value and what would be right."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class ClientsError(CdsHooksError):
    """A clients file that cannot be used. `faults` holds all of them, each naming the file, the client, the value and what would be right."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class ServeError(CdsHooksError):
    """The server cannot be started as asked; the message says why, and what to do."""


class StoreError(CdsHooksError):
    """The database cannot be reached, or cannot be used as asked; the message says why, without its URL's password."""


class AccessError(CdsHooksError):
    """A caller who is not let in. `check` names what failed and `client` whose call it said it was, if that is a client of ours.

    The message holds no value that the caller sent.
    """

    def __init__(self, check: str, reason: str, client: str = "") -> None:
        self.check, self.reason, self.client = check, reason, client
        super().__init__(f"{check}: {reason}")


class NotAuthenticated(AccessError):
    """Nobody knows who calls."""


class NotPermitted(AccessError):
    """It is known who calls, and this is not for them."""


class NotNow(AccessError):
    """Whether to let the caller in cannot be told at the moment."""


class Refusal(CdsHooksError):
    """A request that cannot be answered. `issues` holds every reason, not only the first."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        self.issues = tuple(issues)
        super().__init__("; ".join(issue.text for issue in self.issues))


class RequestError(Refusal):
    """The bytes are no hook request for this service."""


class MissingDataError(Refusal):
    """Required FHIR data came neither with the request nor otherwise."""
