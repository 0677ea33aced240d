"""Evaluate conditions (Common Expression Language) over findings: each line holds, fails, or is unknown.

A finding that is unknown is not bound. CEL's `&&` and `||` absorb the resulting error where the other side decides, which is Kleene's
logic of three values; an expression whose error survives is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import accumulate
from typing import Protocol

from cel_expr_python import cel
from msgspec import Struct

from ..findings.vocabulary import VOCABULARY
from .model import Pitfall, Variant

NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
KINDS = {"bool": cel.Type.BOOL, "number": cel.Type.DOUBLE}


class ExpressionError(Exception):
    """A condition that does not compile: an unknown name, a wrong type, or broken syntax."""


class LineResult(Struct, frozen=True):
    """One condition and what became of it: True, False, or None when unknown, then with the findings that were missing."""

    expression: str
    holds: bool | None
    missing: tuple[str, ...] = ()


class Result(Struct, frozen=True):
    """What one pitfall came to: "fires", "quiet" or "unknown", the lines that were looked at, and the variant that holds."""

    pitfall: Pitfall
    outcome: str
    when: tuple[LineResult, ...]
    unless: tuple[LineResult, ...]
    variant: Variant | None = None

    @property
    def indicator(self) -> str:
        return (self.variant.indicator if self.variant else "") or self.pitfall.indicator


class Bound(Protocol):
    """The findings of a request: each name's value, or None while it is unknown."""

    def get(self, name: str, /) -> bool | float | None: ...


class Engine:
    """Compiled conditions, shared between all pitfalls that use them. Immutable once built; safe to share between threads."""

    def __init__(self, expressions: Iterable[str]) -> None:
        """Compile every expression; raises ExpressionError with all of those that fail."""
        env = cel.NewEnv(variables={name: KINDS[finding.kind] for name, finding in VOCABULARY.items()})
        self._env = env
        self._compiled: dict[str, cel.Expression] = {}
        self._plans: dict[str, Plan] = {}
        faults = [fault for expression in dict.fromkeys(expressions) if (fault := self._compile(expression))]
        if faults:
            raise ExpressionError("\n".join(faults))

    def _compile(self, expression: str) -> str:
        fault = check_expression(self._env, expression)
        if not fault:
            self._plans[expression] = plan_of(expression)
            for part in _leaves(self._plans[expression]):
                self._compiled[part] = self._env.compile(part)
        return fault

    def evaluation(self, findings: Bound) -> Evaluation:
        """Prepare to evaluate conditions over the findings of one request."""
        return Evaluation(self._plans, self._compiled, self._env, findings)


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


# How a condition is evaluated: a part for CEL, or an operator of CEL's with its operands.
Plan = str | tuple[str, tuple["Plan", ...]]


def plan_of(expression: str) -> Plan:
    """Take a condition apart at `||` and `&&`, so that its parts can be evaluated one by one until one decides.

    These two operators of CEL are Kleene's, so evaluating the parts comes to the same; binding all the names of a long condition for CEL
    costs ten times as much. What holds anything but names, numbers and comparisons is left whole.
    """
    if "'" in expression or '"' in expression or "?" in expression:
        return expression
    expression = _bare(expression)
    for operator in ("||", "&&"):
        parts = _split(expression, operator)
        if len(parts) > 1:
            return operator, tuple(plan_of(part) for part in parts)
    return expression


def _bare(expression: str) -> str:
    """Without blanks and brackets around the whole of it."""
    expression = expression.strip()
    while expression.startswith("(") and expression.endswith(")") and min(_depths(expression)[1:-1], default=1) > 0:
        expression = expression[1:-1].strip()
    return expression


def _split(expression: str, operator: str) -> list[str]:
    depths = _depths(expression)
    ends = [match.start() for match in re.finditer(re.escape(operator), expression) if depths[match.start()] == 0]
    starts = [0, *(end + len(operator) for end in ends)]
    return [expression[start:end] for start, end in zip(starts, [*ends, len(expression)], strict=True)]


def _depths(expression: str) -> list[int]:
    """How many brackets are open after each character."""
    return list(accumulate((c in "([{") - (c in ")]}") for c in expression))


def _leaves(plan: Plan) -> Iterator[str]:
    if isinstance(plan, str):
        yield plan
    else:
        for operand in plan[1]:
            yield from _leaves(operand)


class Evaluation:
    """Conditions over the findings of one request; each is evaluated once, and a finding is asked for only while it can still decide."""

    def __init__(self, plans: Mapping[str, Plan], compiled: Mapping[str, cel.Expression], env: cel.Env, findings: Bound) -> None:
        self._plans, self._compiled, self._env, self._findings = plans, compiled, env, findings
        self._known: dict[str, LineResult] = {}

    def holds(self, expression: str) -> bool | None:
        """True, False, or None when a finding that decides it is unknown."""
        return self.line(expression).holds

    def line(self, expression: str) -> LineResult:
        """Evaluate one condition, and name the missing findings when it is unknown."""
        known = self._known.get(expression)
        if known is None:
            known = self._known[expression] = self._evaluate(expression)
        return known

    def _evaluate(self, expression: str) -> LineResult:
        holds = self._follow(self._plans[expression])
        missing = () if holds is not None else tuple(name for name in names_in(expression) if self._findings.get(name) is None)
        return LineResult(expression, holds, missing)

    def _follow(self, plan: Plan) -> bool | None:
        if isinstance(plan, str):
            return self._leaf(plan)
        operator, operands = plan
        decides = operator == "||"
        unknown = False
        for operand in operands:
            holds = self._follow(operand)
            if holds is decides:
                return holds
            unknown = unknown or holds is None
        return None if unknown else not decides

    def _leaf(self, expression: str) -> bool | None:
        name = expression.removeprefix("!")
        if name in VOCABULARY:  # a name alone, or its negation, needs no evaluation
            found = self._findings.get(name)
            return None if found is None else bool(found) is (name == expression)
        bound = {name: value for name in names_in(expression) if (value := self._findings.get(name)) is not None}
        result = self._compiled[expression].eval(self._env.Activation(bound)).value()
        return result if isinstance(result, bool) else None

    def result(self, pitfall: Pitfall, every_line: bool = False) -> Result:
        """Evaluate one pitfall: it fires when every line of `when` holds and no line of `unless` does.

        A pitfall that reassures is kept silent by an unknown exception, too; a danger is not. `every_line` evaluates all lines even when
        the outcome is decided, for explanation.
        """
        when = self._lines((*pitfall.scope, *pitfall.when), stop_at=False, every_line=every_line)
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
