"""The prefetch templates: derived from what is needed, and short enough for every client."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from cdshooks.prefetch import FIRST_ANALYTES, QUERIES, REQUIRED, URL_LIMIT, Needs, Prefetch, templates, url_length
from fhir_mappings.mappings import LOINC, ResultCode
from tests.builders import content


def tables(codes: dict[tuple[str, str], ResultCode]) -> Any:
    return SimpleNamespace(results=codes)


def needs(*analytes: str, resources: tuple[str, ...] = ("patient", "conditions", "observations")) -> Needs:
    return Needs(frozenset(analytes), frozenset(resources))


def codes_in(template: str) -> list[str]:
    found = re.search(r"code=([^&]*)", template)
    assert found is not None
    return found[1].split(",")


def test_observations_are_asked_for_by_every_code_that_is_read() -> None:
    made = templates(needs("phosphate", "albumin"), content().mappings)
    wanted = {
        code if system == LOINC else f"{system}|{code}"
        for (system, code), result in content().mappings.results.items()
        if result.analyte in ("phosphate", "albumin") and not result.excluded
    }
    assert set(codes_in(made["observations"])) == wanted and "2777-1" in wanted


def test_excluded_codes_are_not_asked_for() -> None:
    codes = {(LOINC, "1-8"): ResultCode("phosphate"), (LOINC, "2-6"): ResultCode("phosphate", excluded="urine"), (LOINC, "3-4"): ResultCode("sodium")}
    assert codes_in(templates(needs("phosphate"), tables(codes))["observations"]) == ["1-8"]


def test_a_code_of_another_system_is_asked_for_with_its_system() -> None:
    codes = {("urn:oid:1.2.3", "P,1"): ResultCode("phosphate")}
    assert "code=urn:oid:1.2.3|P%5C%2C1" in templates(needs("phosphate"), tables(codes))["observations"]


def test_only_needed_resources_are_asked_for_in_a_fixed_order() -> None:
    made = templates(needs("phosphate", resources=("reports", "patient", "conditions")), content().mappings)
    assert list(made) == ["patient", "observations", "conditions", "reports"]
    assert [key for key in QUERIES if key in made] == list(made)


def test_more_codes_than_one_url_holds_spill_over_with_the_vital_ones_first() -> None:
    vital = {(LOINC, f"{n}-1"): ResultCode(name) for n, name in enumerate(FIRST_ANALYTES)}
    other = {(LOINC, f"{n}-0"): ResultCode("zinc") for n in range(10_000, 10_600)}
    made = templates(needs("zinc", *FIRST_ANALYTES), tables(other | vital))
    assert list(made)[:4] == ["patient", "observations", "observations-2", "observations-3"]
    assert {code for _, code in vital} <= set(codes_in(made["observations"]))
    asked = [code for key, template in made.items() if key.startswith("observations") for code in codes_in(template)]
    assert sorted(asked) == sorted(code for _, code in vital | other)
    assert all(url_length(template) < URL_LIMIT for template in made.values())


@pytest.mark.parametrize(
    ("code", "token"),
    [
        ("K+", "K%2B"),
        ("a,b", "a%5C%2Cb"),
        ("x&y=z#?", "x%26y%3Dz%23%3F"),
        ("ä b", "%C3%A4%20b"),
        ("{{x}}", "%7B%7Bx%7D%7D"),
    ],
)
def test_a_local_code_cannot_break_the_query(code: str, token: str) -> None:
    made = templates(needs("sodium"), tables({("http://lab.example/codes", code): ResultCode("sodium")}))
    assert codes_in(made["observations"]) == [f"http://lab.example/codes|{token}"]


def test_every_shipped_template_fits_a_url_and_the_required_keys_are_there() -> None:
    for service in content().services.values():
        assert set(REQUIRED) <= service.templates.keys()
        assert all(url_length(template) < URL_LIMIT for template in service.templates.values())


@pytest.mark.parametrize(
    ("states", "encounter_named", "expected"),
    [
        ({"observations": "present", "conditions": "empty"}, True, set()),
        ({"observations": "incomplete", "procedures": "absent", "reports": "unavailable"}, True, {"observations", "procedures", "reports"}),
        ({"observations": "present", "observations-2": "absent"}, True, {"observations"}),
        ({"user-role": "absent", "encounter": "absent"}, True, {"encounter"}),
        ({"user-role": "unavailable", "encounter": "absent"}, False, set()),
    ],
    ids=["whole", "each way of failing", "spilt codes", "the user does not count", "nor an encounter that nobody named"],
)
def test_what_did_not_come_whole(states: dict[str, str], encounter_named: bool, expected: set[str]) -> None:
    assert Prefetch((), states).not_whole(encounter_named=encounter_named) == expected
