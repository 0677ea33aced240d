"""The mutation check: break each condition that reassurance rests on, and each entry of arbitration, one at a time; some test must fail.

Usage: python -m tests.safety.mutations [--only WORD] [--workers 2] [--list]

Conditions: in every function named in `TARGETS` each `if` is ignored, each part of an `and` or `or` is left out, each comparison that has an
equal sign loses it or gains one, each name in a constant tuple or set is left out; each item of the checklist is left out. Arbitration: each
entry of every `dominates`, `dominates_info`, each silence, each number of the budget, each hook of the policy, each rule of the orders.

A mutant lives in a forked process, in memory; the tests run there from the quickest on, and the first that fails kills it: the table of the
checklist, the table of arbitration, all vignettes, the tables of the findings, then the laws over random charts. Prints every survivor, and
ends with 1 if there is one that `ARGUED` does not explain.
"""

from __future__ import annotations

import argparse
import ast
import copy
import inspect
import itertools
import os
import sys
import textwrap
import time
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cdshooks.findings import calcium, chart, checklist, kidney, scope
from cdshooks.judging import judge_one, words_of
from cdshooks.pitfalls import arbitration

from ..builders import content
from ..cdshooks import test_checklist, test_findings, test_hazard, test_phosphate, test_skin_and_bone
from . import test_dominance, test_gate
from .argued import ARGUED
from .laws import LAWS, Case, draw

TARGETS: dict[types.ModuleType, tuple[str, ...]] = {
    checklist: (
        "proven",
        "_adult",
        "_fresh",
        "_adjusted",
        "_phosphate",
        "_paired",
        "_disturbed",
        "_confounder",
        "_abnormal_when_last_known",
        "_other_labs",
        "proven_but_alp",
        "_alp_mildly_high",
        "_alp",
        "_present",
        "_recent_abnormal",
        "_arterial",
        "_complete",
        "_unreadable_history",
        "_single_site",
    ),
    calcium: ("proven_normal", "_disagreements", "_adjusted_twice", "_ionised_differs", "_unusual_share", "_the_adjusted", "_adjust"),
    kidney: ("proven_normal", "_lowest", "_acute", "_history"),
    scope: (
        "red_flag",
        "_periarticular_mass",
        "skin_sign",
        "multifocal",
        "arterial_before",
        "masking_drugs",
        "_small",
        "shift",
        "critically_ill",
        "pregnant",
        "pregnancy_not_read",
    ),
    chart: ("in_range", "near_limit", "is_high", "is_low", "_flag_decides", "Chart.proven", "Chart._doubted", "Chart.blocked", "Chart.fresh"),
    arbitration: ("arbitrate", "_select", "_dominated_by", "_against_policy", "_rank", "_within_budget"),
}
CONSTANTS: dict[types.ModuleType, tuple[str, ...]] = {
    checklist: ("LOST", "LOOKED_BACK"),
    calcium: ("MEASURES",),
    kidney: ("LOW_MUSCLE", "CODED_STAGE"),
    chart: ("BLOCKING", "HIGH_FLAGS", "LOW_FLAGS", "ABNORMAL_FLAGS"),
}
LAWS_RUN = ("A3", "A3 converse", "I07", "I08", "I09", "I10", "I11", "I19")  # A3 holds all that I01-I06 ask
LAW_CHARTS = 300


@dataclass(frozen=True)
class Mutant:
    """One broken thing; `apply` breaks it in this process."""

    name: str
    apply: Callable[[], None]


# ---- mutants of functions ------------------------------------------------------------------------------------------------------------


