"""Catalog files and a site's overlay to `Mappings`: shape by JSON Schema, sense by named checks; every fault of a run is told with its place."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tomllib
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

from .checks import ROW_CHECKS, USES, claimed_twice, text_and_source, units_fit
from .errors import ContentError, Fault
from .icd_sites import region_of
from .mappings import (
    ATC,
    ICD10,
    ICD10CM,
    LOINC,
    RXNORM,
    SNOMED,
    Analyte,
    Band,
    BodySite,
    Factor,
    HistoryCategory,
    Mappings,
    OrderCategory,
    OrderCode,
    ResultCode,
    Row,
)

CATALOG = files(__package__) / "catalog"
COLUMNS = ("system", "code", "display", "kind", "concept", "use", "attributes", "source", "note")
SITE_COLUMNS = (*COLUMNS, "action", "why", "by")
KINDS = ("analyte", "history", "order", "medication", "site", "context")
ACTIONS = ("add", "retire", "activate")
KNOWN_SYSTEMS = frozenset({SNOMED, LOINC, RXNORM, ATC, ICD10CM, ICD10})
OPEN_ENDED_DAYS = 200 * 366
MORE = "(more)"  # where a row's cells beyond the header go


class _Line(NamedTuple):
    """One line of a code table: the row that it gives, its cells, and what is wrong with their shape."""

    row: Row
    cells: Mapping[str, str]
    wrong: Sequence[str]


def load_mappings(site: Path | None = None) -> Mappings:
    """Load and check the catalog, merged with a site's `codes.csv` where there is one.

    Raises ContentError with every fault of the run: file and line for tables, file and path for definitions.
    """
    catalog = _Catalog()
    catalog.read_definitions()
    for file in sorted((CATALOG / "codes").iterdir(), key=lambda file: file.name):
        catalog.keep(catalog.read_table(file.read_text(encoding="utf-8"), f"catalog/codes/{file.name}", COLUMNS))
    if site is not None:
        catalog.merge(site)
    catalog.check()
    if catalog.faults:
        raise ContentError(catalog.faults)
    return catalog.mappings()


@dataclass
class _Catalog:
    """The content while it is read: rows and definitions, and the faults met on the way."""

    rows: list[Row] = field(default_factory=list)
    analytes: dict[str, Analyte] = field(default_factory=dict)
    histories: dict[str, HistoryCategory] = field(default_factory=dict)
    orders: dict[str, OrderCategory] = field(default_factory=dict)
    medications: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    open_atc: dict[str, str] = field(default_factory=dict)
    systems: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)

    # Reading

    def read_table(self, text: str, shown: str, columns: tuple[str, ...]) -> list[_Line]:
        """Read a code table; what cannot be read as one is a fault."""
        self.digest.update(f"{shown}\n{text}".encode())
        reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), restkey=MORE, restval="")
        try:
            header = list(reader.fieldnames or ())
            wrong = [f"column {column} missing; the columns are {','.join(columns)}" for column in columns if column not in header]
            wrong += [f"column {column} stands there twice" for column in sorted(set(header)) if header.count(column) > 1]
            self.faults.extend(Fault(f"{shown} line 1", what) for what in wrong)
            return [] if wrong else [self._line(cells, f"{shown} line {reader.line_num}") for cells in reader]
        except csv.Error as error:
            self.faults.append(Fault(f"{shown} line {reader.line_num + 1}", f"cannot be read: {error}"))
            return []

    def _line(self, given: Mapping[str, Any], origin: str) -> _Line:
        cells = {key: value.strip() for key, value in given.items() if isinstance(value, str)}
        wrong = [
            f"{column} {cells[column]!r} is none of {', '.join(allowed)}"
            for column, allowed in (("kind", KINDS), ("use", USES))
            if cells[column] not in allowed
        ]
        wrong += [f"{column} is empty" for column in ("system", "code", "concept") if not cells[column]]
        wrong += [f"{column} holds a NUL" for column, value in cells.items() if "\0" in value]
        if any(given.get(MORE, ())):
            wrong.append("has more cells than there are columns")
        return _Line(self._row(cells, origin), cells, wrong)

    def keep(self, lines: Iterable[_Line]) -> None:
        """Keep the catalog's own rows."""
        for line in lines:
            self.faults.extend(Fault(line.row.origin, what) for what in line.wrong)
            if not line.wrong:
                self.rows.append(line.row)

    def _row(self, cells: Mapping[str, str], origin: str) -> Row:
        return Row(
            system=self.systems.get(cells["system"], cells["system"]),
            code=cells["code"],
            display=cells["display"],
            kind=cells["kind"],
            concept=cells["concept"],
            use=cells["use"],
            source=cells["source"],
            origin=origin,
            attributes=frozenset(cells["attributes"].split()),
        )

    def read_definitions(self) -> None:
        """Read the analyte files and the lists of categories, units and systems."""
        for file in sorted((CATALOG / "analytes").iterdir(), key=lambda file: file.name):
            shown = f"catalog/analytes/{file.name}"
            document = self._toml(file, shown, "analyte")
            if document:
                self._keep_analyte(document, shown, file.name)
        for name, entry in self._toml(CATALOG / "recognised.toml", "catalog/recognised.toml", "recognised").items():
            self.analytes[name] = Analyte(
                id=name,
                title=entry["title"],
                short=entry["short"],
                unit="",
                plausible=(Decimal(0), Decimal(0)),
                factors={},
                order=entry.get("order", ""),
                orderable=_orderable(entry),
            )
        for name, entry in self._toml(CATALOG / "histories.toml", "catalog/histories.toml", "histories").items():
            self.histories[name] = HistoryCategory(name, entry["title"], frozenset(entry["roles"]), entry["resolved_counts"])
        for name, entry in self._toml(CATALOG / "orders.toml", "catalog/orders.toml", "orders").items():
            self.orders[name] = OrderCategory(name, entry["title"], entry.get("group", ""))
        self.medications = self._toml(CATALOG / "medications.toml", "catalog/medications.toml", "words")
        self.units = self._toml(CATALOG / "units.toml", "catalog/units.toml", "words")
        self.open_atc = self._toml(CATALOG / "open_atc.toml", "catalog/open_atc.toml", "words")
        self.systems = self._toml(CATALOG / "systems.toml", "catalog/systems.toml", "words")

    def _toml(self, file: Traversable, shown: str, schema: str) -> dict[str, Any]:
        text = file.read_text(encoding="utf-8")
        self.digest.update(f"{shown}\n{text}".encode())
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self.faults.append(Fault(shown, f"cannot be read: {error}"))
            return {}
        wrong = [
            Fault(f"{shown}: {'.'.join(map(str, error.absolute_path)) or 'file'}", error.message)
            for error in _validator(schema).iter_errors(document)
        ]
        self.faults.extend(wrong)
        return {} if wrong else document

    def _keep_analyte(self, document: Mapping[str, Any], shown: str, name: str) -> None:
        analyte = _analyte(document)
        if f"{analyte.id}.toml" != name:
            self.faults.append(Fault(shown, f"id {analyte.id!r} is not the file's name"))
        self.analytes[analyte.id] = analyte

    # The site overlay

    def merge(self, site: Path) -> None:
        """Merge a site's codes.csv: rows are added, catalog rows retired, provisional rows activated; each entry says why and by whom."""
        if not site.is_dir():
            self.faults.append(Fault("site", f"there is no folder {str(site)!r}"))
            return
        path = site / "codes.csv"
        if not path.exists():
            return
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self.faults.append(Fault("site/codes.csv", f"cannot be read: {error}"))
            return
        for line in self.read_table(text, "site/codes.csv", SITE_COLUMNS):
            row, action, wrong = line.row, line.cells["action"], list(line.wrong)
            if action not in ACTIONS:
                wrong.append(f"action {action!r} is none of {', '.join(ACTIONS)}")
            if wrong:
                wrong.extend(self._senseless(row))  # the row goes no further, and one run tells all that is wrong with it
            else:
                self._merge_row(row, action)
            wrong += [f"{column} is empty" for column in ("why", "by") if not line.cells[column]]
            self.faults.extend(Fault(row.origin, what) for what in wrong)

    def _merge_row(self, row: Row, action: str) -> None:
        same = [
            other for other in self.rows if (other.system, other.code, other.kind, other.concept) == (row.system, row.code, row.kind, row.concept)
        ]
        if action == "add":
            self.rows.append(row)
        elif not same:
            self.faults.append(Fault(row.origin, f"cannot {action} {row.code!r}: the catalog has no {row.kind} row of it for {row.concept!r}"))
        elif action == "retire":
            self.rows = [other for other in self.rows if other not in same]
        elif same[0].use != "provisional":
            self.faults.append(Fault(row.origin, f"cannot activate {row.code!r}: it is not provisional ({same[0].origin})"))
        else:
            self.rows = [other for other in self.rows if other not in same] + [row if row.use == "use" else _activated(row)]

    # Checks

    def check(self) -> None:
        """Run every named check over all rows and definitions."""
        for row in self.rows:
            self.faults.extend(Fault(row.origin, what) for what in self._senseless(row))
        live = [row for row in self.rows if row.use != "provisional"]
        self.faults.extend(Fault(row.origin, what) for row, what in claimed_twice(live))
        for analyte in self.analytes.values():
            where = f"catalog/analytes/{analyte.id}.toml"
            self.faults.extend(Fault(where, what) for what in units_fit(analyte))
            self.faults.extend(Fault(where, what) for what in self._analyte_sense(analyte))
        self.faults.extend(
            Fault("catalog/units.toml", f"{alias!r} stands for {unit!r}, which no analyte accepts")
            for alias, unit in self.units.items()
            if not any(unit in analyte.factors for analyte in self.analytes.values())
        )

    def _senseless(self, row: Row) -> Iterator[str]:
        """What is wrong with a row by itself."""
        local = row.origin.startswith("site/") and row.system not in KNOWN_SYSTEMS
        for rule in ROW_CHECKS:
            if not local or rule is not text_and_source:
                yield from rule(row)
        yield from self._concept_known(row)

    @cached_property
    def contexts(self) -> frozenset[str]:
        """What the catalog's codes of context mean; the program knows no other meanings."""
        return frozenset(row.concept for row in self.rows if row.kind == "context" and row.origin.startswith("catalog/"))

    def _concept_known(self, row: Row) -> Iterator[str]:
        known: Mapping[str, Container[str]] = {
            "context": self.contexts,
            "analyte": self.analytes,
            "history": self.histories,
            "medication": self.medications,
            "order": [*self.orders, "panel"],
        }
        if row.kind in known and row.concept not in known[row.kind]:
            yield f"concept {row.concept!r} is no {row.kind} of the catalog"
        for attribute in row.attributes:
            head, _, tail = attribute.partition(":")
            if head == "member" and tail not in self.analytes:
                yield f"panel member {tail!r} is no analyte"
            if head == "order" and tail not in self.orders:
                yield f"order category {tail!r} is not in the catalog"

    def _analyte_sense(self, analyte: Analyte) -> Iterator[str]:
        if analyte.order and analyte.order not in self.orders:
            yield f"order {analyte.order!r} is no order category"
        if analyte.orderable is not None:
            _, code, display = analyte.orderable
            named = [row for row in self.rows if row.system == LOINC and row.code == code and row.kind == "analyte"]
            if not any(row.concept == analyte.id and row.use == "use" for row in named):
                yield f"orderable: {code!r} is not mapped to {analyte.id} in the code tables"
            elif named[0].display != display:
                yield f"orderable: display of {code!r} is {named[0].display!r} in the code tables"

    # The result

    def mappings(self) -> Mappings:
        """Build the look-up tables from rows that are in use."""
        by_kind: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            if row.use != "provisional":
                by_kind[row.kind].append(row)
        histories = [row for row in by_kind["history"] if row.use == "use"]
        return Mappings(
            analytes=self.analytes,
            histories=self.histories,
            orders=self.orders,
            medications=self.medications,
            results={(row.system, row.code): _result(row) for row in by_kind["analyte"]},
            history_codes=_gathered((key, row.concept) for row in histories for key in _history_keys(row)),
            residual_codes=frozenset((row.system, _dotless(row)) for row in by_kind["history"] if row.use == "residual"),
            order_codes={(row.system, row.code): self._order(row) for kind in ("analyte", "medication", "order") for row in by_kind[kind]},
            medication_codes=_gathered(((row.system, row.code), row.concept) for row in by_kind["medication"]),
            body_sites={(row.system, row.code): BodySite(row.concept, _attribute(row, "region"), row.display) for row in by_kind["site"]},
            icd_region=cache(region_of),
            open_atc=self.open_atc,
            context={(row.system, row.code): row.concept for row in by_kind["context"]},
            units={**{unit: unit for analyte in self.analytes.values() for unit in analyte.factors}, **self.units},
            systems=self.systems,
            by_role=_gathered_roles(self.histories.values()),
            rows=tuple(self.rows),
            digest=self.digest.hexdigest(),
        )

    def _order(self, row: Row) -> OrderCode:
        if row.kind == "medication":
            category = frozenset({_attribute(row, "order")})
            return OrderCode(category, attributes=row.attributes, display=row.display, drugs=frozenset({row.concept}))
        if row.kind == "order" and row.concept != "panel":
            return OrderCode(frozenset({row.concept}), region=_attribute(row, "region"), attributes=row.attributes, display=row.display)
        members = [a.removeprefix("member:") for a in row.attributes if a.startswith("member:")]
        if members:
            categories = {self.analytes[member].order for member in members} - {"", "lab-other"}
            return OrderCode(frozenset(categories or {"lab-other"}), frozenset(members), attributes=row.attributes, display=row.display, panel=True)
        analyte = self.analytes[row.concept]
        if row.use == "exclude":
            # A urine calcium is no baseline test: as an order it belongs to the extended workup; other excluded specimens stay unjudged.
            urine = "not:urine" in row.attributes and analyte.id not in ("albumin", "magnesium")
            return OrderCode(frozenset({"lab-ext" if urine else "lab-other"}), attributes=row.attributes, display=row.display)
        return OrderCode(frozenset({analyte.order} - {""}), frozenset({row.concept}), attributes=row.attributes, display=row.display)


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((CATALOG / "schemas" / f"{name}.json").read_text(encoding="utf-8")))


