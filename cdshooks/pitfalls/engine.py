"""Evaluate conditions (Common Expression Language) over findings: each line holds, fails, or is unknown.

A finding that is unknown is not bound. CEL's `&&` and `||` absorb the resulting error where the other side decides, which is Kleene's
logic of three values; an expression whose error survives is unknown.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import accumulate
from typing import Any, Protocol

from cel_expr_python import cel
from msgspec import Struct
from msgspec.structs import replace

from ..findings.vocabulary import VOCABULARY
from .model import Pitfall, Variant

NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
COMPARISON = re.compile(rf"({NAME.pattern}) *(<=|>=|<|>) *(-?[0-9]+(?:\.[0-9]+)?)")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
KINDS = {"bool": cel.Type.BOOL, "number": cel.Type.DOUBLE}


class ExpressionError(Exception):
    """A condition that does not compile: an unknown name, a wrong type, or broken syntax."""


class LineResult(Struct, frozen=True):
    """One condition and what became of it: True, False, or None when unknown, then with the findings that were missing."""

    expression: str
    holds: bool | None
    missing: tuple[str, ...] = ()


class Result(Struct, frozen=True):
    """What one pitfall came to: "fires", "quiet" or "unknown", and the variant that holds; every line only if it was asked for."""

    pitfall: Pitfall
    outcome: str
    variant: Variant | None = None
    when: tuple[LineResult, ...] = ()
    unless: tuple[LineResult, ...] = ()

    @property
    def indicator(self) -> str:
        return (self.variant.indicator if self.variant else "") or self.pitfall.indicator


class Rule(Struct, frozen=True):
    """A pitfall ready to be evaluated: the lines of its conditions and exceptions, those first that take least work."""

    pitfall: Pitfall
    when: tuple[str, ...]
    unless: tuple[str, ...]


def rule_of(pitfall: Pitfall) -> Rule:
    """Make a pitfall ready.

    Most pitfalls are quiet, and one line that fails is enough to say so. The order decides nothing but the time it takes.
    """
    return Rule(pitfall, tuple(sorted((*pitfall.scope, *pitfall.when), key=work)), tuple(sorted(pitfall.unless, key=work)))


def work(expression: str) -> int:
    """How much work a condition may be: the more a finding must see, the more it takes to work it out."""
    return sum(1 + len(VOCABULARY[name].analytes) + len(VOCABULARY[name].resources) for name in names_in(expression))


class Bound(Protocol):
    """The findings of a request: each name's value, or None while it is unknown."""

    def get(self, name: str, /) -> bool | float | None: ...


Get = Callable[[str], Any]  # a finding's value by its name
Test = Callable[[Get], bool | None]


class Engine:
    """Compiled conditions, shared between all pitfalls that use them. Immutable once built; safe to share between threads."""

    def __init__(self, expressions: Iterable[str]) -> None:
        """Compile every expression; raises ExpressionError with all of those that fail."""
        self._env = cel.NewEnv(variables={name: KINDS[finding.kind] for name, finding in VOCABULARY.items()})
        self._tests: dict[str, Test] = {}
        faults = [fault for expression in dict.fromkeys(expressions) if (fault := self._compile(expression))]
        if faults:
            raise ExpressionError("\n".join(faults))

    def _compile(self, expression: str) -> str:
        fault = check_expression(self._env, expression)
        if not fault:
            self._tests[expression] = _test_of(plan_of(expression), self._env)
        return fault

    def evaluation(self, findings: Bound) -> Evaluation:
        """Prepare to evaluate conditions over the findings of one request."""
        return Evaluation(self._tests, findings.get)


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
    for joint in ("||", "&&"):
        parts = _split(expression, joint)
        if len(parts) > 1:
            return joint, tuple(plan_of(part) for part in parts)
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


# From plans to tests: what is done at each request is found out once, when content is loaded.


def _test_of(plan: Plan, env: cel.Env) -> Test:
    if isinstance(plan, str):
        return _named(plan) or _compared(plan) or _by_cel(plan, env)
    decides = plan[0] == "||"
    operands = [_test_of(operand, env) for operand in plan[1]]
    return lambda get: _joined(decides, (operand(get) for operand in operands))


def _joined(decides: bool, operands: Iterable[bool | None]) -> bool | None:
    """Kleene's "or" (which True decides) or "and" (which False decides); what comes after the operand that decides is not looked at."""
    unknown = False
    for holds in operands:
        if holds is decides:
            return holds
        if holds is None:
            unknown = True
    return None if unknown else not decides


def _named(expression: str) -> Test | None:
    """A finding alone, or its negation, needs no evaluation."""
    name = expression.removeprefix("!")
    if name not in VOCABULARY:
        return None
    if name == expression:
        return lambda get: get(name)  # a condition is boolean, so this finding is
    return lambda get: None if (found := get(name)) is None else not found


def _compared(expression: str) -> Test | None:
    """A finding against a number is compared here, as CEL does it, without the tenfold cost of binding it there."""
    match = COMPARISON.fullmatch(expression)
    if match is None:
        return None
    name, compare, number = match[1], COMPARE[match[2]], float(match[3])

    def test(get: Get) -> bool | None:
        found = get(name)
        return None if found is None else bool(compare(found, number))

    return test


def _by_cel(expression: str, env: cel.Env) -> Test:
    compiled, names = env.compile(expression), names_in(expression)

    def test(get: Get) -> bool | None:
        bound = {name: value for name in names if (value := get(name)) is not None}
        result = compiled.eval(env.Activation(bound)).value()
        return result if isinstance(result, bool) else None

    return test


class Evaluation:
    """Conditions over the findings of one request; each is evaluated once, and a finding is asked for only while it can still decide."""

    def __init__(self, tests: Mapping[str, Test], get: Get) -> None:
        self._tests, self._get = tests, get
        self._known: dict[str, bool | None] = {}

    def holds(self, expression: str) -> bool | None:
        """True, False, or None when a finding that decides it is unknown."""
        known = self._known
        if expression in known:
            return known[expression]
        holds = known[expression] = self._tests[expression](self._get)
        return holds

    def line(self, expression: str) -> LineResult:
        """Evaluate one condition, and name the missing findings when it is unknown."""
        holds = self.holds(expression)
        missing = () if holds is not None else tuple(name for name in names_in(expression) if self._get(name) is None)
        return LineResult(expression, holds, missing)

    def result(self, rule: Rule) -> Result:
        """Evaluate one pitfall."""
        outcome = self._outcome(rule)
        return Result(rule.pitfall, outcome, self._variant(rule.pitfall) if outcome == "fires" else None)

    def explained(self, rule: Rule) -> Result:
        """The same with all its lines, in the order of its file: those that decided, and those that no longer did."""
        pitfall = rule.pitfall
        return replace(self.result(rule), when=tuple(map(self.line, (*pitfall.scope, *pitfall.when))), unless=tuple(map(self.line, pitfall.unless)))

    def _outcome(self, rule: Rule) -> str:
        """A pitfall fires when every line of `when` holds and no line of `unless` does. One that reassures is kept silent by an unknown
        exception, too; a danger is not."""
        holds = _joined(False, map(self.holds, rule.when))
        excepted = False if holds is False else _joined(True, map(self.holds, rule.unless))
        if holds is False or excepted:
            return "quiet"
        return "unknown" if holds is None or (excepted is None and rule.pitfall.reassures) else "fires"

    def _variant(self, pitfall: Pitfall) -> Variant | None:
        return next((variant for variant in pitfall.variants if all(self.holds(line) is True for line in variant.when)), None)
