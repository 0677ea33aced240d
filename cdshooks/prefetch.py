"""The prefetch templates that a service advertises, and what each value that comes back means.

Source of the decision table and of the query subset: CDS Hooks 2.0.1, "Prefetch Template" and "Prefetch query restrictions".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw

from fhir_mappings.mappings import LOINC, Mappings
from fhir_mappings.wire import OperationOutcome, WholeBundle, whole_bundle

from .errors import Issue, MissingDataError
from .request import ID, HookRequest

REQUIRED = ("observations", "conditions")
ABOUT_THE_USER = "user-role"

# Templates: one key a resource type. Only reference, token and paging parameters, each once: browser clients join repeated parameters by
# commas, which would turn a two-sided date into nonsense. Conditions are not filtered by status, as a healed injury still counts.
QUERIES = {
    "patient": "Patient/{{context.patientId}}",
    "observations": "Observation?patient={{context.patientId}}&code=%s&_sort=-date&_count=200",
    "conditions": "Condition?patient={{context.patientId}}&_count=500",
    "procedures": "Procedure?patient={{context.patientId}}&_sort=-date&_count=200",
    "medication-requests": "MedicationRequest?patient={{context.patientId}}&_sort=-authoredon&_count=200",
    "medication-statements": "MedicationStatement?patient={{context.patientId}}&_sort=-effective&_count=100",
    "medication-administrations": "MedicationAdministration?patient={{context.patientId}}&_sort=-effective-time&_count=100",
    "service-requests": "ServiceRequest?patient={{context.patientId}}&status=active&_sort=-authored&_count=100",
    "reports": "DiagnosticReport?patient={{context.patientId}}&_sort=-date&_count=50",
    "encounter": "Encounter/{{context.encounterId}}",
    ABOUT_THE_USER: "PractitionerRole?practitioner={{userPractitionerId}}",
}
# If one URL cannot hold all codes, these come first: without them nothing can be said at all.
FIRST_ANALYTES = ("calcium_total", "calcium_adjusted", "calcium_ionised", "phosphate", "albumin", "creatinine", "egfr")
URL_LIMIT = 2000  # some EHRs and proxies cut longer URLs
LONGEST_ID = "x" * 64


@dataclass(frozen=True, slots=True)
class Needs:
    """What a service must see: analytes of catalog/analytes, and resources as keys of `QUERIES`."""

    analytes: frozenset[str]
    resources: frozenset[str]


def templates(needs: Needs, mappings: Mappings) -> dict[str, str]:
    """Return the prefetch templates for `needs` by key, in the order of `QUERIES`.

    Observations are asked for by every code that is read as one of the analytes. Codes that do not fit one URL spill into
    `observations-2` and so on.
    """
    made: dict[str, str] = {}
    for key, query in QUERIES.items():
        if key == "observations":
            chunks = list(_chunks(query, _tokens(needs.analytes, mappings)))
            made |= {key if number == 1 else f"{key}-{number}": query % ",".join(chunk) for number, chunk in enumerate(chunks, start=1)}
        elif key in needs.resources:
            made[key] = query
    return made


def _tokens(analytes: frozenset[str], mappings: Mappings) -> list[str]:
    """Every code of the analytes as a search token, the codes of `FIRST_ANALYTES` first."""
    rank = {analyte: number for number, analyte in enumerate(FIRST_ANALYTES)}
    wanted = [
        (rank.get(result.analyte, len(rank)), system, code)
        for (system, code), result in mappings.results.items()
        if result.analyte in analytes and not result.excluded
    ]
    return [_token(system, code) for _, system, code in sorted(wanted)]


def _token(system: str, code: str) -> str:
    """`system|code` for a query: FHIR escapes its own separators by a backslash, the URL those of URLs.

    A LOINC code stands alone: no other system has codes of its form, and three times as many fit one URL.
    """
    if system == LOINC:
        return code
    escaped = re.sub(r"([\\,$|])", r"\\\1", code)
    return quote(f"{system}|{escaped}", safe=":/|")


def _chunks(query: str, tokens: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for token in tokens:
        if chunk and url_length(query % ",".join([*chunk, token])) >= URL_LIMIT:
            yield chunk
            chunk = []
        chunk.append(token)
    if chunk:
        yield chunk


def url_length(template: str) -> int:
    """How long a template gets with the longest FHIR ids, and `|` percent-encoded as most clients do."""
    return len(re.sub(r"\{\{.*?\}\}", LONGEST_ID, template).replace("|", "%7C"))


# Reading what came


@dataclass(frozen=True, slots=True)
class Prefetch:
    """The data that came with a request.

    `chart` holds the resources and Bundles that may be read; `states` says of each advertised key what it means:
    "present"; "empty" (looked, and there is nothing); "absent" (not sent, or not what was asked for, nor to be fetched); "unavailable" (the
    client or the FHIR server failed); "incomplete" (usable, but there is more, so nothing may reassure from it). `reasons` says why, where
    the state alone does not.
    """

    chart: tuple[Raw | WholeBundle, ...]
    states: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def keys(self, *states: str) -> frozenset[str]:
        """The keys in any of these states."""
        return frozenset(key for key, state in self.states.items() if state in states)

    @property
    def present(self) -> frozenset[str]:
        return self.keys("present")

    @property
    def empty(self) -> frozenset[str]:
        return self.keys("empty")

    @property
    def absent(self) -> frozenset[str]:
        return self.keys("absent")

    @property
    def unavailable(self) -> frozenset[str]:
        return self.keys("unavailable")

    @property
    def incomplete(self) -> frozenset[str]:
        return self.keys("incomplete")

    def not_whole(self, *, encounter_named: bool) -> frozenset[str]:
        """The keys whose data did not come whole, `observations-2` told as `observations`.

        What is about the user does not count, and the encounter only if the hook names one: then null is a loss, too, as what is fresh
        depends on the setting.
        """
        overlooked = {ABOUT_THE_USER} if encounter_named else {ABOUT_THE_USER, "encounter"}
        lost = self.keys("absent", "unavailable", "incomplete") | (self.empty & {"encounter"})
        return frozenset(re.sub(r"-\d+$", "", key) for key in lost - overlooked)


class Value(msgspec.Struct, frozen=True):
    """What the answer to one template means; `says` is what the client or server reports to have gone wrong.

    `parts` are what may be read of it; `count` its resources, `total` how many there are by its own account, and `next_page` where the
    next page is ("" if it has one without an address).
    """

    state: str
    says: tuple[str, ...] = ()
    parts: tuple[Raw | WholeBundle, ...] = ()
    raw: Raw | None = None
    count: int = 0
    total: int | None = None
    next_page: str | None = None


class Gap(msgspec.Struct, frozen=True):
    """What a call lacks of one key: the answer to `query`, relative to the FHIR server's base, or else all pages from `page` on."""

    key: str
    kind: str
    query: str
    page: str | None = None

    @property
    def expected(self) -> str:
        """The resource type that answers it."""
        return _expected(self.query)


