"""The bytes of a hook call to a `HookRequest`, or every fault of them at once; nothing of FHIR is read here but the ids of draft orders."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Annotated, Any, Generic, Literal, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Raw

from fhir_mappings import wire

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


class Secret:
    """A text that shows itself to nobody who does not ask for it: not in a repr, a log line or an error."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def reveal(self) -> str:
        return self._text


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a caller lends us for this one call: its token, for how many seconds, for what, and for which patient (None: not said).

    `patient` is kept as sent: what is not the patient's id, whatever it is, is another's.
    """

    token: Secret = field(repr=False)
    expires_in: int
    scope: str
    patient: Any


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One hook call, checked.

    `drafts` are the bytes of the Bundle of draft orders; `prefetch` those of each key as sent, an explicit null included. `selections`
    holds only what points at a draft. `authorization` dies with the call. `warnings` tell what was tolerated, without chart data.
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
    authorization: Authorization | None = field(repr=False)
    warnings: tuple[str, ...]

    @property
    def has_token(self) -> bool:
        """Whether an access token came."""
        return self.authorization is not None

    @property
    def draft_bundles(self) -> tuple[Raw, ...]:
        """The Bundle of draft orders, if the hook has one."""
        return () if self.drafts is None else (self.drafts,)


def parse_request(raw: bytes, service: str, hook: str) -> HookRequest:
    """Read a hook call to `service`, which is offered under `hook`.

    Raises RequestError with every fault of the request.
    """
    try:
        if _each_member_once(raw):
            return _read(raw, service, hook)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # only now is it worth the time to find out what is wrong
    raise RequestError(explain_faults(raw, hook))


# The happy path: msgspec alone. Null and absent are one thing here; what must be there has no default.

_Text = Annotated[str, Meta(pattern=NOT_BLANK)]
_Id = Annotated[str, Meta(pattern=ID)]


class _Authorization(msgspec.Struct):
    access_token: _Text
    token_type: Annotated[str, Meta(pattern=BEARER)]
    expires_in: Annotated[float, Meta(multiple_of=1)] | int | Annotated[str, Meta(pattern=WHOLE_NUMBER)]  # 3600, 3600.0, "3600"
    scope: str
    subject: _Text
    patient: Any = None

    def __repr__(self) -> str:
        return "_Authorization(hidden)"

    def lent(self) -> Authorization:
        return Authorization(Secret(self.access_token), int(self.expires_in), self.scope, self.patient)


class _Context(msgspec.Struct):
    userId: _Text
    patientId: _Id
    encounterId: _Id | None = None


class _SignContext(_Context, kw_only=True):
    draftOrders: Raw


class _SelectContext(_SignContext, kw_only=True):
    selections: Annotated[tuple[_Text, ...], Meta(min_length=1)]


ContextT = TypeVar("ContextT", bound=_Context)


class _Call(msgspec.Struct, Generic[ContextT]):
    hook: str
    hookInstance: _Text
    context: ContextT
    prefetch: dict[str, Raw] | None = None
    fhirServer: Annotated[str, Meta(pattern=URL)] | None = None
    fhirAuthorization: _Authorization | None = None


class _Bundle(msgspec.Struct):
    resourceType: Literal["Bundle"]
    entry: list[Raw] | None = None


class _Draft(msgspec.Struct):
    resourceType: str
    id: str


class _Entry(msgspec.Struct):
    resource: _Draft


_call: dict[str, msgspec.json.Decoder[_Call[Any]]] = {
    "patient-view": msgspec.json.Decoder(_Call[_Context]),
    "order-select": msgspec.json.Decoder(_Call[_SelectContext]),
    "order-sign": msgspec.json.Decoder(_Call[_SignContext]),
}
_bundle = msgspec.json.Decoder(_Bundle)
_entry = msgspec.json.Decoder(_Entry)


def _read(raw: bytes, service: str, hook: str) -> HookRequest:
    call: _Call[Any] = _call[hook].decode(raw)
    if call.hook != hook or (call.fhirAuthorization and not call.fhirServer):
        raise msgspec.ValidationError
    context = call.context
    drafts = context.draftOrders if isinstance(context, _SignContext) else None
    placed = frozenset[str]() if drafts is None else _draft_ids(drafts)
    selections = context.selections if isinstance(context, _SelectContext) else ()
    return HookRequest(
        service=service,
        hook=hook,
        hook_instance=call.hookInstance,
        patient_id=context.patientId,
        user_id=context.userId,
        encounter_id=context.encounterId or "",
        selections=tuple(selection for selection in selections if selection in placed),
        drafts=drafts,
        prefetch=call.prefetch or {},
        fhir_server=(call.fhirServer or "").removesuffix("/"),
        authorization=None if call.fhirAuthorization is None else call.fhirAuthorization.lent(),
        warnings=tuple(_warnings(call, selections, placed)),
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


def _warnings(call: _Call[Any], selections: tuple[str, ...], placed: frozenset[str]) -> Iterator[str]:
    if not UUID.fullmatch(call.hookInstance):
        yield "hookInstance is not a UUID"
    user = call.context.userId
    if user.partition("/")[0] not in USER_TYPES[call.hook] or "/" not in user:
        yield f"context.userId is not a reference to {' or '.join(USER_TYPES[call.hook])}"
    if call.fhirAuthorization and isinstance(call.fhirAuthorization.expires_in, str):
        yield "fhirAuthorization.expires_in is a string"
    astray = sum(selection not in placed for selection in selections)
    if astray:
        yield f"{astray} of {len(selections)} context.selections point at no draft order"


# Members named twice. JSON parsers keep one of the two silently; which patient, value or list an answer rests on must not depend on the parser.

_anything = msgspec.json.Decoder(float_hook=Raw).decode  # the number's own text: no number is out of range
_encode = msgspec.json.Encoder().encode
ESCAPED_QUOTE = rb"\u0022"


def _each_member_once(raw: bytes) -> bool:
    """Whether no object of `raw`, however deep, names a member twice. Raises what msgspec raises if it is not JSON in UTF-8.

    A decoder drops a member that is named again, so what is written again afterwards lacks the quotes of its name. Nothing else changes the number
    of quotes: every string is written with its two and with each quote in it as `\\"`, unless that came as a `\\u` escape.
    """
    try:
        again = _encode(_anything(raw))
    except msgspec.ValidationError:  # a whole number of thousands of digits
        return not _repetitions(raw)
    if again == raw:  # as nearly always when a client writes no blanks
        return True
    if ESCAPED_QUOTE in raw:
        return not _repetitions(raw)
    return again.count(b'"') == raw.count(b'"')


def unambiguous(raw: bytes) -> bool:
    """Whether `raw` is JSON in UTF-8 that every parser reads alike."""
    try:
        return _each_member_once(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


def _repetitions(raw: bytes) -> list[_Marked]:
    """The objects that name a member twice, found the long way."""
    found: list[_Marked] = []
    _document(raw, found)
    return found


# The error path: the same shape as JSON Schema (2020-12), which can name every fault of a request in one go.


def explain_faults(raw: bytes, hook: str) -> list[Issue]:
    """Say everything that keeps `raw` from being a call of `hook`: never nothing, and at most `MOST_FAULTS` and a few."""
    try:
        return _explain(raw, hook)
    except RecursionError:
        return [Issue("structure", "the body is nested too deeply")]


def _explain(raw: bytes, hook: str) -> list[Issue]:
    repeating: list[_Marked] = []
    try:
        document = _document(raw, repeating)
    except UnicodeDecodeError as error:
        return [Issue("structure", f"the body is not UTF-8 (byte {error.start})")]
    except json.JSONDecodeError as error:
        return [Issue("structure", f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})")]
    except _Constant as error:
        return [Issue("structure", f"the body is not JSON: {error} is no JSON number")]
    if not isinstance(document, dict):
        return [Issue("structure", f"the body must be a JSON object, not {_kind(document)}")]
    issues = [*(islice(_repeated(document), MOST_FAULTS) if repeating else ()), *_shape_faults(document, hook)]
    return issues or [Issue("structure", "the body holds text or numbers that cannot be represented")]


def _document(raw: bytes, repeating: list[_Marked]) -> Any:
    """Any JSON; the first objects of it that name a member twice are added to `repeating`."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        once = dict(pairs)
        if len(once) == len(pairs) or len(repeating) == MOST_FAULTS:
            return once
        marked = _Marked(once)
        marked.repeated = tuple(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)[:MOST_FAULTS]
        repeating.append(marked)
        return marked

    return json.loads(raw.decode(), object_pairs_hook=members, parse_constant=_refuse_constant, parse_int=_whole_number)


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


