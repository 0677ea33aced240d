"""Vignettes: a few lines that a clinician can read and write, made into the FHIR resources of a real hook request, and judged.

The `given` text has one statement a line, `word: items`; several items are separated by commas:

    age: 54 female                          (age in years, or `age in days: 9 female`, or `born: 1970-03-01 female`)
    died: 2 d ago
    history: calcification_skin at thigh, trauma 22 y ago, osteoporosis resolved recorded 90 d ago
    labs 2 d ago: calcium 10.9 mg/dL, albumin 4.0 g/dL      (one line is one draw; `labs:` alone is two days ago)
    labs 1 d ago: potassium 5.9 mmol/L received 7 h later, haemolysis_presence present, haemolysis_index 3 flag H
    drugs: binder_noncalcium, denosumab stopped 100 d ago, vitamin_d 800 IU/d, gadolinium_affecting given 6 h ago,
        phosphate since 3 d ago
    orders: pth, ct for calcification, calcium not selected, vitamin_d 800 IU/d, rx-binder-al over 42 d
    pending: cmv_pcr                        (active orders on the chart, of yesterday)
    reports: mr thigh 30 d ago preliminary
    hook: order-sign                        (order-select, if not said)
    encounter: inpatient                    (or `inpatient at icu`, or a class such as VR)
    author: nephrology                      (the specialty of the user)
    not sent: procedures                    (prefetch keys that do not come)
    paged: observations                     (prefetch keys that come with a next page)

Names are those of the catalog (analytes, history, order and medication categories, body sites), a code of the code tables, or a word of
`content/vignette_words.toml`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fhir_mappings import Mappings, Row
from fhir_mappings.checks import property_of
from fhir_mappings.mappings import RXNORM

Json = dict[str, Any]
PATIENT = "vignette"
UNITS_AGO = {"h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365.25}
AGO = re.compile(r"\b(\d+)\s*([hdwmy])\s+ago\b")
LABS_HEAD = re.compile(r"labs(?: \d+ [hdwmy] ago)?(?: at \d{1,2}:\d{2})?")
AT_HOUR = re.compile(r"\bat\s+(\d{1,2}):(\d{2})\b")
LAB = re.compile(
    r"(?P<name>.+?)\s+(?P<comparator>[<>]=?)?\s*(?P<value>-?\d+(?:\.\d+)?)(?:\s+(?P<unit>[A-Za-z%µμ][^\s()]*))?"
    r"(?:\s+\((?P<low>[\d.]+)-(?P<high>[\d.]+)\))?(?P<rest>(?:\s+.*)?)$"
)
NO_UNITS = ("no-unit", "preliminary", "as-PO4", "flag", "received")  # words that may follow a bare number
ANSWERS = {"present": "POS", "absent": "NEG"}
RECEIVED = re.compile(r"\breceived\s+(\d+(?:\.\d+)?)\s+h\s+later\b")
DOSE = re.compile(r"\b(\d+(?:\.\d+)?)\s*(mg|g|ug|IU)/d\b")
UCUM_DOSE = {"IU": "[iU]"}
SINCE = re.compile(r"\bsince\s+(\d+\s*[hdwmy]\s+ago)\b")
OVER = re.compile(r"\bover (\d+) d\b")
RECORDED = re.compile(r"\brecorded\s+(\d+)\s+d\s+ago\b")
SITE = re.compile(r"\bat\s+([a-z_ ]+?)(?=\s+\d|\s+resolved|\s+recorded|$)")
RESOLVED = re.compile(r"\bresolved\b")
GIVEN_OR_STOPPED = re.compile(r"\b(given|stopped)\b")
LIST_KEYS = ("history", "labs", "drugs", "orders", "pending", "reports")


class VignetteError(Exception):
    """A line of a vignette that cannot be understood; says which, and what would be right."""


@dataclass
class _Chart:
    """The resources of one vignette while its lines are read."""

    now: datetime
    patient: Json
    hook: str = "order-select"
    encounter: str = ""
    location: str = ""
    author: str = ""
    resources: dict[str, list[Json]] = field(default_factory=dict)
    drafts: list[Json] = field(default_factory=list)
    selections: list[str] = field(default_factory=list)
    not_sent: list[str] = field(default_factory=list)
    paged: list[str] = field(default_factory=list)

    def add(self, key: str, resource: Json) -> Json:
        bucket = self.resources.setdefault(key, [])
        resource["id"] = f"{self.patient['id']}-{resource['resourceType'].lower()}-{len(bucket) + 1}"
        resource["subject"] = {"reference": f"Patient/{self.patient['id']}"}
        bucket.append(resource)
        return resource


@dataclass(frozen=True, slots=True)
class Words:
    """How the names of a vignette find their codes."""

    mappings: Mappings
    extra: Mapping[str, Mapping[str, str]]

    def row(self, kind: str, name: str, words: str) -> Row:
        """The code table's row for a name: a word, a concept, or a bare code."""
        wanted = self.extra.get(words, {}).get(name, name)
        system, _, code = wanted.rpartition("|")
        rows = [row for row in self.mappings.rows if row.kind == kind and row.use in ("use", "exclude")]
        named = [row for row in rows if row.code == code and system in ("", row.system)]
        named = named or [row for row in rows if row.concept == wanted and row.use == "use"]
        if not named:
            raise VignetteError(f"{name!r} is no {kind} of the catalog, no code of the tables and no word of vignette_words.toml")
        return min(named, key=_preference)

    def lab(self, name: str, unit: str = "") -> Row:
        """The result code of a laboratory value: the one used for ordering, or another whose quantity is that of the unit."""
        analyte = self.extra["labs"].get(name, name)
        definition = self.mappings.analytes.get(analyte)
        kind = property_of(unit)
        fitting = [
            row
            for row in self.mappings.rows
            if row.kind == "analyte" and row.concept == analyte and row.use == "use" and (kind == "other" or f"property:{kind}" in row.attributes)
        ]
        if definition is None or not fitting:
            return self.row("analyte", analyte, "labs")
        orderable = definition.orderable[1] if definition.orderable else ""
        return next((row for row in fitting if row.code == orderable), fitting[0])

    def order(self, name: str) -> Row:
        """The order code of an analyte, of an order category, or of a word."""
        known = self.extra["orders"].get(name, name)
        if known in self.mappings.analytes:
            return self.lab(known)
        if known in self.mappings.medications or known.startswith(RXNORM):
            return self.row("medication", name, "orders")
        drugs = [row for row in self.mappings.rows if row.kind == "medication" and f"order:{known}" in row.attributes]
        return min(drugs, key=_preference) if drugs else self.row("order", name, "orders")