class Fetched(msgspec.Struct, frozen=True):
    """What was got for a gap: its pages, and why there are no more of them than these ("" if these are all)."""

    pages: tuple[Value, ...] = ()
    failure: str = ""


class _Head(msgspec.Struct):
    """The elements of a prefetch value that decide what it means. Nothing else is decoded here."""

    resourceType: Any = None
    total: Any = None
    link: Any = None
    entry: list[Raw] | None = None
    issue: Any = None


class _EntryHead(msgspec.Struct):
    resource: Any = None


_head = msgspec.json.Decoder(_Head)
_resource = attrgetter("resource")
_entry_head = msgspec.json.Decoder(_EntryHead)

_encode = msgspec.json.Encoder().encode

NULL = Raw(b"null")
ABSENT = Value("absent")
EMPTY = Value("empty")
SAYS_LIMIT = 200
MOST_SAID = 5
OTHERS_ONLY = "none of its resources is about this patient"
BY_TYPE = "told by the type of its resources, as its key is not known"


def read_prefetch(request: HookRequest, advertised: Mapping[str, str]) -> Prefetch:
    """Judge every advertised key of a request; keys that were not advertised are ignored.

    Raises MissingDataError, naming each key and passing on what the client says, if required data did not come.
    """
    return accepted(by_type(judged(request, advertised), request, advertised))


