"""The long run: every law over many random charts, as one command.

Usage: python -m tests.safety [--charts 100000] [--seed 1] [--workers 2]

Charts are drawn in batches of a thousand, each by a seed of its own, so that the same command draws the same charts. Prints a table of the
laws and how many charts were reassured; ends with 1 if any law is violated.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from .laws import LAWS, Case, draw
from .oracle import certainly_critical

BATCH = 1000
SHOWN = 5


@dataclass
class Tally:
    charts: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        self.charts += other.charts
        self.counts += other.counts
        self.violations += other.violations
        for name, told in other.examples.items():
            self.examples[name] = (self.examples.get(name, []) + told)[:SHOWN]


def batch(job: tuple[int, int]) -> Tally:
    """Judge one batch of charts by every law."""
    count, number = job
    tally = Tally()
    for chart in draw(count, number):
        case = Case(chart)
        tally.charts += 1
        tally.counts["reassured"] += bool(case.reassured)
        tally.counts["gate open"] += case.gate
        tally.counts["confirmed, nothing left open"] += case.verdict.confirmed and not case.verdict.open
        tally.counts["not confirmed"] += not case.verdict.confirmed
        tally.counts["certainly critical calcium"] += certainly_critical(chart)
        tally.counts["with any card"] += bool(case.cards)
        tally.counts.update(case.reassured)
        for name, (_, law) in LAWS.items():
            told = list(law(case))
            if told:
                tally.violations[name] += 1
                tally.examples.setdefault(name, []).append(f"{told[0]}\n    {chart}")
    return tally


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.safety", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--charts", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(list(arguments) if arguments is not None else None)
    jobs = [(min(BATCH, options.charts - start), options.seed * 1_000_000 + start) for start in range(0, options.charts, BATCH)]
    began, tally = time.monotonic(), Tally()
    with ProcessPoolExecutor(max_workers=options.workers) as pool:
        for done in pool.map(batch, jobs):
            tally.add(done)
            for name, examples in done.examples.items():
                print(f"violated: {name}, {examples[0]}", file=sys.stderr, flush=True)
            _progress(tally.charts, options.charts, began)
    _print(tally, time.monotonic() - began)
    return 1 if tally.violations else 0


def _progress(done: int, total: int, began: float) -> None:
    if sys.stderr.isatty():
        filled = 40 * done // total
        left = (time.monotonic() - began) * (total - done) / done
        sys.stderr.write(f"\r[{'#' * filled}{' ' * (40 - filled)}] {done} of {total} charts, {left:.0f} s left " + ("\n" if done == total else ""))
        sys.stderr.flush()


def _print(tally: Tally, seconds: float) -> None:
    print(f"{tally.charts} charts in {seconds:.0f} s\n")
    print("| law | | charts | violations |\n| --- | --- | --- | --- |")
    for name, (words, _) in LAWS.items():
        print(f"| {name} | {words} | {tally.charts} | {tally.violations[name]} |")
    print("\n| of these charts | |\n| --- | --- |")
    for name, count in tally.counts.most_common():
        print(f"| {name} | {count} |")
    for name, examples in tally.examples.items():
        print(f"\n{name}, {LAWS[name][0]}:")
        for told in examples:
            print(f"  {told}")


if __name__ == "__main__":
    sys.exit(main())
