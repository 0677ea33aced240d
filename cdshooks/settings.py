"""The settings of the service: read once from the environment and `.env`, typed, frozen; secrets do not show."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import SettingsError

PREFIX = "CDSHOOKS_"
BASE_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?")
ORIGIN = re.compile(r"https?://[^\s/?#@]+")
DATABASE_URL = re.compile(r"(sqlite|postgresql)(\+\w+)?://\S*")

Listed = Annotated[tuple[str, ...], NoDecode]  # comma-separated in the environment


class Settings(BaseSettings):
    """Everything that an operator may set. A field's description is what a wrong value is answered with."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    # Given on the command line, not in the environment.
    host: str = Field("127.0.0.1", min_length=1, description="an address or name to listen at")
    port: int = Field(8000, ge=0, le=65535, description="a port number")
    demo: bool = Field(False, description="yes or no")

    public_url: str = Field("", description="an absolute http(s) URL without query, such as https://cds.example.org")
    auth: Literal["jwt", "none"] = Field("jwt", description="'jwt' or 'none'")
    auth_none_anywhere: bool = Field(False, description="'yes' or 'no'")
    clients: Path | None = Field(None, description="the path of a file that exists")
    fhir_servers: Listed = Field((), description="absolute http(s) URLs without query, separated by commas")
    database_url: SecretStr = Field(SecretStr("sqlite:///cdshooks.db"), description="an SQLAlchemy URL of SQLite or PostgreSQL")
    site: Path | None = Field(None, description="the path of a folder that exists")
    cors_origins: Listed = Field((), description="'*', or origins such as https://ehr.example.org, separated by commas")
    max_body_bytes: int = Field(10 * 1024 * 1024, ge=1, description="a whole number of bytes, 1 or more")
    tls_certificate: Path | None = Field(None, description="the path of a file that exists")
    tls_key: Path | None = Field(None, description="the path of a file that exists")
    body_seconds: float = Field(15, gt=0, le=3600, description="a number of seconds, more than 0 and at most 3600")
    budget_ms: int = Field(2000, ge=1, description="a whole number of milliseconds, 1 or more")
    patient_key: SecretStr | None = Field(None, description="a text")
    workbench_token: SecretStr | None = Field(None, description="a text")

    @model_validator(mode="before")
    @classmethod
    def _demo_defaults(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {"auth": "none", "cors_origins": "*", **values} if values.get("demo") is True else values

    @field_validator("fhir_servers", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("public_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        _demand(not value or BASE_URL.fullmatch(value))
        return value.rstrip("/")

    @field_validator("fhir_servers")
    @classmethod
    def _base_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _demand(all(BASE_URL.fullmatch(part) for part in value))
        return tuple(part.rstrip("/") for part in value)

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _demand(value == ("*",) or all(ORIGIN.fullmatch(part) for part in value))
        return value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: SecretStr) -> SecretStr:
        _demand(DATABASE_URL.fullmatch(value.get_secret_value()))
        return value

    @field_validator("clients", "tls_certificate", "tls_key")
    @classmethod
    def _file(cls, value: Path | None) -> Path | None:
        _demand(value is None or value.is_file())
        return value

    @field_validator("site")
    @classmethod
    def _folder(cls, value: Path | None) -> Path | None:
        _demand(value is None or value.is_dir())
        return value

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise SettingsError(
                [f"{PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY (--tls-certificate, --tls-key) belong together: give both, or neither"]
            )
        return self

    @model_validator(mode="after")
    def _public_url_of_listener(self) -> Self:
        if not self.public_url:
            host = f"[{self.host}]" if ":" in self.host else self.host
            object.__setattr__(self, "public_url", f"http{'s' if self.tls_key else ''}://{host}:{self.port}")
        return self


def load_settings(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    demo: bool = False,
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
    env_file: Path | None = Path(".env"),
) -> Settings:
    """Read the settings. Raises SettingsError with every setting that is not understood, or that would be unsafe."""
    tls: dict[str, Any] = {name: path for name, path in (("tls_certificate", tls_certificate), ("tls_key", tls_key)) if path is not None}
    try:
        settings = Settings(_env_file=env_file, host=host, port=port, demo=demo, **tls)  # type: ignore[call-arg]  # known to pydantic-settings only
    except ValidationError as error:
        raise SettingsError(_fault(str(each["loc"][0]), each["input"]) for each in error.errors(include_url=False)) from None
    if settings.auth == "none" and not settings.auth_none_anywhere and not is_loopback(settings.host):
        raise SettingsError(
            [
                f"{PREFIX}AUTH='none' is refused on {settings.host}: without authentication the service listens on loopback only; "
                f"use --host 127.0.0.1, or set {PREFIX}AUTH_NONE_ANYWHERE=yes if something else protects it",
            ]
        )
    return settings


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def unknown_settings(names: Iterable[str]) -> list[str]:
    """Say which names look like settings but are none: a misspelt one would otherwise be ignored in silence."""
    known = [f"{PREFIX}{field.upper()}" for field in Settings.model_fields]
    said = []
    for name in sorted(names):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            said.append(f"{name} is no setting{f'; {near[0]} is' if near else ''}")
    return said


def _demand(holds: object) -> None:
    if not holds:
        raise ValueError


def _fault(field: str, value: Any) -> str:
    info = Settings.model_fields[field]
    secret = "SecretStr" in str(info.annotation)
    shown = "(hidden)" if secret else repr(",".join(value) if isinstance(value, tuple) else str(value))
    name = f"--{field}" if field in ("host", "port", "demo") else f"{PREFIX}{field.upper()}"
    return f"{name}={shown} is not understood: it must be {info.description}"