def judged(request: HookRequest, advertised: Mapping[str, str], aliases: Mapping[str, str] | None = None) -> dict[str, Value]:
    """What came for each advertised key. `aliases` are the names under which a client sends ours."""
    sent = _renamed(request.prefetch, aliases) if aliases else request.prefetch
    return {key: _about_the_patient(request, key, judge(sent.get(key), _expected(template))) for key, template in advertised.items()}


def _renamed(sent: Mapping[str, Raw], aliases: Mapping[str, str]) -> dict[str, Raw]:
    """What was sent, under our names. What was sent under our own name goes before what came under another."""
    return {aliases[key]: raw for key, raw in sent.items() if key in aliases} | dict(sent)


def accepted(values: Mapping[str, Value], not_asked: str = "") -> Prefetch:
    """The data to answer from. `not_asked` says why the FHIR server was not asked for what is missing.

    Raises MissingDataError for required data that is missing.
    """
    missing = {key: value for key in REQUIRED if (value := values.get(key, ABSENT)).state in ("absent", "unavailable")}
    if missing:
        raise MissingDataError(issue for key, value in missing.items() for issue in _issues(key, value, not_asked))
    return Prefetch(
        chart=tuple(part for value in values.values() if value.state in ("present", "incomplete") for part in value.parts),
        states={key: value.state for key, value in values.items()},
        reasons={key: "; ".join(value.says[:MOST_SAID]) for key, value in values.items() if value.says},
    )


def by_type(
    values: Mapping[str, Value], request: HookRequest, advertised: Mapping[str, str], aliases: Mapping[str, str] | None = None
) -> Mapping[str, Value]:
    """The values, with those that are still absent taken from keys that nobody knows, told by the type of what these hold.

    Which query such a key answers is not known: its data can raise an alarm, and nothing reassures from it.
    """
    unknown = [raw for key, raw in request.prefetch.items() if key not in advertised and key not in (aliases or ())]
    wanted = _absent_by_kind(values, advertised) if unknown else {}
    found = dict(values)
    for raw in unknown if wanted else ():
        key = wanted.get(_kind_held(raw))
        value = judge(raw, _expected(advertised[key])) if key else ABSENT
        if key and found[key].state == "absent" and value.state in ("present", "incomplete"):
            state = value.state if key == "patient" else "incomplete"
            found[key] = _about_the_patient(request, key, msgspec.structs.replace(value, state=state, says=(BY_TYPE,)))
    return found


def _absent_by_kind(values: Mapping[str, Value], advertised: Mapping[str, str]) -> dict[str, str]:
    """The first absent key of each resource type; what is about the user might be about anybody."""
    wanted: dict[str, str] = {}
    for key, template in advertised.items():
        if values[key].state == "absent" and key != ABOUT_THE_USER:
            wanted.setdefault(_kind(template), key)
    return wanted


def _kind_held(raw: Raw) -> str:
    """The type of a resource, or the one type of all resources in a Bundle; "" if there is no such type."""
    try:
        head = _head.decode(raw)
        held = {_peeked(_entry_head.decode(entry).resource) for entry in head.entry or ()} - {"OperationOutcome"}
    except (msgspec.MsgspecError, RecursionError):
        return ""
    if head.resourceType == "Bundle":
        return held.pop() if len(held) == 1 else ""
    return head.resourceType if isinstance(head.resourceType, str) else ""


def _peeked(resource: Any) -> str:
    return str(resource.get("resourceType")) if isinstance(resource, dict) else ""


def gaps(values: Mapping[str, Value], request: HookRequest, advertised: Mapping[str, str]) -> list[Gap]:
    """What can be asked of the FHIR server: keys that did not come, and the further pages of those that did.

    What the client says to have failed is not asked for again: that is what it says it for.
    """
    found = []
    for key, value in values.items():
        if value.state == "absent" and (query := _filled(advertised[key], request)):
            found.append(Gap(key, _kind(advertised[key]), query))
        elif value.state == "incomplete" and value.next_page is not None:
            found.append(Gap(key, _kind(advertised[key]), _filled(advertised[key], request), value.next_page))
    return found


