"""The bytes of a hook call to a `HookRequest`, or every fault of them at once; nothing of FHIR is read here but the ids of draft orders."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Annotated, Any, Literal, NoReturn

import msgspec
from msgspec import Meta, Raw

from .errors import Issue, RequestError

HOOKS = ("patient-view", "order-select", "order-sign")
USER_TYPES = {
    "patient-view": ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson"),
    "order-select": ("Practitioner", "PractitionerRole"),
    "order-sign": ("Practitioner", "PractitionerRole"),
}
MOST_FAULTS = 50  # an array of a million wrong items is told by its first few
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# Patterns are written for JSON Schema and Python alike: `$` alone would let a final line break pass in Python.
NOT_BLANK = r"\S"
# FHIR's id, but longer ids and underscores are seen. Nothing in it may change the path of a URL.
ID = r"^(?!.*\.\.)[A-Za-z0-9._-]{1,255}$(?!\n)"
URL = r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$(?!\n)"
BEARER = r"^[Bb][Ee][Aa][Rr][Ee][Rr]$(?!\n)"
WHOLE_NUMBER = r"^-?[0-9]{1,10}$(?!\n)"


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One hook call, checked.

    `drafts` are the bytes of the Bundle of draft orders; `prefetch` those of each key as sent, an explicit null included. `selections`
    holds only what points at a draft. `has_token` says that an access token came: the token itself is not kept. `warnings` tell what was
    tolerated, without chart data.
    """

    service: str
    hook: str
    hook_instance: str
    patient_id: str
    user_id: str
    encounter_id: str
    selections: tuple[str, ...]
    drafts: Raw | None
    prefetch: Mapping[str, Raw]
    fhir_server: str
    has_token: bool
    warnings: tuple[str, ...]

    @property
    def draft_bundles(self) -> tuple[Raw, ...]:
        """The Bundle of draft orders, if the hook has one."""
        return () if self.drafts is None else (self.drafts,)


def parse_request(raw: bytes, service: str, hook: str) -> HookRequest:
    """Read a hook call to `service`, which is offered under `hook`.

    Raises RequestError with every fault of the request.
    """
    try:
        return _read(raw, service, hook)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _RepeatedMember):
        # Only now is it worth the time to find out what is wrong.
        raise RequestError(explain_faults(raw, hook)) from None


# The happy path: msgspec alone. Null and absent are one thing here; what must be there has no default.

_Text = Annotated[str, Meta(pattern=NOT_BLANK)]
_Id = Annotated[str, Meta(pattern=ID)]


class _Authorization(msgspec.Struct):
    access_token: _Text
    token_type: Annotated[str, Meta(pattern=BEARER)]
    expires_in: Annotated[float, Meta(multiple_of=1)] | int | Annotated[str, Meta(pattern=WHOLE_NUMBER)]  # 3600, 3600.0, "3600"
    scope: str
    subject: _Text


class _Envelope(msgspec.Struct):
    hook: str
    hookInstance: _Text
    fhirServer: Annotated[str, Meta(pattern=URL)] | None = None
    fhirAuthorization: _Authorization | None = None


class _Context(msgspec.Struct):
    userId: _Text
    patientId: _Id
    encounterId: _Id | None = None


class _SelectContext(_Context, kw_only=True):
    selections: Annotated[tuple[_Text, ...], Meta(min_length=1)]


class _Bundle(msgspec.Struct):
    resourceType: Literal["Bundle"]
    entry: list[Raw] | None = None


class _Draft(msgspec.Struct):
    resourceType: str
    id: str


class _Entry(msgspec.Struct):
    resource: _Draft


Members = dict[str, Raw]
_members = msgspec.json.Decoder(Members)
_key = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode
_envelope = msgspec.json.Decoder(_Envelope)
_contexts = {hook: msgspec.json.Decoder(_SelectContext if hook == "order-select" else _Context) for hook in HOOKS}
_bundle = msgspec.json.Decoder(_Bundle)
_entry = msgspec.json.Decoder(_Entry)
_NULL, _ABSENT = Raw(b"null"), Raw(b"")


