"""What every family yields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

Named: TypeAlias = Iterator[tuple[str, bool | float | str]]
"""Each name of a family with its value; a string is the reason why the finding is unknown."""
