"""Mutants that change nothing a test could see, each with the reason: mostly a second lock behind a first one."""

from __future__ import annotations

ARGUED: dict[str, str] = {}
