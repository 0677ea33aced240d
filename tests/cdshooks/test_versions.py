"""The lock of versions: a changed pitfall raises its version, and what was released stays released."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

import pytest

from cdshooks.content import faults_of_versions
from cdshooks.pitfalls.versions import digest_of, locked, version_faults

FIRST, LATER = date(2026, 1, 1), date(2026, 2, 2)
PITFALL: dict[str, Any] = {"id": "a-pitfall", "version": 1, "when": ["calcium.high"], "vignette": [{"name": "one"}]}
LOCK = tomllib.loads(locked({"a-pitfall": PITFALL}, {}, FIRST))


def changed(**changes: Any) -> dict[str, Any]:
    return PITFALL | changes


def test_the_pitfalls_that_ship_are_as_they_were_locked() -> None:
    assert faults_of_versions() == []


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param(PITFALL, "", id="unchanged"),
        pytest.param(changed(vignette=[{"name": "two"}]), "", id="another vignette is no change"),
        pytest.param(changed(when=["calcium.low"]), "raise its version", id="other logic, same version"),
        pytest.param(changed(when=["calcium.low"], version=2), "run `cdshooks lock`", id="other logic, higher version, not locked"),
        pytest.param(changed(version=2), "says the same", id="a version for nothing"),
        pytest.param(changed(version=0), "lower", id="an older version"),
        pytest.param(changed(id="another"), "is not in", id="not locked at all"),
    ],
)
def test_a_change_without_a_higher_version_is_told(document: dict[str, Any], said: str) -> None:
    faults = list(version_faults(document, LOCK))
    assert (said in faults[0]) if said else faults == []


def test_a_raised_version_keeps_its_release_date_and_gets_a_new_revision_date() -> None:
    lock = tomllib.loads(locked({"a-pitfall": changed(when=["calcium.low"], version=2)}, LOCK, LATER))
    assert lock["a-pitfall"]["released"] == FIRST and lock["a-pitfall"]["revised"] == LATER and lock["a-pitfall"]["version"] == 2


def test_locking_refuses_what_was_not_raised_and_changes_nothing_else() -> None:
    with pytest.raises(ValueError, match="a-pitfall"):
        locked({"a-pitfall": changed(when=["calcium.low"])}, LOCK, LATER)
    assert tomllib.loads(locked({"a-pitfall": PITFALL}, LOCK, LATER)) == LOCK


def test_a_digest_is_of_what_is_said_and_decided() -> None:
    assert digest_of(PITFALL) == digest_of(changed(version=7)) != digest_of(changed(when=[]))
