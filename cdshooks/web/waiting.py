"""How a view says that it must wait for something: the gateway lets it wait in a thread of its own, and asks the view again.

Flask is called in one thread only, that of the event loop. What waits there would make all others wait, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import g, request

ELSEWHERE = "cdshooks.waits_elsewhere"  # set by a server that catches MustWait
WAITED = "cdshooks.waited"

Result = TypeVar("Result")


class MustWait(BaseException):  # no Exception: it passes Flask's handlers and events, as nothing is answered yet
    """Raised by a view that cannot go on before `work` is done."""

    def __init__(self, work: Callable[[], Any], noted: Mapping[str, Any]) -> None:
        self.work, self.noted = work, noted
        super().__init__()

    def waited(self) -> dict[str, Any]:
        """Do the work. Returns what the environ of the same call must hold when the view is asked again."""
        try:
            return {WAITED: _Waited(self.work(), None, self.noted)}
        except Exception as error:  # the view meets it, as if it had done the work itself
            return {WAITED: _Waited(None, error, self.noted)}


@dataclass(frozen=True, slots=True)
class _Waited:
    """The result of the work, or how it failed, and what the view had left in `flask.g`."""

    result: Any
    error: Exception | None
    noted: Mapping[str, Any]


def resumed() -> bool:
    """Whether this view was asked before and had to wait. If so, `flask.g` is again as it left it."""
    waited = request.environ.get(WAITED)
    if waited is None:
        return False
    vars(g).update(waited.noted)
    return True


def result_of(work: Callable[[], Result]) -> Result:
    """The result of work that waits: at once where the server lets views wait, else when the view is asked again."""
    waited = request.environ.get(WAITED)
    if waited is not None:
        if waited.error is not None:
            raise waited.error
        found: Result = waited.result
        return found
    if request.environ.get(ELSEWHERE):
        raise MustWait(work, dict(vars(g)))
    return work()