def _read(raw: bytes, service: str, hook: str) -> HookRequest:
    if not raw.isascii():
        raw.decode()  # msgspec looks only at the strings that it reads
    members, context_members, prefetch = _apart(raw)
    envelope = _envelope.decode(_encode({key: members[key] for key in _Envelope.__struct_fields__ if key in members}))
    if envelope.hook != hook or (envelope.fhirAuthorization and not envelope.fhirServer):
        raise msgspec.ValidationError
    decoder = _contexts[hook]
    context = decoder.decode(_encode({key: value for key, value in context_members.items() if key != "draftOrders"}))
    drafts = None if hook == "patient-view" else context_members.get("draftOrders", _NULL)
    placed = frozenset[str]() if drafts is None else _draft_ids(drafts)
    selections = context.selections if isinstance(context, _SelectContext) else ()
    return HookRequest(
        service=service,
        hook=hook,
        hook_instance=envelope.hookInstance,
        patient_id=context.patientId,
        user_id=context.userId,
        encounter_id=context.encounterId or "",
        selections=tuple(selection for selection in selections if selection in placed),
        drafts=drafts,
        prefetch=prefetch,
        fhir_server=(envelope.fhirServer or "").removesuffix("/"),
        has_token=envelope.fhirAuthorization is not None,
        warnings=tuple(_warnings(envelope, context, hook, selections, placed)),
    )


def _draft_ids(drafts: Raw) -> frozenset[str]:
    """The `Type/id` of every draft. `id` may be temporary, so nothing is asked of it; an entry without one cannot be selected."""
    return frozenset(filter(None, map(_draft_id, _bundle.decode(drafts).entry or ())))


def _draft_id(entry: Raw) -> str:
    try:
        draft = _entry.decode(entry).resource
    except msgspec.ValidationError:
        return ""  # one broken draft is no reason to refuse the others
    return f"{draft.resourceType}/{draft.id}"


def _warnings(envelope: _Envelope, context: _Context, hook: str, selections: tuple[str, ...], placed: frozenset[str]) -> Iterator[str]:
    if not UUID.fullmatch(envelope.hookInstance):
        yield "hookInstance is not a UUID"
    if context.userId.partition("/")[0] not in USER_TYPES[hook] or "/" not in context.userId:
        yield f"context.userId is not a reference to {' or '.join(USER_TYPES[hook])}"
    if envelope.fhirAuthorization and isinstance(envelope.fhirAuthorization.expires_in, str):
        yield "fhirAuthorization.expires_in is a string"
    astray = sum(selection not in placed for selection in selections)
    if astray:
        yield f"{astray} of {len(selections)} context.selections point at no draft order"


# Members named twice. JSON parsers keep one of the two silently; which patient an answer is about must not depend on the parser.


class _RepeatedMember(Exception):
    """An object of the envelope names a member twice."""


