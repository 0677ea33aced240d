"""Content files to values: shape by JSON Schema, sense by named checks; every fault of a run is told, with its file."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from jsonschema import Draft202012Validator

from fhir_mappings import Fault, Mappings

from ..findings import DELETABLE, LACKING, TEXTS
from .engine import faults_of
from .model import Arbitration, Card, Evidence, Line, Pitfall, Source, Suggestion, Variant, Vignette

SCHEMAS = files("cdshooks") / "content" / "schemas"
INTERPOLATION = re.compile(r"\{([^{}]+)\}")
REQUIRED_KINDS = ("fires", "quiet", "limit-below", "limit", "limit-above", "unknown")
KEEP_SENTENCE = "Keep the test if you suspect a systemic disorder."


def read_toml(file: Traversable, shown: str, faults: list[Fault]) -> dict[str, Any]:
    """Parse a TOML file with exact decimals; a file that cannot be parsed is a fault and gives {}."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.append(Fault(shown, f"cannot be read: {error}"))
        return {}


@cache
def validator(name: str) -> Draft202012Validator:
    """The compiled schema of a kind of file."""
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8")))


def shape_faults(document: Mapping[str, Any], schema: Draft202012Validator, shown: str) -> list[Fault]:
    """Every way in which a document does not have the shape of its schema."""
    found = sorted(schema.iter_errors(_numbers(document)), key=lambda error: list(map(str, error.absolute_path)))
    return [Fault(f"{shown}: {'.'.join(map(str, error.absolute_path)) or 'file'}", error.message) for error in found]


def _numbers(value: Any) -> Any:
    # jsonschema knows int and float as numbers; exact decimals are shown to it as floats.
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    return [_numbers(item) for item in value] if isinstance(value, list) else value


def load_pitfalls(
    folder: Traversable,
    shown: str,
    *,
    mappings: Mappings,
    overrides: Iterable[str],
    orderables: Iterable[str],
    versions: Mapping[str, Mapping[str, Any]],
    scope: tuple[str, ...],
    faults: list[Fault],
) -> tuple[Pitfall, ...]:
    """Load every pitfall of a folder in the order of its rule number; what is wrong goes to `faults`, and is left out.

    `scope` are the conditions common to all pitfalls but those that name their own.
    """
    documents = read_pitfalls(folder, shown, faults)
    pitfalls = {where: _pitfall(document, versions.get(document["id"], {}), scope) for where, document in documents.items()}
    for where, pitfall in pitfalls.items():
        faults.extend(Fault(where, what) for what in _sense(pitfall, where, pitfalls.values(), mappings, set(overrides), set(orderables)))
    return tuple(sorted(pitfalls.values(), key=lambda pitfall: pitfall.rule))


def read_pitfalls(folder: Traversable, shown: str, faults: list[Fault]) -> dict[str, dict[str, Any]]:
    """Read every pitfall file of a folder, by the name it is shown under; one without its shape goes to `faults`, and is left out."""
    documents: dict[str, dict[str, Any]] = {}
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name):
        where = f"{shown}/{file.name}"
        document = read_toml(file, where, faults)
        wrong = shape_faults(document, validator("pitfall"), where) if document else []
        faults.extend(wrong)
        if document and not wrong:
            documents[where] = document
    return documents


def _sense(
    pitfall: Pitfall,
    where: str,
    all_pitfalls: Iterable[Pitfall],
    mappings: Mappings,
    overrides: set[str],
    orderables: set[str],
) -> Iterator[str]:
    """The named checks of one pitfall."""
    others = [other for other in all_pitfalls if other is not pitfall]
    yield from _check_identity(pitfall, where, others)
    yield from (f"condition {fault}" for fault in faults_of(pitfall.expressions).values())
    yield from (f"interpolates {{{name}}}, which is no text of the findings" for name in sorted(_names(pitfall) - set(TEXTS)))
    yield from (
        f"offers override reason {code!r}, which override_reasons.toml does not define" for code in pitfall.card.override if code not in overrides
    )
    yield from _check_suggestions(pitfall, mappings, orderables)
    yield from _check_vignettes(pitfall)
    yield from _check_reassurance(pitfall)


def _check_identity(pitfall: Pitfall, where: str, others: list[Pitfall]) -> Iterator[str]:
    if not where.endswith(f"/{pitfall.id}.toml"):
        yield f"id {pitfall.id!r} is not the file's name"
    if any(other.rule == pitfall.rule for other in others):
        yield f"rule {pitfall.rule} is claimed by another pitfall, too"
    if pitfall.id in pitfall.dominates:
        yield "dominates itself"


