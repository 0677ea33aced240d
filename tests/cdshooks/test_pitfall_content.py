"""All content is tested in a loop, so that new content is tested by existing."""

from __future__ import annotations

import pytest

from cdshooks.content import Content
from cdshooks.judging import NOW, judge_one, words_of
from cdshooks.pitfalls.model import Pitfall, Vignette

from ..builders import content

CONTENT: Content = content()
ALL = [pytest.param(pitfall, vignette, id=f"{pitfall.id}: {vignette.name}") for pitfall in CONTENT.pitfalls for vignette in pitfall.vignettes]
SEED = (
    "critical-calcium-value",
    "hypercalcaemia-is-not-dystrophic",
    "hyperphosphataemia-is-not-dystrophic",
    "ckd-vascular-calcification-distinct",
    "baseline-panel-incomplete-or-stale",
    "extended-metabolic-workup-low-yield",
    "metabolic-drug-without-metabolic-disease",
    "local-cause-history-missing",
    "connective-tissue-disease-calcinosis",
    "vascular-insufficiency-local-calcification",
    "calcified-mass-not-presumed-benign",
)


@pytest.mark.parametrize(("pitfall", "vignette"), ALL)
def test_vignette_does_what_it_says(pitfall: Pitfall, vignette: Vignette) -> None:
    assert judge_one(pitfall, vignette, CONTENT, words_of(CONTENT)).faults == ()


def test_the_pitfalls_that_carry_the_seed_are_active() -> None:
    active = {pitfall.id for pitfall in CONTENT.pitfalls if pitfall.status == "active"}
    assert set(SEED) <= active


def test_every_pitfall_names_only_pitfalls_that_exist_as_dominated() -> None:
    known = {pitfall.id for pitfall in CONTENT.pitfalls}
    assert {name for pitfall in CONTENT.pitfalls for name in pitfall.dominates} <= known


def test_vignettes_tell_time_from_a_fixed_now() -> None:
    assert NOW.tzinfo is not None
