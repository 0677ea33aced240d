"""The basis of every pitfall, and its pages: nothing is missing, nothing is said by hand, and what is said of its grounds is what it does."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient

from cdshooks.app import create_app
from cdshooks.basis import all_bases, basis_of, threshold_remarks
from cdshooks.findings import FAMILIES, VOCABULARY
from cdshooks.findings.grounds import BIRTH_DATE, HEALTH_STATUS, MADE_OF, SEX, THRESHOLDS, parts_of, taken_from_the_person
from cdshooks.findings.state import State
from cdshooks.judging import NOW, words_of
from cdshooks.pitfalls.model import Pitfall
from cdshooks.pitfalls.vignettes import request_of
from cdshooks.pitfalls.words import in_words
from cdshooks.settings import load_settings

from ..builders import ask, content

PITFALLS = content().pitfalls
EACH = pytest.mark.parametrize("pitfall", PITFALLS, ids=lambda pitfall: pitfall.id)
THIRTEEN = (
    "bibliographic_citation",
    "developer",
    "funding_source",
    "release_and_revision_dates",
    "uses_race",
    "uses_ethnicity",
    "uses_language",
    "uses_sexual_orientation",
    "uses_gender_identity",
    "uses_sex",
    "uses_date_of_birth",
    "uses_social_determinants_of_health",
    "uses_health_status_assessments",
)


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return create_app(load_settings(demo=True), content()).test_client()


@EACH
def test_a_basis_tells_every_condition_and_the_thirteen_source_attributes(pitfall: Pitfall) -> None:
    told = basis_of(pitfall, content())
    assert [line["expression"] for line in told["logic"]["when"]] == list(pitfall.when)
    assert [line["expression"] for line in told["logic"]["unless"]] == list(pitfall.unless)
    assert all(line["words"] for line in told["logic"]["when"])
    assert tuple(told["source_attributes"]) == THIRTEEN
    assert all(value is not None and value != "" for value in told["source_attributes"].values())
    assert told["source_attributes"]["release_and_revision_dates"]["released"]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("calcium.high", VOCABULARY["calcium.high"].says),
        ("!calcium.high", f"not so: {VOCABULARY['calcium.high'].says}"),
        ("calcium.high || phosphate.high", f"at least one of: {VOCABULARY['calcium.high'].says}; {VOCABULARY['phosphate.high'].says}"),
        (
            "!(calcium.high || phosphate.high)",
            f"none of: {VOCABULARY['calcium.high'].says}; {VOCABULARY['phosphate.high'].says}",
        ),
        ("patient.age < 2.0", f"{VOCABULARY['patient.age'].says}: below 2"),
        (
            "ckd.dialysis && (calcium.high || phosphate.high)",
            f"all of: {VOCABULARY['ckd.dialysis'].says}; (at least one of: {VOCABULARY['calcium.high'].says}; {VOCABULARY['phosphate.high'].says})",
        ),
    ],
)
def test_a_condition_is_said_in_the_words_of_the_vocabulary(expression: str, words: str) -> None:
    assert str(in_words(expression)) == words


def test_every_threshold_that_a_finding_names_exists_and_tells_its_source() -> None:
    remarks = threshold_remarks()
    for named in {threshold for thresholds in THRESHOLDS.values() for threshold in thresholds}:
        table, _, name = named.partition(".")
        assert not name or name in getattr(content().thresholds, table), named
        assert remarks.get(named) or remarks.get(table), named


def _charts() -> Iterator[State]:
    for pitfall in PITFALLS:
        for vignette in pitfall.vignettes:
            yield ask(request_of(vignette.given, NOW, words_of(content()))).findings.state


@pytest.fixture(scope="module")
def charts() -> list[State]:
    return list(_charts())


NUMBERS = [
    f"{table}.{name}"
    for table in content().thresholds.__slots__
    if not table.startswith(("fresh_", "budget"))
    for name in getattr(content().thresholds, table)
]


def _all_findings(state: State, **changes: Any) -> dict[str, object]:
    """Every finding of a chart, worked out anew after a change of the chart."""
    changed = State(replace(state.chart, **changes, _fresh={}, adjusted={}))
    return {name: value for family in FAMILIES.values() for name, value in family(changed)}


@pytest.mark.slow
def test_a_finding_changes_only_with_thresholds_that_it_names(charts: list[State]) -> None:
    some = charts[:: max(len(charts) // 60, 1)]
    before = [_all_findings(state) for state in some]
    unsaid = set()
    for number in NUMBERS:
        table, _, name = number.partition(".")
        plain = getattr(content().thresholds, table)
        for factor in (Decimal(2), Decimal("0.5")):
            other = replace(content().thresholds, **{table: {**plain, name: plain[name] * factor}})
            for state, was in zip(some, before, strict=True):
                now = _all_findings(state, thresholds=other)
                unsaid |= {(number, finding) for finding, value in now.items() if value != was[finding] and not _says(finding, number)}
    assert unsaid == set()


def _says(finding: str, number: str) -> bool:
    named = {threshold for name in parts_of([finding]) for threshold in THRESHOLDS.get(name, ())}
    return number in named or number.partition(".")[0] in named


# Creatinine that one sex or age has with good kidneys, and another has not.
BETWEEN = [
    f"age: 60 {sex}\nhistory: calcification_skin\nlabs: creatinine {value} mg/dL, alp 100 U/L\norders: ct"
    for sex in ("female", "male")
    for value in (0.95, 1.05, 1.2, 1.3)
]


@pytest.mark.parametrize(
    ("attribute", "element", "value"),
    [(SEX, "gender", "male"), (SEX, "gender", None), (BIRTH_DATE, "birthDate", "2015-05-05"), (BIRTH_DATE, "birthDate", None)],
    ids=["male", "sex unknown", "a child", "birth date unknown"],
)
def test_only_findings_that_say_so_change_with_the_person(attribute: str, element: str, value: str | None) -> None:
    moved = set()
    for given in [*BETWEEN, *(vignette.given for pitfall in PITFALLS for vignette in pitfall.vignettes)]:
        request = request_of(given, NOW, words_of(content()))
        before = dict(ask(request).findings.values)
        request["prefetch"]["patient"] = {key: known for key, known in request["prefetch"]["patient"].items() if key != element}
        request["prefetch"]["patient"] |= {element: value} if value else {}
        after = ask(request).findings.values
        moved |= {name for name in VOCABULARY if before.get(name) != after.get(name)}
    assert moved, "the charts do not try this at all"
    assert {name for name in moved if attribute not in taken_from_the_person([name], content().mappings)} == set()


def test_findings_made_of_others_are_taken_apart() -> None:
    assert set(MADE_OF) <= set(VOCABULARY)
    assert {part for parts in MADE_OF.values() for part in parts} <= set(VOCABULARY)
    assert HEALTH_STATUS in taken_from_the_person(["minerals.normal_confirmed"], content().mappings)
    assert taken_from_the_person(["order.imaging"], content().mappings) == frozenset()


# Pages


class _Wellformed(HTMLParser):
    """Notes tags that are not closed in their order, and every link and source."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.wrong += [name for name, _ in attrs if name == "style" or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_list_names_every_pitfall_and_links_to_its_page(client: FlaskClient) -> None:
    page = client.get("/pitfalls").text
    for pitfall in PITFALLS:
        assert html.escape(pitfall.title) in page
        assert f'href="pitfalls/{pitfall.id}"' in page


