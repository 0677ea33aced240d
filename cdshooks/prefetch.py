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
from .request import HookRequest

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
    "present"; "empty" (looked, and there is nothing); "absent" (not sent, or not what was asked for); "unavailable" (the client says that
    it failed); "incomplete" (usable, but there is more, so nothing may reassure from it).
    """

    chart: tuple[Raw | WholeBundle, ...]
    states: Mapping[str, str] = field(default_factory=dict)

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


class _Value(msgspec.Struct, frozen=True):
    """What one prefetch value means; `says` is what the client reports to have gone wrong."""

    state: str
    says: tuple[str, ...] = ()
    bundle: WholeBundle | None = None  # decoded on the way, so that it need not be decoded again


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

NULL = Raw(b"null")
SAYS_LIMIT = 200


def read_prefetch(request: HookRequest, advertised: Mapping[str, str]) -> Prefetch:
    """Judge every advertised key of a request; keys that were not advertised are ignored.

    Raises MissingDataError, naming each key and passing on what the client says, if required data did not come.
    """
    values = {key: _judge(request.prefetch.get(key), _expected(template)) for key, template in advertised.items()}
    missing = {}
    for key in REQUIRED:
        value = values.get(key, _Value("absent"))
        if value.state in ("present", "incomplete") and not _speaks_of(request, value.bundle, request.prefetch[key]):
            value = _Value("absent", ("none of its resources is about this patient",))
        if value.state in ("absent", "unavailable"):
            missing[key] = value
    if missing:
        raise MissingDataError(issue for key, value in missing.items() for issue in _issues(key, value))
    return Prefetch(
        chart=tuple(value.bundle or request.prefetch[key] for key, value in values.items() if value.state in ("present", "incomplete")),
        states={key: value.state for key, value in values.items()},
    )


def _expected(template: str) -> str:
    """The resource type that answers a template: a search is answered by a Bundle."""
    return "Bundle" if "?" in template else template.partition("/")[0]


def _judge(raw: Raw | None, expected: str) -> _Value:
    """The decision table."""
    if raw is None:
        return _Value("absent")
    if raw == NULL:
        return _Value("empty")
    bundle = whole_bundle(raw) if expected == "Bundle" else None
    if bundle is not None and not _holds_outcome(bundle):  # the common case: nothing is wrong with it
        return _of_count(len(bundle.entry or ()), any(link.relation == "next" for link in bundle.link or ()), bundle.total, bundle)
    try:
        head = _head.decode(raw)
    except (msgspec.ValidationError, RecursionError):
        return _Value("absent")  # a string, an array, a Bundle whose entry is no array
    if head.resourceType == "OperationOutcome":
        return _Value("unavailable", tuple(text for _, text in _outcome({"issue": head.issue})))
    if head.resourceType != expected:
        return _Value("absent")
    return _judge_bundle(raw, head) if expected == "Bundle" else _Value("present")


def _holds_outcome(bundle: WholeBundle) -> bool:
    return OperationOutcome in map(type, map(_resource, bundle.entry or ()))


def _judge_bundle(raw: Raw, head: _Head) -> _Value:
    entries = head.entry or []
    outcomes = list(_outcome_entries(raw, entries))
    failures = tuple(text for outcome in outcomes for severity, text in _outcome(outcome) if severity in ("error", "fatal"))
    data = len(entries) - len(outcomes)
    if failures:
        return _Value("incomplete" if data else "unavailable", failures)
    return _of_count(data, _has_next(head.link), head.total, None)


def _of_count(data: int, has_next: bool, total: Any, bundle: WholeBundle | None) -> _Value:
    if has_next or (isinstance(total, int) and total > data):
        return _Value("incomplete", bundle=bundle)
    return _Value("present" if data else "empty", bundle=bundle)


def _has_next(links: Any) -> bool:
    return isinstance(links, list) and any(isinstance(link, dict) and link.get("relation") == "next" for link in links)


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


def _issues(key: str, value: _Value) -> Iterator[Issue]:
    reason = "the client could not supply it" if value.state == "unavailable" else "it did not come, or is not what was asked for"
    says = f": {'; '.join(value.says[:5])}" if value.says else ""
    yield Issue("incomplete", f"prefetch.{key} is required data, but {reason}{says}", f"prefetch.{key}")