def _orderable(document: Mapping[str, Any]) -> tuple[str, str, str] | None:
    entry = document.get("orderable")
    return (LOINC, entry["code"], entry["display"]) if entry else None


def _analyte(document: Mapping[str, Any]) -> Analyte:
    pair: Callable[[str], tuple[Decimal, Decimal]] = lambda key: (Decimal(document[key][0]), Decimal(document[key][1]))  # noqa: E731
    return Analyte(
        id=document["id"],
        title=document["title"],
        short=document["short"],
        unit=document["unit"],
        plausible=pair("plausible"),
        factors={unit: _factor(text) for unit, text in document["units"].items()},
        bands=tuple(_band(band) for band in document.get("band", ())),
        range_within=pair("range_within") if "range_within" in document else None,
        differ_percent=Decimal(document["differ_percent"]) if "differ_percent" in document else None,
        order=document.get("order", ""),
        orderable=_orderable(document),
        coded=document.get("coded", False),
        sources=tuple(document.get("sources", ())),
    )


def _factor(text: str) -> Factor:
    over, _, under = text.partition("/")
    return Factor(Decimal(over), Decimal(under or 1))


def _band(band: Mapping[str, Any]) -> Band:
    return Band(
        low=Decimal(band["low"]) if "low" in band else None,
        high=Decimal(band["high"]) if "high" in band else None,
        from_days=band.get("from_days", 0),
        to_days=band.get("to_days", OPEN_ENDED_DAYS),
        from_years=band.get("from_years", 0),
        to_years=band.get("to_years", 200),
        sex=band.get("sex", ""),
        trimester=band.get("trimester", 0),
        source=band["source"],
    )