def completed(values: Mapping[str, Value], fetched: Mapping[str, Fetched], request: HookRequest) -> dict[str, Value]:
    """The values with what was fetched for their gaps."""
    return dict(values) | {key: _about_the_patient(request, key, _joined(values[key], got)) for key, got in fetched.items()}


def _joined(value: Value, got: Fetched) -> Value:
    """One value of all pages. As long as one of them is missing, or says that something failed, it is not complete."""
    pages = [page for page in (value, *got.pages) if page.state != "absent"]
    says = tuple(text for page in pages for text in page.says) + ((got.failure,) if got.failure else ())
    failed = bool(got.failure) or any(page.state == "unavailable" for page in pages)
    count = sum(page.count for page in pages)
    short = max((page.total for page in pages if page.total is not None), default=0) > count
    if not count:
        return Value("unavailable" if failed or short or not pages else "empty", says)
    if len(pages) == 1:
        return msgspec.structs.replace(pages[0], state="incomplete", says=says) if failed else pages[0]
    # A page with an error among its entries says so; that a page has a next one, or fewer resources than the total, is mended.
    failed = failed or any(page.says for page in pages)
    whole = _one_bundle(page.raw for page in pages if page.raw is not None)
    return Value("incomplete" if failed or short else "present", says, (whole,), whole, count)


def _one_bundle(pages: Iterable[Raw]) -> Raw:
    """One Bundle, without links, of the entries of all pages: a reference on one page may point into another."""
    entries = [entry for page in pages for entry in _head.decode(page).entry or ()]
    return Raw(_encode({"resourceType": "Bundle", "entry": entries}))


def _filled(template: str, request: HookRequest) -> str:
    """The query of a template for this request; "" if a token of it has no value here."""
    tokens = {
        "context.patientId": request.patient_id,
        "context.encounterId": request.encounter_id,
        "userPractitionerId": request.user_id.removeprefix("Practitioner/") if request.user_id.startswith("Practitioner/") else "",
    }
    filled = template
    for token, value in tokens.items():
        if f"{{{{{token}}}}}" in filled and not re.match(ID, value):
            return ""
        filled = filled.replace(f"{{{{{token}}}}}", quote(value, safe=""))
    return filled.replace("|", "%7C")


def _kind(template: str) -> str:
    """The resource type that a template asks for."""
    return re.split("[?/]", template, maxsplit=1)[0]


def _expected(template: str) -> str:
    """The resource type that answers a template: a search is answered by a Bundle."""
    return "Bundle" if "?" in template else template.partition("/")[0]


def _about_the_patient(request: HookRequest, key: str, value: Value) -> Value:
    """A required value, or that it is absent if none of its resources is this patient's."""
    if key not in REQUIRED or value.state not in ("present", "incomplete") or value.raw is None:
        return value
    bundle = value.parts[0] if value.parts and isinstance(value.parts[0], WholeBundle) else None
    return value if _speaks_of(request, bundle, value.raw) else Value("absent", (*value.says, OTHERS_ONLY))


def judge(raw: Raw | None, expected: str) -> Value:
    """The decision table."""
    if raw is None:
        return ABSENT
    if raw == NULL:
        return EMPTY
    bundle = whole_bundle(raw) if expected == "Bundle" else None
    if bundle is not None and not _holds_outcome(bundle):  # the common case: nothing is wrong with it
        return _of_count(raw, len(bundle.entry or ()), bundle.link, bundle.total, bundle)
    try:
        head = _head.decode(raw)
    except (msgspec.ValidationError, RecursionError):
        return ABSENT  # a string, an array, a Bundle whose entry is no array
    if head.resourceType == "OperationOutcome":
        return Value("unavailable", tuple(text for _, text in _outcome({"issue": head.issue})))
    if head.resourceType != expected:
        return ABSENT
    return _judge_bundle(raw, head) if expected == "Bundle" else Value("present", parts=(raw,), raw=raw, count=1)


