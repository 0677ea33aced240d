"""Conditions: Kleene's three values, and names that are checked when content is loaded."""

from __future__ import annotations

import pytest
from cel_expr_python import cel
from hypothesis import given
from hypothesis import strategies as st

from cdshooks.findings import VOCABULARY
from cdshooks.pitfalls.engine import Engine, ExpressionError, faults_of, names_in

from ..builders import content

A, B = "calcium.high", "phosphate.high"
KLEENE = st.sampled_from([True, False, None])


def _bound(**values: bool | None) -> dict[str, bool | float]:
    names = {"a": A, "b": B}
    return {names[key]: value for key, value in values.items() if value is not None}


def _and(a: bool | None, b: bool | None) -> bool | None:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


@given(KLEENE, KLEENE)
def test_and_or_not_follow_kleene(a: bool | None, b: bool | None) -> None:
    expressions = [f"{A} && {B}", f"{A} || {B}", f"!{A}"]
    evaluation = Engine(expressions).evaluation(_bound(a=a, b=b))
    negated = None if a is None else not a
    nb = None if b is None else not b
    either = _and(negated, nb)
    assert evaluation.holds(expressions[0]) is _and(a, b)
    assert evaluation.holds(expressions[1]) is (None if either is None else not either)
    assert evaluation.holds(expressions[2]) is negated


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("calcium.hihg", id="a misspelt finding"),
        pytest.param("patient.age > 'x'", id="a mistyped comparison"),
        pytest.param("patient.age", id="not a condition"),
        pytest.param("calcium.high &&", id="broken syntax"),
    ],
)
def test_a_condition_that_cannot_hold_is_refused_at_load(expression: str) -> None:
    with pytest.raises(ExpressionError):
        Engine([expression])
    assert expression in faults_of([expression])


def test_an_unknown_line_names_the_finding_that_is_missing() -> None:
    line = Engine([f"{A} && {B}"]).evaluation({A: True}).line(f"{A} && {B}")
    assert line.holds is None
    assert line.missing == (B,)


def test_names_are_found_in_the_order_they_are_used() -> None:
    assert names_in(f"{B} || (!{A} && {B})") == (B, A)


@pytest.mark.parametrize("name", sorted(VOCABULARY))
def test_every_finding_can_be_used_in_a_condition(name: str) -> None:
    expression = name if VOCABULARY[name].kind == "bool" else f"{name} > 0.0"
    assert faults_of([expression]) == {}


VALUES = {name: st.booleans() if finding.kind == "bool" else st.sampled_from([17.0, 50.0, 90.0]) for name, finding in VOCABULARY.items()}


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_law_the_order_in_which_lines_are_looked_at_decides_nothing(known: dict[str, bool | float]) -> None:
    """Each pitfall comes to what its file says, line by line, although the cheapest line is looked at first and alone may decide."""
    for rule in (rule for rules in content().rules.values() for rule in rules):
        told = content().engine.evaluation(known).explained(rule)
        when, unless = {line.holds for line in told.when}, {line.holds for line in told.unless}
        certain = None not in when and not (rule.pitfall.reassures and None in unless)
        expected = "quiet" if False in when or True in unless else "fires" if certain else "unknown"
        assert told.outcome == content().engine.evaluation(known).result(rule).outcome == expected
        assert [line.expression for line in told.when] == [*rule.pitfall.scope, *rule.pitfall.when]


NAMES = ("calcium.high", "phosphate.high", "calcium.low", "patient.age")
LEAVES = st.sampled_from([*NAMES[:3], *(f"!{name}" for name in NAMES[:3]), "patient.age >= 50.0", "patient.age<18.0", "!(patient.age < 18.0)"])
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda operands, operator, brackets: f"({operator.join(operands)})" if brackets else operator.join(operands),
        st.lists(inner, min_size=2, max_size=4),
        st.sampled_from([" || ", "&&"]),
        st.booleans(),
    ),
    max_leaves=12,
)


@given(CONDITIONS, st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES[:3], st.booleans()) | {NAMES[3]: st.sampled_from([17.0, 50.0])}))
def test_law_a_condition_taken_apart_comes_to_what_cel_makes_of_the_whole(condition: str, known: dict[str, bool | float]) -> None:
    env = cel.NewEnv(variables={name: cel.Type.DOUBLE if name == NAMES[3] else cel.Type.BOOL for name in NAMES})
    whole = env.compile(condition).eval(env.Activation(known)).value()
    assert Engine([condition]).evaluation(known).holds(condition) is (whole if isinstance(whole, bool) else None)