def _preference(row: Row) -> tuple[bool, bool]:
    # A SNOMED or LOINC row reads better than an ICD node; a code with a display better than one without.
    return "snomed" not in row.system and "loinc" not in row.system and "rxnorm" not in row.system, not row.display


def request_of(given: str, now: datetime, words: Words, patient: Json | None = None) -> Json:
    """Make the hook request that a vignette describes, for the given Patient resource or a nameless one. Raises VignetteError."""
    chart = _Chart(now, {"resourceType": "Patient", "id": PATIENT} | (patient or {}))
    for line in (line.strip() for line in given.strip().splitlines()):
        if line and not line.startswith("#"):
            _read_line(line, chart, words)
    return _request(chart, words)


def _read_line(line: str, chart: _Chart, words: Words) -> None:
    head, colon, tail = line.partition(": ")
    key = head.split(" ")[0] if head.split(" ")[0] in READERS else head
    if not colon or key not in READERS:
        raise VignetteError(f"{line!r}: expected one of {', '.join(READERS)} and a colon")
    items = [item.strip() for item in tail.split(",")] if key in LIST_KEYS else [tail.strip()]
    for item in items:
        READERS[key](item, head, chart, words)


def _when(text: str, chart: _Chart, default_days: float) -> datetime:
    """The time a text names ("5 d ago"), else `default_days` ago."""
    match = AGO.search(text)
    days = int(match.group(1)) * UNITS_AGO[match.group(2)] if match else default_days
    return chart.now - timedelta(days=days)


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _person(item: str, head: str, chart: _Chart, words: Words) -> None:
    first, _, sex = item.partition(" ")
    if head == "born":
        chart.patient["birthDate"] = first
    elif head == "age in days":
        chart.patient["birthDate"] = (chart.now.date() - timedelta(days=int(first))).isoformat()
    else:
        today = chart.now.date()
        # A day past the birthday: "17 years" is 17 years for certain, and 18 is 18.
        chart.patient["birthDate"] = (today.replace(year=today.year - int(first), day=min(today.day, 28)) - timedelta(days=1)).isoformat()
    if sex:
        chart.patient["gender"] = sex


