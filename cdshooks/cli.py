"""The command line: each command is a thin function that calls one thing of the service and prints what it says.

Exit codes: 0 done, 1 faults found, 2 usage.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, TypeVar

import click

from fhir_mappings import ContentError, Row

from .errors import ClientsError, Refusal, ServeError, SettingsError, StoreError
from .settings import Settings, load_settings, unknown_settings

if TYPE_CHECKING:
    from .content import Content

SAMPLE_SERVICE = "metabolic-workup-order-select"
Item = TypeVar("Item")
PEM = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="metabolic-workup-cds")
def main() -> None:
    """A CDS Hooks service for the metabolic workup of soft-tissue calcification."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen at.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Worker processes; one for each core is a good number.")
@click.option("--demo", is_flag=True, help="No authentication, any CORS origin, sample patients; on loopback only, unless forced.")
@click.option("--tls-certificate", type=PEM, help="Serve https with this certificate (PEM, issuers below it; default: CDSHOOKS_TLS_CERTIFICATE).")
@click.option("--tls-key", type=PEM, help="The key of the certificate (PEM, unencrypted; default: CDSHOOKS_TLS_KEY).")
def serve(host: str, port: int, workers: int, demo: bool, tls_certificate: Path | None, tls_key: Path | None) -> None:
    """Serve the hooks in production quality until interrupted. SIGHUP reads the content again."""
    from .server import serve as serve_until_stopped

    with _faults_told():
        settings = load_settings(host=host, port=port, demo=demo, tls_certificate=tls_certificate, tls_key=tls_key)
        for said in unknown_settings(os.environ):
            click.echo(f"warning: {said}", err=True)
        greeting = _greeting(settings)  # made before the start: what is wrong with the sample patients must stop it
        serve_until_stopped(settings, workers, ready=lambda: click.echo(greeting))


@contextmanager
def _faults_told() -> Iterator[None]:
    """Turn what may be wrong with settings, content or address into words and an exit code."""
    try:
        yield
    except SettingsError as error:
        _fail(error, 2)
    except (ClientsError, ContentError, ServeError, StoreError) as error:
        _fail(error, 1)


def _fail(error: Exception, code: int) -> NoReturn:
    click.echo(f"cdshooks: {error}", err=True)
    sys.exit(code)


def _greeting(settings: Settings) -> str:
    url = settings.public_url
    lines = [f"CDS Hooks discovery: {url}/cds-services"]
    if settings.auth == "jwt" and settings.clients is None:
        lines += [
            "Every hook call is answered 401: CDSHOOKS_AUTH is 'jwt', and no client is known. CDSHOOKS_CLIENTS names their file (docs/clients.md)",
            "To try the service on this machine: cdshooks serve --demo",
            "To serve without authentication, protected by something else: CDSHOOKS_AUTH=none (beyond loopback also CDSHOOKS_AUTH_NONE_ANYWHERE=yes)",
        ]
    if settings.demo:
        lines += [f"Sample requests: {url}/demo/requests", "Try one:", f"  {_sample_call(url, settings.tls_certificate)}"]
    return "\n".join(lines)


def _sample_call(url: str, certificate: Path | None) -> str:
    """Try the first sample patient: the one whose request belongs to `SAMPLE_SERVICE`."""
    curl = "curl -s" if certificate is None else f"curl -s --cacert {shlex.quote(str(certificate))}"
    from .demo import entries

    sample = f"{url}/demo/requests/{next(iter(entries()))}.json"
    return f"{curl} {sample} | {curl} -H 'Content-Type: application/json' --data-binary @- {url}/cds-services/{SAMPLE_SERVICE}"


SITE = click.option(
    "--site", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The site overlay's folder (default: CDSHOOKS_SITE)."
)
FILES = click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))


def _content(site: Path | None, *, codes_only: bool = False) -> Content:
    from .content import load_content

    return load_content(site or (Path(found) if (found := os.environ.get("CDSHOOKS_SITE")) else None), codes_only=codes_only)


