"""Evaluate conditions (Common Expression Language) over findings: each line holds, fails, or is unknown.

A finding that is unknown is not bound. CEL's `&&` and `||` absorb the resulting error where the other side decides, which is Kleene's
logic of three values; an expression whose error survives is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from cel_expr_python import cel

from ..findings.vocabulary import VOCABULARY
from .model import Pitfall, Variant

NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
KINDS = {"bool": cel.Type.BOOL, "number": cel.Type.DOUBLE}


class ExpressionError(Exception):
    """A condition that does not compile: an unknown name, a wrong type, or broken syntax."""


@dataclass(frozen=True, slots=True)
class LineResult:
    """One condition and what became of it: True, False, or None when unknown, then with the findings that were missing."""

    expression: str
    holds: bool | None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What one pitfall came to: "fires", "quiet" or "unknown", the lines that were looked at, and the variant that holds."""

    pitfall: Pitfall
    outcome: str
    when: tuple[LineResult, ...]
    unless: tuple[LineResult, ...]
    variant: Variant | None = None

    @property
    def indicator(self) -> str:
        return (self.variant.indicator if self.variant else "") or self.pitfall.indicator


class Engine:
    """Compiled conditions, shared between all pitfalls that use them. Immutable once built; safe to share between threads."""

    def __init__(self, expressions: Iterable[str]) -> None:
        """Compile every expression; raises ExpressionError with all of those that fail."""
        env = cel.NewEnv(variables={name: KINDS[finding.kind] for name, finding in VOCABULARY.items()})
        self._env = env
        self._compiled: dict[str, cel.Expression] = {}
        faults = [fault for expression in dict.fromkeys(expressions) if (fault := self._compile(expression))]
        if faults:
            raise ExpressionError("\n".join(faults))

    def _compile(self, expression: str) -> str:
        fault = check_expression(self._env, expression)
        if not fault:
            self._compiled[expression] = self._env.compile(expression)
        return fault

    def evaluation(self, values: Mapping[str, bool | float]) -> Evaluation:
        """Prepare to evaluate conditions over the findings of one request."""
        return Evaluation(self._compiled, self._env.Activation(dict(values)), values)


def check_expression(env: cel.Env, expression: str) -> str:
    """Return what is wrong with a condition, or ''. It must be boolean, and use no name that is not in the vocabulary."""
    try:
        compiled = env.compile(expression)
    except RuntimeError as error:
        return f"{expression!r}: {str(error).splitlines()[0]}"
    if compiled.return_type() != cel.Type.BOOL:
        return f"{expression!r}: is {compiled.return_type().name()}, not a condition"
    return ""


def faults_of(expressions: Iterable[str]) -> dict[str, str]:
    """Check conditions one by one: expression -> what is wrong with it."""
    env = cel.NewEnv(variables={name: KINDS[finding.kind] for name, finding in VOCABULARY.items()})
    return {expression: fault for expression in expressions if (fault := check_expression(env, expression))}


@cache
def names_in(expression: str) -> tuple[str, ...]:
    """The findings that a condition speaks of, in order."""
    return tuple(dict.fromkeys(name for name in NAME.findall(expression) if name in VOCABULARY))


class Evaluation:
    """Conditions over the findings of one request; each expression is evaluated once."""

    def __init__(self, compiled: Mapping[str, cel.Expression], activation: cel.Activation, values: Mapping[str, bool | float]) -> None:
        self._compiled, self._activation, self._values = compiled, activation, values
        self._known: dict[str, bool | None] = {}

    def holds(self, expression: str) -> bool | None:
        """True, False, or None when a finding that decides it is unknown."""
        if expression not in self._known:
            name = expression.removeprefix("!")
            if name in VOCABULARY:  # a name alone, or its negation, needs no evaluation
                found = self._values.get(name)
                self._known[expression] = None if found is None else bool(found) is (name == expression)
            else:
                value = self._compiled[expression].eval(self._activation).value()
                self._known[expression] = value if isinstance(value, bool) else None
        return self._known[expression]

    def line(self, expression: str) -> LineResult:
        """Evaluate one condition, and name the missing findings when it is unknown."""
        holds = self.holds(expression)
        missing = () if holds is not None else tuple(name for name in names_in(expression) if name not in self._values)
        return LineResult(expression, holds, missing)

    def result(self, pitfall: Pitfall, scope: Sequence[str], every_line: bool = False) -> Result:
        """Evaluate one pitfall: it fires when every line of `when` holds and no line of `unless` does.

        A pitfall that reassures is kept silent by an unknown exception, too; a danger is not. `every_line` evaluates all lines even when
        the outcome is decided, for explanation.
        """
        when = self._lines((*scope, *pitfall.when), stop_at=False, every_line=every_line)
        outcome = _conjunction(when)
        unless = self._lines(pitfall.unless, stop_at=True, every_line=every_line) if outcome != "quiet" or every_line else ()
        if outcome != "quiet" and any(line.holds for line in unless):
            outcome = "quiet"
        elif outcome == "fires" and pitfall.reassures and any(line.holds is None for line in unless):
            outcome = "unknown"
        variant = self._variant(pitfall) if outcome == "fires" else None
        return Result(pitfall, outcome, when, unless, variant)

    def _lines(self, expressions: Iterable[str], stop_at: bool, every_line: bool) -> tuple[LineResult, ...]:
        lines: list[LineResult] = []
        for expression in expressions:
            lines.append(self.line(expression))
            if lines[-1].holds is stop_at and not every_line:
                break
        return tuple(lines)

    def _variant(self, pitfall: Pitfall) -> Variant | None:
        return next((variant for variant in pitfall.variants if all(self.holds(line) is True for line in variant.when)), None)


def _conjunction(lines: Iterable[LineResult]) -> str:
    outcomes = {line.holds for line in lines}
    if False in outcomes:
        return "quiet"
    return "unknown" if None in outcomes else "fires"
