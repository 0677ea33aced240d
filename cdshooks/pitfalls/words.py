"""Conditions in words: what a line of a pitfall says, told from the vocabulary, so that a page can never say another thing than the file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..findings.vocabulary import VOCABULARY
from .engine import Plan, names_in, plan_of

COMPARISON = re.compile(r"([a-z_.0-9]+)\s*(<=|>=|<|>|==|!=)\s*([\d.]+)")
NEGATED_GROUP = re.compile(r"!\s*\((.*)\)")
COMPARED = {"<": "below", "<=": "at most", ">": "above", ">=": "at least", "==": "exactly", "!=": "other than"}


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition in words. `kind` is "is" or "not" (then `text` says of what), or "all", "any" or "none" of its `parts`."""

    kind: str
    text: str = ""
    parts: tuple[Clause, ...] = ()

    def __str__(self) -> str:
        """The clause as one phrase."""
        if self.kind == "is":
            return self.text
        if self.kind == "not":
            return f"not so: {self.text}"
        inner = "; ".join(f"({part})" if part.parts else str(part) for part in self.parts)
        return f"{ {'all': 'all of', 'any': 'at least one of', 'none': 'none of'}[self.kind] }: {inner}"


def in_words(expression: str) -> Clause:
    """Say a condition in words."""
    return _clause(plan_of(expression))


def _clause(plan: Plan) -> Clause:
    if isinstance(plan, str):
        return _leaf(plan)
    operator, operands = plan
    return Clause("any" if operator == "||" else "all", parts=tuple(_clause(operand) for operand in operands))


def _leaf(expression: str) -> Clause:
    group = NEGATED_GROUP.fullmatch(expression)
    if group:
        inner = in_words(group[1])
        return Clause("none", parts=inner.parts if inner.kind == "any" else (inner,))
    name = expression.removeprefix("!").strip()
    if name in VOCABULARY:
        return Clause("is" if name == expression else "not", VOCABULARY[name].says)
    comparison = COMPARISON.fullmatch(expression)
    if comparison and comparison[1] in VOCABULARY:
        return Clause("is", f"{VOCABULARY[comparison[1]].says}: {COMPARED[comparison[2]]} {float(comparison[3]):g}")
    said = "; ".join(VOCABULARY[name].says for name in names_in(expression))
    return Clause("is", f"{expression} (where: {said})")