def _activated(row: Row) -> Row:
    return Row(row.system, row.code, row.display, row.kind, row.concept, "use", row.source, row.origin, attributes=row.attributes)


def _attribute(row: Row, name: str) -> str:
    return next((a.partition(":")[2] for a in row.attributes if a.startswith(f"{name}:")), "")


def _result(row: Row) -> ResultCode:
    return ResultCode(
        analyte=row.concept,
        property=_attribute(row, "property") or "either",
        excluded=(_attribute(row, "not") or "excluded") if row.use == "exclude" else "",
        attributes=row.attributes,
        display=row.display,
    )


def _dotless(row: Row) -> str:
    return row.code.replace(".", "") if row.system in (ICD10, ICD10CM) else row.code


def _history_keys(row: Row) -> Iterator[tuple[str, str]]:
    """The look-up keys of a history row: itself, and for an ICD range (A15-A19) each of its categories."""
    code = _dotless(row)
    if row.system in (ICD10, ICD10CM) and "-" in code:
        first, _, last = code.partition("-")
        for number in range(int(first[1:]), int(last[1:]) + 1):
            yield row.system, f"{first[0]}{number:02d}"
    else:
        yield row.system, code


def _gathered(pairs: Iterable[tuple[tuple[str, str], str]]) -> dict[tuple[str, str], frozenset[str]]:
    gathered: dict[tuple[str, str], set[str]] = defaultdict(set)
    for key, concept in pairs:
        gathered[key].add(concept)
    return {key: frozenset(concepts) for key, concepts in gathered.items()}


def _gathered_roles(categories: Iterable[HistoryCategory]) -> dict[str, tuple[str, ...]]:
    gathered: dict[str, list[str]] = defaultdict(list)
    for category in categories:
        for role in sorted(category.roles):
            gathered[role].append(category.id)
    return {role: tuple(names) for role, names in gathered.items()}