_MEMBER = re.compile(rb'\s*[{,]\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_END = re.compile(rb"\s*(?:\{\s*)?\}\s*$")


class _Usual(msgspec.Struct):
    """A call as most clients write it: taken apart in one pass over the bytes."""

    hook: Raw
    hookInstance: Raw
    context: Members
    prefetch: Members
    fhirServer: Raw = _ABSENT
    fhirAuthorization: Raw = _ABSENT


_usual = msgspec.json.Decoder(_Usual)


def _apart(raw: bytes) -> tuple[Members, Members, Members]:
    """The members of a call, of its context and of its prefetch, undecoded; refuses any that is named twice."""
    try:
        usual = _usual.decode(raw)
    except msgspec.ValidationError:
        return _apart_step_by_step(raw)
    texts = {name: value for name in _Envelope.__struct_fields__ if len(value := getattr(usual, name))}
    room = len(raw) - _shortest(texts)
    for name, members in (("context", usual.context), ("prefetch", usual.prefetch)):
        room -= len(name) + 4 + _shortest(members)
    return _apart_step_by_step(raw) if room else (texts, usual.context, usual.prefetch)


def _apart_step_by_step(raw: bytes) -> tuple[Members, Members, Members]:
    members = _object(raw)
    prefetch = members.get("prefetch", _NULL)
    return members, _object(members.get("context", _NULL)), {} if prefetch == _NULL else _object(prefetch)


def _shortest(members: Members) -> int:
    """How long an object is if it is written without blanks and escapes: then each member once leaves no room for another."""
    return 1 + sum(len(key) + 4 + len(value) for key, value in members.items())


def _object(raw: bytes | Raw) -> Members:
    """The members of a JSON object, undecoded; refuses one that names a member twice.

    The values are not parsed again for this: their lengths are known, so it steps from key to key. A member named twice leaves one value
    of another length, or a key seen before.
    """
    members = _members.decode(raw)
    if len(raw) == _shortest(members):
        return members
    text, at, seen = bytes(raw), 0, set()
    for _ in members:
        match = _MEMBER.match(text, at)
        key = _key.decode(match[1]) if match else None
        if match is None or key is None or key in seen or key not in members:
            raise _RepeatedMember
        seen.add(key)
        at = match.end() + len(members[key])
    if not _END.match(text, at):
        raise _RepeatedMember
    return members


# The error path: the same shape as JSON Schema (2020-12), which can name every fault of a request in one go.


def explain_faults(raw: bytes, hook: str) -> list[Issue]:
    """Say everything that keeps `raw` from being a call of `hook`: never nothing, and at most `MOST_FAULTS` and a few."""
    try:
        return _explain(raw, hook)
    except RecursionError:
        return [Issue("structure", "the body is nested too deeply")]


def _explain(raw: bytes, hook: str) -> list[Issue]:
    try:
        document = json.loads(raw.decode(), object_pairs_hook=_marked, parse_constant=_refuse_constant, parse_int=_whole_number)
    except UnicodeDecodeError as error:
        return [Issue("structure", f"the body is not UTF-8 (byte {error.start})")]
    except json.JSONDecodeError as error:
        return [Issue("structure", f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})")]
    except _Constant as error:
        return [Issue("structure", f"the body is not JSON: {error} is no JSON number")]
    if not isinstance(document, _Marked):
        return [Issue("structure", f"the body must be a JSON object, not {_kind(document)}")]
    issues = [*_repeated(document), *_shape_faults(document, hook)]
    return issues or [Issue("structure", "the body holds text or numbers that cannot be represented")]


class _Constant(ValueError):
    """NaN or Infinity: Python's parser knows them, JSON does not."""


def _refuse_constant(name: str) -> NoReturn:
    raise _Constant(name)


def _whole_number(digits: str) -> int:
    """A whole number; one too long for Python to convert (a denial of service otherwise) is only known to be large."""
    return int(digits) if len(digits) < 1000 else 10**1000


class _Marked(dict[str, Any]):
    """A JSON object that remembers which members were named twice."""

    repeated: tuple[str, ...] = ()


def _marked(pairs: list[tuple[str, Any]]) -> _Marked:
    marked = _Marked(pairs)
    if len(marked) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        marked.repeated = tuple(name for name, count in counted.items() if count > 1)[:MOST_FAULTS]
    return marked


def _repeated(document: _Marked) -> Iterator[Issue]:
    """Members named twice in the envelope itself; inside FHIR resources the reader judges."""
    for path, value in (("", document), ("context", document.get("context")), ("prefetch", document.get("prefetch"))):
        for name in value.repeated if isinstance(value, _Marked) else ():
            expression = _known(f"{path}.{name}".strip("."), path)
            yield Issue("structure", f"{expression} names a member twice" if expression == path else f"{expression} is given twice", expression)


def _known(expression: str, otherwise: str) -> str:
    """The expression if it is one that we know; a name of the client's own is not repeated to it."""
    return expression if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.\-]{0,63}", expression) else otherwise


def _shape_faults(document: dict[str, Any], hook: str) -> list[Issue]:
    found = islice(_validator(hook).iter_errors(_without_nulls(document)), MOST_FAULTS)
    return sorted(dict.fromkeys(_issue(error) for error in found), key=lambda issue: issue.expression)


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    """Null and absent are one thing in the envelope; below it null is told where it stands."""
    return {
        key: {k: v for k, v in value.items() if v is not None} if key in ("context", "fhirAuthorization") and isinstance(value, dict) else value
        for key, value in document.items()
        if value is not None
    }