class _Sites(ast.NodeVisitor):
    """Every place of a function that can be broken, as a path of words and a change to its node."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int, str, Any]] = []  # words, number of the node, kind, argument
        self.number = -1
        self.in_words = 0

    def generic_visit(self, node: ast.AST) -> None:
        self.number += 1
        number = self.number
        self.in_words += isinstance(node, ast.JoinedStr)
        if not self.in_words:  # what a reason says decides nothing
            self._look(node, number)
        super().generic_visit(node)
        self.in_words -= isinstance(node, ast.JoinedStr)

    def _look(self, node: ast.AST, number: int) -> None:
        told = ast.unparse(node) if isinstance(node, (ast.expr, ast.stmt)) else ""
        if isinstance(node, ast.If):
            self.found.append((f"if {ast.unparse(node.test)}: ignored", number, "if", None))
        if isinstance(node, ast.IfExp):
            self.found += [(f"{told}: always {value}", number, "ifexp", value) for value in (True, False)]
        if isinstance(node, ast.BoolOp):
            self.found += [(f"{told}: without {ast.unparse(value)}", number, "boolop", place) for place, value in enumerate(node.values)]
        if isinstance(node, ast.Compare):
            for place, operator in enumerate(node.ops):
                if type(operator) in EDGES:
                    self.found.append((f"{told}: the equal sign of part {place + 1} moved", number, "compare", place))
        if (
            isinstance(node, (ast.Tuple, ast.Set))
            and len(node.elts) > 1
            and all(isinstance(e, ast.Constant) and isinstance(e.value, str) for e in node.elts)
        ):
            self.found += [(f"{told}: without {e.value}", number, "elements", place) for place, e in enumerate(node.elts)]  # type: ignore[attr-defined]
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "chart.has":
            self.found += [(f"{told}: without {ast.unparse(e)}", number, "args", place) for place, e in enumerate(node.args)]


EDGES: dict[type, type] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}


class _Break(ast.NodeTransformer):
    def __init__(self, number: int, kind: str, argument: Any) -> None:
        self.wanted, self.kind, self.argument, self.number = number, kind, argument, -1

    def generic_visit(self, node: ast.AST) -> ast.AST:
        self.number += 1
        here = self.number == self.wanted
        node = super().generic_visit(node)
        return self._broken(node) if here else node

    def _broken(self, node: Any) -> ast.AST:
        if self.kind in ("if", "ifexp"):
            node.test = ast.Constant(bool(self.argument))
        elif self.kind == "boolop":
            del node.values[self.argument]
            return node.values[0] if len(node.values) == 1 else node
        elif self.kind == "compare":
            node.ops[self.argument] = EDGES[type(node.ops[self.argument])]()
        elif self.kind == "elements":
            del node.elts[self.argument]
        elif self.kind == "args":
            del node.args[self.argument]
        return node


def _function(module: types.ModuleType, name: str) -> types.FunctionType:
    found: Any = module
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    return found


def _of_functions() -> Iterator[Mutant]:
    for module, names in TARGETS.items():
        for name in names:
            function = _function(module, name)
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
            sites = _Sites()
            sites.visit(tree)
            for words, number, kind, argument in sites.found:
                yield Mutant(f"{module.__name__.rpartition('.')[2]}.{name}: {words}", _recompiled(module, function, tree, number, kind, argument))


def _recompiled(
    module: types.ModuleType, function: types.FunctionType, tree: ast.Module, number: int, kind: str, argument: Any
) -> Callable[[], None]:
    def apply() -> None:
        broken = ast.fix_missing_locations(_Break(number, kind, argument).visit(copy.deepcopy(tree)))
        space: dict[str, Any] = dict(module.__dict__)
        exec(compile(broken, f"<mutant of {function.__name__}>", "exec"), space)
        function.__code__ = space[function.__name__].__code__

    return apply


def _of_constants() -> Iterator[Mutant]:
    for module, names in CONSTANTS.items():
        for name in names:
            value = getattr(module, name)
            for gone in sorted(value):
                left = (
                    {key: value[key] for key in value if key != gone}
                    if isinstance(value, dict)
                    else type(value)(item for item in value if item != gone)
                )
                yield Mutant(f"{module.__name__.rpartition('.')[2]}.{name}: without {gone}", _everywhere(name, value, left))


def _everywhere(name: str, value: Any, left: Any) -> Callable[[], None]:
    def apply() -> None:
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith("cdshooks") and getattr(module, name, None) is value:
                setattr(module, name, left)

    return apply


def _without_item(item: str) -> Callable[[], None]:
    return lambda: dict.__setitem__(checklist.ITEMS, item, lambda _: "")  # type: ignore[arg-type]


def _of_items() -> Iterator[Mutant]:
    for item in checklist.ITEMS:
        yield Mutant(f"checklist: item {item} left out", _without_item(item))


# ---- mutants of arbitration --------------------------------------------------------------------------------------------------------------


def _set(thing: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: object.__setattr__(thing, name, value)


def _of_arbitration() -> Iterator[Mutant]:
    rules, here = content().arbitration, content()
    known = {pitfall.id for pitfall in here.pitfalls}
    for pitfall in here.pitfalls:
        for gone in sorted(pitfall.dominates & known):
            yield Mutant(f"arbitration: {pitfall.id} does not dominate {gone}", _set(pitfall, "dominates", pitfall.dominates - {gone}))
        if pitfall.dominates_info:
            yield Mutant(f"arbitration: {pitfall.id} does not dominate info cards", _set(pitfall, "dominates_info", False))
    for expression, name in rules.silence.items():
        yield Mutant(
            f"arbitration: no silence where {name}", _set(rules, "silence", {key: value for key, value in rules.silence.items() if key != expression})
        )
    for hook in ("patient-view", "order-sign"):
        yield Mutant(f"arbitration: info cards on {hook}, too", _set(rules, "info_hooks", rules.info_hooks | {hook}))
    for hook in sorted(rules.info_hooks):
        yield Mutant(f"arbitration: no info cards on {hook}", _set(rules, "info_hooks", rules.info_hooks - {hook}))
    for name in ("info_first", "warning_first"):
        reached = [p.rule for p in here.pitfalls]
        for rule in (rule for rule in getattr(rules, name) if rule in reached):
            yield Mutant(f"arbitration: {name} without {rule}", _set(rules, name, tuple(other for other in getattr(rules, name) if other != rule)))
    for key, number in here.thresholds.budget.items():
        yield Mutant(
            f"arbitration: a budget of {number + 1} for {key}",
            lambda key=key, number=number: here.thresholds.budget.__setitem__(key, number + 1),  # type: ignore[misc, attr-defined]
        )


def mutants() -> list[Mutant]:
    return [*_of_functions(), *_of_constants(), *_of_items(), *_of_arbitration()]


# ---- tests that kill ---------------------------------------------------------------------------------------------------------------------


def _run(module: types.ModuleType) -> bool:
    """Call every test of a module that asks for no fixture, with each of its parameters; tell whether any fails. Quicker than pytest."""
    for name, test in list(vars(module).items()):
        if name.startswith("test_") and callable(test):
            marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
            for arguments in _product(marks):
                if set(inspect.signature(test).parameters) <= set(arguments):
                    try:
                        test(**arguments)
                    except AssertionError:
                        return True
    return False


def _product(marks: list[Any]) -> Iterator[dict[str, Any]]:
    tables = []
    for mark in marks:
        names, rows = mark.args[:2]
        names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        values = [row.values if hasattr(row, "values") and not isinstance(row, dict) else row if len(names) > 1 else (row,) for row in rows]
        tables.append([dict(zip(names, row, strict=True)) for row in values])
    for chosen in itertools.product(*tables):
        yield {name: value for part in chosen for name, value in part.items()}


def _vignettes() -> bool:
    here, words = content(), words_of(content())
    return any(judge_one(pitfall, vignette, here, words).faults for pitfall in here.pitfalls for vignette in pitfall.vignettes)


def _laws(charts: Iterable[Any]) -> bool:
    for drawn in charts:
        case = Case(drawn)
        if any(True for name in LAWS_RUN for _ in LAWS[name][1](case)):
            return True
    return False


def killed_by(mutant: Mutant, charts: Iterable[Any]) -> str:
    """Break it, and name the first group of tests that fails; '' if none does."""
    mutant.apply()
    groups: dict[str, Callable[[], bool]] = {
        "tables": lambda: any(map(_run, (test_gate, test_checklist, test_dominance))),
        "vignettes": _vignettes,
        "findings": lambda: any(map(_run, (test_phosphate, test_skin_and_bone, test_hazard, test_findings))),
        "laws": lambda: _laws(charts),
    }
    for name, fails in groups.items():
        try:
            if fails():
                return name
        except Exception:  # a mutant that cannot even answer is dead
            return name
    return ""


def _in_a_fork(mutant: Mutant, charts: list[Any]) -> str:
    """Judge a mutant in a process of its own, which has all that is imported and loaded here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = killed_by(mutant, charts)
            os.write(writer, (told or "-").encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return "" if told == "-" else told or "crashed"


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.safety.mutations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="mutants whose name holds this word")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args(list(arguments) if arguments is not None else None)
    chosen = [mutant for mutant in mutants() if options.only in mutant.name]
    if options.list:
        print("\n".join(mutant.name for mutant in chosen))
        return 0
    charts = draw(LAW_CHARTS, 2026)
    assert not killed_by(Mutant("nothing", lambda: None), charts), "the tests fail before anything is broken"
    began, by, survivors = time.monotonic(), Counter[str](), []
    with ThreadPoolExecutor(options.workers) as pool:
        for number, (mutant, told) in enumerate(zip(chosen, pool.map(lambda mutant: _in_a_fork(mutant, charts), chosen), strict=True), start=1):
            by[told or "survived"] += 1
            if not told:
                survivors.append(mutant.name)
                print(f"survived: {mutant.name}", file=sys.stderr, flush=True)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{number} of {len(chosen)} mutants, {len(survivors)} survivors ")
    print(f"{len(chosen)} mutants in {time.monotonic() - began:.0f} s\n\n| killed by | mutants |\n| --- | --- |")
    for name in ("tables", "vignettes", "findings", "laws", "crashed"):
        print(f"| {name} | {by[name]} |")
    argued = [name for name in survivors if name in ARGUED]
    print(f"| survived, argued | {len(argued)} |\n| survived | {len(survivors) - len(argued)} |")
    for name in survivors:
        print(f"\n- {name}" + (f"\n  {ARGUED[name]}" if name in ARGUED else ""))
    return 1 if len(argued) < len(survivors) else 0


if __name__ == "__main__":
    sys.exit(main())
