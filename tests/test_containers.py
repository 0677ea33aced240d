"""Containers, as far as they can be judged without an engine: the compose schema, the Dockerfile linter, and what must not be lost."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdshooks.settings import Settings

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SANDBOX: dict[str, Any] = COMPOSE["services"]["sandbox"]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"], id="compose schema"),
        pytest.param(["hadolint", "Dockerfile"], id="hadolint"),
    ],
)
def test_the_validator_finds_no_fault(command: list[str]) -> None:
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linter_finds_no_fault_in_the_sandbox_either() -> None:
    inline = SANDBOX["build"]["dockerfile_inline"]
    done = subprocess.run([str(BIN / "hadolint"), "-"], input=inline, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_validators_do_find_faults(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text("services:\n  x:\n    imagee: y\n")
    assert subprocess.run(
        [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(broken)], capture_output=True, check=False
    ).returncode
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM debian\nRUN sudo rm -rf /\n")
    assert subprocess.run([str(BIN / "hadolint"), str(dockerfile)], capture_output=True, check=False).returncode


def test_the_image_is_built_in_stages_and_does_not_run_as_root() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("FROM ") :]
    assert DOCKERFILE.count("FROM ") == 2
    user = re.search(r"^USER (\d+):\d+$", last, re.MULTILINE)
    assert user is not None
    assert int(user[1]) > 0
    assert "HEALTHCHECK" in last


def test_our_containers_have_a_read_only_file_system_and_no_capabilities() -> None:
    for name in ("cdshooks", "sample-patients", "sandbox"):
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]


def test_every_port_is_published_on_loopback_only() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_setting_of_the_compose_file_is_one_of_the_service() -> None:
    known = {f"CDSHOOKS_{name.upper()}" for name in Settings.model_fields}
    named = {name for name in COMPOSE["services"]["cdshooks"]["environment"] if name.startswith("CDSHOOKS_")}
    assert named <= known


def test_images_are_pinned_to_a_version() -> None:
    images = [service["image"] for service in COMPOSE["services"].values()] + re.findall(
        r"^FROM (\S+)", DOCKERFILE + SANDBOX["build"]["dockerfile_inline"], re.MULTILINE
    )
    assert all(re.search(r":.*\d", image) or image.endswith(":local") for image in images)


def test_the_sandbox_is_asked_for_by_its_profile_and_built_from_one_commit_of_its_public_repository() -> None:
    assert SANDBOX["profiles"] == ["sandbox"]
    assert re.fullmatch(r"https://github\.com/cds-hooks/sandbox\.git#[0-9a-f]{40}", SANDBOX["build"]["context"])
    assert "volumes" not in SANDBOX