def _issue(error: Any) -> Issue:
    path = ".".join(str(part) if isinstance(part, str) else f"[{part}]" for part in error.absolute_path).replace(".[", "[")
    if error.validator in ("required", "dependentRequired"):
        missing = next(name for name in _required_of(error) if name not in error.instance and repr(name) in error.message)
        path = f"{path}.{missing}".lstrip(".")
        return Issue("required", f"{path} is required{': ' + _SAYS[path] if path in _SAYS else ''}", path)
    says = error.schema.get("description", "")
    return Issue("structure" if error.validator == "type" else "invalid", f"{path} must be {says}, not {_kind(error.instance)}", path)


def _required_of(error: Any) -> list[str]:
    value = error.validator_value
    return value if isinstance(value, list) else [name for names in value.values() for name in names]


def _kind(value: Any) -> str:
    """What kind of JSON value it is: enough to mend it, and no chart data."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "this string" if value.strip() else "a blank string"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, list):
        return "this array" if value else "an empty array"
    return "this object" if value else "an empty object"


_SAYS = {
    "hook": "the name of the hook",
    "hookInstance": "a UUID",
    "context": "an object with the context of the hook",
    "context.userId": "a reference such as Practitioner/123",
    "context.patientId": "the id of a Patient, without type",
    "context.selections": "the selected draft orders, each as Type/id",
    "context.draftOrders": "a Bundle of draft orders",
    "fhirServer": "an absolute http(s) URL, without query; it must come with fhirAuthorization",
}


def request_schema(hook: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a call of `hook`: what the happy path accepts, once nulls are left out."""
    text = {"type": "string", "pattern": NOT_BLANK}
    id_ = {"type": "string", "pattern": ID, "description": "a FHIR id, without type, path or query"}
    context: dict[str, Any] = {
        "userId": {**text, "description": _SAYS["context.userId"]},
        "patientId": id_,
        "encounterId": id_,
    }
    required = ["userId", "patientId"]
    if hook != "patient-view":
        context["draftOrders"] = _DRAFTS
        required.append("draftOrders")
    if hook == "order-select":
        context["selections"] = {
            "type": "array",
            "minItems": 1,
            "items": {**text, "description": "Type/id of a draft order"},
            "description": "an array with the selected draft orders",
        }
        required.append("selections")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["hook", "hookInstance", "context"],
        "dependentRequired": {"fhirAuthorization": ["fhirServer"]},
        "properties": {
            "hook": {"const": hook, "description": f"{hook!r}, the hook of this service"},
            "hookInstance": {**text, "description": _SAYS["hookInstance"]},
            "fhirServer": {"type": "string", "pattern": URL, "description": "an absolute http(s) URL, without query"},
            "fhirAuthorization": _AUTHORIZATION,
            "context": {"type": "object", "required": required, "properties": context, "description": _SAYS["context"]},
            "prefetch": {"type": "object", "description": "an object: prefetch key to resource or null"},
        },
    }


_AUTHORIZATION = {
    "type": "object",
    "description": "an object",
    "required": ["access_token", "token_type", "expires_in", "scope", "subject"],
    "properties": {
        "access_token": {"type": "string", "pattern": NOT_BLANK, "description": "a string"},
        "token_type": {"type": "string", "pattern": BEARER, "description": "'Bearer'"},
        "expires_in": {"type": ["integer", "string"], "pattern": WHOLE_NUMBER, "description": "a whole number of seconds"},
        "scope": {"type": "string", "description": "a string"},
        "subject": {"type": "string", "pattern": NOT_BLANK, "description": "a string"},
    },
}
_DRAFTS = {
    "type": "object",
    "description": _SAYS["context.draftOrders"],
    "required": ["resourceType"],
    "properties": {
        "resourceType": {"const": "Bundle", "description": "'Bundle'"},
        "entry": {"type": ["array", "null"], "description": "an array"},
    },
}


@cache
def _validator(hook: str) -> Any:
    import jsonschema  # a fifth of a second that only a faulty request costs

    return jsonschema.Draft202012Validator(request_schema(hook))
