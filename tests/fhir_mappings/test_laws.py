"""Laws of reading: nothing crashes it, order and copies change nothing, and what is not mapped adds nothing but its count."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_mappings import read_facts

from .builders import LOINC, NOW, bundle, condition, mappings, observation, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceType",
                    "id",
                    "code",
                    "coding",
                    "system",
                    "entry",
                    "resource",
                    "valueQuantity",
                    "value",
                    "unit",
                    "subject",
                    "reference",
                    "status",
                    "contained",
                ]
            )
            | st.text(max_size=6),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
TYPES = st.sampled_from(
    ["Observation", "Condition", "MedicationRequest", "ServiceRequest", "Bundle", "Patient", "Encounter", "DiagnosticReport", "Procedure"]
)
CODES = st.sampled_from(["17861-6", "2777-1", "1751-7", "2160-0", "2731-8", "17862-4", "00000-0"])
OBSERVATIONS = st.builds(
    lambda code, value, day, number: observation(code, value, "mg/dL", id=f"o{number}", effectiveDateTime=f"2026-06-{day:02d}T08:00:00Z"),
    CODES,
    st.decimals("0", "20", places=1).map(float),
    st.integers(1, 14),
    st.integers(0, 99),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(JSON, max_size=4), TYPES)
def test_any_json_gives_facts_and_never_an_exception(values: list[Any], kind: str) -> None:
    for value in values:
        resource = {**value, "resourceType": kind} if isinstance(value, dict) else value
        read(json.dumps(resource).encode(), drafts=(json.dumps(value).encode(),))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_facts_and_never_an_exception(raw: bytes) -> None:
    read_facts([raw], mappings(), patient="p", now=NOW)


def test_deep_nesting_and_lone_surrogates_are_problems_at_most() -> None:
    deep = b'{"resourceType":"Observation","valueQuantity":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    surrogate = b'{"resourceType":"Observation","id":"\\ud800","status":"final"}'
    assert read(deep, surrogate).labs == {}


@settings(max_examples=60, deadline=None)
@given(st.lists(OBSERVATIONS, max_size=8), st.randoms(use_true_random=False))
def test_order_and_copies_change_nothing(observations: list[dict[str, Any]], shuffle: random.Random) -> None:
    mixed = [*observations, *observations[:3]]
    shuffle.shuffle(mixed)
    one, other = read(bundle(condition(), *observations)), read(*mixed, condition())
    assert [(lab.analyte, lab.when, lab.value) for labs in one.labs.values() for lab in labs] == [
        (lab.analyte, lab.when, lab.value) for labs in other.labs.values() for lab in labs
    ]
    assert one.histories == other.histories


@settings(max_examples=60, deadline=None)
@given(
    st.lists(OBSERVATIONS, max_size=5), st.from_regex(r"[0-9]{5}-[0-9]", fullmatch=True).filter(lambda code: mappings().result(LOINC, code) is None)
)
def test_an_unmapped_resource_adds_nothing_but_its_count(observations: list[dict[str, Any]], code: str) -> None:
    without, with_it = read(*observations), read(*observations, observation(code, id="extra"))
    assert (without.labs, without.problems, without.histories) == (with_it.labs, with_it.problems, with_it.histories)
    assert with_it.unmapped["Observation", LOINC, code] == without.unmapped.get(("Observation", LOINC, code), 0) + 1