def _died(item: str, head: str, chart: _Chart, words: Words) -> None:
    chart.patient["deceasedDateTime"] = _instant(_when(item, chart, 0))


def _coding(row: Row) -> Json:
    return {"coding": [{"system": row.system, "code": row.code} | ({"display": row.display} if row.display else {})]}


def _drawn(head: str, chart: _Chart) -> datetime:
    """When the draw of a line was."""
    if not LABS_HEAD.fullmatch(head):
        raise VignetteError(f"{head!r}: expected `labs`, `labs 2 d ago` or `labs 2 d ago at 22:00`")
    drawn = _when(head, chart, 2)
    hour = AT_HOUR.search(head)
    return drawn.replace(hour=int(hour[1]), minute=int(hour[2])) if hour else drawn


def _labs(item: str, head: str, chart: _Chart, words: Words) -> None:
    drawn = _drawn(head, chart)
    name, _, answer = item.rpartition(" ")
    if answer in ANSWERS:
        chart.add("observations", _answered(words.lab(name), ANSWERS[answer], drawn))
        return
    match = LAB.fullmatch(item)
    if match is None:
        raise VignetteError(f"{item!r}: expected `name value unit`, as in `calcium 9.4 mg/dL`")
    rest = match["rest"] or ""
    unit = match["unit"] or ""
    if unit in NO_UNITS:
        rest, unit = f" {unit}{rest}", ""
    row = words.lab(match["name"], unit)
    concept = _coding(row)
    quantity: Json = {"value": float(match["value"])}
    if "no-unit" not in rest:
        unit = unit or words.mappings.analytes[row.concept].unit
        quantity |= {"unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    if match["comparator"]:
        quantity["comparator"] = match["comparator"]
    if "as-PO4" in rest:
        concept["text"] = "phosphate (as PO4)"
        concept["coding"][0]["display"] = "phosphate (as PO4)"
    observation: Json = {
        "resourceType": "Observation",
        "status": "preliminary" if "preliminary" in rest else "final",
        "code": concept,
        "effectiveDateTime": _instant(drawn),
        "valueQuantity": quantity,
    }
    if match["low"]:
        observation["referenceRange"] = [{"low": {"value": float(match["low"]), "unit": unit}, "high": {"value": float(match["high"]), "unit": unit}}]
    flag = re.search(r"\bflag (\w+)", rest)
    if flag:
        observation["interpretation"] = [_interpreted(flag[1])]
    received = RECEIVED.search(rest)
    if received:
        observation |= _on_its_way(drawn, timedelta(hours=float(received[1])))
    chart.add("observations", observation)


def _interpreted(code: str) -> Json:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": code}]}


def _answered(row: Row, code: str, drawn: datetime) -> Json:
    """A result that is an answer and no number."""
    observation: Json = {"resourceType": "Observation", "status": "final", "code": _coding(row), "effectiveDateTime": _instant(drawn)}
    return observation | {"valueCodeableConcept": _interpreted(code)}


def _on_its_way(drawn: datetime, span: timedelta) -> Json:
    """The elements that say when a specimen was collected, and when the laboratory received it."""
    specimen = {"resourceType": "Specimen", "id": "s", "receivedTime": _instant(drawn + span), "collection": {"collectedDateTime": _instant(drawn)}}
    return {"contained": [specimen], "specimen": {"reference": "#s"}}


def _name(item: str, *parts: re.Pattern[str]) -> str:
    """The one word of an item that names it, when all parts that may stand beside it are taken away: nothing is read past."""
    left = item
    for part in parts:
        left = part.sub("", left)
    if len(left.split()) != 1:
        raise VignetteError(f"{item!r}: expected one name, and cannot read {left.strip()!r}")
    return left.strip()


def _history(item: str, head: str, chart: _Chart, words: Words) -> None:
    row = words.row("history", _name(item, SITE, RECORDED, AGO, RESOLVED), "history")
    index = "index" in words.mappings.histories[row.concept].roles
    recorded = RECORDED.search(item)
    began = RECORDED.sub("", item)
    condition: Json = {
        "resourceType": "Condition",
        "code": _coding(row),
        "clinicalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved" if "resolved" in item else "active"}]
        },
        "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]},
    }
    if recorded:
        condition["recordedDate"] = (chart.now - timedelta(days=int(recorded[1]))).date().isoformat()
    if AGO.search(began):
        condition["onsetDateTime"] = _when(began, chart, 0).date().isoformat()
    elif index and not recorded:
        condition["recordedDate"] = (chart.now - timedelta(days=20)).date().isoformat()
    site = SITE.search(item)
    if site:
        condition["bodySite"] = [_coding(_site(site[1].strip(), words))]
    chart.add("conditions", condition)


