"""What a pitfall file says, as frozen values; see `content/pitfalls/*.toml` for the files and `loading` for how they are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

INDICATORS = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Source:
    label: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a card's detail; shown when `when` holds (always, if empty)."""

    text: str
    when: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One kind of suggestion; which fields are set decides what it does.

    `add` proposes each named analyte in a suggestion of its own, `add_lacking` each of a list of findings (`LACKING`),
    `place` one named orderable of `content/orderables.toml` (imaging, referral, panel), `delete` removes the orders of a list of findings
    (`DELETABLE`), all at once or, with `apart`, each in a suggestion of its own. `delete` with `add` or `place` replaces: one suggestion that
    removes the former and adds the latter. `together` puts all actions of this suggestion into one. Without any of them it only offers a
    choice.
    """

    label: str
    when: str = ""
    add: tuple[str, ...] = ()
    add_lacking: str = ""
    place: tuple[str, ...] = ()
    delete: str = ""
    apart: bool = False
    together: bool = False
    stat: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """Another face of the card: the first variant whose lines all hold replaces what it names."""

    name: str
    when: tuple[str, ...]
    indicator: str = ""
    summary: str = ""
    first_line: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    summary: str
    detail: tuple[Line, ...]
    source: Source
    override: tuple[str, ...]
    selection: str = "any"
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a pitfall says what it says: `level` is guideline, paper, textbook, design or seed."""

    level: str
    statements: tuple[str, ...]
    sources: tuple[Source, ...]
    reviewed: date
    notes: str = ""
    reviewed_by: str = ""  # where it is not who governance.toml names


@dataclass(frozen=True, slots=True)
class Vignette:
    """One small chart and what this pitfall must do with it; `kind` says what it is for (fires, quiet, limit, unknown, ...)."""

    name: str
    kind: str
    given: str
    expect: str
    indicator: str = ""
    says: tuple[str, ...] = ()
    says_not: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pitfall:
    """One pitfall. `reassures` marks a card that calls minerals normal: then an unknown exception keeps it silent, too."""

    id: str
    rule: int
    title: str
    version: int
    status: str
    hooks: frozenset[str]
    indicator: str
    reassures: bool
    about: str
    scope: tuple[str, ...]  # what must hold before anything is looked at; that of arbitration.toml, if the file names none
    when: tuple[str, ...]
    unless: tuple[str, ...]
    dominates: frozenset[str]
    dominates_when: str  # the condition under which it dominates those; '' for always
    dominates_info: bool
    variants: tuple[Variant, ...]
    card: Card
    evidence: Evidence
    vignettes: tuple[Vignette, ...]
    changes: Mapping[str, str] | None = None  # what a site's overlay changed: field -> "why (by)"
    released: date | None = None  # from content/versions.toml
    revised: date | None = None

    @property
    def expressions(self) -> tuple[str, ...]:
        """Every condition of the file."""
        lines = [line.when for line in self.card.detail] + [s.when for s in self.card.suggestions] + [self.dominates_when]
        return tuple(e for e in (*self.scope, *self.when, *self.unless, *(w for v in self.variants for w in v.when), *lines) if e)


@dataclass(frozen=True, slots=True)
class Governance:
    """Who answers for the pitfalls; `content/governance.toml`."""

    developer: str
    funding: str
    owner: str
    reviewed_by: str
    review_months: int


@dataclass(frozen=True, slots=True)
class Arbitration:
    """How the firing pitfalls become the few that speak; `content/arbitration.toml`."""

    scope: tuple[str, ...]
    silence: Mapping[str, str]  # expression -> what to call it
    info_hooks: frozenset[str]
    info_first: tuple[int, ...]
    warning_first: tuple[int, ...]
    in_place_of: Mapping[int, int]  # a rule that replaces another stands in its place