@main.command()
@SITE
def check(site: Path | None) -> None:
    """Check all content, base and overlay: schema, named checks, vignettes, sample patients. Tells every fault in one run."""
    from . import demo as samples
    from .content import faults_of_versions
    from .judging import judge

    try:
        content = _content(site)
        # Vignettes prove the logic, which a site cannot change: they are judged with its codes, and with the thresholds that ship.
        judged = _content(site, codes_only=True)
    except ContentError as error:
        _tell_faults(list(map(str, error.faults)))
    faults = [str(fault) for fault in faults_of_versions()]
    faults += [
        fault for verdict in _with_progress(judge(judged), sum(len(p.vignettes) for p in content.pitfalls), "vignettes") for fault in verdict.told
    ]
    try:
        faults += [str(fault) for fault in samples.judge(judged)]
    except ContentError as error:
        faults += [str(fault) for fault in error.faults]
    if faults:
        _tell_faults(faults)
    vignettes = sum(len(pitfall.vignettes) for pitfall in content.pitfalls)
    click.echo(f"content {content.digest}: {len(content.pitfalls)} pitfalls, {vignettes} vignettes, {len(content.mappings.rows)} code rows: no fault")


@main.command()
def lock() -> None:
    """Record the versions of changed pitfalls in content/versions.toml; refuses one that changed without a higher version."""
    from .content import FOLDER, lock_versions
    from .pitfalls.versions import FILE

    try:
        text = lock_versions(datetime.now(UTC).date())
    except ContentError as error:
        _tell_faults(list(map(str, error.faults)))
    path = Path(str(FOLDER / FILE))
    changed = not path.exists() or path.read_text(encoding="utf-8") != text
    path.write_text(text, encoding="utf-8")
    click.echo(f"content/{FILE}: {'written' if changed else 'already up to date'}")


def _tell_faults(faults: list[str]) -> NoReturn:
    for fault in faults:
        click.echo(fault)
    click.echo(f"{len(faults)} fault(s)", err=True)
    sys.exit(1)


def _with_progress(items: Iterable[Item], length: int, label: str) -> Iterator[Item]:
    """The items, with a progress bar on a terminal and none in a pipe."""
    if not sys.stderr.isatty():
        yield from items
        return
    with click.progressbar(items, length=length, label=label, file=sys.stderr) as bar:
        yield from bar


@main.command()
@click.argument("request", type=click.File("rb"))
@click.option("--now", "now", help="Answer as of this time, as in 2026-06-15T12:00:00Z (default: the clock).")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@SITE
def explain(request: BinaryIO, now: str | None, as_json: bool, site: Path | None) -> None:
    """Say why each pitfall did or did not speak for the hook request in REQUEST (a file, or - for standard input).

    Prints chart data of the request.
    """
    from .answer import answer
    from .explain import explain as explained
    from .explain import in_words
    from .prefetch import read_prefetch
    from .request import parse_request

    raw = request.read()
    with _faults_told():
        content = _content(site)
    service = next((service for service in content.services.values() if service.hook == _hook_of(raw)), None)
    if service is None:
        _fail(ServeError(f"hook must be one of {', '.join(sorted(service.hook for service in content.services.values()))}"), 1)
    try:
        parsed = parse_request(raw, service.id, service.hook)
        prefetch = read_prefetch(parsed, service.templates)
    except Refusal as refusal:
        _tell_faults([issue.text for issue in refusal.issues])
    given = answer(parsed, prefetch, content, _time(now), every_line=True)
    document = explained(parsed, prefetch, given)
    click.echo(json.dumps(document, indent=2, ensure_ascii=False) if as_json else "\n".join(in_words(document)))


