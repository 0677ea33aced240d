"""How long each stage of a hook call took: marked by the view, told by the event, the figures and the spans."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise


class Stages:
    """The stages of one call, in order. A stage that did not come to its end (a refusal, a crash) is not among them."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        self.marks = [("", time.perf_counter())]

    def done(self, name: str) -> None:
        """The stage `name` ends here, and what follows begins."""
        self.marks.append((name, time.perf_counter()))

    def __iter__(self) -> Iterator[tuple[str, float, float]]:
        """Each stage's name, begin and end, in seconds of `time.perf_counter`."""
        return ((name, began, ended) for (_, began), (name, ended) in pairwise(self.marks))