def _site(name: str, words: Words) -> Row:
    for wanted in (name, f"site_{name.replace(' ', '_')}", name.removeprefix("site_")):
        for row in words.mappings.rows:
            if row.kind == "site" and row.concept == wanted:
                return row
    raise VignetteError(f"{name!r} is no body site of the catalog")


def _drugs(item: str, head: str, chart: _Chart, words: Words) -> None:
    row = words.row("medication", _name(item, SINCE, GIVEN_OR_STOPPED, AGO, DOSE, OVER), "drugs")
    if " given " in item:
        chart.add("medication-administrations", _administration(item, row, chart))
        return
    since = SINCE.search(item)
    item = SINCE.sub("", item)
    stopped = "stopped" in item
    statement: Json = {
        "resourceType": "MedicationStatement",
        "status": "stopped" if stopped else "active",
        "medicationCodeableConcept": _coding(row),
    }
    period = {"start": _instant(_when(since[1], chart, 0))} if since else {}
    if stopped:
        period["end"] = _when(item, chart, 0).date().isoformat()
    if period:
        statement["effectivePeriod"] = period
    if dosage := _dosage(item):
        statement["dosage"] = [dosage]
    chart.add("medication-statements", statement)


def _administration(item: str, row: Row, chart: _Chart) -> Json:
    given: Json = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": _coding(row),
        "effectiveDateTime": _instant(_when(item, chart, 0)),
    }
    if (dosage := _dosage(item)) and "doseAndRate" in dosage:
        given["dosage"] = {"dose": dosage["doseAndRate"][0]["doseQuantity"]}
    return given


