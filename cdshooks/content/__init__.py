"""All content of the service, loaded, checked and merged with a site's overlay: pitfalls, thresholds, services, mappings."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from fhir_mappings import ContentError, Fault, Mappings, load_mappings

from ..findings import TEXTS, VOCABULARY
from ..pitfalls.engine import Engine, Rule, names_in, rule_of
from ..pitfalls.loading import arbitration_from, interpolated, load_pitfalls, read_pitfalls, read_toml, shape_faults, validator
from ..pitfalls.model import Arbitration, Governance, Line, Pitfall, Source
from ..pitfalls.versions import FILE as VERSIONS
from ..pitfalls.versions import locked, version_faults
from ..prefetch import Needs, templates
from ..request import HOOKS
from ..thresholds import Thresholds, thresholds_from

FOLDER = files(__name__)
# What every service asks for, whatever its pitfalls: who the patient is and whether there is a calcification at all.
ALWAYS = frozenset({"patient", "conditions", "observations"})


@dataclass(frozen=True, slots=True)
class Service:
    """One CDS service: what discovery says of it, and the prefetch templates derived from its pitfalls."""

    id: str
    hook: str
    title: str
    description: str
    usage_requirements: str
    templates: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that decides which cards a request gets. Immutable; swapped whole. `digest` names it in logs and decisions.

    `rules` are the pitfalls that are evaluated on each hook: active ones, and those in shadow.
    """

    mappings: Mappings
    thresholds: Thresholds
    pitfalls: tuple[Pitfall, ...]
    services: Mapping[str, Service]
    arbitration: Arbitration
    overrides: Mapping[str, str]
    orderables: Mapping[str, Mapping[str, Any]]
    governance: Governance
    engine: Engine
    rules: Mapping[str, tuple[Rule, ...]]
    digest: str
    base_url: str = "http://127.0.0.1:8000"


def load_content(site: Path | None = None, *, codes_only: bool = False) -> Content:
    """Load and check all content, with a site's overlay merged in; `codes_only` leaves the site's thresholds and pitfalls out.

    Raises ContentError with every fault of the run, each with its file and, for tables and overlays, its line.
    """
    faults: list[Fault] = []
    mappings = _mappings(site, faults)
    overrides = read_toml(FOLDER / "override_reasons.toml", "content/override_reasons.toml", faults)
    orderables = read_toml(FOLDER / "orderables.toml", "content/orderables.toml", faults)
    versions = read_toml(FOLDER / VERSIONS, f"content/{VERSIONS}", faults)
    own = None if codes_only else site
    thresholds = _thresholds(own, faults)
    if mappings is None:
        raise ContentError(faults)
    arbitration = arbitration_from(read_toml(FOLDER / "arbitration.toml", "content/arbitration.toml", faults))
    pitfalls = load_pitfalls(
        FOLDER / "pitfalls",
        "content/pitfalls",
        mappings=mappings,
        overrides=overrides,
        orderables=orderables,
        versions=versions,
        scope=arbitration.scope,
        faults=faults,
    )
    pitfalls = _site_pitfalls(own, pitfalls, faults)
    if faults:
        raise ContentError(faults)
    engine = Engine([*(e for p in pitfalls for e in p.expressions), *arbitration.silence])
    return Content(
        mappings=mappings,
        thresholds=thresholds,
        pitfalls=pitfalls,
        services=_services(pitfalls, arbitration, mappings, faults),
        arbitration=arbitration,
        overrides=overrides,
        orderables=orderables,
        governance=Governance(**read_toml(FOLDER / "governance.toml", "content/governance.toml", faults)),
        engine=engine,
        rules={hook: tuple(rule_of(pitfall) for pitfall in _evaluated(pitfalls, hook)) for hook in HOOKS},
        digest=_digest(mappings, site),
    )


def faults_of_versions() -> list[Fault]:
    """Every pitfall that changed without a higher version, or is not in the lock."""
    faults: list[Fault] = []
    lock = read_toml(FOLDER / VERSIONS, f"content/{VERSIONS}", faults)
    for where, document in read_pitfalls(FOLDER / "pitfalls", "content/pitfalls", faults).items():
        faults.extend(Fault(where, what) for what in version_faults(document, lock))
    return faults


def lock_versions(today: date) -> str:
    """The text of the lock as the pitfalls now are; raises ContentError with each one that changed without a higher version."""
    faults: list[Fault] = []
    documents = {document["id"]: document for document in read_pitfalls(FOLDER / "pitfalls", "content/pitfalls", faults).values()}
    lock = read_toml(FOLDER / VERSIONS, f"content/{VERSIONS}", [])
    if not faults:
        try:
            return locked(documents, lock, today)
        except ValueError as error:
            faults.append(Fault("content/pitfalls", str(error)))
    raise ContentError(faults)


def _mappings(site: Path | None, faults: list[Fault]) -> Mappings | None:
    try:
        return load_mappings(site)
    except ContentError as error:
        faults.extend(error.faults)
    try:
        return load_mappings(None)  # the rest of the content is still checked, so that one run tells everything
    except ContentError:
        return None


def _thresholds(site: Path | None, faults: list[Fault]) -> Thresholds:
    base = read_toml(FOLDER / "thresholds.toml", "content/thresholds.toml", faults)
    faults.extend(shape_faults(base, validator("thresholds"), "content/thresholds.toml"))
    changes = _site_file(site, "thresholds.toml", "site_thresholds", faults)
    for path, entry in _entries(changes):
        table = base
        for name in path[:-1]:
            table = table.get(name, {})
        if path[-1] not in table:
            faults.append(Fault(f"site/thresholds.toml{_line_of(site, 'thresholds.toml', path[-1])}", f"{'.'.join(path)} is no threshold"))
        else:
            table[path[-1]] = entry["value"]
    return thresholds_from(base)


