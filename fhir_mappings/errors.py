"""The exceptions of fhir_mappings.

MappingError
└── ContentError    content files that cannot be used; carries every Fault found
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in a content file: where, and what is wrong, with what would be right."""

    where: str  # "catalog/codes/loinc.csv line 14" or "catalog/analytes/phosphate.toml: fallback[2].high"
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class MappingError(Exception):
    """Any error of this package."""


class ContentError(MappingError):
    """Content that cannot be used. `faults` holds every fault of the run, not only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))
