"""The clients file: who may call, how each proves it, and where our calls may go for each. Checked whole at the start, frozen ever after."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .errors import ClientsError

HTTPS_URL = re.compile(r"https://[^\s/?#@\\]+(/[^\s#@\\]*)?")
BASE_URL = re.compile(r"https?://[^\s/?#@\\]+(/[^\s?#@\\]*)?")
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
# Asymmetric only: with `none` or an HMAC anybody could sign, as the keys are public.
Algorithm = Literal["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]


def _matching(pattern: re.Pattern[str]) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError
        return value

    return AfterValidator(check)


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError
    return value


def _without_last_slash(value: str) -> str:
    return value.rstrip("/")


Word = Annotated[str, Field(min_length=1, max_length=200)]
FhirBase = Annotated[str, _matching(BASE_URL), AfterValidator(_without_last_slash)]


class Client(BaseModel):
    """One EHR, as the clients file tells it. A field's description is what a wrong value is answered with."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Word = Field(description="a short text of your own, for the log")
    iss: Annotated[str, Field(max_length=2000), _matching(ABSOLUTE)] = Field(
        description="the client's issuer, an absolute URI, exactly as in its JWTs: https://ehr.example.org"
    )
    jku: Annotated[str, _matching(HTTPS_URL)] | None = Field(None, description="the https URL of the client's key set, without user or fragment")
    jwks_file: Path | None = Field(None, description="the path of a JWK Set, from the clients file's folder")
    algorithms: Annotated[tuple[Algorithm, ...], AfterValidator(_some)] = Field(
        ("ES384", "RS384"), description="a list of algorithms among ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512"
    )
    audiences: tuple[Word, ...] = Field((), description="a list of texts that the client may send as `aud`")
    tenants: tuple[Word, ...] = Field((), description="a list of texts; empty: any tenant")
    services: tuple[Word, ...] = Field((), description="a list of services' ids; empty: all")
    fhir_servers: tuple[FhirBase, ...] = Field((), description="a list of FHIR base URLs without query: https://ehr.example.org/fhir/r4")
    fhir_version: Literal["DSTU2", "STU3", "R4", "R5"] | None = Field(None, description="'DSTU2', 'STU3', 'R4' or 'R5'")
    prefetch_aliases: Mapping[Word, Word] = Field(
        {}, description='a table of the client\'s prefetch keys to ours: { "lab-results" = "observations" }'
    )


def load_clients(path: Path, *, services: Collection[str] | None = None, prefetch_keys: Collection[str] | None = None) -> tuple[Client, ...]:
    """Read the clients file. Raises ClientsError with every fault.

    With `services` and `prefetch_keys`, a name that is none of them is a fault, too: misspelt, it would shut a client out in silence.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # TOML and Unicode faults are ValueErrors
        raise ClientsError([f"{path}: {_why(error)}"]) from None
    faults = [f"{path}: {name!r} is not understood: the file holds [[client]] tables and nothing else" for name in document if name != "client"]
    tables = document.get("client", [])
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ClientsError([*faults, f"{path}: it must hold at least one [[client]] table"])
    clients = []
    for number, table in enumerate(tables):
        try:
            client = Client.model_validate(table)
        except ValidationError as error:
            faults += [_fault(path, number, table, each) for each in error.errors(include_url=False)]
            continue
        clients.append(client.model_copy(update={"jwks_file": path.parent / client.jwks_file}) if client.jwks_file else client)
        faults += [f"{_place(path, number, table)}{fault}" for fault in _senseless(clients[-1], services, prefetch_keys)]
    faults += [f"{path}: {fault}" for fault in _shared(tables)]
    if faults:
        raise ClientsError(faults)
    return tuple(clients)


def _why(error: Exception) -> str:
    return error.strerror or "cannot be read" if isinstance(error, OSError) else f"is no TOML: {error}"


def _place(path: Path, number: int, table: Mapping[str, Any]) -> str:
    name = table.get("name")
    return f"{path}: client[{number}]{f' {name!r}' if isinstance(name, str) else ''}."


def _fault(path: Path, number: int, table: Mapping[str, Any], error: Any) -> str:
    field, *inside = map(str, error["loc"])
    place = _place(path, number, table) + field
    if field not in Client.model_fields:
        return f"{place}: there is no such setting; it must be one of {', '.join(Client.model_fields)}"
    wanted = Client.model_fields[field].description
    if error["type"] == "missing":
        return f"{place}: is missing: it must be {wanted}"
    where = f"[{inside[0]}]" if inside else ""
    return f"{place}{where}={error['input']!r} is not understood: it must be {wanted}"


def _senseless(client: Client, services: Collection[str] | None, prefetch_keys: Collection[str] | None) -> Iterator[str]:
    """What each setting allows, and what together or beside the content makes no sense."""
    if client.jku is None and client.jwks_file is None:
        yield "jku: is missing: give the https URL of the key set, or jwks_file"
    if client.jwks_file is not None and not client.jwks_file.is_file():
        yield f"jwks_file: there is no file {str(client.jwks_file)!r}"
    for service in client.services:
        if services is not None and service not in services:
            yield f"services: there is no service {service!r}; it must be one of {', '.join(services)}"
    for theirs, ours in client.prefetch_aliases.items():
        if prefetch_keys is not None and ours not in prefetch_keys:
            yield f"prefetch_aliases.{theirs}: there is no prefetch key {ours!r}; it must be one of {', '.join(prefetch_keys)}"


def _shared(tables: list[dict[str, Any]]) -> Iterator[str]:
    """What must tell clients apart. An issuer of two would leave open whose tenants, services and FHIR servers count."""
    for field in ("name", "iss"):
        for value, count in Counter(str(table[field]) for table in tables if field in table).items():
            if count > 1:
                yield f"{count} clients have the {field} {value!r}: each must have its own"
