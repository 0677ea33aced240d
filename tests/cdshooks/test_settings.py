"""Settings: read once, refused with words, secrets hidden."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cdshooks.errors import SettingsError
from cdshooks.settings import Settings, is_loopback, load_settings, unknown_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine that runs the tests, and no `.env`."""
    for name in list(os.environ):
        if name.upper().startswith("CDSHOOKS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_defaults() -> None:
    settings = load_settings()
    assert (settings.public_url, settings.auth, settings.max_body_bytes, settings.budget_ms) == ("http://127.0.0.1:8000", "jwt", 10485760, 2000)
    assert (settings.clients, settings.site, settings.fhir_servers, settings.cors_origins) == (None, None, (), ())
    assert settings.database_url.get_secret_value() == "sqlite:///cdshooks.db"
    assert settings.patient_key is None and settings.workbench_token is None


def test_demo_opens_the_door_and_every_origin() -> None:
    settings = load_settings(demo=True)
    assert (settings.auth, settings.cors_origins) == ("none", ("*",))


def test_a_setting_beats_the_defaults_of_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDSHOOKS_AUTH", "jwt")
    monkeypatch.setenv("CDSHOOKS_CORS_ORIGINS", "https://a.example, http://localhost:9000")
    settings = load_settings(demo=True)
    assert (settings.auth, settings.cors_origins) == ("jwt", ("https://a.example", "http://localhost:9000"))


def test_a_dotenv_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("CDSHOOKS_BUDGET_MS=1500\nCDSHOOKS_MAX_BODY_BYTES=5\n", encoding="utf-8")
    monkeypatch.setenv("CDSHOOKS_BUDGET_MS", "900")
    settings = load_settings()
    assert (settings.budget_ms, settings.max_body_bytes) == (900, 5)


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("AUTH", "basic", "'jwt' or 'none'"),
        ("AUTH_NONE_ANYWHERE", "perhaps", "'yes' or 'no'"),
        ("CLIENTS", "none.toml", "a file that exists"),
        ("SITE", "/none/such", "a folder that exists"),
        ("FHIR_SERVERS", "ehr.example", "absolute http(s) URLs"),
        ("CORS_ORIGINS", "https://a.example/x", "origins"),
        ("CORS_ORIGINS", "*,https://a.example", "'*', or origins"),
        ("MAX_BODY_BYTES", "10MB", "a whole number of bytes"),
        ("MAX_BODY_BYTES", "0", "1 or more"),
        ("BUDGET_MS", "-1", "1 or more"),
        ("PUBLIC_URL", "cds.example.org", "an absolute http(s) URL"),
        ("PUBLIC_URL", "https://u:p@x.example", "an absolute"),
    ],
)
def test_a_setting_that_is_not_understood_says_its_name_its_value_and_what_would_be_right(
    name: str,
    value: str,
    right: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"CDSHOOKS_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (fault,) = caught.value.faults
    assert f"CDSHOOKS_{name}={value!r}" in fault and right in fault


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDSHOOKS_AUTH", "x")
    monkeypatch.setenv("CDSHOOKS_BUDGET_MS", "x")
    with pytest.raises(SettingsError) as caught:
        load_settings(port=99999)
    assert len(caught.value.faults) == 3 and any("--port" in fault for fault in caught.value.faults)


def test_secrets_show_neither_in_repr_nor_in_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATIENT_KEY", "WORKBENCH_TOKEN"):
        monkeypatch.setenv(f"CDSHOOKS_{name}", "swordfish")
    monkeypatch.setenv("CDSHOOKS_DATABASE_URL", "postgresql://me:swordfish@db/x")
    assert "swordfish" not in repr(load_settings())
    monkeypatch.setenv("CDSHOOKS_DATABASE_URL", "mysql://me:swordfish@db/x")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "swordfish" not in str(caught.value) and "CDSHOOKS_DATABASE_URL" in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "cds.example.org"])
def test_no_authentication_is_refused_beyond_loopback_unless_forced(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="CDSHOOKS_AUTH_NONE_ANYWHERE=yes"):
        load_settings(host=host, demo=True)
    assert load_settings(host=host).auth == "jwt"
    monkeypatch.setenv("CDSHOOKS_AUTH_NONE_ANYWHERE", "yes")
    assert load_settings(host=host, demo=True).auth == "none"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("localhost.evil.example", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_the_public_url_follows_the_listener_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(host="::1", port=81).public_url == "http://[::1]:81"
    monkeypatch.setenv("CDSHOOKS_PUBLIC_URL", "https://cds.example.org/hooks/")
    assert load_settings().public_url == "https://cds.example.org/hooks"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().auth = "none"


def test_misspelt_names_are_told() -> None:
    known = [f"CDSHOOKS_{name.upper()}" for name in Settings.model_fields]
    assert unknown_settings([*known, "PATH", "cdshooks_auth"]) == []
    assert unknown_settings(["CDSHOOKS_CORS_ORIGIN"]) == ["CDSHOOKS_CORS_ORIGIN is no setting; CDSHOOKS_CORS_ORIGINS is"]
