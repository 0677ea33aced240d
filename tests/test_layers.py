"""Imports point one way, and each third-party library stays in its place."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = {
    str(file.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__"): file
    for package in ("fhir_mappings", "cdshooks")
    for file in sorted((ROOT / package).rglob("*.py"))
}
# Lower may not import higher. Several modules of one line may import each other's names only as listed order allows.
LAYERS = (
    ("fhir_mappings.errors", "fhir_mappings.facts"),
    ("fhir_mappings.mappings", "fhir_mappings.icd_sites", "fhir_mappings.times"),
    ("fhir_mappings.wire", "fhir_mappings.checks"),
    ("fhir_mappings.units",),
    ("fhir_mappings.ranges", "fhir_mappings.pregnancy", "fhir_mappings.doses"),
    ("fhir_mappings.readers", "fhir_mappings.loading", "fhir_mappings.strict"),
    ("fhir_mappings",),
    ("cdshooks", "cdshooks.errors", "cdshooks.thresholds", "cdshooks.settings"),
    ("cdshooks.clients", "cdshooks.store"),
    ("cdshooks.keysets",),
    ("cdshooks.auth",),
    ("cdshooks.request", "cdshooks.findings.vocabulary", "cdshooks.findings.chart", "cdshooks.findings.doses"),
    ("cdshooks.prefetch", "cdshooks.findings.*"),  # each finding's module, by its noun
    ("cdshooks.findings.state",),
    ("cdshooks.findings.families", "cdshooks.findings.texts", "cdshooks.findings.grounds"),
    ("cdshooks.findings.hazard_texts",),
    ("cdshooks.findings",),
    ("cdshooks.pitfalls", "cdshooks.pitfalls.model"),
    ("cdshooks.pitfalls.engine", "cdshooks.pitfalls.vignettes"),
    ("cdshooks.pitfalls.arbitration", "cdshooks.pitfalls.loading", "cdshooks.pitfalls.words", "cdshooks.pitfalls.versions"),
    ("cdshooks.content",),
    ("cdshooks.cards",),
    ("cdshooks.answer",),
    ("cdshooks.explain", "cdshooks.judging", "cdshooks.bundles", "cdshooks.basis"),
    ("cdshooks.demo",),
    ("cdshooks.fhir_client",),
    ("cdshooks.web",),
    ("cdshooks.app",),
    ("cdshooks.server",),
    ("cdshooks.cli",),
    ("cdshooks.__main__",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
PLACES = {
    "msgspec": (
        "fhir_mappings.wire",
        "fhir_mappings.facts",
        "fhir_mappings.readers",
        "fhir_mappings.ranges",
        "fhir_mappings.doses",
        "cdshooks.findings.calcium",
        "cdshooks.pitfalls.engine",
        "cdshooks.request",
        "cdshooks.prefetch",
        "cdshooks.fhir_client",
        "cdshooks.web.",
        "cdshooks.server",
    ),
    "jsonschema": ("fhir_mappings.loading", "cdshooks.pitfalls.loading", "cdshooks.request"),
    "cel_expr_python": ("cdshooks.pitfalls.engine",),
    "flask": ("cdshooks.web.", "cdshooks.app", "cdshooks.server"),
    "werkzeug": ("cdshooks.web.",),
    "prometheus_client": ("cdshooks.web.metrics",),
    "opentelemetry": ("cdshooks.web.tracing",),
    "granian": ("cdshooks.server",),
    "click": ("cdshooks.cli",),
    "jinja2": ("cdshooks.web.",),
    "requests": ("cdshooks.demo", "cdshooks.keysets", "cdshooks.fhir_client"),
    "urllib3": ("cdshooks.fhir_client", "cdshooks.keysets"),
    "circuitbreaker": ("cdshooks.fhir_client",),
    "pydantic": ("fhir_mappings.strict", "cdshooks.settings", "cdshooks.clients"),
    "pydantic_settings": ("cdshooks.settings",),
    "sqlalchemy": ("cdshooks.store",),
    "alembic": ("cdshooks.store",),
    "jwt": ("cdshooks.auth", "cdshooks.keysets"),
    "fhir": ("fhir_mappings.strict",),
}


def _imports(name: str, file: Path) -> Iterator[str]:
    """The modules that a module imports, in full, those inside functions included; not those for type checkers only."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(_without_type_checking(ast.parse(file.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if inner in MODULES else module


def _without_type_checking(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return tree


def _rank(name: str) -> int:
    while name not in RANK:
        name = name.rpartition(".")[0]
        if f"{name}.*" in RANK:
            return RANK[f"{name}.*"]
        assert name, "a module without a layer"
    return RANK[name]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_nothing_of_a_higher_layer(name: str) -> None:
    ours = {found for found in _imports(name, MODULES[name]) if found.split(".")[0] in ("fhir_mappings", "cdshooks") and found != name}
    # What stands within a package may name the package it is in; its __init__ gathers what is below.
    assert {found for found in ours if _rank(found) > _rank(name)} == set()


@pytest.mark.parametrize("name", MODULES)
def test_a_third_party_library_stays_in_its_place(name: str) -> None:
    for found in _imports(name, MODULES[name]):
        allowed = PLACES.get(found.split(".")[0])
        if allowed is not None:
            assert any(name == place or name.startswith(place if place.endswith(".") else f"{place}.") or f"{name}." == place for place in allowed), (
                name,
                found,
            )


@pytest.mark.parametrize("name", MODULES)
def test_every_third_party_library_has_a_place(name: str) -> None:
    roots = {found.split(".")[0] for found in _imports(name, MODULES[name])}
    assert roots - set(sys.stdlib_module_names) - {"fhir_mappings", "cdshooks"} <= set(PLACES)


def test_facts_know_nothing_of_hooks_http_or_rules() -> None:
    assert not [
        found for name, file in MODULES.items() if name.startswith("fhir_mappings") for found in _imports(name, file) if found.startswith("cdshooks")
    ]
