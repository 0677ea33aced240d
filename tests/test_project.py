"""The project as a whole: what ships, what is documented, and that it speaks of itself alone."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cdshooks.cli import main
from cdshooks.findings import VOCABULARY
from cdshooks.settings import Settings

from .builders import content

ROOT = Path(__file__).parent.parent
DOCS = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / "docs").glob("*.md")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILES = [
    ROOT / name
    for name in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    if (ROOT / name).is_file()
]


def test_ci_runs_the_very_test_command_of_the_readme() -> None:
    assert "\n$ ./test\n" in README
    assert "\n$ ./run\n" in README
    assert (ROOT / ".ci/run").read_text().rstrip().endswith('exec "$(dirname "$0")/../test"')


@pytest.mark.parametrize("name", ["build.txt", "dev.txt", "runtime.txt"])
def test_locks_pin_everything_with_hashes_and_name_no_host(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert "://" not in text
    requirements = [line for line in text.splitlines() if re.match(r"[a-zA-Z]", line)]
    assert requirements
    assert all("==" in line for line in requirements)
    assert text.count("--hash=sha256:") >= len(requirements)


@pytest.mark.parametrize(
    ("lock", "asked"),
    [
        pytest.param("runtime.txt", PROJECT["project"]["dependencies"], id="runtime"),
        pytest.param("dev.txt", PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"], id="dev"),
        pytest.param("build.txt", PROJECT["build-system"]["requires"], id="build"),
    ],
)
def test_locks_hold_what_the_project_asks_for(lock: str, asked: list[str]) -> None:
    lines = re.findall(r"^[a-zA-Z][^;\\\n]*==[^;\\\s]+", (ROOT / "requirements" / lock).read_text(), re.MULTILINE)
    locked = [(canonicalize_name(pin.name), next(iter(pin.specifier)).version) for pin in map(Requirement, lines)]
    for requirement in map(Requirement, asked):
        versions = [version for name, version in locked if name == canonicalize_name(requirement.name)]
        assert versions, f"{requirement} is not in {lock}: run scripts/lock"
        assert all(requirement.specifier.contains(version, prereleases=True) for version in versions), f"{requirement}: run scripts/lock"


def test_the_changelog_is_open_or_tells_of_this_version() -> None:
    newest = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] in ("Unreleased", PROJECT["project"]["version"])


def test_every_finding_is_documented() -> None:
    for finding in VOCABULARY.values():
        assert re.search(rf"^\| `{re.escape(finding.name)}`.*\| {re.escape(finding.says)} \|$", DOCS["findings.md"], re.MULTILINE), finding.name


def test_every_pitfall_is_documented() -> None:
    for pitfall in content().pitfalls:
        assert f"`{pitfall.id}`" in DOCS["pitfalls.md"]
        assert pitfall.title in DOCS["pitfalls.md"]


def test_every_setting_is_documented() -> None:
    given_on_the_command_line = {"host", "port", "demo"}
    for name in set(Settings.model_fields) - given_on_the_command_line:
        assert f"`CDSHOOKS_{name.upper()}`" in DOCS["ehr.md"], name


def test_every_service_is_documented() -> None:
    assert all(f"`{service}`" in DOCS["ehr.md"] for service in content().services)


def test_every_command_is_documented() -> None:
    text = README + "".join(DOCS.values())
    for name, command in main.commands.items():
        names = [f"{name} {inner}" for inner in command.commands] if isinstance(command, click.Group) else [name]
        assert all(f"cdshooks {each}" in text for each in names), names


def test_every_decision_is_indexed() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    assert all(file.name in index for file in (ROOT / "docs/decisions").glob("0*.md"))


def test_every_link_between_documents_leads_somewhere() -> None:
    for file in [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_architecture_stays_two_pages() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_notice_carries_the_notices_of_the_terminologies() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for words in (
        "This material contains content from LOINC (http://loinc.org).",
        "This product uses publicly available data courtesy of the U.S. National Library",
        "This material includes SNOMED Clinical Terms® (SNOMED CT®) identifiers and terms (Global Patient Set, CC BY 4.0)",
    ):
        assert words in notice


def test_the_project_speaks_of_itself_alone() -> None:
    foreign = re.compile(r"/work/|\.\./shared|pythonhosted|registry\.npm|\bclinical\.md\b|\bspec\.md\b")
    told = []
    for file in FILES:
        beside = file.relative_to(ROOT).parts[0] in ("tests", "bench")
        if file.suffix in (".py", ".md", ".toml", ".yml", ".json", ".csv", ".sh", "") and not beside:
            told += [f"{file.name}: {match.group()}" for match in foreign.finditer(file.read_text(encoding="utf-8"))]
    assert told == []


@pytest.mark.slow
def test_an_installed_wheel_works_from_an_empty_folder(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path / "dist"), str(ROOT)],
        check=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "cdshooks/content/pitfalls/critical-calcium-value.toml",
        "cdshooks/content/schemas/pitfall.json",
        "cdshooks/store/migrations/env.py",
        "cdshooks/store/migrations/versions/m0001_used_tokens.py",
        "fhir_mappings/catalog/codes/loinc_results.csv",
    ):
        assert needed in names
    assert any(name.endswith("licenses/NOTICE") for name in names)
    venv.create(tmp_path / "venv", with_pip=False)
    # The new environment sees the wheel, and the dependencies of this one behind it.
    site = next((tmp_path / "venv/lib").glob("python3*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    here = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
    (site / "dependencies.pth").write_text(f"{here}\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [str(tmp_path / "venv/bin/python"), "-c", "import cdshooks; print(cdshooks.__file__); from cdshooks.cli import main; main(['check'])"],
        cwd=empty,
        capture_output=True,
        text=True,
        check=False,
    )
    assert str(site) in done.stdout, done.stdout + done.stderr
    assert "no fault" in done.stdout