# What may be repeated to a client: the names of elements, and of what we asked for. A name of its own making might hold anything.
PREFETCH_KEY = re.compile(
    "(patient|observations|conditions|procedures|medication-(requests|statements|administrations)|service-requests|reports|encounter|user-role)(-[0-9]+)?"
)
NAMES = frozenset(
    {"hook", "hookInstance", "fhirServer", "fhirAuthorization", "access_token", "token_type", "expires_in", "scope", "subject", "patient"}
    | {"context", "userId", "patientId", "encounterId", "selections", "draftOrders", "prefetch", "extension"}
    | {"resourceType", "category", "meta", "note", "name", "identifier", "search", "url", "valueInteger", "valueBoolean"}
).union(*(kind.__struct_encode_fields__ for kind in vars(wire).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)))


def _repeated(value: Any, place: str = "", exact: bool = True) -> Iterator[Issue]:
    """The members that are named twice in `value`. One whose name or place is not known is told by the nearest place that is, not `exact` then."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, (dict, list)):
                yield from _repeated(item, f"{place}[{index}]" if exact else place, exact)
    elif isinstance(value, dict):
        for name in value.repeated if isinstance(value, _Marked) else ():
            expression, known = _under(place, exact, name)
            yield Issue("structure", f"{expression} is given twice" if known else f"{expression or 'the body'} names a member twice", expression)
        for name, member in value.items():
            if isinstance(member, (dict, list)):
                yield from _repeated(member, *_under(place, exact, name))


def _under(place: str, exact: bool, name: str) -> tuple[str, bool]:
    known = exact and (PREFETCH_KEY.fullmatch(name) if place == "prefetch" else name in NAMES)
    return (f"{place}.{name}".lstrip("."), True) if known else (place, False)


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
