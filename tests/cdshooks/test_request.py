"""Bytes to a HookRequest, or every fault at once."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdshooks.errors import RequestError
from cdshooks.prefetch import QUERIES
from cdshooks.request import (
    HOOKS,
    PREFETCH_KEY,
    HookRequest,
    _each_member_once,
    _repetitions,
    explain_faults,
    parse_request,
    request_schema,
)

BUNDLE = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "ServiceRequest", "id": "a"}}]}


def call(hook: str = "order-select", **context: Any) -> dict[str, Any]:
    own = {"userId": "Practitioner/1", "patientId": "1", "selections": ["ServiceRequest/a"], "draftOrders": BUNDLE}
    return {"hook": hook, "hookInstance": "F3A1C2D4-77AA-11EE-B962-0242AC120002", "context": own | context}


def read(document: Any, hook: str = "order-select") -> HookRequest:
    return parse_request(document if isinstance(document, bytes) else json.dumps(document).encode(), f"our-{hook}", hook)


def faults(document: Any, hook: str = "order-select") -> dict[str, str]:
    with pytest.raises(RequestError) as caught:
        read(document, hook)
    return {issue.expression: issue.text for issue in caught.value.issues}


def test_everything_of_a_call_is_read() -> None:
    prefetch = {"observations": None, "patient": {"resourceType": "Patient"}}
    authorization = {"access_token": "top-secret", "token_type": "Bearer", "expires_in": 1, "scope": "", "subject": "us"}
    request = read(call(encounterId="e.1") | {"prefetch": prefetch, "fhirServer": "https://x.test/r4/", "fhirAuthorization": authorization})
    assert (request.service, request.hook, request.patient_id, request.user_id) == ("our-order-select", "order-select", "1", "Practitioner/1")
    assert (request.encounter_id, request.selections) == ("e.1", ("ServiceRequest/a",))
    assert (request.fhir_server, request.has_token) == ("https://x.test/r4", True)
    assert bytes(request.prefetch["observations"]) == b"null" and json.loads(bytes(request.prefetch["patient"])) == prefetch["patient"]
    assert [json.loads(bytes(bundle)) for bundle in request.draft_bundles] == [BUNDLE]
    assert request.warnings == () and "top-secret" not in repr(request)


def test_a_decimal_of_a_draft_keeps_its_digits() -> None:
    raw = json.dumps(call(draftOrders={"resourceType": "Bundle", "entry": [], "x": 0})).replace('"x": 0', '"x": 1.50').encode()
    assert b"1.50" in bytes(read(raw).draft_bundles[0])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, {"hook", "hookInstance", "context"}),
        (
            {"hook": "order-select", "hookInstance": "x", "context": {}},
            {f"context.{name}" for name in ("userId", "patientId", "selections", "draftOrders")},
        ),
        (call(patientId="a/b", userId=" ", encounterId=[]), {"context.patientId", "context.userId", "context.encounterId"}),
        (call(selections=[1, "ServiceRequest/a", None]), {"context.selections[0]", "context.selections[2]"}),
        (call("order-sign"), {"hook"}),
        (call() | {"fhirServer": "ftp://x", "prefetch": []}, {"fhirServer", "prefetch"}),
        (call() | {"fhirServer": "https://u:p@x.test/r4"}, {"fhirServer"}),
        (
            call() | {"fhirAuthorization": {}, "fhirServer": "https://x.test"},
            {f"fhirAuthorization.{name}" for name in ("access_token", "token_type", "expires_in", "scope", "subject")},
        ),
    ],
    ids=["nothing", "empty context", "bad ids", "bad selections", "other hook", "bad server and prefetch", "password in URL", "empty authorization"],
)
def test_every_fault_is_named(document: Any, expected: set[str]) -> None:
    assert faults(document).keys() == expected


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "must be a JSON object"),
        (b'{"a":NaN}', "NaN is no JSON number"),
        (b"[" * 10_000, "nested too deeply"),
        (b'{"a": 1,}', "not JSON"),
    ],
)
def test_what_is_no_json_object_is_said_in_words(raw: bytes, words: str) -> None:
    assert words in faults(raw)[""]


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    said = faults(call(patientId="Mrs/Example", userId=["Mrs Example"]) | {"Mrs Example": 1, "fhirServer": "Mrs Example"})
    assert said and "Example" not in str(said)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"hook":"a","hook":"b"}',
        b'{ "hook" : "a" , "hook" : "a" }',
        b'{"a":{"x":1,"y":2},"b":3,"a":{"x":1}}',
        b'{"a":[1,{"a":2}],"a":[1,{"a":2}]}',
        b'{"\\u0061":1,"a":1}',
        b'{"a":",\\"b\\":1","a":2}',
    ],
)
def test_a_member_given_twice_is_refused(raw: bytes) -> None:
    assert any("twice" in issue.text for issue in explain_faults(raw, "patient-view"))
    with pytest.raises(RequestError):
        read(raw, "patient-view")


COMPACT = json.dumps(call() | {"prefetch": {"patient": None, "x": {"y": 1}}}, separators=(",", ":"))


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        pytest.param('"hook":', '"hook":"order-select","hook":', id="in the call"),
        pytest.param('"prefetch":', '"prefetch":{"patient":null,"x":{"y":1}},"prefetch":', id="a whole object"),
        pytest.param('"patientId":"1"', '"patientId":"1","patientId":"1"', id="in the context"),
        pytest.param('"patient":null', '"patient":null,"patient":null', id="in the prefetch"),
        pytest.param('"patient":null', '"patient":null,"\\u0070atient":null', id="in disguise"),
    ],
)
def test_a_member_given_twice_is_refused_in_a_call_without_blanks(once: str, twice: str) -> None:
    assert read(COMPACT.encode()).patient_id == "1"
    said = faults(COMPACT.replace(once, twice).encode())
    assert any("twice" in text for text in said.values())


@pytest.mark.parametrize("more", [{"extension": {"a": 1}}, {"fhirServer": None}, {"prefetch": {}}, {"prefetch": None}], ids=str)
def test_a_call_is_the_same_with_and_without_blanks(more: dict[str, Any]) -> None:
    document = json.loads(COMPACT) | more
    compact, spaced = read(json.dumps(document, separators=(",", ":")).encode()), read(json.dumps(document, indent=2).encode())
    assert (compact.patient_id, compact.selections, list(compact.prefetch)) == (spaced.patient_id, spaced.selections, list(spaced.prefetch))


def test_names_that_repeat_at_different_levels_are_fine() -> None:
    body = call() | {"patientId": "x", "context2": {"hook": 1}, "prefetch": {"hook": {"hook": {}}, "context": None}}
    assert set(read(json.dumps(body, indent=3).encode()).prefetch) == {"hook", "context"}


def test_a_flood_of_faults_is_cut_short() -> None:
    assert len(faults(call(selections=[0] * 100_000))) <= 50
    flood = b'{"a":1,' + b",".join(b'"%d":0,"%d":0' % (n, n) for n in range(50_000)) + b"}"
    assert 0 < len(explain_faults(flood, "order-sign")) < 60


@pytest.mark.parametrize("depth", [100, 500, 900, 5000])
def test_depth_is_an_answer_or_a_refusal(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    for name in (b'"patientId": "1"', b'"userId": "Practitioner/1"'):
        with pytest.raises(RequestError):
            read(json.dumps(call()).encode().replace(name, name.partition(b":")[0] + b":" + deep))


OBSERVATION = '{"resourceType":"Observation","subject":{"reference":"Patient/1"},"Mrs Example":{"b":1},"valueQuantity":{"value":12.9,"unit":"mg/dL"}}'
PREFETCH = '{"observations":{"resourceType":"Bundle","entry":[{"resource":' + OBSERVATION + '}]},"Mr Example":{"x":{"y":[1]}}}'
ENTRY = "prefetch.observations.entry"


@pytest.mark.parametrize(
    ("once", "twice", "expression"),
    [
        pytest.param('"value":12.9', '"value":12.9,"value":9.4', f"{ENTRY}[0].resource.valueQuantity.value", id="a value"),
        pytest.param('"value":12.9', '"value":12.9,"val\\u0075e":9.4', f"{ENTRY}[0].resource.valueQuantity.value", id="a value in disguise"),
        pytest.param('"entry":[{"res', '"entry":[],"entry":[{"res', ENTRY, id="all entries"),
        pytest.param('"resource":{', '"resource":null,"resource":{', f"{ENTRY}[0].resource", id="a resource"),
        pytest.param('"reference":"P', '"reference":"Patient/2","reference":"P', f"{ENTRY}[0].resource.subject.reference", id="a reference"),
        pytest.param('"Mrs Example":', '"Mrs Example":1,"Mrs Example":', f"{ENTRY}[0].resource", id="an unknown member"),
        pytest.param('"b":1', '"b":1,"b":1', f"{ENTRY}[0].resource", id="under an unknown member"),
        pytest.param('"Mr Example":', '"Mr Example":1,"Mr Example":', "prefetch", id="an unknown key"),
        pytest.param('"y":[1]', '"y":[{"z":1,"z":1}]', "prefetch", id="under an unknown key"),
        pytest.param('"y":[1]', '"y":[1],"q":"\\u0022","y":[1]', "prefetch", id="made up for by an escaped quote"),
        pytest.param('"y":[1]', f'"y":[1],"y":{"9" * 5000}', "prefetch", id="beside a very long number"),
    ],
)
@pytest.mark.parametrize("blanks", [False, True], ids=["compact", "with blanks"])
def test_a_member_given_twice_is_refused_however_deep_it_stands(once: str, twice: str, expression: str, blanks: bool) -> None:
    def asked(prefetch: str) -> bytes:
        raw = json.dumps(call(), separators=(",", ":"))[:-1] + ',"prefetch":' + prefetch + "}"
        return (raw.replace("{", "{ \n").replace(",", " ,\t") if blanks else raw).encode()

    assert PREFETCH.count(once) == 1 and read(asked(PREFETCH)).patient_id == "1"
    said = faults(asked(PREFETCH.replace(once, twice)))
    assert said.keys() == {expression} and "Example" not in str(said)


def test_every_key_that_we_ask_for_may_be_named() -> None:
    assert all(PREFETCH_KEY.fullmatch(key) for key in (*QUERIES, "observations-2"))


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(b'{"%s":1}' % (b"\\u0061" * 1_000_000), id="a key of escapes"),
        pytest.param(b'{"a":"%s"}' % (b"\\u0022" * 1_000_000), id="a text of escaped quotes"),
        pytest.param(b"{" + b'"a":0,' * 1_000_000 + b'"a":0}', id="one name a million times"),
        pytest.param(b'{"a":[' + b"{}," * 2_000_000 + b"{}]}", id="empty objects"),
        pytest.param(b'{"a":[' + b'{"a":0,"a":0},' * 400_000 + b"{}]}", id="many objects that repeat a name"),
        pytest.param(b'{"a":%s}' % (b"1" * 6_000_000), id="a number of six million digits"),
    ],
)
def test_six_megabytes_of_nonsense_are_refused_soon(flood: bytes) -> None:
    began = time.process_time()
    assert 0 < len(faults(flood)) < 60
    assert time.process_time() - began < 2.5, "on a slow machine; a fifth of it elsewhere"


# Laws

PAIRS = st.recursive(
    st.integers(0, 9) | st.text('"\\ua0', max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(st.sampled_from(["a", "b", '"', "\\"]), inner), max_size=4).map(tuple),
    max_leaves=8,
)


def written(value: Any, draw: st.DrawFn) -> str:
    """JSON of a value of `PAIRS`, in which a tuple is an object; with blanks and escapes of all kinds."""
    blank = draw(st.sampled_from(["", "", " ", "\n\t"]))
    if isinstance(value, tuple):
        return blank + "{" + ",".join(f"{written(name, draw)}{blank}:{written(inner, draw)}" for name, inner in value) + blank + "}"
    if isinstance(value, list):
        return blank + "[" + ",".join(written(inner, draw) for inner in value) + "]" + blank
    if isinstance(value, int):
        return blank + draw(st.sampled_from([str(value), f"{value}.50", f"{value}E+2", f"-{value}"]))
    letters = (f"\\u{ord(letter):04x}" if draw(st.integers(0, 3)) == 0 else json.dumps(letter)[1:-1] for letter in value)
    return blank + '"' + "".join(letters) + '"' + blank


def repeats(value: Any) -> bool:
    if isinstance(value, tuple):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(repeats(inner) for _, inner in value)
    return isinstance(value, list) and any(map(repeats, value))


@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data(), value=PAIRS)
def test_law_each_member_once_means_just_that(data: st.DataObject, value: Any) -> None:
    raw = written(value, data.draw).encode()
    assert _each_member_once(raw) is not repeats(value)
    assert bool(_repetitions(raw)) is repeats(value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["Practitioner/1", "1", "Bearer", "https://x.test", "ServiceRequest/a", "Bundle", *HOOKS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
MUTABLE = (
    [("hook",), ("hookInstance",), ("context",), ("prefetch",), ("fhirServer",), ("fhirAuthorization",), ("extension",)]
    + [("context", name) for name in ("userId", "patientId", "encounterId", "selections", "draftOrders")]
    + [("context", "draftOrders", name) for name in ("resourceType", "entry")]
    + [("fhirAuthorization", name) for name in ("access_token", "token_type", "expires_in", "scope", "subject", "patient")]
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A valid call with some members replaced or taken away."""
    document = json.loads(
        json.dumps(
            call()
            | {
                "prefetch": {},
                "fhirServer": "https://x.test",
                "fhirAuthorization": {"access_token": "t", "token_type": "Bearer", "expires_in": 9, "scope": "s", "subject": "us"},
            }
        )
    )
    for path in draw(st.lists(st.sampled_from(MUTABLE), max_size=3)):
        place = document
        for name in path[:-1]:
            place = place.get(name) if isinstance(place, dict) else None
        if isinstance(place, dict):
            if draw(st.booleans()):
                place[path[-1]] = draw(JSON)
            else:
                place.pop(path[-1], None)
    return dict(document)


@given(raw=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_law_any_bytes_are_a_request_or_refused(raw: bytes) -> None:
    for hook in HOOKS:
        with pytest.raises(RequestError) as caught:
            read(raw, hook)
        assert caught.value.issues


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(document=mutated(), indent=st.sampled_from([None, 0, 2]), hook=st.sampled_from(HOOKS))
def test_law_the_happy_path_accepts_what_the_schema_accepts(document: dict[str, Any], indent: int | None, hook: str) -> None:
    if document.get("hook") == "order-select":
        document["hook"] = hook
    raw = json.dumps(document, indent=indent, ensure_ascii=False).encode()
    if jsonschema.Draft202012Validator(request_schema(hook)).is_valid(_without_nulls(document)):
        assert read(raw, hook).hook == hook
    else:
        assert "" not in faults(raw, hook), "a fault of shape has a place"


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    def kept(members: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in members.items() if value is not None}

    inner = {name: kept(value) if name in ("context", "fhirAuthorization") and isinstance(value, dict) else value for name, value in document.items()}
    return kept(inner)