def _dosage(item: str) -> Json | None:
    """The dosage instruction of `800 IU/d`, of `over 42 d`, or of both."""
    match, over = DOSE.search(item), OVER.search(item)
    if match is None and over is None:
        return None
    dosage: Json = {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
    if over:
        dosage["timing"]["repeat"]["boundsDuration"] = _quantity(over[1], "d", "d")
    if match:
        dosage["doseAndRate"] = [{"doseQuantity": _quantity(match[1], match[2], UCUM_DOSE.get(match[2], match[2]))}]
    return dosage


def _quantity(value: str, unit: str, code: str) -> Json:
    return {"value": float(value), "unit": unit, "system": "http://unitsofmeasure.org", "code": code}


def _orders(item: str, head: str, chart: _Chart, words: Words) -> None:
    name = re.sub(r"\s+(for\s+\S+|not selected)", "", OVER.sub("", DOSE.sub("", item))).strip()
    row = words.order(name)
    number = len(chart.drafts) + 1
    drug = "rxnorm" in row.system or "whocc" in row.system
    order: Json = {
        "resourceType": "MedicationRequest" if drug else "ServiceRequest",
        "id": f"draft-{number}",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{chart.patient['id']}"},
        "medicationCodeableConcept" if drug else "code": _coding(row),
    }
    reason = re.search(r"\bfor\s+(\S+)", item)
    if reason:
        order["reasonCode"] = [_coding(words.row("history", reason[1], "history"))]
    if drug and (dosage := _dosage(item)):
        order["dosageInstruction"] = [dosage]
    chart.drafts.append(order)
    if "not selected" not in item:
        chart.selections.append(f"{order['resourceType']}/{order['id']}")


def _pending(item: str, head: str, chart: _Chart, words: Words) -> None:
    order: Json = {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "code": _coding(words.order(item))}
    chart.add("service-requests", order | {"authoredOn": _instant(_when(item, chart, 1))})


def _reports(item: str, head: str, chart: _Chart, words: Words) -> None:
    name = AGO.sub("", item).replace("preliminary", "").strip()
    chart.add(
        "reports",
        {
            "resourceType": "DiagnosticReport",
            "status": "preliminary" if "preliminary" in item else "final",
            "code": _coding(words.row("order", name, "reports")),
            "effectiveDateTime": _instant(_when(item, chart, 10)),
        },
    )


def _encounter(item: str, head: str, chart: _Chart, words: Words) -> None:
    name, _, location = item.partition(" at ")
    chart.encounter = {"inpatient": "IMP", "ambulatory": "AMB", "emergency": "EMER"}.get(name, name)
    chart.location = location


def _author(item: str, head: str, chart: _Chart, words: Words) -> None:
    chart.author = item


def _set(name: str) -> Callable[[str, str, _Chart, Words], None]:
    def reader(item: str, head: str, chart: _Chart, words: Words) -> None:
        if name == "hook":
            chart.hook = item
        else:
            getattr(chart, name).extend(part.strip() for part in item.split(","))

    return reader


READERS: Mapping[str, Callable[[str, str, _Chart, Words], None]] = {
    "age": _person,
    "born": _person,
    "died": _died,
    "history": _history,
    "labs": _labs,
    "drugs": _drugs,
    "orders": _orders,
    "pending": _pending,
    "reports": _reports,
    "encounter": _encounter,
    "author": _author,
    "hook": _set("hook"),
    "not sent": _set("not_sent"),
    "paged": _set("paged"),
}
FURTHER_OBSERVATIONS = tuple(f"observations-{number}" for number in range(2, 6))
PREFETCHED = (
    "observations",
    "conditions",
    "procedures",
    "medication-requests",
    "medication-statements",
    "medication-administrations",
    "service-requests",
    "reports",
)


def _request(chart: _Chart, words: Words) -> Json:
    context: Json = {"userId": "Practitioner/COREPRACTITIONER1", "patientId": chart.patient["id"]}
    prefetch: Json = {"patient": chart.patient}
    if chart.encounter:
        context["encounterId"] = f"{chart.patient['id']}-encounter"
        prefetch["encounter"] = {
            "resourceType": "Encounter",
            "id": context["encounterId"],
            "status": "in-progress",
            "subject": {"reference": f"Patient/{chart.patient['id']}"},
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": chart.encounter},
        } | (_located(chart.location, words) if chart.location else {})
    if chart.author:
        role = {
            "resourceType": "PractitionerRole",
            "id": "role-1",
            "specialty": [_coding(words.row("context", f"specialty:{chart.author}", "author"))],
        }
        prefetch["user-role"] = _bundle([role], next_page=False)
    if chart.hook != "patient-view":
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order} for order in chart.drafts]}
    if chart.hook == "order-select":
        context["selections"] = chart.selections
    for key in _keys(chart):
        prefetch[key] = _bundle(chart.resources.get(key, ()), next_page=key in chart.paged)
    return {"hook": chart.hook, "hookInstance": str(uuid.UUID(int=1)), "context": context, "prefetch": prefetch}


def _located(location: str, words: Words) -> Json:
    """The elements that place an encounter: a contained Location of the given type."""
    place = {"resourceType": "Location", "id": "place", "type": [_coding(words.row("context", f"location:{location}", "encounter"))]}
    return {"contained": [place], "location": [{"location": {"reference": "#place"}}]}


def _keys(chart: _Chart) -> Iterator[str]:
    """The keys that came. All results stand under the first key; the further queries for results, where a service has any, find nothing."""
    yield from (key for key in PREFETCHED if key not in chart.not_sent)
    if "observations" not in chart.not_sent:
        yield from FURTHER_OBSERVATIONS


def _bundle(resources: Iterable[Json], next_page: bool) -> Json:
    entries = [{"resource": resource} for resource in resources]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    if entries:
        bundle["entry"] = entries
    if next_page:
        bundle["link"] = [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]
    return bundle
