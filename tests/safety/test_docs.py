"""docs/safety.md: every hazard has a control and tests that exist, and the figures stand beside the commands that made them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..builders import content

ROOT = Path(__file__).parents[2]
SAFETY = (ROOT / "docs/safety.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (H\d+) \| (.+) \|$", SAFETY, re.MULTILINE))
TESTS = {
    name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"^\s*def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_the_log_tells_of_all_hazards() -> None:
    assert list(ROWS) == [f"H{number}" for number in range(1, 16)]


@pytest.mark.parametrize("hazard", ROWS)
def test_a_hazard_has_a_control_and_tests_that_exist(hazard: str) -> None:
    _, control, tests = ROWS[hazard].split(" | ")
    named = re.findall(r"`(test_\w+)`", tests)
    assert named
    assert set(named) <= TESTS
    assert control
    for path in re.findall(r"`((?:cdshooks|fhir_mappings|tests)/[\w/.]+)`", control):
        assert (ROOT / path).exists(), path
    for rule, pitfall in re.findall(r"(R\d\d) `([\w-]+)`", control):
        assert next(p.rule for p in content().pitfalls if p.id == pitfall) == int(rule[1:])


def test_files_that_are_named_exist() -> None:
    for path in re.findall(r"`(tests/[\w/.]+\.py)`", SAFETY):
        assert (ROOT / path).is_file(), path


def test_the_figures_of_the_long_run_are_of_a_hundred_thousand_charts_without_a_violation() -> None:
    assert re.search(r"^100000 charts in \d+ s$", SAFETY, re.MULTILINE)
    rows = re.findall(r"^\| (?:A3(?: converse)?|I\d\d|H15) \|.*\| 100000 \| (\d+) \|$", SAFETY, re.MULTILINE)
    assert len(rows) == 21
    assert set(rows) == {"0"}


def test_the_figures_of_the_mutation_check_have_no_unexplained_survivor() -> None:
    assert re.search(r"^\| survived \| 0 \|$", SAFETY, re.MULTILINE)


def test_it_is_linked_from_the_readme() -> None:
    assert "docs/safety.md" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_sample_of_the_mutation_check_kills_its_mutants() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.safety.mutations", "--only", "checklist: item", "--workers", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| survived | 0 |" in done.stdout