def _check_suggestions(pitfall: Pitfall, mappings: Mappings, orderables: set[str]) -> Iterator[str]:
    for suggestion in pitfall.card.suggestions:
        for analyte in suggestion.add:
            if analyte not in mappings.analytes or mappings.analytes[analyte].orderable is None:
                yield f"suggests analyte {analyte!r}, which the catalog does not know as orderable"
        if suggestion.add_lacking and suggestion.add_lacking not in LACKING:
            yield f"suggests what is lacking of {suggestion.add_lacking!r}, which is none of {', '.join(LACKING)}"
        if suggestion.delete and suggestion.delete not in DELETABLE:
            yield f"suggests to remove {suggestion.delete!r}, which is none of {', '.join(DELETABLE)}"
        yield from (f"suggests {name!r}, which orderables.toml does not define" for name in suggestion.place if name not in orderables)


def _check_vignettes(pitfall: Pitfall) -> Iterator[str]:
    kinds = {vignette.kind for vignette in pitfall.vignettes}
    yield from (f"has no vignette of kind {kind!r}" for kind in REQUIRED_KINDS if kind not in kinds)
    names = [vignette.name for vignette in pitfall.vignettes]
    yield from (f"has two vignettes named {name!r}" for name in sorted({name for name in names if names.count(name) > 1}))


def _check_reassurance(pitfall: Pitfall) -> Iterator[str]:
    """A card that calls minerals normal must rest on the whole checklist."""
    gates = {"minerals.normal_confirmed", "minerals.normal_but_multifocal", "minerals.normal_but_alp", "minerals.normal_enough_for_vitamin_d"}
    speaks_of_it = {line for line in pitfall.when if any(gate in line for gate in gates)}
    if pitfall.reassures and not speaks_of_it:
        yield "reassures without a proof that minerals are normal in its conditions"
    if speaks_of_it and not pitfall.reassures:
        yield "rests on a proof that minerals are normal, but does not say `reassures = true`"


def _names(pitfall: Pitfall) -> set[str]:
    card = pitfall.card
    texts = [
        card.summary,
        *(line.text for line in card.detail),
        *(v.summary for v in pitfall.variants),
        *(v.first_line for v in pitfall.variants),
        *(s.label for s in card.suggestions),
        *(s.note for s in card.suggestions),
    ]
    return interpolated(texts)


def interpolated(texts: Iterable[str]) -> set[str]:
    """The names that texts interpolate, without their words for when there is nothing."""
    return {match.split("|")[0] for text in texts for match in INTERPOLATION.findall(text)}


def _pitfall(document: Mapping[str, Any], version: Mapping[str, Any], scope: tuple[str, ...]) -> Pitfall:
    return Pitfall(
        id=document["id"],
        rule=document["rule"],
        title=document["title"],
        version=document["version"],
        status=document["status"],
        hooks=frozenset(document["hooks"]),
        indicator=document["indicator"],
        reassures=document.get("reassures", False),
        about=document["about"].strip(),
        scope=tuple(document.get("scope", scope)),
        when=tuple(document["when"]),
        unless=tuple(document.get("unless", ())),
        dominates=frozenset(document.get("dominates", ())),
        dominates_when=document.get("dominates_when", ""),
        dominates_info=document.get("dominates_info", False),
        variants=tuple(Variant(**{**variant, "when": tuple(variant["when"])}) for variant in document.get("variant", ())),
        card=_card(document),
        evidence=_evidence(document["evidence"]),
        vignettes=tuple(Vignette(**{**v, "says": tuple(v.get("says", ())), "says_not": tuple(v.get("says_not", ()))}) for v in document["vignette"]),
        released=version.get("released"),
        revised=version.get("revised"),
    )


def _card(document: Mapping[str, Any]) -> Card:
    card = document["card"]
    return Card(
        summary=card["summary"],
        detail=tuple(Line(line) if isinstance(line, str) else Line(line["text"], line["when"]) for line in card["detail"]),
        source=Source(**card["source"]),
        override=tuple(card["override"]),
        selection=card.get("selection", "any"),
        suggestions=tuple(
            Suggestion(**{**suggestion, "add": tuple(suggestion.get("add", ())), "place": tuple(suggestion.get("place", ()))})
            for suggestion in document.get("suggestion", ())
        ),
    )


def _evidence(evidence: Mapping[str, Any]) -> Evidence:
    reviewed = evidence["reviewed"]
    return Evidence(
        level=evidence["level"],
        statements=tuple(evidence.get("statements", ())),
        notes=evidence.get("notes", ""),
        reviewed_by=evidence.get("reviewed_by", ""),
        sources=tuple(Source(**source) for source in evidence["sources"]),
        reviewed=reviewed if isinstance(reviewed, date) else date.fromisoformat(str(reviewed)),
    )


def arbitration_from(document: Mapping[str, Any]) -> Arbitration:
    """Build the arbitration rules from `arbitration.toml`."""
    return Arbitration(
        scope=tuple(document["scope"]),
        silence=dict(document["silence"]),
        info_hooks=frozenset(document["info_hooks"]),
        info_first=tuple(document["info_first"]),
        warning_first=tuple(document["warning_first"]),
        in_place_of={int(rule): place for rule, place in document["in_place_of"].items()},
    )