def _holds_outcome(bundle: WholeBundle) -> bool:
    return OperationOutcome in map(type, map(_resource, bundle.entry or ()))


def _judge_bundle(raw: Raw, head: _Head) -> Value:
    entries = head.entry or []
    outcomes = list(_outcome_entries(raw, entries))
    failures = tuple(text for outcome in outcomes for severity, text in _outcome(outcome) if severity in ("error", "fatal"))
    value = _of_count(raw, len(entries) - len(outcomes), head.link, head.total, raw)
    if failures:
        return msgspec.structs.replace(value, state="incomplete" if value.count else "unavailable", says=failures)
    return value


def _of_count(raw: Raw, data: int, links: Any, total: Any, readable: Raw | WholeBundle) -> Value:
    known = total if isinstance(total, int) else None
    next_page = _next_page(links) if links else None
    if next_page is not None or (known is not None and known > data):
        return Value("incomplete", (), (readable,), raw, data, known, next_page)
    return Value("present" if data else "empty", (), (readable,), raw, data, known)


def _next_page(links: Any) -> str | None:
    """The address of the next page: None if there is no such page, "" if its address is not told."""
    for link in links if isinstance(links, list) else ():
        relation, url = (link.get("relation"), link.get("url")) if isinstance(link, dict) else (link.relation, link.url)
        if relation == "next":
            return url if isinstance(url, str) else ""
    return None


def _outcome_entries(raw: Raw, entries: list[Raw]) -> Iterator[dict[str, Any]]:
    """The OperationOutcomes among the entries: side information of the search, never data."""
    if b"OperationOutcome" not in bytes(raw):  # spares decoding each entry in the common case
        return
    for entry in entries:
        try:
            resource = _entry_head.decode(entry).resource
        except (msgspec.MsgspecError, RecursionError):
            continue
        if isinstance(resource, dict) and resource.get("resourceType") == "OperationOutcome":
            yield resource


def _outcome(outcome: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Severity and text of each issue; an outcome that says nothing understandable is an error."""
    issues = outcome.get("issue")
    told = [issue for issue in issues if isinstance(issue, dict)] if isinstance(issues, list) else []
    if not told:
        yield "error", "no reason given"
    for issue in told:
        details = issue.get("details")
        texts = (details.get("text") if isinstance(details, dict) else None, issue.get("diagnostics"), issue.get("code"))
        text = next((text for text in texts if isinstance(text, str) and text.strip()), "no reason given")
        yield str(issue.get("severity")), " ".join(text.split())[:SAYS_LIMIT]


def _speaks_of(request: HookRequest, bundle: WholeBundle | None, raw: Raw) -> bool:
    """Whether any reference in these resources names the patient: on the server of the request, where that is given. Which resource it
    stands in is for the readers to judge."""
    usual = f"Patient/{request.patient_id}"
    subjects = (getattr(entry.resource, "subject", None) for entry in (bundle.entry if bundle else None) or ())
    if any(subject.reference == usual for subject in subjects if subject is not None):
        return True  # which spares searching all the text
    base = f'(?:"|{re.escape(request.fhir_server)}/)' if request.fhir_server else ""
    pattern = f"(?:{base}Patient/|urn:uuid:){re.escape(request.patient_id)}(?![A-Za-z0-9.\\-_])"
    return re.search(pattern.replace("/", r"\\?/").encode(), bytes(raw)) is not None


def _issues(key: str, value: Value, not_asked: str) -> Iterator[Issue]:
    reason = "it could not be had" if value.state == "unavailable" else "it did not come, or is not what was asked for"
    says = f": {'; '.join(value.says[:MOST_SAID])}" if value.says else ""
    asked = f"; the FHIR server was not asked for it: {not_asked}" if not_asked and value.state == "absent" else ""
    yield Issue("incomplete", f"prefetch.{key} is required data, but {reason}{says}{asked}", f"prefetch.{key}")