def _entries(document: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Mapping[str, Any]]]:
    for key, value in document.items():
        if "value" in value and not isinstance(value["value"], dict):
            yield (*path, key), value
        else:
            yield from _entries(value, (*path, key))


def _site_file(site: Path | None, name: str, schema: str, faults: list[Fault]) -> dict[str, Any]:
    if site is None or not (site / name).exists():
        return {}
    try:
        document: dict[str, Any] = tomllib.loads((site / name).read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.append(Fault(f"site/{name}", f"cannot be read: {error}"))
        return {}
    wrong = shape_faults(document, validator(schema), f"site/{name}")
    faults.extend(Fault(_with_line(fault.where, site, name), fault.what) for fault in wrong)
    return {} if wrong else document


def _with_line(where: str, site: Path, name: str) -> str:
    keys = where.partition(": ")[2].split(".")
    return f"site/{name}{_line_of(site, name, *keys)}: {'.'.join(keys)}"


def _line_of(site: Path | None, name: str, *keys: str) -> str:
    """Where a key stands in an overlay file, as ' line 14'; the last key that can be found tells."""
    if site is None:
        return ""
    lines = (site / name).read_text(encoding="utf-8").splitlines()
    for key in reversed(keys):
        pattern = re.compile(rf"(^|[\[.\s\"]){re.escape(key)}([\]\s.=\"]|$)")
        for number, line in enumerate(lines, start=1):
            if pattern.search(line.split("#")[0]):
                return f" line {number}"
    return ""


def _site_pitfalls(site: Path | None, pitfalls: tuple[Pitfall, ...], faults: list[Fault]) -> tuple[Pitfall, ...]:
    changes = _site_file(site, "pitfalls.toml", "site_pitfalls", faults)
    known = {pitfall.id for pitfall in pitfalls}
    for name, change in changes.items():
        if name not in known:
            faults.append(Fault(f"site/pitfalls.toml{_line_of(site, 'pitfalls.toml', name)}", f"{name!r} is no pitfall"))
        texts = [change.get("summary", ""), *change.get("detail", ())]
        for text in sorted(interpolated(texts) - set(TEXTS)):
            faults.append(
                Fault(f"site/pitfalls.toml{_line_of(site, 'pitfalls.toml', name)}", f"interpolates {{{text}}}, which is no text of the findings")
            )
    return tuple(_changed(pitfall, changes[pitfall.id]) if pitfall.id in changes else pitfall for pitfall in pitfalls)


def _changed(pitfall: Pitfall, change: Mapping[str, Any]) -> Pitfall:
    """One pitfall as a site words it or switches it; its logic cannot be changed."""
    card = pitfall.card
    if "summary" in change:
        card = replace(card, summary=change["summary"])
    if "detail" in change:
        card = replace(card, detail=tuple(Line(line) for line in change["detail"]))
    if "source_label" in change:
        card = replace(card, source=Source(change["source_label"], change.get("source_url", "")))
    status = {"off": "retired"}.get(change.get("status", ""), change.get("status", pitfall.status))
    told = {field: f"{change['why']} ({change['by']})" for field in change if field not in ("why", "by")}
    return replace(pitfall, card=card, status=status, changes=told)


def _services(pitfalls: tuple[Pitfall, ...], arbitration: Arbitration, mappings: Mappings, faults: list[Fault]) -> dict[str, Service]:
    services = {}
    for file in sorted((FOLDER / "services").iterdir(), key=lambda f: f.name):
        document = read_toml(file, f"content/services/{file.name}", faults)
        needs = needs_of(_evaluated(pitfalls, document["hook"]), arbitration)
        services[document["id"]] = Service(
            id=document["id"],
            hook=document["hook"],
            title=document["title"],
            description=" ".join(document["description"].split()),
            usage_requirements=" ".join(document["usage_requirements"].split()),
            templates=templates(needs, mappings),
        )
    return services


def _evaluated(pitfalls: Iterable[Pitfall], hook: str) -> Iterable[Pitfall]:
    return (pitfall for pitfall in pitfalls if hook in pitfall.hooks and pitfall.status in ("active", "shadow"))


def needs_of(pitfalls: Iterable[Pitfall], arbitration: Arbitration) -> Needs:
    """What the conditions of these pitfalls must see: analytes and resources, told by the findings they name."""
    expressions = [*(e for pitfall in pitfalls for e in pitfall.expressions), *arbitration.silence]
    found = [VOCABULARY[name] for expression in expressions for name in names_in(expression)]
    return Needs(
        analytes=frozenset(analyte for finding in found for analyte in finding.analytes),
        resources=ALWAYS | {resource for finding in found for resource in finding.resources},
    )


def _digest(mappings: Mappings, site: Path | None) -> str:
    """A short name of all content: equal digests give equal cards."""
    digest = hashlib.sha256(mappings.digest.encode())
    for shown, file in sorted(_all_files(FOLDER, "")):
        digest.update(f"{shown}\n{file.read_text(encoding='utf-8')}".encode())
    for name in ("thresholds.toml", "pitfalls.toml"):
        if site is not None and (site / name).exists():
            digest.update((site / name).read_bytes())
    return digest.hexdigest()[:16]


def _all_files(folder: Traversable, prefix: str) -> Iterable[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _all_files(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith((".toml", ".json")):
            yield f"{prefix}{entry.name}", entry
