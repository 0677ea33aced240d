"""The clients file: what it holds, and that every fault of it is told at once, with its place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cdshooks.app import clients_of
from cdshooks.clients import Client, load_clients
from cdshooks.errors import ClientsError
from cdshooks.settings import Settings
from tests import trust
from tests.builders import content

ROOT = Path(__file__).parents[2]
WHOLE = """
[[client]]
name = "north-ehr"
iss = "https://ehr.north.example"
jku = "https://ehr.north.example/.well-known/jwks.json"
algorithms = ["ES384", "RS384"]
audiences = ["sand_man"]
tenants = ["t-1"]
services = ["metabolic-workup-order-sign"]
fhir_servers = ["https://ehr.north.example/fhir/r4/", "http://127.0.0.1:8080/fhir"]
fhir_version = "R4"
prefetch_aliases = { "lab-results" = "observations" }

[[client]]
name = "south"
iss = "urn:example:south"
jwks_file = "south.jwks.json"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "clients.toml"
    path.write_text(text, encoding="utf-8")
    (folder / "south.jwks.json").write_bytes(trust.ORDINARY)
    return path


def faults(path: Path, **options: Any) -> list[str]:
    with pytest.raises(ClientsError) as told:
        load_clients(path, **options)
    return [fault.replace(str(path), "FILE") for fault in told.value.faults]


def test_a_whole_file_is_read_into_frozen_values(tmp_path: Path) -> None:
    north, south = load_clients(written(tmp_path, WHOLE), services=content().services, prefetch_keys=["observations"])
    assert north.fhir_servers == ("https://ehr.north.example/fhir/r4", "http://127.0.0.1:8080/fhir")
    assert (north.tenants, north.fhir_version, dict(north.prefetch_aliases)) == (("t-1",), "R4", {"lab-results": "observations"})
    assert south == Client(name="south", iss="urn:example:south", jwks_file=tmp_path / "south.jwks.json")
    assert south.algorithms == ("ES384", "RS384") and south.fhir_servers == () and south.fhir_version is None
    with pytest.raises(ValueError, match="frozen"):
        south.name = "x"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('jku = "http://ehr.example/jwks.json"', "jku='http://ehr.example/jwks.json' is not understood: it must be the https URL"),
        ('jku = "https://user@ehr.example/jwks.json"', "jku='https://user@ehr.example/jwks.json'"),
        ('jku = "https://ehr.example/#jwks"', "jku='https://ehr.example/#jwks'"),
        ('algorithms = ["ES384", "HS256"]', "algorithms[1]='HS256' is not understood: it must be a list of algorithms among ES256"),
        ('algorithms = ["none"]', "algorithms[0]='none'"),
        ("algorithms = []", "algorithms=[] is not understood"),
        ('fhir_servers = ["ftp://x"]', "fhir_servers[0]='ftp://x' is not understood: it must be a list of FHIR base URLs"),
        ('fhir_servers = ["https://x/fhir?y"]', "fhir_servers[0]="),
        ('fhir_version = "R6"', "fhir_version='R6' is not understood: it must be 'DSTU2'"),
        ('tenants = "t-1"', "tenants='t-1' is not understood: it must be a list"),
        ('audience = ["x"]', "audience: there is no such setting; it must be one of name, iss, jku"),
        ('services = ["metabolic-workup"]', "services: there is no service 'metabolic-workup'; it must be one of metabolic-workup-"),
        ('prefetch_aliases = { "a" = "labs" }', "prefetch_aliases.a: there is no prefetch key 'labs'; it must be one of observations"),
        ('jwks_file = "none.json"', "jwks_file: there is no file"),
    ],
)
def test_each_fault_names_its_place_its_value_and_what_would_be_right(tmp_path: Path, line: str, told: str) -> None:
    key = "" if line.startswith("jku") else 'jku = "https://ehr.example/jwks.json"\n'
    path = written(tmp_path, f'[[client]]\nname = "north"\niss = "https://ehr.example"\n{key}{line}\n')
    (fault,) = faults(path, services=content().services, prefetch_keys=["observations"])
    assert fault.startswith(f"FILE: client[0] 'north'.{told}")


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    first = '[other]\n[[client]]\niss = "nothing"\n'
    twice = '[[client]]\nname = "a"\niss = "x:y"\n'
    told = faults(written(tmp_path, f'{first}{twice}{twice}jku = "x"\n'))
    assert [re.split(" is | are |: it", fault)[0] for fault in told] == [
        "FILE: 'other'",
        "FILE: client[0].name:",
        "FILE: client[0].iss='nothing'",
        "FILE: client[1] 'a'.jku:",
        "FILE: client[2] 'a'.jku='x'",
        "FILE: 2 clients have the name 'a': each must have its own",
        "FILE: 2 clients have the iss 'x:y': each must have its own",
    ]


@pytest.mark.parametrize(
    ("text", "told"), [("", "at least one"), ("client = 3", "at least one"), ("client = []", "at least one"), ("[[client]", "is no TOML")]
)
def test_a_file_that_is_none(tmp_path: Path, text: str, told: str) -> None:
    assert told in faults(written(tmp_path, text))[0]


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct", "kid": "a", "k": "AAAA"}]}'])
def test_a_key_file_without_a_key_of_use_stops_the_start(tmp_path: Path, document: bytes) -> None:
    settings = Settings(_env_file=None, clients=written(tmp_path, WHOLE))  # type: ignore[call-arg]
    assert [client.name for client in clients_of(settings, content())] == ["north-ehr", "south"]
    (tmp_path / "south.jwks.json").write_bytes(document)
    with pytest.raises(ClientsError, match=r"client 'south': jwks_file .*south\.jwks\.json"):
        clients_of(settings, content())


def _presets() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", (ROOT / "docs/clients.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(5))
def test_each_example_of_the_documentation_is_a_clients_file(tmp_path: Path, number: int) -> None:
    text = _presets()[number]
    (tmp_path / "north.jwks.json").write_bytes(trust.ORDINARY)
    assert load_clients(written(tmp_path, text), services=content().services, prefetch_keys=["observations", "conditions"])


def test_the_documentation_has_all_settings_and_presets() -> None:
    text = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
    assert len(_presets()) == 5
    assert all(f"`{name}`" in text for name in Client.model_fields)
    sandbox = next(preset for preset in _presets() if "sandbox" in preset)
    assert tomllib.loads(sandbox)["client"][0]["iss"] == "https://sandbox.cds-hooks.org"
