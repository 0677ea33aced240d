"""The command line: each command is a thin function that calls one thing of the service and prints what it says.

Exit codes: 0 done, 1 faults found, 2 usage.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from fhir_mappings import ContentError

from .errors import ServeError, SettingsError
from .settings import Settings, load_settings, unknown_settings

SAMPLE_SERVICE = "metabolic-workup-order-select"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="metabolic-workup-cds")
def main() -> None:
    """A CDS Hooks service for the metabolic workup of soft-tissue calcification."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen at.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Worker processes; one for each processor core is a good number.")
@click.option("--demo", is_flag=True, help="No authentication, any CORS origin, sample patients; on loopback only, unless forced.")
def serve(host: str, port: int, workers: int, demo: bool) -> None:
    """Serve the hooks in production quality until interrupted."""
    from .server import serve as serve_until_stopped

    with _faults_told():
        settings = load_settings(host=host, port=port, demo=demo)
        for said in unknown_settings(os.environ):
            click.echo(f"warning: {said}", err=True)
        serve_until_stopped(settings, workers, ready=lambda: _greet(settings))


@contextmanager
def _faults_told() -> Iterator[None]:
    """Turn what may be wrong with settings, content or address into words and an exit code."""
    try:
        yield
    except SettingsError as error:
        _fail(error, 2)
    except (ContentError, ServeError) as error:
        _fail(error, 1)


def _fail(error: Exception, code: int) -> None:
    click.echo(f"cdshooks: {error}", err=True)
    sys.exit(code)


def _greet(settings: Settings) -> None:
    url = settings.public_url
    click.echo(f"CDS Hooks discovery: {url}/cds-services")
    if settings.auth == "jwt":
        click.echo(
            "Every hook call is answered 401: CDSHOOKS_AUTH is 'jwt', and checking the clients' JWTs is not part of this version.\n"
            "To try the service on this machine: cdshooks serve --demo\n"
            "To serve without authentication, protected by something else: CDSHOOKS_AUTH=none "
            "(beyond loopback also CDSHOOKS_AUTH_NONE_ANYWHERE=yes)",
        )
    if settings.demo:
        click.echo(f"Sample requests: {url}/demo/requests\nTry one:\n  {_sample_call(url)}")


def _sample_call(url: str) -> str:
    sample = f"{url}/demo/requests/{_sample_name()}.json"
    return f"curl -s {sample} | curl -s -H 'Content-Type: application/json' --data-binary @- {url}/cds-services/{SAMPLE_SERVICE}"


def _sample_name() -> str:
    """The first sample patient: the one whose request belongs to `SAMPLE_SERVICE`."""
    from .content import FOLDER
    from .pitfalls.loading import read_toml

    return next(iter(read_toml(FOLDER / "demo.toml", "content/demo.toml", [])))