def _hook_of(raw: bytes) -> str:
    """The hook that a request names; '' when it cannot be seen (the service that is then asked says what is wrong)."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return "patient-view"
    return document.get("hook", "patient-view") if isinstance(document, dict) else "patient-view"


def _time(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time; as in 2026-06-15T12:00:00Z", param_hint="--now") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@main.command("check-bundle")
@FILES
def check_bundle(files: tuple[Path, ...]) -> None:
    """Say what fhir.resources (R4B) and our readers make of FHIR files. Prints ids and codes of the charts, no values."""
    from .bundles import look_into

    with _faults_told():
        content = _content(None)
    faulty = False
    for file in _with_progress(files, len(files), "files"):
        found = look_into(file.read_bytes(), content.mappings, datetime.now(UTC))
        click.echo(f"{file}: {found.summary}")
        for line in found.lines:
            click.echo(f"  {line}")
        faulty = faulty or found.invalid
    sys.exit(1 if faulty else 0)


@main.group()
def mappings() -> None:
    """The mapping tables."""


EFFECTIVE = click.option("--effective", is_flag=True, help="Only rows that are in use, after the overlay.")


@mappings.command()
@click.argument("concept", required=False)
@EFFECTIVE
@SITE
def show(concept: str | None, effective: bool, site: Path | None) -> None:
    """Print the rows of CONCEPT (an analyte, a history, order or drug category), or the number of rows of every concept."""
    with _faults_told():
        rows = [row for row in _content(site).mappings.rows if not effective or row.use in ("use", "exclude")]
    if concept is None:
        for (kind, name), count in sorted(Counter((row.kind, row.concept) for row in rows).items()):
            click.echo(f"{kind}\t{name}\t{count}")
        return
    _print_rows([row for row in rows if row.concept == concept], f"no row is mapped to {concept!r}")


@mappings.command("find")
@click.argument("words")
@SITE
def find_rows(words: str, site: Path | None) -> None:
    """Find rows by code, display or concept. ICD codes are also found by the node that covers them."""
    with _faults_told():
        tables = _content(site).mappings
    wanted = words.casefold()
    rows = [row for row in tables.rows if wanted in f"{row.code} {row.display} {row.concept}".casefold() or _covers(row, words)]
    _print_rows(rows, f"nothing is found for {words!r}")


def _covers(row: Row, code: str) -> bool:
    return "icd-10" in row.system and len(row.code) >= 3 and code.upper().replace(".", "").startswith(row.code.replace(".", ""))


def _print_rows(rows: list[Row], nothing: str) -> None:
    if not rows:
        click.echo(nothing, err=True)
        sys.exit(1)
    for row in rows:
        click.echo("\t".join((row.system, row.code, row.display, row.kind, row.concept, row.use, " ".join(sorted(row.attributes)), row.origin)))


@main.group()
def demo() -> None:
    """Sample patients."""


@demo.command("load")
@click.option("--fhir", required=True, help="Base URL of the FHIR R4 server, as in http://localhost:8080/fhir")
@click.option("--wait", default=0, type=click.IntRange(0, 3600), help="Keep trying for so many seconds until the server answers.")
def load(fhir: str, wait: int) -> None:
    """Put the sample patients on a FHIR server (a transaction each; may be repeated)."""
    from . import demo as samples

    with _faults_told():
        content = _content(None)
        count = len(samples.entries())
    if reason := samples.why_not_usable(fhir, wait):
        _fail(ServeError(reason), 1)
    with _faults_told():
        said = list(_with_progress(samples.load(content, datetime.now(UTC), fhir), count, "patients"))
    refused = [f"{sample.name}: {what}" for sample, what in said if what]
    if refused:
        _tell_faults(refused)
    click.echo(f"{count} sample patients loaded into {fhir}")


@main.group()
def clients() -> None:
    """The EHRs that may call."""


@clients.command("check-jwt")
@click.argument("token")
@click.option("--audience", required=True, help="The URL that is called: https://cds.example.org/cds-services/metabolic-workup-patient-view")
@click.option("--clients", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The clients file (default: CDSHOOKS_CLIENTS).")
@click.option("--now", "now", help="Check as of this time, as in 2026-06-15T12:00:00Z (default: the clock).")
def check_jwt(token: str, audience: str, file: Path | None, now: str | None) -> None:
    """Say of each check whether a client's JWT passes or fails it. TOKEN may be - to read it from standard input.

    Prints what the JWT says, and fetches the key set of the client that it names. Does not use the JWT up, and does not know whether it was
    used before.
    """
    from .app import key_sets
    from .auth import CHECKS, examine
    from .clients import load_clients

    with _faults_told():
        file = file or load_settings().clients
        if file is None:
            raise ClientsError(["there is no clients file: give --clients or set CDSHOOKS_CLIENTS"])
        known = load_clients(file)
    text = sys.stdin.read() if token == "-" else token
    found = list(examine(text.strip(), audience, known, key_sets(known), _time(now).timestamp()))
    for each in found:
        said = f" (it says {each.said!r})" if each.said is not None else ""
        click.echo(f"{'pass' if each.reason is None else 'FAIL':<12}{each.name}{f': {each.reason}' if each.reason else ''}{said}")
    for name, _ in CHECKS[len(found) :]:
        click.echo(f"{'not checked':<12}{name}")
    sys.exit(1 if any(each.reason for each in found) else 0)


@main.group()
def store() -> None:
    """The database."""


@store.command()
def migrate() -> None:
    """Bring the database of CDSHOOKS_DATABASE_URL to what this version needs. `serve` does so by itself."""
    from .store import Store

    with _faults_told():
        database = Store(load_settings().database_url.get_secret_value())
        before, after = database.migrate()
    told = f"already at revision {after}" if before == after else f"from revision {before} to {after}" if before else f"new, at revision {after}"
    click.echo(f"{database.name}: {told}")