@EACH
def test_a_page_shows_all_of_the_basis_without_script(pitfall: Pitfall, client: FlaskClient) -> None:
    reply = client.get(f"/pitfalls/{pitfall.id}")
    text = html.unescape(re.sub(r"<[^>]+>", "", reply.text))
    assert reply.status_code == 200
    for words in (
        pitfall.title,
        f"version {pitfall.version}",
        pitfall.evidence.level,
        pitfall.evidence.reviewed.isoformat(),
        *pitfall.when,
        *pitfall.unless,
        *(source.label for source in pitfall.evidence.sources),
        *(vignette.name for vignette in pitfall.vignettes),
    ):
        assert words in text, words
    parsed = _Wellformed()
    parsed.feed(reply.text)
    assert parsed.open == [] and parsed.wrong == []
    assert "<script" not in reply.text
    for link in parsed.links:
        if not link.startswith("http"):
            assert client.get(f"/pitfalls/{link}" if not link.startswith("../") else f"/{link[3:]}").status_code == 200, link


def test_pages_carry_a_strict_policy_and_no_unknown_page_is_found(client: FlaskClient) -> None:
    for path in ("/pitfalls", "/pitfalls/critical-calcium-value", "/pitfalls.json", "/assets/page.css", "/pitfalls/nonsense"):
        reply = client.get(path)
        assert reply.status_code == (404 if "nonsense" in path else 200)
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_the_json_document_holds_every_pitfall(client: FlaskClient) -> None:
    document = client.get("/pitfalls.json").json
    assert [pitfall["id"] for pitfall in document["pitfalls"]] == [pitfall.id for pitfall in PITFALLS]
    assert document == all_bases(content())


def test_every_card_links_to_its_page(client: FlaskClient) -> None:
    for pitfall in PITFALLS:
        vignette = next(vignette for vignette in pitfall.vignettes if vignette.kind == "fires")
        card = next(c for c in ask(request_of(vignette.given, NOW, words_of(content()))).cards if c["source"]["topic"]["code"] == pitfall.id)
        link = card["links"][0]
        assert link == {"label": "Why this card", "url": f"{content().base_url}/pitfalls/{pitfall.id}", "type": "absolute"}
        assert client.get(link["url"].removeprefix(content().base_url)).status_code == 200
